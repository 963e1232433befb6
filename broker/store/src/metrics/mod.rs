//! What a store measures of itself. It owns the histograms; it promises that a group commit pays for
//! a handful of relaxed additions, that of appends one in [`SAMPLED_APPENDS`] is timed, and that
//! all others pay nothing but the counting down to it.

mod histogram;

use self::histogram::Histogram;
pub use self::histogram::HistogramSnapshot;
use crate::sync::Duration;

/// One append (of one message or of a group) in so many of each batch is timed.
pub(crate) const SAMPLED_APPENDS: u32 = 64;

/// Durations: 256 ns to 17 s.
const NANOSECONDS: (u32, u32) = (8, 34);
/// Messages: 1 to 65,536.
const MESSAGES: (u32, u32) = (0, 16);
/// Bytes: one page to 512 MiB.
const BYTES: (u32, u32) = (12, 29);

/// The histograms of one store.
#[derive(Debug)]
pub(crate) struct Histograms {
    pub(crate) append_ns: Histogram,
    pub(crate) lock_wait_ns: Histogram,
    pub(crate) flush_ns: Histogram,
    pub(crate) flush_messages: Histogram,
    pub(crate) flush_bytes: Histogram,
    pub(crate) dispatch_lag_ns: Histogram,
}

impl Default for Histograms {
    fn default() -> Self {
        let of = |(first, last)| Histogram::new(first, last);
        Self {
            append_ns: of(NANOSECONDS),
            lock_wait_ns: of(NANOSECONDS),
            flush_ns: of(NANOSECONDS),
            flush_messages: of(MESSAGES),
            flush_bytes: of(BYTES),
            dispatch_lag_ns: of(NANOSECONDS),
        }
    }
}

impl Histograms {
    pub(crate) fn snapshot(&self) -> StoreHistograms {
        StoreHistograms {
            append_ns: self.append_ns.snapshot(),
            lock_wait_ns: self.lock_wait_ns.snapshot(),
            flush_ns: self.flush_ns.snapshot(),
            flush_messages: self.flush_messages.snapshot(),
            flush_bytes: self.flush_bytes.snapshot(),
            dispatch_lag_ns: self.dispatch_lag_ns.snapshot(),
        }
    }
}

/// What a store has measured since it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreHistograms {
    /// Time of an append under and around the append lock, with what it waited for the lock or for
    /// the next file, in ns. One append in 64 is timed.
    pub append_ns: HistogramSnapshot,
    /// Part of it that was spent waiting for the append lock, in ns.
    pub lock_wait_ns: HistogramSnapshot,
    /// Time of a group commit (one `fdatasync`, two where the group spans files), in ns.
    pub flush_ns: HistogramSnapshot,
    /// Messages that a group commit made durable.
    pub flush_messages: HistogramSnapshot,
    /// Bytes in the pages that a group commit covered: the least that reached the device.
    pub flush_bytes: HistogramSnapshot,
    /// Time from the store time of the oldest message of a run of the dispatcher to the moment when
    /// all of the run were in their queues, in ns; store times have a resolution of 1 ms.
    pub dispatch_lag_ns: HistogramSnapshot,
}

/// A duration in ns.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
