//! One sleeping thread and those who wake it. It promises that no wake-up is lost and that wakers
//! pay a fence while the thread is awake; what there is to see when it wakes is the callers' affair.

use crate::commit_log::{Sabotage, is_broken};

use super::{AtomicBool, Duration, OnceLock, Ordering, Thread, current, full_fence, park_on};

/// Wakes one sleeping thread, and costs its wakers nothing but a fence while it is awake.
#[derive(Debug, Default)]
pub(crate) struct Sleeper {
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Sleeper {
    /// Sleeps until woken or timed out, unless `ready` holds already. Only ever called by one
    /// thread.
    pub(crate) fn sleep(&self, timeout: Duration, ready: impl Fn() -> bool) {
        let thread = self.thread.get_or_init(current);
        // Release: whoever sees it asleep also sees whom to wake.
        self.asleep.store(true, Ordering::Release);
        // Pairs with the fence in `wake`: either this thread sees what the waker did before, or
        // the waker sees it asleep.
        full_fence();
        if is_broken(Sabotage::SecondLook) || !ready() {
            park_on(thread, timeout);
        }
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Wakes the sleeper if it sleeps. What it is to see must have been stored before.
    #[inline]
    pub(crate) fn wake(&self) {
        full_fence();
        // An exchange and no swap: a waker that comes late must not write over the next sleep's mark.
        if self.asleep.load(Ordering::Relaxed)
            && self
                .asleep
                .compare_exchange(true, false, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}
