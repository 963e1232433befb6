//! The thread that writes what is derived: queue tails, index, snapshots, journal, checkpoint. It
//! promises a tick at least every second, sooner when memory fills up, and never holds up appends.

use super::Shared;
use crate::sync::{AtomicBool, Duration, Ordering, Sleeper, sleep};

/// Longest time between two ticks.
const TICK: Duration = Duration::from_millis(500);

/// Shortest time between two ticks: memory that is full because the disk takes nothing must not
/// become a busy loop.
const REST: Duration = Duration::from_millis(20);

/// Wakes and ends the background thread.
#[derive(Debug, Default)]
pub(super) struct Background {
    sleeper: Sleeper,
    stop: AtomicBool,
    /// Something asked for a tick at once.
    asked: AtomicBool,
}

impl Background {
    /// Asks for a tick at once.
    pub(super) fn wake(&self) {
        self.asked.store(true, Ordering::Release);
        self.sleeper.wake();
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.sleeper.wake();
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

impl Shared {
    /// Body of the background thread.
    pub(super) fn run_background(&self) {
        while !self.background.is_stopped() {
            self.background.sleeper.sleep(TICK, || {
                self.background.is_stopped() || self.background.asked.load(Ordering::Acquire)
            });
            self.background.asked.store(false, Ordering::Release);
            if self.background.is_stopped() {
                return;
            }
            self.tick();
            sleep(REST);
        }
    }

    pub(super) fn tick(&self) {
        self.tend_disk();
        self.derived.tick(&*self.log, &|| {
            self.log.flush().map(|_| self.log.watermarks().flushed())
        });
        if self.dispatching.is_paused() {
            self.dispatching.resume();
            self.dispatch_readable();
        }
    }
}
