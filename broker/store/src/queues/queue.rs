//! One consume queue in memory: its counters and its tail. Promises that `max` never names a unit
//! that cannot be read, and that the units from the tail's start on are in memory. Files are the
//! business of others.

use super::tail::{Tail, TailMemory};
use super::unit::QueueUnit;
use crate::index::KeyPrefix;
use crate::outcome::QueueBounds;
use crate::queue_counter::QueueCounter;
use crate::sync::{Arc, AtomicU8, AtomicU64, Mutex, Ordering};

const WATCHED: u8 = 1;
const REMOVED: u8 = 2;

/// A consume queue. Resident state: 184 bytes with its table entry, and the tail. In this order since with very many
/// queues each message finds its queue in no cache: what an append and a dispatch touch lies together, first.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Queue {
    counter: QueueCounter,
    max: AtomicU64,
    pub(super) tail: Mutex<Tail>,
    queue_id: i32,
    flags: AtomicU8,
    /// Records of the log below this belong to a deleted topic of the same name.
    created_at: u64,
    topic: Arc<str>,
    key_prefix: KeyPrefix,
    /// Unique in this process, also among queues of one name: the key of cached files.
    serial: u32,
    min: AtomicU64,
    /// Log position of the unit at `min`, or a lower bound of it.
    min_position: AtomicU64,
    /// Files whose first unit lies before this are removed.
    files_from: AtomicU64,
}

/// Why a unit was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It is in memory and readable.
    Taken {
        /// Whether somebody waits for the queue's next message.
        watched: bool,
    },
    /// The queue has a unit of that offset already, or takes none any more.
    Known,
    /// A unit before it is missing; `expected` is the offset that would be next.
    Gap {
        /// Offset that would be next.
        expected: u64,
    },
}

impl Queue {
    pub(crate) fn new(topic: Arc<str>, queue_id: i32, serial: u32, created_at: u64) -> Self {
        Self {
            key_prefix: KeyPrefix::of_topic(&topic),
            topic,
            queue_id,
            serial,
            created_at,
            counter: QueueCounter::new(0),
            max: AtomicU64::new(0),
            min: AtomicU64::new(0),
            min_position: AtomicU64::new(0),
            files_from: AtomicU64::new(0),
            flags: AtomicU8::new(0),
            tail: Mutex::new(Tail::default()),
        }
    }

    /// The topic's name.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// The queue's number in its topic.
    pub(crate) fn queue_id(&self) -> i32 {
        self.queue_id
    }

    pub(super) fn serial(&self) -> u32 {
        self.serial
    }

    /// Position in the log below which records of this name belong to a deleted topic.
    pub(crate) fn created_at(&self) -> u64 {
        self.created_at
    }

    pub(crate) fn key_prefix(&self) -> KeyPrefix {
        self.key_prefix
    }

    /// The counter from which appends take queue offsets, under the append lock.
    pub(crate) fn counter(&self) -> &QueueCounter {
        &self.counter
    }

    /// Offset behind the newest readable message.
    pub(crate) fn max(&self) -> u64 {
        self.max.load(Ordering::Acquire)
    }

    /// The queue's bounds. `min` may lag behind the log's oldest record; reading corrects it.
    pub(crate) fn bounds(&self) -> QueueBounds {
        // In this order: `min` never passes `max`.
        let min = self.min.load(Ordering::Acquire);
        QueueBounds {
            min,
            max: self.max(),
        }
    }

    pub(super) fn min_position(&self) -> u64 {
        self.min_position.load(Ordering::Acquire)
    }

    pub(super) fn files_from(&self) -> u64 {
        self.files_from.load(Ordering::Relaxed)
    }

    pub(super) fn set_files_from(&self, offset: u64) {
        self.files_from.store(offset, Ordering::Relaxed);
    }

    /// Raises the minimum; it never goes back.
    pub(super) fn raise_min(&self, min: u64, position: u64) {
        debug_assert!(min <= self.max(), "the minimum cannot pass the maximum");
        self.min.fetch_max(min, Ordering::AcqRel);
        self.min_position.fetch_max(position, Ordering::AcqRel);
    }

    /// Whether the queue's topic was deleted; such a queue takes nothing any more.
    pub(crate) fn is_removed(&self) -> bool {
        self.flags.load(Ordering::Acquire) & REMOVED != 0
    }

    pub(super) fn set_removed(&self, removed: bool) {
        self.set_flag(REMOVED, removed);
    }

    /// Marks that somebody waits. A message that is in the queue's bounds after this call may have
    /// come unnoticed; of every later one [`push`](Self::push) tells.
    pub(crate) fn watch(&self) {
        // Under the lock that a push holds: it sees the mark, or its message is seen here.
        let _tail = self.tail.lock();
        self.set_flag(WATCHED, true);
    }

    /// Takes the mark away.
    pub(crate) fn unwatch(&self) {
        self.set_flag(WATCHED, false);
    }

    fn set_flag(&self, flag: u8, on: bool) {
        if on {
            self.flags.fetch_or(flag, Ordering::AcqRel);
        } else {
            self.flags.fetch_and(!flag, Ordering::AcqRel);
        }
    }

    /// Adds the unit of queue offset `offset` and makes it readable; growth of the tail is added to
    /// `memory`. Called by one dispatcher at a time.
    pub(crate) fn push(&self, offset: u64, unit: &QueueUnit, memory: &TailMemory) -> Pushed {
        let expected = self.max.load(Ordering::Relaxed);
        if offset < expected {
            return Pushed::Known;
        }
        if offset > expected {
            return Pushed::Gap { expected };
        }
        let mut tail = self.tail.lock();
        if self.is_removed() {
            return Pushed::Known;
        }
        debug_assert_eq!(tail.end(), offset, "the tail ends where the queue does");
        let grown_bytes = tail.push(unit);
        memory.grew(grown_bytes, tail.memory_bytes());
        // Both before the lock is let go: see `watch`.
        self.max.store(offset + 1, Ordering::Release);
        let watched = self.flags.load(Ordering::Relaxed) & WATCHED != 0;
        drop(tail);
        Pushed::Taken { watched }
    }

    /// Gives an untouched queue its numbers: all units before `next` are in files or gone. Only
    /// while opening.
    pub(crate) fn restore(&self, min: u64, next: u64, tail: Option<Tail>) {
        let tail = tail.unwrap_or_else(|| Tail::new(next));
        assert!(
            min <= next && tail.end() == next,
            "a queue's tail ends at its next offset"
        );
        *self.tail.lock() = tail;
        self.min.store(min, Ordering::Release);
        self.max.store(next, Ordering::Release);
        self.counter.set(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_taken_in_order_only() {
        let queue = Queue::new("T".into(), 0, 1, 0);
        let unit = QueueUnit {
            physical_offset: 0,
            size: 100,
            tags_code: 0,
        };
        let memory = TailMemory::default();
        let push = |offset| queue.push(offset, &unit, &memory);
        assert!(matches!(push(0), Pushed::Taken { watched: false }));
        assert_eq!(push(0), Pushed::Known);
        assert_eq!(push(2), Pushed::Gap { expected: 1 });
        assert_eq!(queue.bounds(), QueueBounds { min: 0, max: 1 });
    }

    #[test]
    fn a_waiter_finds_the_message_or_is_told_of_it() {
        let unit = QueueUnit {
            physical_offset: 0,
            size: 100,
            tags_code: 0,
        };
        let memory = TailMemory::default();
        let queue = Queue::new("T".into(), 0, 1, 0);
        for offset in 0..crate::disk::sim::repeated(20_000) {
            queue.unwatch();
            let (told, found) = std::thread::scope(|scope| {
                let waiter = (offset % 64 == 0).then(|| {
                    scope.spawn(|| {
                        queue.watch();
                        queue.max() > offset
                    })
                });
                let pushed = queue.push(offset, &unit, &memory);
                let found = waiter.map(|waiter| waiter.join().is_ok_and(|found| found));
                (pushed == Pushed::Taken { watched: true }, found)
            });
            assert!(found.is_none_or(|found| found || told), "offset {offset}");
        }
    }

    #[test]
    fn resident_state_is_as_small_as_stated() {
        assert!(
            size_of::<Queue>() + 2 * size_of::<usize>() + 16 <= 184,
            "{}",
            size_of::<Queue>()
        );
    }
}
