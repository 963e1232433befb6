//! The one place where the store gets atomics, locks, back-off, clocks and threads. It promises
//! that a model checker can take their place by a build switch, and owns no state of its own.
//! Nothing else in the crate may name `std::sync`, `std::thread` or `parking_lot`.

pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use std::sync::{Arc, OnceLock, Weak};
pub(crate) use std::thread::{JoinHandle, Thread};
pub(crate) use std::time::{Duration, Instant};

pub(crate) use crossbeam::utils::{Backoff, CachePadded};
pub(crate) use parking_lot::{
    Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

/// The handle of the calling thread.
pub(crate) fn current_thread() -> Thread {
    std::thread::current()
}

/// Blocks until [`Thread::unpark`] or until `timeout` has passed.
pub(crate) fn park_timeout(timeout: Duration) {
    std::thread::park_timeout(timeout);
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
