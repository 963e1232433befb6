//! Who wrote a data directory last. It owns the text of the lock file and promises that private
//! files are believed only if nobody but this program has opened the directory since they were
//! written: a Java broker that starts writes the word `lock` over the start of the same file.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;

use crate::disk::{DirectoryLock, Disk};
use crate::layout;

/// What comes before the state id.
const PREFIX: &str = "mainstem ";

/// Who wrote the directory last, and how that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastWriter {
    /// Nobody: the directory is new.
    Fresh,
    /// This program, in the state with that id.
    Mainstem {
        /// Identity that private files carry.
        state_id: u64,
        /// It was closed.
        clean: bool,
    },
    /// A Java broker (or nobody knows who).
    Apache {
        /// It left no abort marker.
        clean: bool,
    },
}

/// A directory taken into possession.
#[derive(Debug)]
pub(crate) struct Owned {
    pub(crate) lock: Box<dyn DirectoryLock>,
    pub(crate) last: LastWriter,
    /// Identity that private files carry from now on; new unless this program wrote last.
    pub(crate) state_id: u64,
}

/// Works out who wrote last and makes the directory ours. Only under the directory lock, before
/// anything else is written.
pub(crate) fn take_over(disk: &dyn Disk, lock: Box<dyn DirectoryLock>) -> io::Result<Owned> {
    let last = last_writer(disk, &lock.text()?)?;
    let state_id = match last {
        LastWriter::Mainstem { state_id, .. } => state_id,
        LastWriter::Fresh | LastWriter::Apache { .. } => {
            let state_id = new_state_id();
            lock.set_text(format!("{PREFIX}{state_id:016x}\n").as_bytes())?;
            disk.sync_dir("")?;
            state_id
        }
    };
    Ok(Owned {
        lock,
        last,
        state_id,
    })
}

/// Who wrote last, by the text of the lock file; changes nothing.
pub(crate) fn last_writer(disk: &dyn Disk, text: &[u8]) -> io::Result<LastWriter> {
    let aborted = disk.exists(layout::ABORT)?;
    Ok(match parse(text) {
        Some(state_id) => LastWriter::Mainstem {
            state_id,
            clean: !aborted,
        },
        None if text.is_empty() && !has_log(disk)? => LastWriter::Fresh,
        None => LastWriter::Apache { clean: !aborted },
    })
}

fn has_log(disk: &dyn Disk) -> io::Result<bool> {
    match disk.list("commitlog") {
        Ok(names) => Ok(!names.is_empty()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

fn parse(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text)
        .ok()?
        .strip_prefix(PREFIX)?
        .strip_suffix('\n')?;
    if digits.len() != 16 {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

/// Random enough that two directories never share one.
fn new_state_id() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.write_u128(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |d| d.as_nanos()),
    );
    hasher.finish()
}

/// Marks the directory as in use: what is there at the next start was not closed.
pub(crate) fn mark_running(disk: &dyn Disk) -> io::Result<()> {
    let file = disk.open(layout::ABORT, crate::disk::OpenMode::Create)?;
    file.set_len(0)?;
    file.write_at(std::process::id().to_string().as_bytes(), 0)?;
    file.sync_data()?;
    disk.sync_dir("")
}

/// Takes the mark away, as the last step of a clean stop.
pub(crate) fn mark_stopped(disk: &dyn Disk) -> io::Result<()> {
    disk.remove(layout::ABORT)?;
    disk.sync_dir("")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::disk::OpenMode;
    use crate::disk::sim::SimDisk;

    fn take(disk: &SimDisk) -> Owned {
        take_over(disk, disk.lock(layout::OWN_LOCK, layout::LOCK).unwrap()).unwrap()
    }

    #[test]
    fn the_same_state_goes_on_until_somebody_else_opens_the_directory() {
        let disk = SimDisk::new();
        disk.create_dir_all(layout::DIRECTORY).unwrap();
        let first = take(&disk);
        assert_eq!(first.last, LastWriter::Fresh);
        mark_running(&disk).unwrap();
        let id = first.state_id;
        drop(first);
        assert_eq!(
            take(&disk).last,
            LastWriter::Mainstem {
                state_id: id,
                clean: false
            }
        );
        mark_stopped(&disk).unwrap();
        let third = take(&disk);
        assert_eq!(
            (third.last, third.state_id),
            (
                LastWriter::Mainstem {
                    state_id: id,
                    clean: true
                },
                id
            )
        );
        drop(third);
        // As a Java broker starts.
        disk.open(layout::LOCK, OpenMode::ReadWrite)
            .unwrap()
            .write_at(b"lock", 0)
            .unwrap();
        let fourth = take(&disk);
        assert_eq!(fourth.last, LastWriter::Apache { clean: true });
        assert_ne!(fourth.state_id, id);
    }

    #[test]
    fn the_state_survives_a_power_cut_right_after_it_was_taken() {
        let disk = SimDisk::new();
        disk.create_dir_all(layout::DIRECTORY).unwrap();
        let id = take(&disk).state_id;
        for seed in 0..crate::disk::sim::repeated(50) {
            assert_eq!(take(&disk.crash(seed)).state_id, id);
        }
    }

    #[test]
    fn a_second_owner_is_refused_while_the_first_lives() {
        let disk = SimDisk::new();
        disk.create_dir_all(layout::DIRECTORY).unwrap();
        let first = disk.lock(layout::OWN_LOCK, layout::LOCK).unwrap();
        let error = disk.lock(layout::OWN_LOCK, layout::LOCK).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(first);
        disk.lock(layout::OWN_LOCK, layout::LOCK).unwrap();
    }
}
