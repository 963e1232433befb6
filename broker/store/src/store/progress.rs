//! Telling the user of the store that the durable watermark moved or never will again. It promises
//! one call per group commit or batch, never under a lock of the store.

use std::fmt;

use crate::commit_log::CommitLog;
use crate::outcome::Progress;
use crate::sync::{AtomicUsize, Condvar, Duration, Instant, Mutex, OnceLock, Ordering, full_fence};

type OnProgress = Box<dyn Fn(Progress) + Send + Sync>;

/// The callback, and threads that wait for a position.
#[derive(Default)]
pub(crate) struct ProgressSink {
    callback: OnceLock<OnProgress>,
    waiting: AtomicUsize,
    gate: Mutex<()>,
    moved: Condvar,
}

impl ProgressSink {
    /// Sets the callback; only the first one counts.
    pub(crate) fn set(&self, callback: OnProgress) -> bool {
        self.callback.set(callback).is_ok()
    }

    /// Tells where the durable mark is now.
    pub(crate) fn moved(&self, log: &CommitLog) {
        if let Some(callback) = self.callback.get() {
            callback(Progress {
                durable: log.watermarks().durable(),
                failed: log.failure().cloned(),
            });
        }
        // Pairs with the fence in `wait`: either the waiter sees the mark that was stored before, or
        // it is counted here. Without it this load could come before that store.
        full_fence();
        if self.waiting.load(Ordering::Relaxed) > 0 {
            let _gate = self.gate.lock();
            self.moved.notify_all();
        }
    }

    /// Blocks until `position` is durable; `false` when it is not by the deadline or never will be.
    pub(crate) fn wait(&self, log: &CommitLog, position: u64, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // Pairs with the fence in `moved`. A mark that moves after the look below finds this waiter
        // counted, and its call waits for the gate, which is let go only by waiting.
        full_fence();
        let mut gate = self.gate.lock();
        let reached = loop {
            if log.watermarks().durable() >= position {
                break true;
            }
            if log.failure().is_some() || self.moved.wait_until(&mut gate, deadline).timed_out() {
                break log.watermarks().durable() >= position;
            }
        };
        drop(gate);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        reached
    }
}

impl fmt::Debug for ProgressSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressSink")
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}
