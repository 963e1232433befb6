//! One index file under comparison: its entries in order, the chain of each slot, and what the slots
//! lead to. It owns what was read of the file; it promises that only the first thing wrong is told in
//! words. What an entry should be of, its caller knows.

use std::io;

use super::known::SLOTS_DOUBTFUL;
use crate::disk::DiskFile;
use crate::index::Geometry;
use crate::index::format::{ENTRY_BYTES, Entry, Header};
use crate::inspect::{Findings, Severity, Step};
use crate::sync::Arc;

/// Entries read at once.
const CHUNK_ENTRIES: u32 = 8192;

/// One index file under comparison.
#[derive(Debug)]
pub(super) struct Reading {
    path: String,
    file: Arc<dyn DiskFile>,
    pub(super) header: Header,
    /// Entries below have their slots durable.
    slots_through: u32,
    next: u32,
    chunk: Vec<[u8; ENTRY_BYTES]>,
    chunk_first: u32,
    /// The newest entry of each slot so far, and the newest whose slot is durable.
    newest: Vec<u32>,
    durable: Vec<u32>,
    wrong: u64,
    first_wrong: Option<(u32, String)>,
}

impl Reading {
    pub(super) fn new(
        path: String,
        file: Arc<dyn DiskFile>,
        header: Header,
        slots_through: u32,
        slots: usize,
    ) -> Self {
        Self {
            path,
            file,
            header,
            slots_through,
            next: 1,
            chunk: Vec::new(),
            chunk_first: 1,
            newest: vec![0; slots],
            durable: vec![0; slots],
            wrong: 0,
            first_wrong: None,
        }
    }

    /// Something is wrong with the entry taken last.
    pub(super) fn wrong_before(&mut self, what: String) {
        self.wrong(self.next - 1, what);
    }

    pub(super) fn peek(&mut self, geometry: Geometry) -> io::Result<Option<Entry>> {
        if self.next >= self.header.next_entry {
            return Ok(None);
        }
        let index = |first: u32, next: u32| usize::try_from(next - first).unwrap_or(usize::MAX);
        if self.chunk.get(index(self.chunk_first, self.next)).is_none() {
            let count = CHUNK_ENTRIES.min(self.header.next_entry - self.next);
            self.chunk
                .resize(usize::try_from(count).unwrap_or(0), [0; ENTRY_BYTES]);
            self.file.read_exact_at(
                self.chunk.as_flattened_mut(),
                geometry.entry_position(self.next),
            )?;
            self.chunk_first = self.next;
        }
        Ok(self
            .chunk
            .get(index(self.chunk_first, self.next))
            .map(Entry::decode))
    }

    /// Follows the chain of the entry's slot and goes on to the next entry.
    pub(super) fn take(&mut self, entry: &Entry, geometry: Geometry) {
        let number = self.next;
        self.next += 1;
        let slot = usize::try_from(geometry.slot_of(entry.hash)).unwrap_or(0);
        let before = self.newest[slot];
        if entry.previous != before {
            self.wrong(
                number,
                format!(
                    "links to entry {} where its slot's newest is {before}",
                    entry.previous
                ),
            );
        }
        self.newest[slot] = number;
        if number < self.slots_through {
            self.durable[slot] = number;
        }
    }

    /// The first and the last entry are those that the header names.
    pub(super) fn compare_header(&mut self, position: u64, store_ms: i64) {
        let (number, header) = (self.next - 1, self.header);
        let begins = (header.begin_position, header.begin_ms);
        let ends = (header.end_position, header.end_ms);
        if number == 1 && begins != (position, store_ms) {
            self.wrong(
                number,
                format!(
                    "is of the record at {position}, stored at {store_ms} ms; the header says {} and {} ms",
                    begins.0, begins.1
                ),
            );
        }
        if number + 1 == header.next_entry && ends != (position, store_ms) {
            self.wrong(
                number,
                format!(
                    "is of the record at {position}, stored at {store_ms} ms; the header says {} and {} ms",
                    ends.0, ends.1
                ),
            );
        }
    }

    fn wrong(&mut self, number: u32, what: String) {
        self.wrong += 1;
        self.first_wrong.get_or_insert((number, what));
    }

    pub(super) fn check_slots(&mut self) -> io::Result<()> {
        if self.slots_through == SLOTS_DOUBTFUL {
            return Ok(());
        }
        let mut bytes = vec![0; self.newest.len() * 4];
        self.file
            .read_exact_at(&mut bytes, Geometry::slot_position(0))?;
        let slots = bytes.as_chunks::<4>().0;
        for (slot, bytes) in slots.iter().enumerate() {
            let found = u32::from_be_bytes(*bytes);
            let (durable, newest) = (self.durable[slot], self.newest[slot]);
            // Slots of the newest entries are written again at the next start.
            let will_be_written = newest > durable && newest >= self.slots_through;
            if found != newest && !will_be_written {
                let what = format!("is the newest of slot {slot}, which leads to {found}");
                self.wrong(newest, what);
            }
        }
        Ok(())
    }

    pub(super) fn tell(&self, geometry: Geometry, findings: &mut Findings) {
        let Some((number, what)) = &self.first_wrong else {
            return;
        };
        let more = if self.wrong > 1 {
            format!(", and {} more of this file are wrong", self.wrong - 1)
        } else {
            String::new()
        };
        findings.add_with(
            Severity::Repairable,
            &self.path,
            Some(geometry.entry_position(*number)),
            format!("entry {number} {what}{more}"),
            "queries by key may miss messages until the index is built anew; the log has them",
            &[Step::RebuildIndex],
        );
    }
}
