//! The dispatcher: takes every readable record in the order of the log, adds it to its queue and
//! its keys to the index, and tells whoever waits. Promises that repeating records does nothing,
//! that a queue never skips an offset, and that in steady state a message costs no allocation and
//! no system call. Reads neither log nor files; one thread at a time drives it.

mod hints;
mod record;
mod state;

use mainstem_record::sys_flag;

use crate::index::{KeyIndex, tags_code};
use crate::outcome::Arrival;
use crate::queues::{ConsumeQueues, CreateQueueError, Pushed, Queue, QueueUnit};
use crate::sync::{Arc, Ordering};

pub(crate) use hints::{Hint, Hints, MAX_HINTS, TakenHints};
pub(crate) use record::{DispatchRecord, Marks, messages_of};
pub(crate) use state::{DispatchState, OnArrival};

/// Why a record was not dispatched. Nothing of it is readable by its queue then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DispatchError {
    /// Queues or index hold as much in memory as they may, since the disk does not take it. Nothing
    /// is lost: the same record can be dispatched later.
    #[error(
        "dispatch waits: {what} hold {percent} % of their memory and the disk does not take it"
    )]
    Paused {
        /// What is full.
        what: &'static str,
        /// How full.
        percent: usize,
    },
    /// A record before it is missing in the queue.
    #[error(
        "record at log position {position} is number {found} of queue {queue_id} of topic {topic}, which goes on at {expected}: the log and the queue do not agree"
    )]
    Gap {
        /// Log position of the record.
        position: u64,
        /// Topic.
        topic: String,
        /// Queue.
        queue_id: i32,
        /// Offset that would be next.
        expected: u64,
        /// The record's.
        found: u64,
    },
    /// There cannot be such a queue.
    #[error("record at log position {position}: {source}")]
    Queue {
        /// Log position of the record.
        position: u64,
        /// Why not.
        #[source]
        source: CreateQueueError,
    },
}

/// Which queues hold delivery times, and what delays.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) topic: String,
    /// Delay of queue 0, 1, ... in ms.
    pub(crate) delays_ms: Vec<i64>,
}

/// Limits on memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DispatchLimits {
    /// Bytes of all tails together.
    pub(crate) tail_bytes: usize,
}

/// The dispatcher.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    queues: Arc<ConsumeQueues>,
    index: Option<Arc<KeyIndex>>,
    state: Arc<DispatchState>,
    schedule: Schedule,
    limits: DispatchLimits,
    /// Queues of the records that come next, as far as those who appended them have told.
    pub(crate) hints: TakenHints,
    starts_anywhere: bool,
    /// Hashes of the keys of the record at hand.
    hashes: Vec<u32>,
}

impl Dispatcher {
    pub(crate) fn new(
        queues: Arc<ConsumeQueues>,
        index: Option<Arc<KeyIndex>>,
        state: Arc<DispatchState>,
        schedule: Schedule,
        limits: DispatchLimits,
    ) -> Self {
        Self {
            queues,
            index,
            state,
            schedule,
            limits,
            hints: TakenHints::default(),
            starts_anywhere: false,
            hashes: Vec::new(),
        }
    }

    /// Dispatches one record.
    ///
    /// # Errors
    /// See [`DispatchError`]; after `Paused` the same record must be dispatched again.
    pub(crate) fn dispatch(&mut self, record: &DispatchRecord<'_>) -> Result<(), DispatchError> {
        self.state
            .newest_store_ms
            .store(record.store_timestamp_ms, Ordering::Relaxed);
        let kind = sys_flag::transaction_type(record.sys_flag);
        if kind == sys_flag::TRANSACTION_ROLLBACK {
            return Ok(());
        }
        let Some(queue) = self.queue(record)? else {
            return Ok(());
        };
        let marks = Marks::of(record.properties);
        let mut arrival = None;
        if kind != sys_flag::TRANSACTION_PREPARED {
            arrival = self.enqueue(&queue, record, &marks)?;
        }
        self.index(&queue, record, &marks)?;
        if let Some((offset, tags_code)) = arrival
            && let Some(callback) = self.state.on_arrival.get()
        {
            callback(&Arrival {
                topic: queue.topic(),
                queue_id: queue.queue_id(),
                offset,
                tags_code,
                store_timestamp_ms: record.store_timestamp_ms,
                queue: &queue,
            });
        }
        Ok(())
    }

    /// Says that everything below `position` was dispatched.
    pub(crate) fn reached(&self, position: u64) {
        debug_assert!(position >= self.state.position(), "dispatch only goes on");
        self.state.position.store(position, Ordering::Release);
    }

    /// The record's queue; `None` when the record belongs to a deleted topic.
    fn queue(&mut self, record: &DispatchRecord<'_>) -> Result<Option<Arc<Queue>>, DispatchError> {
        if let Some(queue) = self.hints.queue_at(record.position)
            && !queue.is_removed()
            && record.position >= queue.created_at()
        {
            debug_assert!(
                queue.queue_id() == record.queue_id && queue.topic() == record.topic,
                "a hint names the queue that the record itself names"
            );
            return Ok(Some(queue));
        }
        let table = self.queues.table();
        let queue = match table.get(record.topic, record.queue_id) {
            Some(queue) => queue,
            None if table
                .deleted_at(record.topic)
                .is_some_and(|at| record.position < at) =>
            {
                return Ok(None);
            }
            None => match table.get_or_create(record.topic, record.queue_id) {
                Ok(queue) => queue,
                Err(CreateQueueError::BeingDeleted { .. }) => return Ok(None),
                Err(source) => {
                    return Err(DispatchError::Queue {
                        position: record.position,
                        source,
                    });
                }
            },
        };
        if queue.is_removed() || record.position < queue.created_at() {
            return Ok(None);
        }
        Ok(Some(queue))
    }

    /// Adds the record's unit; returns offset and tags code when it is new and somebody waits for it.
    fn enqueue(
        &self,
        queue: &Queue,
        record: &DispatchRecord<'_>,
        marks: &Marks<'_>,
    ) -> Result<Option<(u64, i64)>, DispatchError> {
        let table = self.queues.table();
        if table.tail_bytes() >= self.limits.tail_bytes {
            let percent = table.tail_bytes().saturating_mul(100) / self.limits.tail_bytes.max(1);
            return Err(DispatchError::Paused {
                what: "consume queues",
                percent,
            });
        }
        let tags_code = match self.delay_ms(record) {
            Some(delay_ms) => record.store_timestamp_ms.saturating_add(delay_ms),
            None => marks.tags.map_or(0, tags_code),
        };
        let unit = QueueUnit {
            physical_offset: record.position,
            size: record.size,
            tags_code,
        };
        if self.starts_anywhere {
            self.queues.begin_at(queue, record.queue_offset);
        }
        let mut arrival = None;
        // A batch stored as one record takes as many offsets as it has messages.
        for offset in (0..messages_of(record, marks)).map(|n| record.queue_offset.saturating_add(n))
        {
            match queue.push(offset, &unit, table.tail_memory()) {
                Pushed::Taken { watched } => arrival = watched.then_some((offset, tags_code)),
                Pushed::Known => {}
                Pushed::Gap { expected } => {
                    // Of a deleted topic, appended while it was being deleted.
                    if expected == 0 && queue.created_at() > 0 {
                        return Ok(None);
                    }
                    return Err(DispatchError::Gap {
                        position: record.position,
                        topic: record.topic.to_owned(),
                        queue_id: record.queue_id,
                        expected,
                        found: offset,
                    });
                }
            }
        }
        Ok(arrival)
    }

    fn delay_ms(&self, record: &DispatchRecord<'_>) -> Option<i64> {
        if record.topic != self.schedule.topic {
            return None;
        }
        self.schedule
            .delays_ms
            .get(usize::try_from(record.queue_id).ok()?)
            .copied()
    }

    fn index(
        &mut self,
        queue: &Queue,
        record: &DispatchRecord<'_>,
        marks: &Marks<'_>,
    ) -> Result<(), DispatchError> {
        let Some(index) = &self.index else {
            return Ok(());
        };
        self.hashes.clear();
        marks.hash_keys(queue.key_prefix(), &mut self.hashes);
        self.hashes
            .extend(marks.tags.map(|tag| queue.key_prefix().tag(tag)));
        if self.hashes.is_empty() {
            return Ok(());
        }
        index
            .add(record.position, record.store_timestamp_ms, &self.hashes)
            .map_err(|_| DispatchError::Paused {
                what: "key index entries",
                percent: 100,
            })
    }

    /// Goes back to a position, from which records are dispatched again. Only while opening.
    pub(crate) fn rewind(&self, position: u64) {
        self.state.position.store(position, Ordering::Release);
    }

    /// Whether a queue without messages may begin at any offset, since the ones before have
    /// expired and no snapshot tells. Only while opening.
    pub(crate) fn set_starts_anywhere(&mut self, on: bool) {
        self.starts_anywhere = on;
    }

    /// Forgets the queues of deleted topics.
    pub(crate) fn forget_removed(&mut self) {
        self.hints.clear();
    }
}
