//! Driving the dispatcher over what has become readable. It promises that every readable record is
//! dispatched once, in order, by whichever thread happens to be there: one holds the dispatcher,
//! and whoever finds it held leaves the work to the holder, which looks again before it leaves.

use super::Shared;
use crate::dispatch::{DispatchError, DispatchRecord, Dispatcher, Hints};
use crate::log_reader::LogReader;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, full_fence, now_ms};

/// The dispatcher and how far it is.
#[derive(Debug)]
pub(super) struct Dispatching {
    dispatcher: Mutex<Dispatcher>,
    /// What those who append know already.
    pub(super) hints: Hints,
    /// Everything below was dispatched. Written by the holder only.
    position: AtomicU64,
    /// The dispatcher's memory is full: the background must write it out before it goes on.
    paused: AtomicBool,
    /// Why it does not go on was told already.
    told: AtomicBool,
}

impl Dispatching {
    pub(super) fn new(dispatcher: Dispatcher, position: u64) -> Self {
        Self {
            dispatcher: Mutex::new(dispatcher),
            hints: Hints::default(),
            position: AtomicU64::new(position),
            paused: AtomicBool::new(false),
            told: AtomicBool::new(false),
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// Lets a paused dispatcher try again.
    pub(super) fn resume(&self) {
        self.paused.store(false, Ordering::Release);
    }
}

impl Shared {
    /// Runs something that must not meet a dispatch, then does what others left to the holder.
    pub(super) fn hold_dispatch<T>(&self, during: impl FnOnce(&mut Dispatcher) -> T) -> T {
        let outcome = during(&mut self.dispatching.dispatcher.lock());
        self.dispatch_readable();
        outcome
    }

    /// Dispatches everything readable, unless another thread is at it, which then does.
    pub(super) fn dispatch_readable(&self) {
        let state = &self.dispatching;
        loop {
            // Pairs with itself: either this thread finds the dispatcher free, or the holder,
            // which looks once more after it has let go, sees what this thread made readable.
            full_fence();
            let Some(mut dispatcher) = state.dispatcher.try_lock() else {
                return;
            };
            self.run(&mut dispatcher);
            drop(dispatcher);
            full_fence();
            if state.is_paused() || state.position() >= self.log.readable() {
                return;
            }
        }
    }

    /// Dispatches up to the readable mark with the dispatcher in hand.
    fn run(&self, dispatcher: &mut Dispatcher) {
        let state = &self.dispatching;
        let from = state.position();
        let to = self.log.readable();
        if from >= to || state.is_paused() {
            return;
        }
        state.hints.take_into(&mut dispatcher.hints);
        let mut records = 0;
        let mut oldest_ms = 0;
        let mut stopped_at = None;
        let tell = !state.told.load(Ordering::Relaxed);
        let scanned = self.log.scan(from, to, &mut |position, record| {
            if oldest_ms == 0 {
                oldest_ms = record.store_timestamp_ms();
            }
            match dispatcher.dispatch(&DispatchRecord::of(position, record)) {
                Ok(()) => records += 1,
                Err(error @ DispatchError::Paused { .. }) => {
                    if tell {
                        tracing::warn!(%error, "messages stay invisible to consumers until the disk takes queues and index");
                    }
                    stopped_at = Some(position);
                    return false;
                }
                // One record that no queue can take must not hide all later ones.
                Err(error) => tracing::error!(%error, "a record of the log cannot be dispatched and is passed over"),
            }
            true
        });
        let reached = match scanned {
            Ok(reached) => stopped_at.unwrap_or(reached),
            Err(error) => {
                if tell {
                    tracing::error!(%error, "the log cannot be read for dispatch; it is tried again until it can");
                }
                stopped_at = Some(from);
                from
            }
        };
        state.told.store(stopped_at.is_some(), Ordering::Relaxed);
        if stopped_at.is_some() {
            state.paused.store(true, Ordering::Release);
            // Without progress the next turn of the background is soon enough.
            if reached > from {
                self.background.wake();
            }
        }
        self.log
            .counters()
            .dispatched
            .fetch_add(records, Ordering::Relaxed);
        state.position.store(reached, Ordering::Release);
        if records > 0 && oldest_ms > 0 {
            let lag_ms = u64::try_from(now_ms().saturating_sub(oldest_ms)).unwrap_or(0);
            let histograms = &self.log.counters().histograms;
            histograms
                .dispatch_lag_ns
                .observe(lag_ms.saturating_mul(1_000_000));
        }
        dispatcher.reached(reached);
        if self.derived.is_pressed() {
            self.background.wake();
        }
    }
}
