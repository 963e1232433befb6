//! Finding queues by their files, when no usable snapshot says what there is: in a directory that
//! Apache wrote, or after the snapshot was lost. Promises to take from files only units below a
//! log position up to which they are known to be whole; later ones come from the log.

use std::io;

use super::files::{DIRECTORY, directory_of};
use super::queue::Queue;
use super::unit::{self, QueueUnit, UNIT_BYTES};
use super::{ConsumeQueues, Tail};
use crate::outcome::Patience;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Discovered {
    /// Queues.
    pub(crate) queues: usize,
    /// Position behind the last record that any unit points to.
    pub(crate) end: u64,
}

impl ConsumeQueues {
    /// Adds every queue that has files, with the units that point below `whole_to`.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn discover(&self, whole_to: u64) -> io::Result<Discovered> {
        let mut found = Discovered::default();
        for topic in self.list(DIRECTORY)? {
            for queue_id in self.list(&format!("{DIRECTORY}/{topic}"))? {
                let Some(queue_id) = queue_id
                    .parse()
                    .ok()
                    .filter(|id: &i32| id.to_string() == queue_id)
                else {
                    continue;
                };
                match self.table.get_or_create(&topic, queue_id) {
                    Ok(queue) => {
                        let end = self.take_files(&queue, whole_to)?;
                        found.queues += 1;
                        found.end = found.end.max(end);
                    }
                    Err(error) => {
                        let directory = self.files.disk().display(&directory_of(&topic, queue_id));
                        tracing::error!(%directory, %error, "files of a consume queue are left alone");
                    }
                }
            }
        }
        Ok(found)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        match self.files.disk().list(directory) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(Vec::new())
            }
            other => other,
        }
    }

    /// Gives a queue the numbers that its files tell; returns the position behind its last record.
    fn take_files(&self, queue: &Queue, whole_to: u64) -> io::Result<u64> {
        let files = self.files.list(queue.topic(), queue.queue_id())?;
        let (Some(first), Some(last)) = (files.first(), files.last()) else {
            return Ok(0);
        };
        let limit = last + self.files.file_units();
        let is_there = |unit: &QueueUnit| {
            unit.is_filler() || unit.is_record() && unit.physical_offset < whole_to
        };
        let next = self.first_without(queue, *first, limit, is_there)?;
        let min = self.first_without(queue, *first, next, QueueUnit::is_filler)?;
        if min == next {
            return Ok(0);
        }
        let last = self.file_unit(queue, next - 1)?;
        if last.physical_offset < queue.created_at() {
            // Files of a deleted topic, that a crash kept from being removed.
            return Ok(0);
        }
        queue.restore(min, next, Some(Tail::new(next)));
        Ok(last.end())
    }

    /// The first offset in `low .. high` whose unit fails `holds`, which holds for a prefix.
    fn first_without(
        &self,
        queue: &Queue,
        mut low: u64,
        mut high: u64,
        holds: impl Fn(&QueueUnit) -> bool,
    ) -> io::Result<u64> {
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(&self.file_unit(queue, middle)?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn file_unit(&self, queue: &Queue, offset: u64) -> io::Result<QueueUnit> {
        let mut bytes = [0; UNIT_BYTES];
        self.files.read(queue, offset, &mut bytes, Patience::Wait)?;
        Ok(unit::decode_all(&bytes).next().unwrap_or(QueueUnit::FILLER))
    }
}
