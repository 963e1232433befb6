//! The broker behind its doors: the state that every request shares. What a request does is a function of this type
//! with typed arguments, result and error, in the module of its subject (`send`, `pull`, `offsets`, ...); nothing here
//! knows of frames, codes or connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use mainstem_record::id::UniqueKeyGenerator;
use mainstem_store::Store;
use parking_lot::Mutex;

use crate::clients::{Consumers, Producers};
use crate::config::BrokerConfig;
use crate::delay::{DelayProgress, DelayScheduler};
use crate::groups::GroupTable;
use crate::live::LiveSettings;
use crate::locks::QueueLocks;
use crate::log_limit::LogLimit;
use crate::metrics::BrokerMetrics;
use crate::offsets::OffsetTable;
use crate::pull::{ColdReads, ParkedPulls};
use crate::registration::Registration;
use crate::stats::{BrokerStats, CounterTable};
use crate::topics::TopicTable;

/// Shared state of one broker.
pub struct BrokerCore {
    pub(crate) config: BrokerConfig,
    pub(crate) store: Arc<Store>,
    /// The advertised address: in message ids and stored records.
    pub(crate) store_host: SocketAddr,
    pub(crate) topics: TopicTable,
    pub(crate) groups: GroupTable,
    pub(crate) offsets: OffsetTable,
    pub(crate) producers: Producers,
    pub(crate) consumers: Consumers,
    pub(crate) locks: QueueLocks,
    pub(crate) delay: DelayScheduler,
    pub(crate) delay_progress: DelayProgress,
    /// The progress that the journal holds.
    pub(crate) saved_delay_progress: Mutex<Vec<(i32, u64)>>,
    pub(crate) parked: ParkedPulls,
    pub(crate) cold_reads: ColdReads,
    pub(crate) counters: Arc<CounterTable>,
    pub(crate) stats: Arc<BrokerStats>,
    pub(crate) metrics: BrokerMetrics,
    /// Holds back repeated log lines about refused sends.
    pub(crate) refusals: LogLimit,
    /// The same about offsets out of range.
    pub(crate) moved_offsets: LogLimit,
    pub(crate) unique_keys: UniqueKeyGenerator,
    pub(crate) registration: Registration,
    /// What may change at run time.
    pub(crate) live: LiveSettings,
    /// The hours in which expired messages are removed.
    pub(crate) delete_hours: Mutex<Vec<u8>>,
    /// Spreads sends that leave the choice of the queue to the broker.
    pub(crate) next_queue: AtomicU64,
    /// A record is taken to be in memory when it lies at most so far behind the log's end.
    pub(crate) memory_window_bytes: u64,
}

impl BrokerCore {
    /// The settings the broker was started with.
    pub fn config(&self) -> &BrokerConfig {
        &self.config
    }

    /// The storage engine.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The advertised address, as `ip:port`.
    pub fn address(&self) -> SocketAddr {
        self.store_host
    }

    /// The topics.
    pub fn topics(&self) -> &TopicTable {
        &self.topics
    }

    /// The configured groups.
    pub fn groups(&self) -> &GroupTable {
        &self.groups
    }

    /// The committed offsets.
    pub fn offsets(&self) -> &OffsetTable {
        &self.offsets
    }

    /// The connected consumers.
    pub fn consumers(&self) -> &Consumers {
        &self.consumers
    }

    /// The connected producers.
    pub fn producers(&self) -> &Producers {
        &self.producers
    }
}
