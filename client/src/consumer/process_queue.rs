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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn message(offset: i64) -> ReceivedMessage {
        let host = ([127, 0, 0, 1], 1).into();
        let mut record = Vec::new();
        mainstem_record::NewRecord {
            topic: "t",
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp_ms: 0,
            born_host: host,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"1234567890",
            properties: b"",
        }
        .encode_into(&mut record)
        .unwrap();
        let place = mainstem_record::Placement {
            queue_offset: offset,
            physical_offset: 0,
            store_timestamp_ms: 0,
        };
        mainstem_record::place(&mut record, &place);
        let (message, _) = mainstem_record::Message::decode(&record).unwrap();
        ReceivedMessage::new(message, &"b".into(), &"t".into())
    }

    fn messages(offsets: impl IntoIterator<Item = i64>) -> Vec<ReceivedMessage> {
        offsets.into_iter().map(message).collect()
    }

    fn offsets(messages: &[ReceivedMessage]) -> Vec<i64> {
        messages.iter().map(ReceivedMessage::queue_offset).collect()
    }

    #[test]
    fn the_oldest_message_in_flight_holds_the_committable_offset() {
        let queue = ProcessQueue::new(5, FlowLimits::default());
        assert_eq!(queue.committable(), 5);
        queue.add(messages([5, 6, 9]), 12);
        assert_eq!(offsets(&queue.take(2)), [5, 6]);
        assert_eq!(offsets(&queue.take(2)), [9]);
        queue.finish([6, 9]);
        assert_eq!(queue.committable(), 5);
        queue.finish([5]);
        assert_eq!((queue.committable(), queue.next_offset()), (12, 12));
    }

    #[test]
    fn a_pull_that_found_nothing_wanted_moves_an_empty_queue_on() {
        let queue = ProcessQueue::new(0, FlowLimits::default());
        queue.add(Vec::new(), 800);
        assert_eq!((queue.committable(), queue.position()), (800, 800));
    }

    #[test]
    fn a_message_that_comes_twice_is_handed_out_once() {
        let queue = ProcessQueue::new(0, FlowLimits::default());
        queue.add(messages([0, 1]), 2);
        queue.add(messages([1, 2]), 3);
        assert_eq!(offsets(&queue.take(10)), [0, 1, 2]);
    }

    #[test]
    fn messages_put_back_come_first_again() {
        let queue = ProcessQueue::new(0, FlowLimits::default());
        queue.add(messages([0, 1, 2]), 3);
        let taken = queue.take(2);
        queue.put_back(taken);
        assert_eq!(queue.position(), 0);
        assert_eq!(offsets(&queue.take(10)), [0, 1, 2]);
    }

    #[test]
    fn each_limit_closes_the_queue_and_finishing_opens_it() {
        let limits = FlowLimits {
            messages: 2,
            bytes: 1_000,
            span: 100,
        };
        let queue = ProcessQueue::new(0, limits);
        queue.add(messages([0, 1]), 2);
        queue.take(10);
        assert!(!queue.has_room());
        queue.finish([1]);
        assert!(queue.has_room());

        let queue = ProcessQueue::new(
            0,
            FlowLimits {
                bytes: 15,
                ..limits
            },
        );
        queue.add(messages([0]), 1);
        assert!(queue.has_room());
        queue.add(messages([1]), 2);
        assert!(!queue.has_room());

        let queue = ProcessQueue::new(
            0,
            FlowLimits {
                messages: 50,
                span: 3,
                ..limits
            },
        );
        queue.add(messages([0, 1, 2]), 3);
        queue.take(10);
        queue.finish([1, 2]);
        assert!(
            !queue.has_room(),
            "one message that hangs must not let the bookkeeping behind it grow"
        );
        queue.finish([0]);
        assert!(queue.has_room());
    }

    #[test]
    fn a_paused_queue_gives_nothing_and_wants_nothing() {
        let queue = ProcessQueue::new(0, FlowLimits::default());
        queue.add(messages([0]), 1);
        queue.set_paused(true);
        assert!(queue.take(1).is_empty() && !queue.has_room());
        queue.set_paused(false);
        assert_eq!(queue.take(1).len(), 1);
    }

    proptest! {
        #[test]
        fn the_committable_offset_is_always_that_of_the_oldest_unfinished_message(
            gaps in prop::collection::vec(1i64..4, 1..60),
            order in prop::collection::vec(any::<prop::sample::Index>(), 1..200),
        ) {
            let mut all = Vec::new();
            let mut next = 0;
            for gap in gaps {
                all.push(next);
                next += gap;
            }
            let queue = ProcessQueue::new(0, FlowLimits::default());
            queue.add(messages(all.iter().copied()), next);
            queue.take(usize::MAX);
            let mut open: std::collections::BTreeSet<i64> = all.iter().copied().collect();
            for index in order {
                let offset = *index.get(&all);
                queue.finish([offset]);
                open.remove(&offset);
                prop_assert_eq!(queue.committable(), open.first().copied().unwrap_or(next));
                prop_assert_eq!(queue.view().messages, open.len());
                prop_assert_eq!(queue.view().bytes, open.len() * 10);
            }
        }
    }
}
