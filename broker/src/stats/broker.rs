//! Totals of the whole broker and their rates. Counting is a few relaxed additions; [`BrokerStats::sample`] runs once a
//! second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::{Counter, CounterTable, Rate, counter_name};
use crate::clock::now_ms;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Counters of a broker.
pub(crate) struct BrokerStats {
    pub(crate) started: Instant,
    pub(crate) started_ms: i64,
    put_messages: AtomicU64,
    put_bytes: AtomicU64,
    put_failed: AtomicU64,
    got_messages: AtomicU64,
    pulls_found: AtomicU64,
    pulls_missed: AtomicU64,
    by_cluster_put: Arc<Counter>,
    by_cluster_got: Arc<Counter>,
    pub(crate) put_rate: Rate,
    pub(crate) transferred_rate: Rate,
    pub(crate) found_rate: Rate,
    pub(crate) miss_rate: Rate,
    pub(crate) total_rate: Rate,
}

impl BrokerStats {
    pub(crate) fn new(counters: &CounterTable, cluster: &str) -> Self {
        BrokerStats {
            started: Instant::now(),
            started_ms: now_ms(),
            put_messages: AtomicU64::new(0),
            put_bytes: AtomicU64::new(0),
            put_failed: AtomicU64::new(0),
            got_messages: AtomicU64::new(0),
            pulls_found: AtomicU64::new(0),
            pulls_missed: AtomicU64::new(0),
            by_cluster_put: counters.counter(counter_name::BROKER_PUT_NUMS, cluster),
            by_cluster_got: counters.counter(counter_name::BROKER_GET_NUMS, cluster),
            put_rate: Rate::default(),
            transferred_rate: Rate::default(),
            found_rate: Rate::default(),
            miss_rate: Rate::default(),
            total_rate: Rate::default(),
        }
    }

    /// Counts stored messages.
    pub(crate) fn put(&self, messages: u64, bytes: u64) {
        self.put_messages.fetch_add(messages, Ordering::Relaxed);
        self.put_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.by_cluster_put.add(messages);
    }

    /// Counts a refused message.
    pub(crate) fn put_refused(&self) {
        self.put_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a pull that returned so many messages.
    pub(crate) fn pulled(&self, messages: u64) {
        if messages == 0 {
            self.pulls_missed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.pulls_found.fetch_add(1, Ordering::Relaxed);
        self.got_messages.fetch_add(messages, Ordering::Relaxed);
        self.by_cluster_got.add(messages);
    }

    pub(crate) fn put_messages(&self) -> u64 {
        self.put_messages.load(Ordering::Relaxed)
    }

    pub(crate) fn put_bytes(&self) -> u64 {
        self.put_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn put_failed(&self) -> u64 {
        self.put_failed.load(Ordering::Relaxed)
    }

    pub(crate) fn got_messages(&self) -> u64 {
        self.got_messages.load(Ordering::Relaxed)
    }

    /// Takes the samples of a second.
    pub(crate) fn sample(&self) {
        let day = (now_ms() / DAY_MS).unsigned_abs();
        let found = self.pulls_found.load(Ordering::Relaxed);
        let missed = self.pulls_missed.load(Ordering::Relaxed);
        self.put_rate.sample(self.put_messages(), day);
        self.transferred_rate.sample(self.got_messages(), day);
        self.found_rate.sample(found, day);
        self.miss_rate.sample(missed, day);
        self.total_rate.sample(found + missed, day);
    }
}
