//! Counters of one log, cheap enough to be always on. They promise nothing but to grow.

use crate::sync::{AtomicU64, Ordering};

/// What a log has done since it was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) rolls: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) flushed_bytes: AtomicU64,
    pub(crate) largest_flush_bytes: AtomicU64,
    pub(crate) flush_us: AtomicU64,
    pub(crate) floors: AtomicU64,
    pub(crate) dispatched: AtomicU64,
}

impl Counters {
    pub(crate) fn note_flush(&self, bytes: u64, took_us: u64) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.flushed_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.largest_flush_bytes.fetch_max(bytes, Ordering::Relaxed);
        self.flush_us.fetch_add(took_us, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> StoreStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreStats {
            rolls: get(&self.rolls),
            flushes: get(&self.flushes),
            flushed_bytes: get(&self.flushed_bytes),
            largest_flush_bytes: get(&self.largest_flush_bytes),
            flush_us: get(&self.flush_us),
            floors: get(&self.floors),
            dispatched: get(&self.dispatched),
        }
    }
}

/// Counters of a store since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StoreStats {
    /// Changes to the next log file.
    pub rolls: u64,
    /// Group commits: flushes that covered at least one append.
    pub flushes: u64,
    /// Log bytes they covered.
    pub flushed_bytes: u64,
    /// Bytes of the largest group.
    pub largest_flush_bytes: u64,
    /// Time spent in them, in microseconds.
    pub flush_us: u64,
    /// Durable floors written.
    pub floors: u64,
    /// Records handed to queues and index.
    pub dispatched: u64,
}
