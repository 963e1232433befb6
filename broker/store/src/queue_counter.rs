//! The next offset of one queue. It promises consecutive offsets to whoever holds the append lock
//! and belongs to the queue; the log only takes from it.

use crate::sync::{AtomicU64, Ordering};

/// Stands for a queue that was removed.
const CLOSED: u64 = u64::MAX;

/// Next queue offset to be assigned. Changed only under the append lock (and before the first
/// append); read from anywhere.
#[derive(Debug)]
pub struct QueueCounter {
    next: AtomicU64,
}

impl QueueCounter {
    /// A counter whose first offset will be `next`.
    pub(crate) fn new(next: u64) -> Self {
        Self {
            next: AtomicU64::new(next),
        }
    }

    /// The offset that the next append will get.
    pub fn next(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Takes one offset. The append lock orders this, so a plain load and store do.
    pub(crate) fn take(&self) -> u64 {
        let offset = self.next.load(Ordering::Relaxed);
        self.next.store(offset + 1, Ordering::Relaxed);
        offset
    }

    /// Returns the offset taken last, when its record could not be written after all.
    pub(crate) fn give_back(&self) {
        let next = self.next.load(Ordering::Relaxed);
        debug_assert!(next > 0, "an offset was taken before");
        self.next.store(next.saturating_sub(1), Ordering::Relaxed);
    }

    /// Makes the counter give nothing more, since its queue goes; under the append lock.
    pub(crate) fn close(&self) {
        self.next.store(CLOSED, Ordering::Relaxed);
    }

    /// Whether the queue is gone.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.next.load(Ordering::Relaxed) == CLOSED
    }

    /// Sets the next offset: before appends begin, when the log was cut, or for a deleted topic,
    /// under the append lock.
    pub(crate) fn set(&self, next: u64) {
        self.next.store(next, Ordering::Relaxed);
    }
}
