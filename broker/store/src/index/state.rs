//! The private state of the key index: up to where the log is indexed, and how much of the newest
//! file is durable. Two slots of one file are written in turn, each with sequence number and
//! checksum, so that a torn write leaves the other. Promises nothing about the index files
//! themselves.

use std::io;

use super::file::NAME_DIGITS;
use super::format::{HEADER_BYTES, Header};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::sync::Arc;

/// The state's file.
pub(super) const PATH: &str = "mainstem/index";
const DIRECTORY: &str = "mainstem";
/// Slots lie a page apart: no write can tear both.
const SLOT_DISTANCE: u64 = 4096;
const MAGIC: &[u8; 8] = b"MSINDEX1";
const CRC_BYTES: usize = 4;
const SLOT_LEN: usize = 8 + 8 + 8 + 8 + NAME_DIGITS + HEADER_BYTES + 4 + 8 + CRC_BYTES;

/// What is known to be durable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct State {
    /// Every record below this position is indexed; what follows must be indexed anew.
    pub(super) resume: u64,
    /// Name of the newest file, empty when there is none.
    pub(super) file: String,
    /// Header of that file.
    pub(super) header: Header,
    /// Entries below this number have their slots durable.
    pub(super) slots_through: u32,
    /// Store time up to which files are sealed, in ms.
    pub(super) sealed_ms: i64,
}

/// How the state was found.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) state: State,
    /// One slot is torn or damaged: what it named may have been newer than the state.
    pub(super) doubtful: bool,
}

/// Reads and writes the state.
#[derive(Debug)]
pub(super) struct StateFile {
    file: Arc<dyn DiskFile>,
    owner: u64,
    sequence: u64,
}

impl StateFile {
    /// Opens or creates the file. The state is `None` when there is none that belongs to `owner`.
    pub(super) fn open(disk: &dyn Disk, owner: u64) -> io::Result<(Self, Option<Loaded>)> {
        disk.create_dir_all(DIRECTORY)?;
        let file = disk.open(PATH, OpenMode::Create)?;
        if file.len()? < 2 * SLOT_DISTANCE {
            file.set_len(2 * SLOT_DISTANCE)?;
            file.sync_data()?;
            disk.sync_dir(DIRECTORY)?;
        }
        let slots = look(disk)?.unwrap_or([SlotLook::Empty, SlotLook::Empty]);
        let doubtful = slots.contains(&SlotLook::Damaged);
        let newest = slots
            .into_iter()
            .filter_map(|slot| match slot {
                SlotLook::Whole {
                    sequence,
                    owner: found_owner,
                    state,
                } if found_owner == owner => Some((sequence, state)),
                _ => None,
            })
            .max_by_key(|(sequence, _)| *sequence);
        let sequence = newest.as_ref().map_or(0, |(sequence, _)| *sequence);
        let loaded = newest.map(|(_, state)| Loaded { state, doubtful });
        Ok((
            Self {
                file,
                owner,
                sequence,
            },
            loaded,
        ))
    }

    /// Makes a state durable.
    pub(super) fn write(&mut self, state: &State) -> io::Result<()> {
        self.sequence += 1;
        let bytes = encode(self.sequence, self.owner, state);
        self.file
            .write_at(&bytes, self.sequence % 2 * SLOT_DISTANCE)?;
        self.file.sync_data()
    }
}

/// One slot as it lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SlotLook {
    Empty,
    Whole {
        sequence: u64,
        owner: u64,
        state: State,
    },
    Damaged,
}

/// Byte of the file at which a slot begins.
pub(super) fn slot_position(slot: usize) -> u64 {
    slot as u64 * SLOT_DISTANCE
}

/// Both slots, without changing anything; `None` when there is no such file.
pub(super) fn look(disk: &dyn Disk) -> io::Result<Option<[SlotLook; 2]>> {
    let file = match disk.open(PATH, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let slot = |number| {
        let mut bytes = [0; SLOT_LEN];
        file.read_at(&mut bytes, slot_position(number))?;
        Ok::<_, io::Error>(match decode(&bytes) {
            Some((sequence, owner, state)) => SlotLook::Whole {
                sequence,
                owner,
                state,
            },
            None if bytes == [0; SLOT_LEN] => SlotLook::Empty,
            None => SlotLook::Damaged,
        })
    };
    let mut slots = [slot(0)?, slot(1)?];
    // Both have been written by the time that one holds a second state.
    let is_second = |slot: &SlotLook| matches!(slot, SlotLook::Whole { sequence: 2.., .. });
    if slots.iter().any(is_second) {
        for slot in slots.iter_mut().filter(|slot| **slot == SlotLook::Empty) {
            *slot = SlotLook::Damaged;
        }
    }
    Ok(Some(slots))
}

fn encode(sequence: u64, owner: u64, state: &State) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SLOT_LEN);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&sequence.to_be_bytes());
    bytes.extend_from_slice(&owner.to_be_bytes());
    bytes.extend_from_slice(&state.resume.to_be_bytes());
    let mut name = [0; NAME_DIGITS];
    name[..state.file.len().min(NAME_DIGITS)].copy_from_slice(state.file.as_bytes());
    bytes.extend_from_slice(&name);
    bytes.extend_from_slice(&state.header.encode());
    bytes.extend_from_slice(&state.slots_through.to_be_bytes());
    bytes.extend_from_slice(&state.sealed_ms.to_be_bytes());
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_be_bytes());
    debug_assert_eq!(bytes.len(), SLOT_LEN, "the layout adds up");
    bytes
}

fn decode(bytes: &[u8; SLOT_LEN]) -> Option<(u64, u64, State)> {
    let (content, crc) = bytes.split_last_chunk::<CRC_BYTES>()?;
    if crc32fast::hash(content) != u32::from_be_bytes(*crc) {
        return None;
    }
    let rest = content.strip_prefix(MAGIC)?;
    let (sequence, rest) = rest.split_first_chunk()?;
    let (owner, rest) = rest.split_first_chunk()?;
    let (resume, rest) = rest.split_first_chunk()?;
    let (name, rest) = rest.split_first_chunk::<NAME_DIGITS>()?;
    let (header, rest) = rest.split_first_chunk()?;
    let (slots_through, rest) = rest.split_first_chunk()?;
    let (sealed_ms, _) = rest.split_first_chunk()?;
    let state = State {
        resume: u64::from_be_bytes(*resume),
        file: std::str::from_utf8(name)
            .ok()?
            .trim_end_matches('\0')
            .to_owned(),
        header: Header::decode(header),
        slots_through: u32::from_be_bytes(*slots_through),
        sealed_ms: i64::from_be_bytes(*sealed_ms),
    };
    Some((
        u64::from_be_bytes(*sequence),
        u64::from_be_bytes(*owner),
        state,
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::disk::sim::SimDisk;

    fn state(resume: u64) -> State {
        State {
            resume,
            file: "20261122114318716".into(),
            header: Header {
                begin_ms: 1,
                end_ms: 2,
                begin_position: 3,
                end_position: 4,
                slots_used: 5,
                next_entry: 6,
            },
            slots_through: 7,
            sealed_ms: 8,
        }
    }

    #[test]
    fn the_newest_intact_slot_counts() {
        let disk = SimDisk::new();
        let (mut file, loaded) = StateFile::open(&disk, 9).unwrap();
        assert!(loaded.is_none());
        for resume in 1..=3 {
            file.write(&state(resume)).unwrap();
        }
        let loaded = StateFile::open(&disk, 9).unwrap().1.unwrap();
        assert_eq!((loaded.state, loaded.doubtful), (state(3), false));
        disk.damage(PATH, SLOT_DISTANCE + 40, b"x").unwrap();
        let (mut file, loaded) = StateFile::open(&disk, 9).unwrap();
        let loaded = loaded.unwrap();
        assert_eq!((loaded.state, loaded.doubtful), (state(2), true));
        file.write(&state(4)).unwrap();
        let loaded = StateFile::open(&disk, 9).unwrap().1.unwrap();
        assert_eq!((loaded.state, loaded.doubtful), (state(4), false));
    }

    #[test]
    fn the_state_of_another_life_of_the_directory_is_ignored() {
        let disk = SimDisk::new();
        StateFile::open(&disk, 9)
            .unwrap()
            .0
            .write(&state(1))
            .unwrap();
        assert!(StateFile::open(&disk, 10).unwrap().1.is_none());
    }
}
