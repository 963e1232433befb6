//! Filling a log file with records: through its map, or group by group with a sync of each. Promises records as the store
//! writes them, one behind the other from the file's first byte on; a file ends with what no longer fits left as it is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use mainstem_record::{Placement, place};
use memmap2::{Advice, MmapOptions, MmapRaw, UncheckedAdvice};

use super::Flush;
use super::making::Place;
use crate::record::plain;

/// Body bytes.
pub(super) const SIZE: usize = 1024;
/// Log bytes of a group that is synced.
pub(super) const GROUP_BYTES: usize = 128 << 10;
/// Zeros are written ahead by this much at once.
const AHEAD_BYTES: u64 = 128 << 10;
const PAGE_BYTES: usize = 4096;

/// Records of one size, at consecutive positions.
pub(super) struct Records {
    record: Vec<u8>,
    position: u64,
    queue_offset: i64,
}

impl Records {
    /// From this position on.
    pub(super) fn from(position: u64) -> io::Result<Self> {
        let mut record = Vec::new();
        plain("topic", 0, &[b'r'; SIZE])
            .encode_into(&mut record)
            .map_err(io::Error::other)?;
        Ok(Self {
            record,
            position,
            queue_offset: 0,
        })
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn record_bytes(&self) -> usize {
        self.record.len()
    }

    fn next(&mut self) -> &[u8] {
        place(
            &mut self.record,
            &Placement {
                queue_offset: self.queue_offset,
                physical_offset: self.position as i64,
                store_timestamp_ms: 1,
            },
        );
        self.queue_offset += 1;
        self.position += self.record.len() as u64;
        &self.record
    }

    pub(super) fn next_into(&mut self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.next());
    }
}

/// How long filling took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filled {
    pub(super) log_bytes: u64,
    /// Until the last record was in the map, or synced.
    pub(super) time: Duration,
    /// Until everything was synced.
    pub(super) synced: Duration,
}

/// Fills the first `len` bytes of a file, with zeros written ahead of the records or over what is there.
pub(super) fn fill(
    place: &Place,
    file: &File,
    flush: Flush,
    ahead: bool,
    len: u64,
) -> io::Result<Filled> {
    let map = MmapOptions::new().map_raw(file)?;
    map.advise(match flush {
        Flush::Async => Advice::Sequential,
        Flush::Sync => Advice::Random,
    })?;
    let len = len.min(map.len() as u64);
    let mut records = Records::from(place.base())?;
    let start = Instant::now();
    let mut zeroed = 0;
    let mut zeros_up_to = |to: u64| {
        if ahead && zeroed < to {
            let end = to.next_multiple_of(AHEAD_BYTES).min(map.len() as u64);
            place.write_ahead(file, zeroed, end)?;
            zeroed = end;
        }
        Ok::<_, io::Error>(())
    };
    let mut done = 0;
    match flush {
        Flush::Async => {
            while done + records.record_bytes() as u64 <= len {
                zeros_up_to(done + records.record_bytes() as u64)?;
                let record = records.next();
                // SAFETY: the condition of the loop keeps the record within the map, which nobody else uses.
                unsafe {
                    std::ptr::copy_nonoverlapping(
                        record.as_ptr(),
                        map.as_mut_ptr().add(done as usize),
                        record.len(),
                    );
                }
                done += record.len() as u64;
            }
        }
        Flush::Sync => {
            let mut group = Vec::with_capacity(GROUP_BYTES);
            loop {
                group.clear();
                while group.len() + records.record_bytes() <= GROUP_BYTES
                    && done + (group.len() + records.record_bytes()) as u64 <= len
                {
                    records.next_into(&mut group);
                }
                if group.is_empty() {
                    break;
                }
                zeros_up_to(done + group.len() as u64)?;
                file.write_all_at(&group, done)?;
                map.flush_range(done as usize, group.len())?;
                done += group.len() as u64;
            }
        }
    }
    let time = start.elapsed();
    sync(&map, done as usize)?;
    Ok(Filled {
        log_bytes: done,
        time,
        synced: start.elapsed(),
    })
}

/// As the store syncs a range of its map: the pages leave the map first.
fn sync(map: &MmapRaw, len: usize) -> io::Result<()> {
    let whole_pages = len / PAGE_BYTES * PAGE_BYTES;
    if whole_pages > 0 {
        // SAFETY: a shared map of a file; the bytes stay in the page cache.
        unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, 0, whole_pages)? };
    }
    map.flush_range(0, len)
}
