//! The one place where the store gets atomics, locks, back-off, clocks and threads. It promises
//! that a model checker can take their place by a build switch, and owns no state of its own.
//! Nothing else in the crate may name `std::sync`, `std::thread` or `parking_lot`.

pub use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub use std::sync::{Arc, OnceLock, Weak};
pub use std::thread::{JoinHandle, Thread};
pub use std::time::{Duration, Instant};

pub use crossbeam::utils::{Backoff, CachePadded};
pub use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The handle of the calling thread.
pub fn current_thread() -> Thread {
    std::thread::current()
}

/// Blocks until [`Thread::unpark`] or until `timeout` has passed.
pub fn park_timeout(timeout: Duration) {
    std::thread::park_timeout(timeout);
}

/// Sleeps; for simulated delays and bounded waits only.
pub fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

/// Starts a named thread.
///
/// # Errors
/// When the operating system gives no thread.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
}
