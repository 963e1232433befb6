//! What the dispatcher shares with others: how far it is, and whom it tells. Promises that
//! everything below its position can be read by queue and, if it has keys, by key.

use crate::outcome::Arrival;
use crate::sync::{AtomicI64, AtomicU64, OnceLock, Ordering};

/// Called for each message that arrives in a watched queue.
pub(crate) type OnArrival = Box<dyn Fn(&Arrival<'_>) + Send + Sync>;

/// What dispatcher and others share.
#[derive(Default)]
pub(crate) struct DispatchState {
    /// Everything below this log position is in queues and index.
    pub(super) position: AtomicU64,
    /// Store time of the newest record dispatched, in ms.
    pub(super) newest_store_ms: AtomicI64,
    pub(super) on_arrival: OnceLock<OnArrival>,
}

impl DispatchState {
    pub(crate) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    pub(crate) fn newest_store_ms(&self) -> i64 {
        self.newest_store_ms.load(Ordering::Relaxed)
    }

    /// Sets the callback; only the first one counts.
    pub(crate) fn set_on_arrival(&self, callback: OnArrival) -> bool {
        self.on_arrival.set(callback).is_ok()
    }
}

impl std::fmt::Debug for DispatchState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DispatchState")
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}
