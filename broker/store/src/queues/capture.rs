//! Taking the state of all queues for a snapshot: exactly as it is after all records below one log
//! position, though dispatching goes on. Promises that what a snapshot lacks is durable in files.

use std::io;

use super::tail::Tail;
use super::unit::{QueueUnit, UNIT_BYTES};
use super::{ConsumeQueues, Queue};
use crate::snapshot::QueueState;

/// What was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Captured {
    /// Every record below is in a queue file for certain.
    pub(crate) settled_to: u64,
    /// Queues handed out.
    pub(crate) queues: usize,
}

impl ConsumeQueues {
    /// Hands the state of every queue after all records below `position` to `visit`. No tail is
    /// settled meanwhile.
    ///
    /// # Errors
    /// Those of `visit`.
    pub(crate) fn capture(
        &self,
        position: u64,
        mut visit: impl FnMut(QueueState) -> io::Result<()>,
    ) -> io::Result<Captured> {
        let _no_settling = self.writer.lock();
        let mut captured = Captured {
            settled_to: position,
            queues: 0,
        };
        let mut outcome = Ok(());
        self.table.for_each(|queue| {
            if outcome.is_err() || queue.is_removed() || queue.created_at() > position {
                return;
            }
            let bounds = queue.bounds();
            let tail = queue.tail.lock();
            let units = before(tail.bytes(tail.start(), tail.end()), position);
            if let Some(first) = units.first() {
                captured.settled_to = captured
                    .settled_to
                    .min(QueueUnit::decode(first).physical_offset);
            }
            let next = tail.start() + units.len() as u64;
            if next == 0 {
                return;
            }
            let state = QueueState {
                topic: queue.topic().to_owned(),
                queue_id: queue.queue_id(),
                min: bounds.min.min(next),
                tail_start: tail.start(),
                tail: units.as_flattened().to_vec(),
            };
            drop(tail);
            captured.queues += 1;
            outcome = visit(state);
        });
        outcome.map(|()| captured)
    }

    /// Gives a queue back the state that a snapshot kept. Only while opening.
    pub(crate) fn restore(&self, state: &QueueState) -> Result<(), String> {
        let tail =
            Tail::restore(state.tail_start, &state.tail).ok_or("its tail holds part of a unit")?;
        if state.min > tail.end() {
            return Err(format!(
                "its minimum {} lies behind its end {}",
                state.min,
                tail.end()
            ));
        }
        let queue = self
            .table
            .get_or_create(&state.topic, state.queue_id)
            .map_err(|error| error.to_string())?;
        self.table
            .tail_memory()
            .grew(tail.memory_bytes(), tail.memory_bytes());
        let next = tail.end();
        queue.restore(state.min, next, Some(tail));
        queue.set_files_from(self.files.file_start(state.min));
        Ok(())
    }

    /// Gives a queue without messages the offset that its next one must have at least. Only while
    /// opening.
    pub(crate) fn restore_empty(&self, queue: &Queue, next: u64) {
        let bounds = queue.bounds();
        if bounds.max < next {
            self.drop_tail(queue);
            queue.restore(next, next, None);
        }
    }

    /// Lets a queue that has no messages begin at an offset that is greater than its next one.
    /// Only while opening.
    pub(crate) fn begin_at(&self, queue: &Queue, offset: u64) {
        let bounds = queue.bounds();
        if bounds.min == bounds.max && offset > bounds.max {
            self.restore_empty(queue, offset);
        }
    }

    /// Forgets all units of all queues, before everything is built anew from the log. Only while
    /// opening.
    pub(crate) fn reset(&self) {
        self.table.for_each(|queue| {
            self.drop_tail(queue);
            queue.restore(0, 0, None);
        });
    }

    fn drop_tail(&self, queue: &Queue) {
        let mut tail = queue.tail.lock();
        let end = tail.end();
        self.table.tail_memory().shrank(tail.settled(end));
    }
}

/// The units that point below `position`, which are the first ones.
fn before(bytes: &[u8], position: u64) -> &[[u8; UNIT_BYTES]] {
    let units = bytes.as_chunks::<UNIT_BYTES>().0;
    let count = units.partition_point(|unit| QueueUnit::decode(unit).physical_offset < position);
    &units[..count]
}
