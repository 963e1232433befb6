//! The one place where the store gets atomics, locks, back-off, clocks and threads. It promises
//! that a model checker takes their place by a build switch (`--cfg loom`, see `crate::model`), and
//! owns no state of its own. Nothing else in the crate may name `std::sync`, `std::thread` or
//! `parking_lot`.

mod lock;
#[cfg(loom)]
mod model;
#[cfg(not(loom))]
mod real;
mod sleeper;

pub(crate) use std::sync::Arc;
pub(crate) use std::sync::atomic::Ordering;
pub(crate) use std::time::Duration;

pub(crate) use crossbeam::utils::CachePadded;

pub(crate) use lock::ChosenLock;
#[cfg(loom)]
pub(crate) use model::*;
#[cfg(not(loom))]
pub(crate) use real::*;
pub(crate) use sleeper::Sleeper;

/// What is never modelled: counters that order nothing, and the simulated disk, whose operations
/// stand for system calls.
pub(crate) mod plain {
    pub(crate) use parking_lot::{Mutex, RwLock};
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64};
}

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
