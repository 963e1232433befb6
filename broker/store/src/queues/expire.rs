//! Following the log's own expiry: a queue's minimum rises to its first unit that points to a
//! record that still exists, and files of units before it are removed. Promises that a minimum
//! never falls; the log decides what expires.

use std::io;

use super::queue::Queue;
use super::unit::QueueUnit;
use super::{ConsumeQueues, unit};
use crate::outcome::Patience;

/// A queue that has become empty because all its messages expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Emptied {
    pub(crate) topic: String,
    pub(crate) queue_id: i32,
    /// Offset that the queue's next message gets.
    pub(crate) next: u64,
}

impl ConsumeQueues {
    /// Raises the queue's minimum to the first unit at or behind `min_position` of the log.
    pub(super) fn correct_min(&self, queue: &Queue, min_position: u64) -> io::Result<()> {
        if queue.min_position() >= min_position {
            return Ok(());
        }
        let bounds = queue.bounds();
        let (mut low, mut high) = (bounds.min, bounds.max);
        // Mostly nothing of the queue has expired, or everything: look at the ends first.
        if low < high && !self.expired(queue, low, min_position)? {
            high = low;
        } else if low < high && self.expired(queue, high - 1, min_position)? {
            low = high;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.expired(queue, middle, min_position)? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        queue.raise_min(low, min_position);
        Ok(())
    }

    fn expired(&self, queue: &Queue, offset: u64, min_position: u64) -> io::Result<bool> {
        let mut bytes = Vec::with_capacity(unit::UNIT_BYTES);
        self.encoded_units(queue, offset, offset + 1, &mut bytes, Patience::Wait)?;
        let unit = unit::decode_all(&bytes).next();
        Ok(unit
            .filter(QueueUnit::is_record)
            .is_none_or(|unit| unit.physical_offset < min_position))
    }

    /// Follows the log's minimum in all queues: removes files that only hold expired units, and
    /// returns the queues that have nothing left, whose next offset must be kept elsewhere.
    ///
    /// # Errors
    /// When the disk refuses; what was done is done, and the rest follows the next time.
    pub(crate) fn expire(&self, min_position: u64) -> io::Result<Vec<Emptied>> {
        let mut emptied = Vec::new();
        let mut outcome = Ok(());
        self.table.for_each(|queue| {
            if outcome.is_ok() {
                outcome = self.expire_queue(queue, min_position, &mut emptied);
            }
        });
        outcome.map(|()| emptied)
    }

    fn expire_queue(
        &self,
        queue: &Queue,
        min_position: u64,
        emptied: &mut Vec<Emptied>,
    ) -> io::Result<()> {
        self.correct_min(queue, min_position)?;
        let bounds = queue.bounds();
        let keep_from = self.files.file_start(bounds.min);
        if keep_from > queue.files_from() {
            // Not under a settling of the same file; nor before its units were settled.
            let _writer = self.writer.lock();
            let settled = queue.tail.lock().start();
            if !queue.is_removed() && settled >= keep_from {
                self.files.remove_before(queue, keep_from)?;
                queue.set_files_from(keep_from);
            }
        }
        if bounds.min == bounds.max && bounds.max > 0 {
            emptied.push(Emptied {
                topic: queue.topic().to_owned(),
                queue_id: queue.queue_id(),
                next: bounds.max,
            });
        }
        Ok(())
    }
}
