//! The messages of one queue that this consumer has pulled and not yet finished: which wait, which are being
//! handled, and up to where everything is done. It promises that the committable offset never passes a
//! message that is still in flight; it does not talk to brokers and never goes backwards (a seek makes a new one).

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::message::ReceivedMessage;

/// How much of one queue may lie in memory before pulling pauses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlowLimits {
    /// Messages pulled and not finished.
    pub(crate) messages: usize,
    /// Their bodies and properties, in bytes.
    pub(crate) bytes: usize,
    /// Entries remembered behind the oldest unfinished message, finished ones included: one message that
    /// hangs must not let the bookkeeping behind it grow without end.
    pub(crate) span: usize,
}

impl Default for FlowLimits {
    fn default() -> Self {
        Self {
            messages: 1_000,
            bytes: 100 * 1024 * 1024,
            span: 2_000,
        }
    }
}

/// One queue's pulled messages, shared by the task that pulls and those that handle.
#[derive(Debug)]
pub(crate) struct ProcessQueue {
    limits: FlowLimits,
    state: Mutex<State>,
    arrived: Notify,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    /// Everything pulled and not yet passed by the committable offset, in ascending order of offset.
    slots: VecDeque<Slot>,
    /// The messages that nobody has taken yet, in ascending order of offset.
    waiting: VecDeque<ReceivedMessage>,
    /// Slots that are not done.
    unfinished: usize,
    unfinished_bytes: usize,
    /// The offset behind everything pulled or skipped.
    next_offset: i64,
    paused: bool,
}

#[derive(Debug)]
struct Slot {
    offset: i64,
    bytes: usize,
    done: bool,
}

/// A look at one process queue, for running info and admin tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessQueueView {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) first_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) committable: i64,
}

impl ProcessQueue {
    /// An empty queue whose first message will be the one at `start_offset` or the next that matches.
    pub(crate) fn new(start_offset: i64, limits: FlowLimits) -> Self {
        Self {
            limits,
            state: Mutex::new(State {
                slots: VecDeque::new(),
                waiting: VecDeque::new(),
                unfinished: 0,
                unfinished_bytes: 0,
                next_offset: start_offset,
                paused: false,
            }),
            arrived: Notify::new(),
            freed: Notify::new(),
        }
    }

    /// Takes in what a pull found, and the offset that the next pull starts at (a pull whose messages were all
    /// filtered away still moves it on).
    pub(crate) fn add(&self, messages: Vec<ReceivedMessage>, next_offset: i64) {
        let any = !messages.is_empty();
        {
            let mut state = self.state.lock();
            for message in messages {
                let offset = message.queue_offset();
                if state.slots.back().is_some_and(|last| last.offset >= offset) || offset < 0 {
                    // A broker that answers with what was asked before: each message is handled once.
                    continue;
                }
                let bytes = message.memory_bytes();
                state.unfinished += 1;
                state.unfinished_bytes += bytes;
                state.slots.push_back(Slot {
                    offset,
                    bytes,
                    done: false,
                });
                state.waiting.push_back(message);
            }
            state.next_offset = state.next_offset.max(next_offset);
        }
        if any {
            self.arrived.notify_one();
        }
    }

    /// Up to `max` messages that nobody has taken, oldest first; empty while paused.
    pub(crate) fn take(&self, max: usize) -> Vec<ReceivedMessage> {
        let mut state = self.state.lock();
        if state.paused {
            return Vec::new();
        }
        let count = max.min(state.waiting.len());
        state.waiting.drain(..count).collect()
    }

    /// Puts messages that were taken back to where they were, to be taken again.
    pub(crate) fn put_back(&self, messages: Vec<ReceivedMessage>) {
        {
            let mut state = self.state.lock();
            for message in messages.into_iter().rev() {
                let at = state
                    .waiting
                    .partition_point(|other| other.queue_offset() < message.queue_offset());
                state.waiting.insert(at, message);
            }
        }
        self.arrived.notify_one();
    }

    /// Marks messages as finished. The committable offset moves when the oldest one is.
    pub(crate) fn finish(&self, offsets: impl IntoIterator<Item = i64>) {
        {
            let mut state = self.state.lock();
            for offset in offsets {
                let Ok(at) = state
                    .slots
                    .binary_search_by_key(&offset, |slot| slot.offset)
                else {
                    continue;
                };
                let slot = &mut state.slots[at];
                if std::mem::replace(&mut slot.done, true) {
                    continue;
                }
                let bytes = slot.bytes;
                state.unfinished -= 1;
                state.unfinished_bytes -= bytes;
            }
            while state.slots.front().is_some_and(|slot| slot.done) {
                state.slots.pop_front();
            }
            debug_assert!(
                state.waiting.len() <= state.unfinished,
                "what waits is not finished"
            );
        }
        self.freed.notify_one();
    }

    /// The offset that a group may commit: that of the oldest message in flight, or the one behind
    /// everything seen.
    pub(crate) fn committable(&self) -> i64 {
        self.state.lock().committable()
    }

    /// The offset of the message that the next [`take`](Self::take) gives, or the one behind everything pulled.
    pub(crate) fn position(&self) -> i64 {
        let state = self.state.lock();
        state
            .waiting
            .front()
            .map_or(state.next_offset, ReceivedMessage::queue_offset)
    }

    /// Where the next pull starts.
    pub(crate) fn next_offset(&self) -> i64 {
        self.state.lock().next_offset
    }

    /// Whether another pull fits the limits.
    pub(crate) fn has_room(&self) -> bool {
        let state = self.state.lock();
        !state.paused
            && state.unfinished < self.limits.messages
            && state.unfinished_bytes < self.limits.bytes
            && state.slots.len() < self.limits.span
    }

    /// Waits until [`has_room`](Self::has_room).
    pub(crate) async fn room(&self) {
        loop {
            let freed = self.freed.notified();
            if self.has_room() {
                return;
            }
            freed.await;
        }
    }

    /// Waits until messages may be there to take. Meant for one waiter.
    pub(crate) async fn arrival(&self) {
        loop {
            let arrived = self.arrived.notified();
            {
                let state = self.state.lock();
                if !state.paused && !state.waiting.is_empty() {
                    return;
                }
            }
            arrived.await;
        }
    }

    /// Stops or resumes taking and pulling.
    pub(crate) fn set_paused(&self, paused: bool) {
        self.state.lock().paused = paused;
        self.freed.notify_one();
        self.arrived.notify_one();
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.state.lock().paused
    }

    pub(crate) fn view(&self) -> ProcessQueueView {
        let state = self.state.lock();
        ProcessQueueView {
            messages: state.unfinished,
            bytes: state.unfinished_bytes,
            first_offset: state.slots.front().map_or(0, |slot| slot.offset),
            last_offset: state.slots.back().map_or(0, |slot| slot.offset),
            committable: state.committable(),
        }
    }
}

impl State {
    fn committable(&self) -> i64 {
        self.slots
            .front()
            .map_or(self.next_offset, |slot| slot.offset)
    }
}
