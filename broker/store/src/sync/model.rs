//! The same names over loom, which runs every order that the memory model allows. Time stands still
//! and no wait times out: whoever is not woken is found as a deadlock instead of as a delay. It
//! promises the interface of `real`, and is no part of what ships.

use std::ops::{Deref, DerefMut};

pub(crate) use loom::sync::Arc as LeaseArc;
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, fence,
};
pub(crate) use loom::thread::JoinHandle;

use super::{Duration, Ordering};

/// Stack of a thread in words of 8 bytes; loom's own default is too small for the store.
const STACK_WORDS: usize = 32 << 10;

/// A moment; there is only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        Self(Duration::ZERO)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

impl std::ops::Add<Duration> for Instant {
    type Output = Self;
    fn add(self, later: Duration) -> Self {
        Self(self.0 + later)
    }
}

/// Only lets others run.
pub(crate) fn sleep(_duration: Duration) {
    loom::thread::yield_now();
}

/// Whom to wake. Not loom's own: its `unpark` also wakes a thread that waits for a lock or for
/// another thread's end, and the permit is lost there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Thread(std::sync::Arc<Permit>);

#[derive(Debug, Default)]
struct Permit {
    given: Mutex<bool>,
    changed: Condvar,
}

impl Thread {
    pub(crate) fn unpark(&self) {
        *self.0.given.lock() = true;
        self.0.changed.notify_all();
    }
}

pub(crate) fn current() -> Thread {
    Thread::default()
}

/// Parks until unparked.
pub(crate) fn park_on(thread: &Thread, _timeout: Duration) {
    let mut given = thread.0.given.lock();
    while !*given {
        thread.0.changed.wait(&mut given);
    }
    *given = false;
}

pub(crate) fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    loom::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK_WORDS)
        .spawn(body)
}

/// Gives way at once, so that the model ends.
#[derive(Debug)]
pub(crate) struct Backoff;

impl Backoff {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn snooze(&self) {
        loom::thread::yield_now();
    }
}

/// Set once. The value lies in a lock that the model does not see; that it is there, is seen.
#[derive(Debug)]
pub(crate) struct OnceLock<T> {
    set: AtomicBool,
    value: std::sync::OnceLock<T>,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self {
            set: AtomicBool::new(false),
            value: std::sync::OnceLock::new(),
        }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.set
            .load(Ordering::Acquire)
            .then(|| self.value.get())
            .flatten()
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let outcome = self.value.set(value);
        self.set.store(true, Ordering::Release);
        outcome
    }

    pub(crate) fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
        let value = self.value.get_or_init(init);
        self.set.store(true, Ordering::Release);
        value
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A mutex without poison.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

/// Its guard, which a condition variable takes for a while.
#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

const HELD: &str = "a guard is whole but while its condition is awaited";

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(self.0.lock().ok())
    }

    #[expect(clippy::expect_used, reason = "a model that panicked has ended")]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().expect("no holder panicked")
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok().map(|guard| MutexGuard(Some(guard)))
    }
}

#[expect(clippy::expect_used, reason = "an invariant, stated; only in models")]
impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.as_ref().expect(HELD)
    }
}

#[expect(clippy::expect_used, reason = "an invariant, stated; only in models")]
impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect(HELD)
    }
}

/// A condition variable whose waits never time out.
#[derive(Debug, Default)]
pub(crate) struct Condvar(loom::sync::Condvar);

/// How a bounded wait ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitTimeoutResult;

impl WaitTimeoutResult {
    pub(crate) fn timed_out(&self) -> bool {
        false
    }
}

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        guard.0 = guard.0.take().and_then(|held| self.0.wait(held).ok());
    }

    pub(crate) fn wait_until<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        _deadline: Instant,
    ) -> WaitTimeoutResult {
        self.wait(guard);
        WaitTimeoutResult
    }

    pub(crate) fn wait_for<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        _timeout: Duration,
    ) -> WaitTimeoutResult {
        self.wait(guard);
        WaitTimeoutResult
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// A readers-writer lock without poison.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

#[expect(clippy::expect_used, reason = "a model that panicked has ended")]
impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::RwLock::new(value))
    }

    pub(crate) fn read(&self) -> loom::sync::RwLockReadGuard<'_, T> {
        self.0.read().expect("no holder panicked")
    }

    pub(crate) fn write(&self) -> loom::sync::RwLockWriteGuard<'_, T> {
        self.0.write().expect("no holder panicked")
    }
}
