//! The append lock's two ways to wait. It owns what it guards; it promises that waiters either spin
//! with back-off and then yield, or park, as chosen when it was made. Holders must do little and
//! never call the operating system.

use super::{Backoff, Mutex, MutexGuard};

/// A lock whose waiters wait as chosen when it was made.
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
