//! The durable floor: the log position below which everything is known to be on the device, kept
//! in a private file of two slots that are written in turn. It promises that a torn write leaves
//! the other slot, and that a floor is written only after the sync it names; recovery tells damage
//! from a torn tail by it. It may not look into the log.
//!
//! Each slot of 4 KiB begins with 64 bytes, big-endian: magic (8), version (4), state (4, 1 = in use,
//! 2 = stopped cleanly), sequence (8), floor (8), state id of the directory (8),
//! store time of the newest record below the floor in ms (8), position behind which nothing but zeros
//! was ever written, 0 for unknown (8), zeros (4), CRC32 of the 60 bytes before (4).

use std::io;

use crate::disk::{Disk, DiskFile, OpenMode};
use crate::layout;
use crate::sync::Arc;

const MAGIC: u64 = u64::from_be_bytes(*b"MSFLOOR\n");
const VERSION: u32 = 1;
/// Far enough apart that one torn page cannot hit both.
const SLOT_BYTES: u64 = 4096;
const BODY_BYTES: usize = 64;
const CRC_AT: usize = BODY_BYTES - 4;

/// What the newest intact slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Floor {
    /// Everything below this log position is durable.
    pub(crate) position: u64,
    /// The store was closed, and `position` was the log's end.
    pub(crate) clean: bool,
    /// The state of the directory that it belongs to.
    pub(crate) state_id: u64,
    /// Store time of the newest record when this was written, ms; no later record has less.
    pub(crate) timestamp_ms: i64,
    /// Behind this log position nothing but zeros was ever written; 0 when that is not known.
    pub(crate) touched: u64,
}

/// The open floor file.
#[derive(Debug)]
pub(crate) struct FloorFile {
    file: Arc<dyn DiskFile>,
    sequence: u64,
}

fn encode(sequence: u64, floor: &Floor) -> [u8; BODY_BYTES] {
    let mut body = [0; BODY_BYTES];
    body[..8].copy_from_slice(&MAGIC.to_be_bytes());
    body[8..12].copy_from_slice(&VERSION.to_be_bytes());
    body[12..16].copy_from_slice(&(if floor.clean { 2u32 } else { 1 }).to_be_bytes());
    body[16..24].copy_from_slice(&sequence.to_be_bytes());
    body[24..32].copy_from_slice(&floor.position.to_be_bytes());
    body[32..40].copy_from_slice(&floor.state_id.to_be_bytes());
    body[40..48].copy_from_slice(&floor.timestamp_ms.to_be_bytes());
    body[48..56].copy_from_slice(&floor.touched.to_be_bytes());
    let crc = crc32fast::hash(&body[..CRC_AT]);
    body[CRC_AT..].copy_from_slice(&crc.to_be_bytes());
    body
}

fn decode(body: &[u8; BODY_BYTES]) -> Option<(u64, Floor)> {
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&body[at..at + 8]);
        u64::from_be_bytes(word)
    };
    let half = |at: usize| {
        let mut half = [0; 4];
        half.copy_from_slice(&body[at..at + 4]);
        u32::from_be_bytes(half)
    };
    let state = half(12);
    let intact = word(0) == MAGIC
        && half(8) == VERSION
        && (1..=2).contains(&state)
        && half(CRC_AT) == crc32fast::hash(&body[..CRC_AT]);
    intact.then(|| {
        (
            word(16),
            Floor {
                position: word(24),
                clean: state == 2,
                state_id: word(32),
                timestamp_ms: word(40).cast_signed(),
                touched: word(48),
            },
        )
    })
}

/// One slot as it lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Never written.
    Empty,
    /// Whole, with its sequence number.
    Whole(u64, Floor),
    /// Neither.
    Damaged,
}

/// Byte of the file at which a slot begins.
pub(crate) fn slot_position(slot: usize) -> u64 {
    slot as u64 * SLOT_BYTES
}

/// Both slots, without changing anything; `None` when there is no such file.
pub(crate) fn look(disk: &dyn Disk) -> io::Result<Option<[Slot; 2]>> {
    let file = match disk.open(layout::FLOOR, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut slots = [Slot::Empty; 2];
    for (number, slot) in slots.iter_mut().enumerate() {
        let mut body = [0; BODY_BYTES];
        let read = file.read_at(&mut body, slot_position(number))?;
        *slot = match decode(&body) {
            Some((sequence, floor)) => Slot::Whole(sequence, floor),
            None if body[..read].iter().all(|byte| *byte == 0) => Slot::Empty,
            None => Slot::Damaged,
        };
    }
    // Both have been written by the time that one holds a second floor.
    let is_second = |slot: &Slot| matches!(slot, Slot::Whole(2.., _));
    if slots.iter().any(is_second) {
        for slot in slots.iter_mut().filter(|slot| **slot == Slot::Empty) {
            *slot = Slot::Damaged;
        }
    }
    Ok(Some(slots))
}

/// The newest whole slot.
pub(crate) fn newest(slots: &[Slot]) -> Option<Floor> {
    newest_of(slots).map(|(_, floor)| floor)
}

fn newest_of(slots: &[Slot]) -> Option<(u64, Floor)> {
    let whole = slots.iter().filter_map(|slot| match slot {
        Slot::Whole(sequence, floor) => Some((*sequence, *floor)),
        Slot::Empty | Slot::Damaged => None,
    });
    whole.max_by_key(|(sequence, _)| *sequence)
}

impl FloorFile {
    /// Opens the file, creating it when missing, and reads the newest intact slot.
    pub(crate) fn open(disk: &dyn Disk) -> io::Result<(Self, Option<Floor>)> {
        let file = disk.open(layout::FLOOR, OpenMode::Create)?;
        let slots = look(disk)?.unwrap_or([Slot::Empty; 2]);
        let mut newest = newest_of(&slots);
        for (slot, _) in slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| **slot == Slot::Damaged)
        {
            tracing::warn!(
                file = %disk.display(layout::FLOOR),
                slot,
                "a slot of the durable floor is damaged; the other one counts"
            );
            // It may have been the newer one, and have let appends go further.
            if let Some((_, floor)) = newest.as_mut() {
                floor.touched = 0;
            }
        }
        disk.sync_dir(layout::DIRECTORY)?;
        let sequence = newest.map_or(0, |(sequence, _)| sequence);
        Ok((Self { file, sequence }, newest.map(|(_, floor)| floor)))
    }

    /// Writes and syncs a floor, into the slot that does not hold the newest one.
    pub(crate) fn write(&mut self, floor: &Floor) -> io::Result<()> {
        let sequence = self.sequence + 1;
        self.file
            .write_at(&encode(sequence, floor), (sequence % 2) * SLOT_BYTES)?;
        self.file.sync_data()?;
        self.sequence = sequence;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::disk::sim::SimDisk;

    fn floor(position: u64) -> Floor {
        Floor {
            position,
            clean: false,
            state_id: 7,
            timestamp_ms: 9,
            touched: 0,
        }
    }

    fn disk() -> SimDisk {
        let disk = SimDisk::new();
        disk.create_dir_all(layout::DIRECTORY).unwrap();
        disk
    }

    #[test]
    fn the_newest_slot_counts_and_survives_a_power_cut() {
        let disk = disk();
        let (mut file, none) = FloorFile::open(&disk).unwrap();
        assert_eq!(none, None);
        for position in [10, 20, 30] {
            file.write(&floor(position)).unwrap();
            let (_, read) = FloorFile::open(&disk.crash(position)).unwrap();
            assert_eq!(read, Some(floor(position)));
        }
    }

    #[test]
    fn a_damaged_slot_leaves_the_other() {
        let disk = disk();
        let (mut file, _) = FloorFile::open(&disk).unwrap();
        file.write(&floor(10)).unwrap();
        file.write(&floor(20)).unwrap();
        // Sequence 2 lies in slot 0.
        for bit in 0..BODY_BYTES as u64 {
            let hurt = disk.crash(1);
            hurt.damage(layout::FLOOR, bit, &[0xA5]).unwrap();
            let (mut file, read) = FloorFile::open(&hurt).unwrap();
            assert!(read == Some(floor(10)) || read == Some(floor(20)));
            file.write(&floor(40)).unwrap();
            assert_eq!(FloorFile::open(&hurt).unwrap().1, Some(floor(40)));
        }
    }

    #[test]
    fn a_cut_in_the_middle_of_a_write_never_loses_the_floor() {
        for seed in 0..crate::disk::sim::repeated(200) {
            let disk = disk();
            let (mut file, _) = FloorFile::open(&disk).unwrap();
            file.write(&floor(10)).unwrap();
            disk.faults()
                .fail_sync_after(0, crate::disk::sim::SyncFailure::KeepsDirty);
            file.write(&floor(20)).unwrap_err();
            let read = FloorFile::open(&disk.crash(seed)).unwrap().1.unwrap();
            assert!([10, 20].contains(&read.position));
        }
    }
}
