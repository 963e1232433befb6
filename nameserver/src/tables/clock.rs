//! The clock by which brokers fall silent. Owns two promises: it never jumps with the wall clock, and time in which this
//! process did not run (a stopped process, a paused machine) does not pass, so that waking up expires nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A scan may come late by this much before the lateness counts as a pause.
const TOLERATED_LATENESS_MS: u64 = 1000;

/// Milliseconds since the start, pauses left out.
#[derive(Debug)]
pub(super) struct Clock {
    source: Source,
    paused_ms: AtomicU64,
    last_scan_ms: AtomicU64,
}

#[derive(Debug)]
enum Source {
    Monotonic(Instant),
    #[cfg(test)]
    Manual(AtomicU64),
}

impl Clock {
    pub(super) fn monotonic() -> Self {
        Self::from(Source::Monotonic(Instant::now()))
    }

    fn from(source: Source) -> Self {
        Self {
            source,
            paused_ms: AtomicU64::new(0),
            last_scan_ms: AtomicU64::new(0),
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        let elapsed_ms = match &self.source {
            Source::Monotonic(start) => {
                u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
            }
            #[cfg(test)]
            Source::Manual(now_ms) => now_ms.load(Ordering::Relaxed),
        };
        elapsed_ms.saturating_sub(self.paused_ms.load(Ordering::Relaxed))
    }

    /// Called at each scan, by one thread: a gap far beyond the interval was a pause.
    pub(super) fn scanned(&self, interval_ms: u64) {
        let now_ms = self.now_ms();
        let gap_ms = now_ms.saturating_sub(self.last_scan_ms.load(Ordering::Relaxed));
        let late_ms = gap_ms.saturating_sub(interval_ms);
        if late_ms > TOLERATED_LATENESS_MS.saturating_add(interval_ms) {
            self.paused_ms.fetch_add(late_ms, Ordering::Relaxed);
            tracing::warn!(
                late_ms,
                "this process did not run for a while; brokers are not held to that time"
            );
        }
        self.last_scan_ms.store(self.now_ms(), Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Clock {
    pub(super) fn manual() -> Self {
        Self::from(Source::Manual(AtomicU64::new(0)))
    }

    pub(super) fn advance(&self, ms: u64) {
        match &self.source {
            Source::Manual(now_ms) => now_ms.fetch_add(ms, Ordering::Relaxed),
            Source::Monotonic(_) => unreachable!("a test's clock is manual"),
        };
    }
}
