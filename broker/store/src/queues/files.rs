//! The files of consume queues, in Apache's places and format: `consumequeue/TOPIC/QUEUE/` with
//! files of a fixed number of units, named by the byte position of their first unit, of full
//! length from the start and sparse. Promises plain reads and writes of unit ranges; makes nothing
//! durable by itself, and knows nothing of tails.

use std::collections::BTreeSet;
use std::io;

use super::open_files::{FileKey, OpenFiles};
use super::queue::Queue;
use super::unit::{QueueUnit, UNIT_BYTES};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::outcome::Patience;
use crate::sync::Arc;

/// Directory of all queues.
pub(super) const DIRECTORY: &str = "consumequeue";
const NAME_DIGITS: usize = 20;
/// Fillers written at once in front of a queue whose first unit lies inside a file.
const FILLER_CHUNK: usize = 3200;

/// Reads and writes queue files.
#[derive(Debug)]
pub(super) struct QueueFiles {
    disk: Arc<dyn Disk>,
    file_units: u64,
    open: OpenFiles,
}

pub(super) fn directory_of(topic: &str, queue_id: i32) -> String {
    format!("{DIRECTORY}/{topic}/{queue_id}")
}

/// The position of a file's first unit by its name, in bytes.
pub(super) fn position_of_name(name: &str) -> Option<u64> {
    let is_name = name.len() == NAME_DIGITS && name.bytes().all(|byte| byte.is_ascii_digit());
    if is_name { name.parse().ok() } else { None }
}

impl QueueFiles {
    pub(super) fn new(disk: Arc<dyn Disk>, file_units: u64) -> Self {
        assert!(file_units > 0, "options are checked before they come here");
        Self {
            disk,
            file_units,
            open: OpenFiles::default(),
        }
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    pub(super) fn file_units(&self) -> u64 {
        self.file_units
    }

    /// Offset of the first unit of the file that holds `offset`.
    pub(super) fn file_start(&self, offset: u64) -> u64 {
        offset / self.file_units * self.file_units
    }

    pub(super) fn path(&self, topic: &str, queue_id: i32, file_start: u64) -> String {
        format!(
            "{}/{:020}",
            directory_of(topic, queue_id),
            file_start * UNIT_BYTES as u64
        )
    }

    fn file_bytes(&self) -> u64 {
        self.file_units * UNIT_BYTES as u64
    }

    fn position(offset: u64, file_start: u64) -> u64 {
        (offset - file_start) * UNIT_BYTES as u64
    }

    /// Reads whole units from `from` on into `buffer`, as many as it takes. A missing file or part
    /// of one reads as unused units. An error of the kind `WouldBlock` when that would have to wait
    /// for the device and `patience` forbids it; a file that is not open counts as waiting.
    pub(super) fn read(
        &self,
        queue: &Queue,
        from: u64,
        buffer: &mut [u8],
        patience: Patience,
    ) -> io::Result<()> {
        debug_assert_eq!(buffer.len() % UNIT_BYTES, 0, "units are read whole");
        let mut offset = from;
        let mut rest = buffer;
        while !rest.is_empty() {
            let start = self.file_start(offset);
            let units = (rest.len() / UNIT_BYTES).min(in_memory(start + self.file_units - offset));
            let (part, next) = rest.split_at_mut(units * UNIT_BYTES);
            let position = Self::position(offset, start);
            let read = match patience {
                Patience::Wait => match self.existing(queue, start)? {
                    Some(file) => file.read_at(part, position)?,
                    None => 0,
                },
                Patience::InMemoryOnly => self
                    .open
                    .get(key_of(queue, start))
                    .map_or(Ok(None), |file| file.read_cached_at(part, position))?
                    .ok_or(io::ErrorKind::WouldBlock)?,
            };
            part[read..].fill(0);
            offset += units as u64;
            rest = next;
        }
        Ok(())
    }

    /// Writes units from `from` on. Returns whether a file was created on the way, so that names
    /// have to be made durable too.
    pub(super) fn write(&self, queue: &Queue, from: u64, units: &[u8]) -> io::Result<bool> {
        debug_assert_eq!(units.len() % UNIT_BYTES, 0, "units are written whole");
        let mut offset = from;
        let mut rest = units;
        let mut created = false;
        while !rest.is_empty() {
            let start = self.file_start(offset);
            let count = (rest.len() / UNIT_BYTES).min(in_memory(start + self.file_units - offset));
            let (part, next) = rest.split_at(count * UNIT_BYTES);
            let file = match self.existing(queue, start)? {
                Some(file) => file,
                None => {
                    created = true;
                    self.create(queue, start, offset)?
                }
            };
            file.write_at(part, Self::position(offset, start))?;
            offset += count as u64;
            rest = next;
        }
        Ok(created)
    }

    /// The file, opened if need be; `None` when there is none.
    fn existing(&self, queue: &Queue, start: u64) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let key = key_of(queue, start);
        if let Some(file) = self.open.get(key) {
            return Ok(Some(file));
        }
        let path = self.path(queue.topic(), queue.queue_id(), start);
        match self.disk.open(&path, OpenMode::ReadWrite) {
            Ok(file) => {
                // A crash may have left a name without the length.
                if file.len()? < self.file_bytes() {
                    file.set_len(self.file_bytes())?;
                }
                self.open.insert(key, Arc::clone(&file));
                Ok(Some(file))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, queue: &Queue, start: u64, first: u64) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(queue.topic(), queue.queue_id(), start);
        let file = match self.disk.create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.disk.create_dir(DIRECTORY)?;
                self.disk
                    .create_dir(&format!("{DIRECTORY}/{}", queue.topic()))?;
                self.disk
                    .create_dir(&directory_of(queue.topic(), queue.queue_id()))?;
                self.disk.create_new(&path)?
            }
            other => other?,
        };
        if let Err(error) = file
            .set_len(self.file_bytes())
            .and_then(|()| self.fill(&*file, first - start))
        {
            // Half made, it would be taken for one that needs no fillers.
            let _ = self.disk.remove(&path);
            return Err(error);
        }
        self.open.insert(key_of(queue, start), Arc::clone(&file));
        Ok(file)
    }

    /// Fills the head of a file in front of the first unit: Apache reads a file up to its first
    /// unused unit.
    fn fill(&self, file: &dyn DiskFile, mut units: u64) -> io::Result<()> {
        let filler = [QueueUnit::FILLER.encode(); FILLER_CHUNK];
        let mut position = 0;
        while units > 0 {
            let count = in_memory(units).min(FILLER_CHUNK);
            file.write_at(filler[..count].as_flattened(), position)?;
            units -= count as u64;
            position += (count * UNIT_BYTES) as u64;
        }
        Ok(())
    }

    /// Makes the files that hold `from .. to` durable, but not their names.
    pub(super) fn sync(&self, queue: &Queue, from: u64, to: u64) -> io::Result<()> {
        let mut start = self.file_start(from);
        while start < to {
            if let Some(file) = self.existing(queue, start)? {
                file.sync_data()?;
            }
            start += self.file_units;
        }
        Ok(())
    }

    /// Makes the names of files created for these queues durable.
    pub(super) fn sync_names<'a>(&self, queues: impl Iterator<Item = &'a Queue>) -> io::Result<()> {
        let mut directories = BTreeSet::new();
        for queue in queues {
            directories.insert(directory_of(queue.topic(), queue.queue_id()));
            directories.insert(format!("{DIRECTORY}/{}", queue.topic()));
            directories.extend([DIRECTORY.to_owned(), String::new()]);
        }
        directories
            .iter()
            .try_for_each(|directory| self.disk.sync_dir(directory))
    }

    /// Names of a queue's files as offsets of their first units, ascending.
    pub(super) fn list(&self, topic: &str, queue_id: i32) -> io::Result<Vec<u64>> {
        let names = match self.disk.list(&directory_of(topic, queue_id)) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let positions = names.iter().filter_map(|name| position_of_name(name));
        Ok(positions
            .filter(|at| at % self.file_bytes() == 0)
            .map(|at| at / UNIT_BYTES as u64)
            .collect())
    }

    /// Removes the files whose units all lie before `offset`; returns how many. The directory is
    /// not synced: what comes back after a power cut is removed again the next time.
    pub(super) fn remove_before(&self, queue: &Queue, offset: u64) -> io::Result<usize> {
        let keep_from = self.file_start(offset);
        let mut removed = 0;
        for start in self.list(queue.topic(), queue.queue_id())? {
            if start >= keep_from {
                break;
            }
            let key = key_of(queue, start);
            self.open.forget(|open| open == key);
            self.disk
                .remove(&self.path(queue.topic(), queue.queue_id(), start))?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Closes the files of removed queues.
    pub(super) fn forget(&self, queues: &[Arc<Queue>]) {
        self.open
            .forget(|(serial, _)| queues.iter().any(|queue| queue.serial() == serial));
    }

    /// Removes all queue files of a topic, durably.
    pub(super) fn remove_topic(&self, topic: &str) -> io::Result<()> {
        let directory = format!("{DIRECTORY}/{topic}");
        let queue_ids = match self.disk.list(&directory) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for queue_id in queue_ids {
            let directory = format!("{directory}/{queue_id}");
            for name in self.disk.list(&directory)? {
                self.disk.remove(&format!("{directory}/{name}"))?;
            }
            self.disk.remove_dir(&directory)?;
        }
        self.disk.remove_dir(&directory)?;
        self.disk.sync_dir(DIRECTORY)
    }
}

fn key_of(queue: &Queue, start: u64) -> FileKey {
    (queue.serial(), start)
}

fn in_memory(units: u64) -> usize {
    usize::try_from(units).unwrap_or(usize::MAX)
}
