//! Lets a log line through once in a while and counts the ones between, for errors that come with every request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Shortest time between two lines.
const INTERVAL_MS: u64 = 1000;

/// Limits one kind of log line.
#[derive(Debug)]
pub(crate) struct LogLimit {
    started: Instant,
    /// When the next line may come, milliseconds after the start.
    next_ms: AtomicU64,
    suppressed: AtomicU64,
}

impl LogLimit {
    pub(crate) fn new() -> Self {
        LogLimit {
            started: Instant::now(),
            next_ms: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
        }
    }

    /// Calls `log` with the number of lines held back since the last, or holds this one back.
    pub(crate) fn run(&self, log: impl FnOnce(u64)) {
        let now_ms = self.started.elapsed().as_millis() as u64;
        let next_ms = self.next_ms.load(Ordering::Relaxed);
        let free = now_ms >= next_ms
            && self
                .next_ms
                .compare_exchange(
                    next_ms,
                    now_ms + INTERVAL_MS,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok();
        if free {
            log(self.suppressed.swap(0, Ordering::Relaxed));
        } else {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
