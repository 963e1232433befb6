//! A run of appends by one caller, published together. It owns the buffers that make an append
//! free of allocation and the queues used last; it promises that every append asks for a flush at
//! the latest when the batch is kicked or dropped.

use mainstem_record::{NewRecord, sys_flag};

use super::Shared;
use crate::commit_log::Part;
use crate::dispatch::{Hint, MAX_HINTS};
use crate::error::AppendError;
use crate::metrics::SAMPLED_APPENDS;
use crate::options::FlushMode;
use crate::outcome::Appended;
use crate::queues::{Queue, QueueSlots};
use crate::sync::{Arc, Instant, now_ms};

/// Queues remembered by a batch; a topic's queues take turns, and most have no more than this.
const MEMO_SLOTS: usize = 16;
/// Room that the encoding buffer keeps between kicks.
const KEPT_BYTES: usize = 256 << 10;
/// How often an append looks a queue up again because its topic was deleted under it.
const MAX_LOOKUPS: usize = 3;

/// A run of appends. Each is in the log when its call returns; waiting readers, flush and dispatch
/// hear of them at [`kick`](Batch::kick) or when the batch is dropped (or earlier, with what others
/// append).
#[derive(Debug)]
pub struct Batch {
    shared: Arc<Shared>,
    /// Encoded records of the call at hand.
    scratch: Vec<u8>,
    lens: Vec<usize>,
    queues: Vec<Option<Arc<Queue>>>,
    placed: Vec<Appended>,
    memo: [Option<Arc<Queue>>; MEMO_SLOTS],
    /// Queues of what was appended since the last kick.
    hints: Vec<Hint>,
    /// Appends since the last kick.
    pending: bool,
    /// Appends until one is timed.
    untimed: u32,
}

impl Batch {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            scratch: Vec::new(),
            lens: Vec::new(),
            queues: Vec::new(),
            placed: Vec::new(),
            memo: Default::default(),
            hints: Vec::new(),
            pending: false,
            untimed: 0,
        }
    }

    /// Appends one message.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing of the message is in the log then.
    pub fn append(&mut self, record: &NewRecord<'_>) -> Result<Appended, AppendError> {
        self.append_one(record, None)
    }

    /// Appends one message like [`append`](Batch::append), with the queue that is kept in `slots`; it is looked up and
    /// kept there when it is not yet, and looked up when the slots are another topic's or the queue was deleted.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing of the message is in the log then.
    pub fn append_with(
        &mut self,
        slots: &QueueSlots,
        record: &NewRecord<'_>,
    ) -> Result<Appended, AppendError> {
        self.append_one(record, Some(slots))
    }

    fn append_one(
        &mut self,
        record: &NewRecord<'_>,
        slots: Option<&QueueSlots>,
    ) -> Result<Appended, AppendError> {
        self.append_all(std::slice::from_ref(record), slots)?;
        match self.placed.first() {
            Some(placed) => Ok(*placed),
            None => Err(AppendError::Closed),
        }
    }

    /// Appends messages back to back, in order, in one file, with consecutive offsets in each
    /// queue; all or none.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing of the group is in the log then.
    pub fn append_group(
        &mut self,
        records: &[NewRecord<'_>],
    ) -> Result<Vec<Appended>, AppendError> {
        self.append_all(records, None)?;
        Ok(self.placed.clone())
    }

    fn append_all(
        &mut self,
        records: &[NewRecord<'_>],
        mut slots: Option<&QueueSlots>,
    ) -> Result<(), AppendError> {
        self.shared.admit()?;
        self.encode(records)?;
        // Before the clock: what a caller measures as stored lies between its call and return.
        let now_ms = now_ms();
        let began = self.begin_timing();
        for _ in 0..MAX_LOOKUPS {
            self.find_queues(records, slots)?;
            self.placed.clear();
            self.placed.reserve(records.len());
            let parts = self.lens.iter().zip(&self.queues).map(|(len, queue)| Part {
                len: *len,
                counter: queue.as_deref().map(Queue::counter),
            });
            match self
                .shared
                .log
                .append(&mut self.scratch, parts, now_ms, &mut self.placed, began)
            {
                Err(AppendError::QueueRemoved) => {
                    self.memo = Default::default();
                    slots = None;
                }
                Err(error) => return Err(error),
                Ok(()) => {
                    self.pending = true;
                    self.keep_hints();
                    return Ok(());
                }
            }
        }
        Err(AppendError::QueueRemoved)
    }

    /// Keeps what the dispatcher would have to look up.
    fn keep_hints(&mut self) {
        let room = MAX_HINTS.saturating_sub(self.hints.len());
        let queues = self.queues.drain(..).zip(&self.placed);
        self.hints.extend(
            queues
                .take(room)
                .filter_map(|(queue, placed)| Some((queue?, placed.physical_offset)))
                .map(|(queue, position)| Hint { position, queue }),
        );
    }

    /// When this append began, if it is to be timed.
    #[inline]
    fn begin_timing(&mut self) -> Option<Instant> {
        if self.untimed > 0 {
            self.untimed -= 1;
            return None;
        }
        self.untimed = SAMPLED_APPENDS - 1;
        Some(Instant::now())
    }

    fn encode(&mut self, records: &[NewRecord<'_>]) -> Result<(), AppendError> {
        self.scratch.clear();
        self.lens.clear();
        let limit_bytes = self.shared.options.max_message_bytes as usize;
        for record in records {
            let fail = |e: mainstem_record::EncodeError| AppendError::Encode(e.to_string().into());
            let bytes = record.encoded_len().map_err(fail)?;
            if bytes > limit_bytes {
                return Err(AppendError::TooLarge { bytes, limit_bytes });
            }
            self.lens
                .push(record.encode_into(&mut self.scratch).map_err(fail)?);
        }
        Ok(())
    }

    fn find_queues(
        &mut self,
        records: &[NewRecord<'_>],
        slots: Option<&QueueSlots>,
    ) -> Result<(), AppendError> {
        self.queues.clear();
        for record in records {
            let queue = if !has_queue_offset(record.sys_flag) {
                None
            } else if let Some(slots) = slots {
                Some(match slots.get(record.topic, record.queue_id) {
                    Some(queue) => Arc::clone(queue),
                    None => {
                        let queue = self.queue(record.topic, record.queue_id)?;
                        slots.keep(&queue);
                        queue
                    }
                })
            } else {
                Some(self.queue(record.topic, record.queue_id)?)
            };
            self.queues.push(queue);
        }
        Ok(())
    }

    fn queue(&mut self, topic: &str, queue_id: i32) -> Result<Arc<Queue>, AppendError> {
        let slot = queue_id.cast_unsigned() as usize % MEMO_SLOTS;
        if let Some(queue) = &self.memo[slot]
            && queue.queue_id() == queue_id
            && queue.topic() == topic
        {
            return Ok(Arc::clone(queue));
        }
        let table = self.shared.derived.queues().table();
        let queue = table
            .get_or_create(topic, queue_id)
            .map_err(|e| AppendError::NoQueue(e.to_string().into()))?;
        self.memo[slot] = Some(Arc::clone(&queue));
        Ok(queue)
    }

    /// Publishes what was appended since the last kick: in sync mode the flusher is woken if it
    /// sleeps, in async mode the messages are dispatched and readable when this returns.
    pub fn kick(&mut self) {
        if !std::mem::take(&mut self.pending) {
            return;
        }
        self.shared.dispatching.hints.give(&mut self.hints);
        match self.shared.options.flush {
            FlushMode::Sync => self.shared.log.ask_for_flush(),
            FlushMode::Async => {
                self.shared.progress.moved(&self.shared.log);
                self.shared.dispatch_readable();
            }
        }
        if self.scratch.capacity() > KEPT_BYTES {
            self.scratch = Vec::new();
        }
    }

    /// Publishes and ends the batch; dropping it does the same.
    pub fn finish(self) {}
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.kick();
    }
}

/// Prepared and rolled-back records of transactions have no place in a queue.
fn has_queue_offset(flags: i32) -> bool {
    let kind = sys_flag::transaction_type(flags);
    kind != sys_flag::TRANSACTION_PREPARED && kind != sys_flag::TRANSACTION_ROLLBACK
}
