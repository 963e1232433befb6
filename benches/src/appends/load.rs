//! Threads that append records of one size to a store, each with a window of appends under way. A durable append is over
//! when the store's durable mark has passed it, an async one when it has returned.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use mainstem_store::{FlushMode, Store, StoreOptions};

use crate::layout::Mode;
use crate::record::plain;

const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);
/// Queues of each thread's topic.
const QUEUES: i32 = 4;

/// How much is appended, by whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) mode: Mode,
    pub(super) threads: u32,
    /// Appends of each thread under way; an async append is over at once.
    pub(super) window: usize,
    pub(super) size: usize,
    pub(super) file_bytes: u64,
    /// Body bytes of all threads.
    pub(super) bytes: u64,
}

impl Load {
    /// Disk space: the records with their frames, the file behind them, and one made ahead.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.bytes + self.messages() * 160 + 3 * self.file_bytes
    }

    pub(super) fn messages(&self) -> u64 {
        (self.bytes / self.size as u64).max(1)
    }

    /// A fresh store, with its first pages there.
    pub(super) fn open(&self, dir: &Path) -> io::Result<Store> {
        let options = StoreOptions {
            flush: match self.mode {
                Mode::Async => FlushMode::Async,
                Mode::Durable => FlushMode::Sync,
            },
            commit_log_file_bytes: self.file_bytes,
            ..StoreOptions::default()
        };
        let store = Store::open(dir, options).map_err(io::Error::other)?;
        self.append(&store, 0, &AtomicI64::new(1_000), &mut |_, _| {})?;
        Ok(store)
    }

    /// Appends everything. Each thread has a note of its own, which is told each append's log position and latency.
    pub(super) fn run<N: Send>(
        &self,
        store: &Store,
        note: impl Fn() -> N + Sync,
        tell: impl Fn(&mut N, u64, Duration) + Sync,
    ) -> io::Result<(Duration, Vec<N>)> {
        let left = AtomicI64::new(i64::try_from(self.messages()).unwrap_or(i64::MAX));
        let start = Instant::now();
        let notes = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads)
                .map(|number| {
                    let (left, note, tell) = (&left, &note, &tell);
                    scope.spawn(move || {
                        let mut mine = note();
                        self.append(store, number, left, &mut |position, latency| {
                            tell(&mut mine, position, latency);
                        })?;
                        Ok::<_, io::Error>(mine)
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .map_err(|_| io::Error::other("an appending thread panicked"))?
                })
                .collect::<io::Result<Vec<N>>>()
        })?;
        Ok((start.elapsed(), notes))
    }

    fn append(
        &self,
        store: &Store,
        number: u32,
        left: &AtomicI64,
        tell: &mut dyn FnMut(u64, Duration),
    ) -> io::Result<()> {
        let body = vec![b'a'; self.size];
        let topic = format!("topic-{number}");
        let mut batch = store.batch();
        let mut under_way = VecDeque::with_capacity(self.window);
        let mut queue_id = 0;
        while left.fetch_sub(1, Ordering::Relaxed) > 0 {
            let record = plain(&topic, queue_id, &body);
            queue_id = (queue_id + 1) % QUEUES;
            let start = Instant::now();
            let placed = batch.append(&record).map_err(io::Error::other)?;
            if self.mode == Mode::Async {
                tell(placed.physical_offset, start.elapsed());
                continue;
            }
            under_way.push_back((placed.physical_offset, placed.durable_at, start));
            if under_way.len() == self.window {
                batch.kick();
                self.settle(store, &mut under_way, tell)?;
            }
        }
        batch.kick();
        while !under_way.is_empty() {
            self.settle(store, &mut under_way, tell)?;
        }
        batch.finish();
        Ok(())
    }

    /// Waits for the oldest append and takes all that are over by then.
    fn settle(
        &self,
        store: &Store,
        under_way: &mut VecDeque<(u64, u64, Instant)>,
        tell: &mut dyn FnMut(u64, Duration),
    ) -> io::Result<()> {
        if let Some((_, durable_at, _)) = under_way.front()
            && !store.wait_durable(*durable_at, FLUSH_TIMEOUT)
        {
            return Err(io::Error::other("a flush took longer than a minute"));
        }
        let durable = store.watermarks().durable();
        while let Some((position, durable_at, start)) = under_way.front()
            && *durable_at <= durable
        {
            tell(*position, start.elapsed());
            under_way.pop_front();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_append_is_told_once_in_both_modes() {
        for mode in [Mode::Async, Mode::Durable] {
            let dir = tempfile::tempdir().unwrap();
            let load = Load {
                mode,
                threads: 2,
                window: 16,
                size: 1000,
                file_bytes: 1 << 20,
                bytes: 3_000_000,
            };
            let store = load.open(dir.path()).unwrap();
            let tell = |mine: &mut Vec<u64>, position, _| mine.push(position);
            let (_, notes) = load.run(&store, Vec::new, tell).unwrap();
            let mut positions = notes.concat();
            positions.sort_unstable();
            positions.dedup();
            assert_eq!(positions.len(), 3_000, "{mode:?}");
            assert!(store.stats().rolls >= 3);
            store.close().unwrap();
        }
    }
}
