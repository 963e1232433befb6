//! All connections of one server or client, and the one timer that looks after them: a coarse clock that connections
//! stamp their activity with, and a sweep that closes the idle and the slow and lets the quiet give back memory. No
//! connection has a timer of its own, and no message resets one.

use super::Connection;
use super::budget::Budget;
use super::close::CloseCause;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A connection that has been quiet for this long gives back its buffers.
const QUIET: Duration = Duration::from_secs(2);

/// When the sweep closes a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SweepTimes {
    /// Without reads and writes for this long.
    pub(crate) idle: Duration,
    /// With unsent bytes of which the peer took none for this long.
    pub(crate) slow_reader: Duration,
}

impl SweepTimes {
    fn period(&self) -> Duration {
        let shortest = self.idle.min(self.slow_reader);
        (shortest / 8).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }
}

#[derive(Debug)]
pub(crate) struct Registry {
    /// Milliseconds that the sweep has run, plus 1 so that 0 can mean "never". Time in which this process did not get
    /// to run hardly counts: it says nothing about the peers.
    now_ms: AtomicU64,
    connections: Mutex<HashMap<u64, Arc<Connection>>>,
    open: AtomicUsize,
    /// Requests that have not arrived whole.
    pub(crate) unfinished: Budget,
    /// Replies that peers have not taken, or that wait for the disk.
    pub(crate) unsent: Budget,
}

impl Registry {
    /// `max_buffered_bytes` bounds both the unfinished requests and the unsent replies of all connections.
    pub(crate) fn new(max_buffered_bytes: usize) -> Registry {
        Registry {
            now_ms: AtomicU64::new(1),
            connections: Mutex::default(),
            open: AtomicUsize::new(0),
            unfinished: Budget::new(max_buffered_bytes),
            unsent: Budget::new(max_buffered_bytes),
        }
    }

    /// The time by the coarse clock, in milliseconds.
    #[inline]
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, connection: &Arc<Connection>) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.connections
            .lock()
            .insert(connection.id, Arc::clone(connection));
    }

    pub(crate) fn remove(&self, connection: &Connection) {
        if self.connections.lock().remove(&connection.id).is_some() {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Asks every connection to finish what is in flight and close.
    pub(crate) fn drain_all(&self) {
        self.for_each(Connection::drain);
    }

    pub(crate) fn close_all(&self) {
        self.for_each(|connection| connection.inbox.ask_to_close(CloseCause::Shutdown));
    }

    /// Runs until dropped: moves the clock and sweeps.
    pub(crate) async fn sweep(&self, times: SweepTimes) {
        let period = times.period();
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut ran = Duration::ZERO;
        let mut last = Instant::now();
        loop {
            let tick = ticks.tick().await.into_std();
            ran += tick.saturating_duration_since(last).min(2 * period);
            last = tick;
            let now_ms = ran.as_millis() as u64 + 1;
            self.now_ms.store(now_ms, Ordering::Relaxed);
            self.for_each(|connection| check(connection, now_ms, times));
        }
    }

    fn for_each(&self, act: impl Fn(&Connection)) {
        for connection in self.connections.lock().values() {
            act(connection);
        }
    }
}

fn check(connection: &Connection, now_ms: u64, times: SweepTimes) {
    let past =
        |since_ms: u64, span: Duration| now_ms.saturating_sub(since_ms) > span.as_millis() as u64;
    let unsent_since_ms = connection.unsent_since_ms.load(Ordering::Relaxed);
    let last_activity_ms = connection.last_activity_ms.load(Ordering::Relaxed);
    if unsent_since_ms != 0 && past(unsent_since_ms, times.slow_reader) {
        connection.inbox.ask_to_close(CloseCause::SlowReader);
    } else if past(last_activity_ms, times.idle) {
        connection.inbox.ask_to_close(CloseCause::Idle);
    } else if past(last_activity_ms, QUIET)
        && connection.trimmed_ms.load(Ordering::Relaxed) <= last_activity_ms
    {
        connection.trimmed_ms.store(now_ms, Ordering::Relaxed);
        connection.inbox.ask_to_trim();
    }
}
