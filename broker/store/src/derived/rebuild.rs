//! Catching up with the log after opening: every record behind the state that was found is
//! dispatched. Promises that queues and log agree afterwards, or that opening fails; a state that
//! does not fit the log is thrown away once and built anew from all of it.

use std::io;

use mainstem_record::{RecordView, sys_flag};

use super::Derived;
use crate::dispatch::{DispatchError, DispatchRecord, Dispatcher};
use crate::error::{OpenError, ReadError};
use crate::log_reader::LogReader;
use crate::long_walk::LongWalk;
use crate::queues::{Queue, Which};
use crate::sync::now_ms;

/// Bytes of the log between two looks at the clock.
const STEP_BYTES: u64 = 64 << 20;

/// Why the log was not dispatched to its end.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("unit {offset} of queue {queue_id} of topic {topic} does not point to its message")]
    Mismatch {
        topic: String,
        queue_id: i32,
        offset: u64,
    },
    #[error("what fills the memory cannot be written: {0}; free space and start again")]
    Disk(#[from] io::Error),
}

impl From<Stop> for OpenError {
    fn from(stop: Stop) -> Self {
        Self::Part {
            part: "consume queues",
            reason: stop.to_string(),
        }
    }
}

impl Derived {
    /// Dispatches the recovered log and sets the counters from which appends go on; returns the
    /// position reached, the end of the log. Call once, before anything is appended.
    ///
    /// # Errors
    /// When the disk refuses, or log and queues do not agree even when built anew.
    pub(crate) fn catch_up(
        &self,
        dispatcher: &mut Dispatcher,
        log: &dyn LogReader,
    ) -> Result<u64, OpenError> {
        let indexed_to = self.index.as_ref().map_or(u64::MAX, |index| index.resume());
        let from = self.resume.position.min(indexed_to).max(log.min_position());
        let fits = if self.resume.is_exact {
            Ok(())
        } else {
            self.check_found(log)
        };
        match fits.and_then(|()| self.replay(dispatcher, log, from)) {
            Ok(()) => {}
            Err(error @ (Stop::Mismatch { .. } | Stop::Dispatch(DispatchError::Gap { .. }))) => {
                tracing::error!(%error, "consume queues do not fit the log: all of them are built anew from it");
                self.queues.reset();
                for (topic, queue_id, next) in self.journal.emptied_queues() {
                    if let Ok(queue) = self.queues.table().get_or_create(&topic, queue_id) {
                        self.queues.restore_empty(&queue, next);
                    }
                }
                self.replay(dispatcher, log, log.min_position())?;
            }
            Err(stop) => return Err(stop.into()),
        }
        self.queues
            .table()
            .for_each(|queue| queue.counter().set(queue.max()));
        Ok(self.dispatched())
    }

    /// Looks whether the last unit of every queue that was taken from files points to its message:
    /// behind a queue's end its files may hold units of messages that a crash took.
    fn check_found(&self, log: &dyn LogReader) -> Result<(), Stop> {
        let mut outcome = Ok(());
        self.queues.table().for_each(|queue| {
            let bounds = queue.bounds();
            if outcome.is_ok() && bounds.min < bounds.max {
                outcome = self.check_last(queue, bounds.max - 1, log);
            }
        });
        outcome
    }

    fn check_last(&self, queue: &Queue, offset: u64, log: &dyn LogReader) -> Result<(), Stop> {
        let unit = self.queues.unit(queue, offset)?;
        if unit.is_some_and(|unit| unit.physical_offset < log.min_position()) {
            return Ok(());
        }
        let record = unit.and_then(|unit| log.record_at(unit.physical_offset).ok().flatten());
        let view = record
            .as_deref()
            .and_then(|bytes| RecordView::parse(bytes).ok());
        let is_its_message = view.is_some_and(|view| {
            let first = view.queue_offset().cast_unsigned();
            // A batch stored as one record has several units.
            let fits =
                first == offset || sys_flag::is_inner_batch(view.sys_flag()) && first <= offset;
            view.topic() == queue.topic() && view.queue_id() == queue.queue_id() && fits
        });
        if is_its_message {
            return Ok(());
        }
        Err(Stop::Mismatch {
            topic: queue.topic().to_owned(),
            queue_id: queue.queue_id(),
            offset,
        })
    }

    fn replay(
        &self,
        dispatcher: &mut Dispatcher,
        log: &dyn LogReader,
        from: u64,
    ) -> Result<(), Stop> {
        // Whoever reads the whole log may find queues whose first messages expired; elsewhere a
        // queue that does not go on where it ended has lost units.
        dispatcher.set_starts_anywhere(from == log.min_position());
        let outcome = self.replay_steps(dispatcher, log, from);
        dispatcher.set_starts_anywhere(false);
        outcome
    }

    fn replay_steps(
        &self,
        dispatcher: &mut Dispatcher,
        log: &dyn LogReader,
        from: u64,
    ) -> Result<(), Stop> {
        let end = log.readable().max(from);
        let mut progress = LongWalk::new(
            "building consume queues and key index from the log",
            from,
            end,
        );
        let mut at = from;
        dispatcher.rewind(from);
        while at < end {
            let (reached, paused) =
                step(dispatcher, log, at, end.min(at.saturating_add(STEP_BYTES)))?;
            dispatcher.reached(reached);
            if paused {
                self.make_room()?;
            } else if reached <= at {
                break;
            }
            at = reached;
            progress.tell(at);
        }
        dispatcher.reached(end);
        Ok(())
    }

    /// Writes out what fills the memory, however long it takes.
    fn make_room(&self) -> io::Result<()> {
        self.queues.settle(Which::MostMemory)?;
        self.index
            .as_ref()
            .map_or(Ok(()), |index| index.flush(now_ms(), || self.dispatched()))
    }
}

/// Dispatches the records in `from .. to`; returns the position reached, and whether memory is
/// full.
fn step(
    dispatcher: &mut Dispatcher,
    log: &dyn LogReader,
    from: u64,
    to: u64,
) -> Result<(u64, bool), Stop> {
    let mut stop = None;
    let reached = log.scan(from, to, &mut |position, record| {
        match dispatcher.dispatch(&DispatchRecord::of(position, record)) {
            Ok(()) => {}
            // No queue can take it, now or later; it must not hide all others.
            Err(error @ DispatchError::Queue { .. }) => {
                tracing::error!(%error, "a record of the log cannot be dispatched and is passed over");
            }
            Err(error) => stop = Some((position, error)),
        }
        stop.is_none()
    })?;
    match stop {
        None => Ok((reached, false)),
        Some((position, DispatchError::Paused { .. })) => Ok((position, true)),
        Some((_, error)) => Err(error.into()),
    }
}
