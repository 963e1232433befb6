//! Apache's checkpoint file: times up to which log, queues and index are on disk. Owns the file's
//! form; promises only to write times that the caller knows to be true, in one sector, synced.
//! Apache reads it after a crash to decide from where to rebuild.
//!
//! 4 KiB; longs at 0 log time, 8 queue time, 16 index time, 24 master's flushed position, 32
//! confirmed position, 40 position up to which queues are flushed; the rest zero. Times are store
//! times in ms.

use std::io;

use crate::disk::{Disk, OpenMode};

/// The file.
pub(crate) const PATH: &str = "checkpoint";
const FILE_BYTES: u64 = 4096;
const CONTENT_BYTES: usize = 48;
/// What Apache goes back before the times, since records of one moment may lie on both sides.
const MARGIN_MS: i64 = 3000;

/// The checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Checkpoint {
    pub(crate) log_ms: i64,
    pub(crate) queues_ms: i64,
    pub(crate) index_ms: i64,
    pub(crate) master_flushed: u64,
    pub(crate) confirmed: u64,
    pub(crate) queues_position: u64,
}

impl Checkpoint {
    /// Reads the file; `None` when there is none of the right length.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn read(disk: &dyn Disk) -> io::Result<Option<Self>> {
        let file = match disk.open(PATH, OpenMode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let mut bytes = [0; CONTENT_BYTES];
        if file.read_at(&mut bytes, 0)? < CONTENT_BYTES {
            return Ok(None);
        }
        let long = |at: usize| {
            bytes
                .as_chunks::<8>()
                .0
                .get(at)
                .map_or(0, |b| u64::from_be_bytes(*b))
        };
        Ok(Some(Self {
            log_ms: long(0).cast_signed(),
            queues_ms: long(1).cast_signed(),
            index_ms: long(2).cast_signed(),
            master_flushed: long(3),
            confirmed: long(4),
            queues_position: long(5),
        }))
    }

    /// Writes and syncs the file.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn write(&self, disk: &dyn Disk) -> io::Result<()> {
        let is_new = !disk.exists(PATH)?;
        let file = disk.open(PATH, OpenMode::Create)?;
        if file.len()? < FILE_BYTES {
            file.set_len(FILE_BYTES)?;
        }
        let longs = [
            self.log_ms.cast_unsigned(),
            self.queues_ms.cast_unsigned(),
            self.index_ms.cast_unsigned(),
            self.master_flushed,
            self.confirmed,
            self.queues_position,
        ];
        file.write_at(longs.map(u64::to_be_bytes).as_flattened(), 0)?;
        file.sync_data()?;
        if is_new { disk.sync_dir("") } else { Ok(()) }
    }

    /// Store time before which everything is on disk in log and queues.
    pub(crate) fn safe_ms(&self) -> i64 {
        (self.log_ms.min(self.queues_ms) - MARGIN_MS).max(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::disk::sim::SimDisk;

    #[test]
    fn the_file_is_apaches() {
        let disk = SimDisk::new();
        assert_eq!(Checkpoint::read(&disk).unwrap(), None);
        let checkpoint = Checkpoint {
            log_ms: 0x0000_01a2_0313_488a,
            queues_ms: 0x0000_01a2_0312_ab11,
            index_ms: 0x0000_01a2_0311_eeaa,
            master_flushed: 1,
            confirmed: 2,
            queues_position: 0x8_daf0,
        };
        checkpoint.write(&disk).unwrap();
        let bytes = disk.crash(1).read_whole(PATH).unwrap();
        assert_eq!(bytes.len(), 4096);
        assert_eq!(bytes[..8], [0, 0, 1, 0xa2, 3, 0x13, 0x48, 0x8a]);
        assert_eq!(bytes[40..48], [0, 0, 0, 0, 0, 8, 0xda, 0xf0]);
        assert_eq!(Checkpoint::read(&disk).unwrap(), Some(checkpoint));
        assert_eq!(checkpoint.safe_ms(), 0x0000_01a2_0312_ab11 - 3000);
    }
}
