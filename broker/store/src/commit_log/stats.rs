//! Counters of one log, cheap enough to be always on. They promise nothing but to grow.

use crate::disk::PAGE_BYTES;
use crate::metrics::{Histograms, nanoseconds};
use crate::sync::plain::AtomicU64;
use crate::sync::{Duration, Ordering};

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
    /// Messages appended. Written under the append lock only.
    pub(crate) appended: AtomicU64,
    pub(crate) removed_files: AtomicU64,
    pub(crate) histograms: Histograms,
}

impl Counters {
    /// Counts messages that were appended, before the mark that publishes them moves. Only under the
    /// append lock.
    #[inline]
    pub(crate) fn note_appended(&self, messages: u64) {
        // No addition of the processor's: there is one writer at a time.
        let appended = self.appended.load(Ordering::Relaxed);
        self.appended.store(appended + messages, Ordering::Relaxed);
    }

    /// Counts a group commit of the log's bytes `from..to`.
    pub(crate) fn note_flush(&self, from: u64, to: u64, messages: u64, took: Duration) {
        const PAGE: u64 = PAGE_BYTES as u64;
        let bytes = to - from;
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.histograms.flush_ns.observe(nanoseconds(took));
        self.histograms.flush_messages.observe(messages);
        self.histograms
            .flush_bytes
            .observe((to.div_ceil(PAGE) - from / PAGE) * PAGE);
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
            appended: get(&self.appended),
            removed_files: get(&self.removed_files),
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
    /// Messages appended.
    pub appended: u64,
    /// Log files removed.
    pub removed_files: u64,
}
