//! The prototype: a log in memory with the ways of appending that are compared. It promises that what lies below the
//! published mark is whole and never written again, in every way; it has no files, no end but that of its memory, and no
//! part in the store.

use std::io;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crossbeam::utils::{Backoff, CachePadded};
use mainstem_record::{Placement, place};
use memmap2::{Advice, MmapOptions, MmapRaw};
use parking_lot::{Mutex, MutexGuard};

use crate::locks::Lock;

/// What happens under the lock, and how the bytes become readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As the store does: place, copy and publish under the lock.
    Copy,
    /// Reserve under the lock; copy outside of it; publish after the predecessor, which is waited for.
    ReserveInOrder,
    /// Reserve under the lock; copy outside of it; note it as done. Whoever has the turn publishes what is done from the mark
    /// on and hands the turn on; nobody waits for a predecessor.
    ReserveAndHandOn,
}

/// Memory that is there before the first append: the map of a file whose pages are faulted in, as far as a copy can tell.
pub(super) struct Memory {
    map: MmapRaw,
}

impl Memory {
    pub(super) fn new(len: usize) -> io::Result<Self> {
        let mut map = MmapOptions::new().len(len).map_anon()?;
        // Pages of the size that the page cache maps. A kernel without large ones refuses, and has only such pages.
        let _ = map.advise(Advice::NoHugePage);
        map.fill(1);
        Ok(Self { map: map.into() })
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    /// # Safety
    /// Nobody reads or writes these bytes meanwhile.
    unsafe fn write(&self, at: usize, bytes: &[u8]) {
        assert!(at <= self.len() && bytes.len() <= self.len() - at);
        // SAFETY: the range was checked, and the caller promises that it is nobody else's.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.map.as_mut_ptr().add(at),
                bytes.len(),
            );
        }
    }

    /// # Safety
    /// Nobody writes these bytes while the slice lives.
    unsafe fn bytes(&self, from: usize, to: usize) -> &[u8] {
        assert!(from <= to && to <= self.len());
        // SAFETY: the range was checked, and the caller promises that nobody writes to it.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(from), to - from) }
    }
}

/// Queues of the one topic.
pub(super) const QUEUES: usize = 4;
/// Appends that may be reserved and not yet published.
const IN_FLIGHT: u64 = 1024;

/// What the lock guards.
struct Tail {
    position: u64,
    queue_offsets: [u64; QUEUES],
    /// Number of the next reservation.
    number: u64,
}

/// What an append got under the lock.
struct Reserved {
    start: u64,
    end: u64,
    queue_offset: u64,
    number: u64,
}

/// Where a reservation is between the lock and its publication.
struct Step {
    state: AtomicU8,
    end: AtomicU64,
}

/// Its bytes are not there yet, nor is everything before it published.
const UNDER_WAY: u8 = 0;
/// Everything before it is published: whoever copies it has the turn.
const TURN: u8 = 1;
/// Its bytes are there: whoever has the turn publishes it.
const DONE: u8 = 2;

/// How far the log is published.
struct Mark {
    position: AtomicU64,
    /// Number of the next reservation to be published; only `ReserveAndHandOn` has use for it.
    number: AtomicU64,
}

/// One run's log, from the beginning of the memory on.
pub(super) struct Log<'a> {
    memory: &'a Memory,
    lock: Lock,
    way: Way,
    tail: CachePadded<Mutex<Tail>>,
    published: CachePadded<Mark>,
    steps: Box<[Step]>,
}

impl<'a> Log<'a> {
    /// A log over memory that no other log uses as long as it lives.
    pub(super) fn new(memory: &'a mut Memory, lock: Lock, way: Way) -> Self {
        Self {
            memory,
            lock,
            way,
            tail: CachePadded::new(Mutex::new(Tail {
                position: 0,
                queue_offsets: [0; QUEUES],
                number: 0,
            })),
            published: CachePadded::new(Mark {
                position: AtomicU64::new(0),
                number: AtomicU64::new(0),
            }),
            steps: (0..IN_FLIGHT)
                .map(|number| Step {
                    state: AtomicU8::new(if number == 0 { TURN } else { UNDER_WAY }),
                    end: AtomicU64::new(0),
                })
                .collect(),
        }
    }

    /// Everything below is whole and final.
    pub(super) fn published(&self) -> u64 {
        self.published.position.load(Ordering::Acquire)
    }

    /// Published bytes.
    pub(super) fn read(&self, from: u64, to: u64) -> &[u8] {
        assert!(to <= self.published());
        // SAFETY: the mark was loaded with acquire ordering, so everything below it was written before; positions are given
        // out once, so none of it is written again; and the log borrows the memory for itself.
        unsafe { self.memory.bytes(from as usize, to as usize) }
    }

    /// Appends an encoded record and returns where it ends; `None` when the memory is full.
    pub(super) fn append(&self, record: &mut [u8], queue: usize, now_ms: i64) -> Option<u64> {
        match self.way {
            Way::Copy => {
                let mut tail = self.lock();
                let reserved = self.reserve(&mut tail, record.len(), queue)?;
                self.put(record, &reserved, now_ms);
                self.published
                    .position
                    .store(reserved.end, Ordering::Release);
                Some(reserved.end)
            }
            Way::ReserveInOrder => {
                let reserved = self.reserve(&mut self.lock(), record.len(), queue)?;
                self.put(record, &reserved, now_ms);
                let backoff = Backoff::new();
                while self.published.position.load(Ordering::Acquire) != reserved.start {
                    backoff.snooze();
                }
                self.published
                    .position
                    .store(reserved.end, Ordering::Release);
                Some(reserved.end)
            }
            Way::ReserveAndHandOn => {
                let reserved = self.reserve_within_bound(record.len(), queue)?;
                self.put(record, &reserved, now_ms);
                let step = self.step(reserved.number);
                step.end.store(reserved.end, Ordering::Relaxed);
                if step.state.swap(DONE, Ordering::AcqRel) == TURN {
                    self.publish_from(reserved.number, reserved.end);
                }
                Some(reserved.end)
            }
        }
    }

    /// As the store's own lock waits: see `ChosenLock` there.
    fn lock(&self) -> MutexGuard<'_, Tail> {
        match self.lock {
            Lock::Reentrant => self.tail.lock(),
            Lock::Spin => {
                let backoff = Backoff::new();
                loop {
                    if let Some(guard) = self.tail.try_lock() {
                        return guard;
                    }
                    backoff.snooze();
                }
            }
        }
    }

    fn reserve(&self, tail: &mut Tail, len: usize, queue: usize) -> Option<Reserved> {
        let start = tail.position;
        let end = start + len as u64;
        if end > self.memory.len() as u64 {
            return None;
        }
        let reserved = Reserved {
            start,
            end,
            queue_offset: tail.queue_offsets[queue],
            number: tail.number,
        };
        tail.position = end;
        tail.queue_offsets[queue] += 1;
        tail.number += 1;
        Some(reserved)
    }

    /// Reserves when the step of the reservation is free.
    fn reserve_within_bound(&self, len: usize, queue: usize) -> Option<Reserved> {
        let backoff = Backoff::new();
        loop {
            let mut tail = self.lock();
            if tail.number < self.published.number.load(Ordering::Acquire) + IN_FLIGHT {
                return self.reserve(&mut tail, len, queue);
            }
            drop(tail);
            backoff.snooze();
        }
    }

    fn put(&self, record: &mut [u8], reserved: &Reserved, now_ms: i64) {
        place(
            record,
            &Placement {
                queue_offset: reserved.queue_offset as i64,
                physical_offset: reserved.start as i64,
                store_timestamp_ms: now_ms,
            },
        );
        // SAFETY: positions are given out once, under the lock, and readers stay below the published mark, which does not pass
        // this range before the copy is over.
        unsafe { self.memory.write(reserved.start as usize, record) }
    }

    fn step(&self, number: u64) -> &Step {
        &self.steps[(number % IN_FLIGHT) as usize]
    }

    /// Has the turn: publishes a reservation that is done, and those behind it as long as they are; the first that is not
    /// gets the turn. Of the swap to `DONE` and the exchange for `TURN` one comes first, so that the turn is never lost.
    fn publish_from(&self, mut number: u64, mut end: u64) {
        loop {
            // Before the number goes on, which gives the step to a later reservation.
            self.step(number).state.store(UNDER_WAY, Ordering::Relaxed);
            self.published.position.store(end, Ordering::Release);
            number += 1;
            self.published.number.store(number, Ordering::Release);
            let next = self.step(number);
            if next
                .state
                .compare_exchange(UNDER_WAY, TURN, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
            {
                return;
            }
            end = next.end.load(Ordering::Relaxed);
        }
    }
}
