//! Adding entries to an index file by `pwrite`, in two steps that a power cut may separate: first
//! the entries with their chain links, which are appended and synced; then, once a private state
//! names them as durable, the slots, which are written over in place. Replaying the second step
//! from the entries gives the same slots however often, so no cut can break a chain. Touches slots
//! page by page in file order, since hashes spread over all of them.

use std::io;

use super::file::IndexFile;
use super::format::{ENTRY_BYTES, Entry, Geometry, SLOT_BYTES};
use super::pending::Batch;
use crate::sync::Arc;

/// Most entries added in one round; bounds the buffers to 28 bytes each, 7 MiB.
pub(super) const ROUND_ENTRIES: usize = 256 * 1024;
/// Slots read and written at once at least, a page of the page cache.
const PAGE_SLOTS: u32 = 1024;
/// Pages read and written at once at most.
const RUN_PAGES: u32 = 16;

/// Buffers that are kept between rounds.
#[derive(Debug, Default)]
pub(super) struct Appender {
    entries: Vec<[u8; ENTRY_BYTES]>,
    /// Indexes into `entries`, sorted by slot page and within one by age.
    order: Vec<u32>,
    page_starts: Vec<u32>,
    run: Vec<u8>,
}

/// What a round added.
#[derive(Debug, Clone, Copy)]
pub(super) struct Appended {
    /// The header that is true once the slots are written.
    pub(super) header: super::format::Header,
    /// Number of the first entry added.
    pub(super) first: u32,
}

impl Appender {
    /// First step: writes and syncs the entries of `batches`, leaving out the first `skip` of
    /// them, as many as fit into the file.
    pub(super) fn append(
        &mut self,
        file: &IndexFile,
        batches: &[Arc<Batch>],
        skip: usize,
    ) -> io::Result<Appended> {
        let mut header = file.header();
        let first = header.next_entry;
        let room = usize::try_from(file.geometry().entries - first)
            .unwrap_or(0)
            .min(ROUND_ENTRIES);
        self.entries.clear();
        let all = batches
            .iter()
            .flat_map(|batch| batch.entries().iter().map(move |entry| (batch, entry)));
        for (batch, pending) in all.skip(skip).take(room) {
            let store_ms = batch.store_ms(pending);
            if header.next_entry == 1 {
                header.begin_ms = store_ms;
                header.begin_position = pending.position;
            }
            header.end_ms = store_ms;
            header.end_position = pending.position;
            header.next_entry += 1;
            let entry = Entry {
                hash: pending.hash,
                position: pending.position,
                seconds: header.seconds(store_ms),
                previous: 0,
            };
            self.entries.push(entry.encode());
        }
        self.sort(file.geometry());
        header.slots_used += self.link(file, first)?;
        file.file().write_at(
            self.entries.as_flattened(),
            file.geometry().entry_position(first),
        )?;
        // Also makes durable the slots of the round before.
        file.file().sync_data()?;
        Ok(Appended { header, first })
    }

    /// Second step: lets the slots point to the entries that [`append`](Self::append) added, and
    /// publishes the header.
    pub(super) fn publish(&mut self, file: &IndexFile, appended: &Appended) -> io::Result<()> {
        self.for_slots(file, |number, slot, _| {
            *slot = (number + appended.first).to_be_bytes();
            true
        })?;
        file.set_header(appended.header)
    }

    /// Repeats the second step for the entries `first ..` up to the header's count.
    pub(super) fn replay(&mut self, file: &IndexFile, mut first: u32) -> io::Result<()> {
        let header = file.header();
        while first < header.next_entry {
            let count = usize::try_from(header.next_entry - first)
                .unwrap_or(0)
                .min(ROUND_ENTRIES);
            self.entries.resize(count, [0; ENTRY_BYTES]);
            file.file().read_exact_at(
                self.entries.as_flattened_mut(),
                file.geometry().entry_position(first),
            )?;
            self.sort(file.geometry());
            self.for_slots(file, |number, slot, _| {
                *slot = (number + first).to_be_bytes();
                true
            })?;
            first += u32::try_from(count).unwrap_or(0);
        }
        file.set_header(header)
    }

    /// Empties all slots, before a replay from the first entry.
    pub(super) fn clear_slots(file: &IndexFile) -> io::Result<()> {
        let zeros = vec![0; 64 * 1024];
        let end = file.geometry().entry_position(0);
        let mut at = Geometry::slot_position(0);
        while at < end {
            let len = usize::try_from(end - at)
                .unwrap_or(usize::MAX)
                .min(zeros.len());
            file.file().write_at(&zeros[..len], at)?;
            at += len as u64;
        }
        Ok(())
    }

    /// Fills in each entry's link to the one before it in its slot; returns how many slots were
    /// empty.
    fn link(&mut self, file: &IndexFile, first: u32) -> io::Result<u32> {
        let mut newly_used = 0;
        self.for_slots(file, |index, slot, entry| {
            let number = first + index;
            let previous = u32::from_be_bytes(*slot);
            if previous == 0 || previous >= number {
                newly_used += 1;
            } else {
                entry[16..].copy_from_slice(&previous.to_be_bytes());
            }
            // Only in the buffer, for the next entry of the same slot.
            *slot = number.to_be_bytes();
            false
        })?;
        Ok(newly_used)
    }

    /// Sorts `order` by slot page: a counting sort, which keeps the entries' own order.
    fn sort(&mut self, geometry: Geometry) {
        let page_of = |bytes: &[u8; ENTRY_BYTES]| {
            usize::try_from(geometry.slot_of(Entry::decode(bytes).hash) / PAGE_SLOTS).unwrap_or(0)
        };
        let pages = usize::try_from(geometry.slots.div_ceil(PAGE_SLOTS)).unwrap_or(0);
        self.page_starts.clear();
        self.page_starts.resize(pages + 1, 0);
        for entry in &self.entries {
            self.page_starts[page_of(entry) + 1] += 1;
        }
        for page in 0..pages {
            self.page_starts[page + 1] += self.page_starts[page];
        }
        self.order.clear();
        self.order.resize(self.entries.len(), 0);
        let mut next = self.page_starts.clone();
        for (index, entry) in self.entries.iter().enumerate() {
            let place = &mut next[page_of(entry)];
            self.order[usize::try_from(*place).unwrap_or(0)] = u32::try_from(index).unwrap_or(0);
            *place += 1;
        }
    }

    /// Calls `visit` with index, slot and bytes of every entry, page by page; pages for which it
    /// returned true are written.
    fn for_slots(
        &mut self,
        file: &IndexFile,
        mut visit: impl FnMut(u32, &mut [u8; SLOT_BYTES as usize], &mut [u8; ENTRY_BYTES]) -> bool,
    ) -> io::Result<()> {
        let geometry = file.geometry();
        let start_of = |starts: &[u32], page: u32| {
            usize::try_from(page)
                .ok()
                .and_then(|page| starts.get(page))
                .copied()
                .unwrap_or(0)
        };
        let pages = geometry.slots.div_ceil(PAGE_SLOTS);
        let mut page = 0;
        while page < pages {
            let is_used = |page: u32| {
                page < pages
                    && start_of(&self.page_starts, page) < start_of(&self.page_starts, page + 1)
            };
            if !is_used(page) {
                page += 1;
                continue;
            }
            let first_page = page;
            while is_used(page) && page - first_page < RUN_PAGES {
                page += 1;
            }
            let first_slot = first_page * PAGE_SLOTS;
            let end_slot = (page * PAGE_SLOTS).min(geometry.slots);
            let position = Geometry::slot_position(first_slot);
            self.run.resize(
                usize::try_from(u64::from(end_slot - first_slot) * SLOT_BYTES).unwrap_or(0),
                0,
            );
            file.file().read_exact_at(&mut self.run, position)?;
            let slots = self.run.as_chunks_mut().0;
            let mut changed = false;
            let range = start_of(&self.page_starts, first_page)..start_of(&self.page_starts, page);
            for at in range {
                let index = self.order[usize::try_from(at).unwrap_or(0)];
                let entry = &mut self.entries[usize::try_from(index).unwrap_or(0)];
                let slot = geometry.slot_of(Entry::decode(entry).hash) - first_slot;
                changed |= visit(index, &mut slots[usize::try_from(slot).unwrap_or(0)], entry);
            }
            if changed {
                file.file().write_at(&self.run, position)?;
            }
        }
        Ok(())
    }

    /// How many entries the last round held.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Gives back the buffers after a large round.
    pub(super) fn shrink(&mut self) {
        *self = Self::default();
    }
}
