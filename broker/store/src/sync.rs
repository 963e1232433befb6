//! The one place where the store gets atomics, locks, back-off, clocks and threads. It promises
//! that a model checker can take their place by a build switch, and owns no state of its own.
//! Nothing else in the crate may name `std::sync`, `std::thread` or `parking_lot`.

pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use std::sync::{Arc, OnceLock};
pub(crate) use std::thread::{JoinHandle, Thread};
pub(crate) use std::time::{Duration, Instant};

pub(crate) use crossbeam::utils::{Backoff, CachePadded};
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

/// Orders everything before it against everything after it, for every thread that does the same.
#[inline]
pub(crate) fn full_fence() {
    fence(Ordering::SeqCst);
}

/// The wall clock in ms since the epoch; 0 for a clock set before it.
#[inline]
pub(crate) fn now_ms() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
}

/// Sleeps; for simulated delays and bounded waits only.
pub(crate) fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

/// Starts a named thread.
///
/// # Errors
/// When the operating system gives no thread.
pub(crate) fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
}

/// A lock whose waiters either spin with back-off and then yield, or park, as chosen when it was
/// made. Holders must do little and never call the operating system.
#[derive(Debug)]
pub(crate) struct ChosenLock<T> {
    spins: bool,
    inner: Mutex<T>,
}

impl<T> ChosenLock<T> {
    pub(crate) fn new(spins: bool, value: T) -> Self {
        Self {
            spins,
            inner: Mutex::new(value),
        }
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        if !self.spins {
            return self.inner.lock();
        }
        if let Some(guard) = self.inner.try_lock() {
            return guard;
        }
        // Once backed off, `snooze` yields the processor: with more threads than cores the holder
        // may be the one that needs it.
        let backoff = Backoff::new();
        loop {
            backoff.snooze();
            if let Some(guard) = self.inner.try_lock() {
                return guard;
            }
        }
    }
}

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
        self.thread.get_or_init(std::thread::current);
        self.asleep.store(true, Ordering::Relaxed);
        // Pairs with the fence in `wake`: either this thread sees what the waker did before, or
        // the waker sees it asleep.
        fence(Ordering::SeqCst);
        if !ready() {
            std::thread::park_timeout(timeout);
        }
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Wakes the sleeper if it sleeps. What it is to see must have been stored before.
    #[inline]
    pub(crate) fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed)
            && self.asleep.swap(false, Ordering::Relaxed)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}
