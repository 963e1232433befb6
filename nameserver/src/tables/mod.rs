//! The five tables: topic-queue, broker-address, cluster-address, broker-live, filter-server. [`RouteTables`] is what
//! queries read, [`RouteChanges`] what the one changing thread holds; neither knows of frames or codes.
//!
//! Locks: a shard of the topic-queue table before the broker tables, never the reverse. A change holds a lock for one topic
//! or one broker at a time, so a registration of thousands of topics lets queries through between any two of them.

mod brokers;
mod clock;
mod lists;
mod register;
mod registration;
mod remove;
mod route;
mod topic_queue;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mainstem_common::remoting::Connection;
use parking_lot::{Mutex, RwLock};

pub(crate) use lists::UnitFilter;
pub(crate) use registration::{Registered, Registration, fingerprint};

use brokers::Brokers;
use clock::Clock;
use route::Encoded;
use topic_queue::TopicQueueTable;

/// Where a broker's registration came from: when this connection goes, so does the broker.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// The connection's number.
    pub(crate) id: u64,
    /// The connection, to be closed when its broker has fallen silent.
    pub(crate) connection: Option<Arc<Connection>>,
}

/// The tables as queries see them.
#[derive(Debug)]
pub(crate) struct RouteTables {
    topics: TopicQueueTable,
    brokers: RwLock<Brokers>,
    /// Counts changes of the broker tables; encoded answers of an older count are made anew.
    generation: AtomicU64,
    cluster_info: Mutex<Option<Encoded>>,
    clock: Clock,
}

impl RouteTables {
    pub(crate) fn new() -> Self {
        Self::with_clock(Clock::monotonic())
    }

    fn with_clock(clock: Clock) -> Self {
        Self {
            topics: TopicQueueTable::new(),
            brokers: RwLock::default(),
            generation: AtomicU64::new(0),
            cluster_info: Mutex::default(),
            clock,
        }
    }

    /// Milliseconds by the clock that brokers fall silent by.
    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// To be called after every change of names or addresses, before any answer may rest on it.
    fn brokers_changed(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }
}

/// The right to change the tables; there is one, on one thread.
#[derive(Debug)]
pub(crate) struct RouteChanges {
    tables: Arc<RouteTables>,
    default_timeout_ms: u64,
    /// When a conflict over a broker name and id was last reported, so that two brokers that take turns do not fill the log.
    conflicts_reported: HashMap<(String, i64), u64>,
}

impl RouteChanges {
    pub(crate) fn new(tables: Arc<RouteTables>, default_timeout_ms: u64) -> Self {
        Self {
            tables,
            default_timeout_ms,
            conflicts_reported: HashMap::new(),
        }
    }
}

#[cfg(test)]
mod tests;
