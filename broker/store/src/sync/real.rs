//! What the store runs with: the standard library's atomics and threads, and `parking_lot`'s locks.
//! It promises the same names as its model and adds nothing to what it passes on.

/// Counts those who use a mapped file. A type of its own because the model watches this count.
pub(crate) use std::sync::Arc as LeaseArc;
pub(crate) use std::sync::OnceLock;
pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, fence,
};
pub(crate) use std::thread::{JoinHandle, Thread, current};
pub(crate) use std::time::Instant;

pub(crate) use crossbeam::utils::Backoff;
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

use super::Duration;

/// Sleeps; for simulated delays and bounded waits only.
pub(crate) fn sleep(duration: Duration) {
    std::thread::sleep(duration);
}

/// Parks the running thread, which must be `_thread`, until unparked or timed out.
pub(crate) fn park_on(_thread: &Thread, timeout: Duration) {
    std::thread::park_timeout(timeout);
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
