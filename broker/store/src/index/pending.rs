//! The part of the key index that is still in memory: batches of entries in the order of the log,
//! until they are in a file. Promises a bounded memory and that a query sees every entry either
//! here or in a file; it does no input or output.

use std::collections::VecDeque;

use crate::sync::Arc;

/// Entries of one batch: 256 KiB. A query holds the lock for as long as it scans one.
const BATCH_ENTRIES: usize = 16 * 1024;

/// One entry in memory, 16 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingEntry {
    pub(super) position: u64,
    pub(super) hash: u32,
    /// Store time in ms since the batch's first.
    after_ms: u32,
}

/// A run of entries, oldest first.
#[derive(Debug, Default)]
pub(super) struct Batch {
    first_ms: i64,
    entries: Vec<PendingEntry>,
}

impl Batch {
    pub(super) fn entries(&self) -> &[PendingEntry] {
        &self.entries
    }

    pub(super) fn store_ms(&self, entry: &PendingEntry) -> i64 {
        self.first_ms + i64::from(entry.after_ms)
    }

    fn takes(&self, store_ms: i64) -> bool {
        self.entries.is_empty()
            || (self.entries.len() < BATCH_ENTRIES
                && u32::try_from(store_ms - self.first_ms).is_ok())
    }

    /// Hands positions of entries with that hash and a time in the range to `found`, newest
    /// first, until it returns false. Returns false when it did.
    pub(super) fn find(
        &self,
        hash: u32,
        begin_ms: i64,
        end_ms: i64,
        found: &mut dyn FnMut(u64) -> bool,
    ) -> bool {
        self.entries
            .iter()
            .rev()
            .filter(|entry| entry.hash == hash)
            .all(|entry| {
                let time = self.store_ms(entry);
                time < begin_ms || time > end_ms || found(entry.position)
            })
    }
}

/// All entries in memory.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Full batches, oldest first.
    full: VecDeque<Arc<Batch>>,
    current: Batch,
    count: usize,
}

impl Pending {
    pub(super) fn push(&mut self, position: u64, store_ms: i64, hash: u32) {
        if !self.current.takes(store_ms) {
            self.seal();
        }
        if self.current.entries.is_empty() {
            self.current.first_ms = store_ms;
        }
        let after_ms = u32::try_from(store_ms - self.current.first_ms).unwrap_or(0);
        self.current.entries.push(PendingEntry {
            position,
            hash,
            after_ms,
        });
        self.count += 1;
    }

    /// Closes the current batch, so that all entries can be written.
    pub(super) fn seal(&mut self) {
        if !self.current.entries.is_empty() {
            self.full
                .push_back(Arc::new(std::mem::take(&mut self.current)));
        }
    }

    /// The closed batches, oldest first, holding about `entries` in sum but at least one batch.
    pub(super) fn oldest(&self, entries: usize) -> Vec<Arc<Batch>> {
        let mut sum = 0;
        let fits = |batch: &&Arc<Batch>| {
            let first = sum == 0;
            sum += batch.entries.len();
            first || sum <= entries
        };
        self.full.iter().take_while(fits).cloned().collect()
    }

    /// Lets go of the oldest `batches`, which are in a file now.
    pub(super) fn written(&mut self, batches: usize) {
        for batch in self.full.drain(..batches) {
            self.count -= batch.entries.len();
        }
    }

    /// Copies the handles of all full batches, newest first, for a scan without the lock.
    pub(super) fn newest_first(&self) -> Vec<Arc<Batch>> {
        self.full.iter().rev().cloned().collect()
    }

    pub(super) fn current(&self) -> &Batch {
        &self.current
    }

    /// Number of entries in memory.
    pub(super) fn len(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_leave_in_the_order_in_which_they_came() {
        let mut pending = Pending::default();
        let total = BATCH_ENTRIES * 2 + 10;
        for n in 0..total as u64 {
            pending.push(n, 1000, 7);
        }
        assert_eq!(pending.len(), total);
        assert_eq!(pending.oldest(1).len(), 1);
        assert_eq!(pending.oldest(BATCH_ENTRIES * 2).len(), 2);
        assert_eq!(pending.oldest(1)[0].entries()[0].position, 0);
        pending.written(1);
        assert_eq!(
            pending.oldest(1)[0].entries()[0].position,
            BATCH_ENTRIES as u64
        );
        pending.seal();
        pending.written(2);
        assert_eq!(pending.len(), 0);
        assert!(pending.oldest(usize::MAX).is_empty());
    }

    #[test]
    fn a_jump_of_the_clock_starts_a_batch_and_keeps_times_exact() {
        let mut pending = Pending::default();
        for (n, time) in [5_000, 6_000, 4_000, i64::from(u32::MAX) * 2]
            .into_iter()
            .enumerate()
        {
            pending.push(n as u64, time, 7);
        }
        pending.seal();
        let mut found = Vec::new();
        for batch in pending.newest_first() {
            batch.find(7, 4_000, 6_000, &mut |position| {
                found.push(position);
                true
            });
        }
        assert_eq!(found, [2, 1, 0]);
    }
}
