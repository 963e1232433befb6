//! The topics of a broker: read on every request, changed rarely. Readers get a shared topic without copying; the
//! generation number lets them keep one until anything changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mainstem_common::protocol::{DataVersion, TopicConfig, perm};
use mainstem_record::topic;
use parking_lot::{Mutex, RwLock};

use crate::clock::now_ms;
use crate::stats::{Counter, CounterTable, counter_name};

/// A topic with its counters.
#[derive(Debug)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// How it is set up.
    pub config: TopicConfig,
    /// Whether clients may not send to it.
    pub(crate) closed_to_clients: bool,
    /// Whether it is a group's retry topic.
    pub(crate) is_retry: bool,
    /// Messages stored.
    pub(crate) put_count: Arc<Counter>,
    /// Bytes stored.
    pub(crate) put_bytes: Arc<Counter>,
}

impl Topic {
    /// Whether consumers may read it.
    pub fn is_readable(&self) -> bool {
        self.config.perm & perm::READ != 0
    }
}

/// Parts of the table with a lock each: where every message has another topic than the one before it, one lock would
/// be what all threads meet at.
const SHARDS: usize = 16;

type Shard = RwLock<HashMap<Arc<str>, Arc<Topic>>>;

/// All topics of a broker. Changes are made under the lock of `version`, one at a time.
pub struct TopicTable {
    shards: [Shard; SHARDS],
    version: Mutex<DataVersion>,
    generation: AtomicU64,
    counters: Arc<CounterTable>,
}

impl TopicTable {
    pub(crate) fn new(counters: Arc<CounterTable>) -> Self {
        TopicTable {
            shards: Default::default(),
            version: Mutex::new(DataVersion::new(now_ms())),
            generation: AtomicU64::new(1),
            counters,
        }
    }

    /// Changes whenever any topic does.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The part that holds a topic. Names differ mostly at their ends; spread decides nothing but who waits for whom.
    fn shard(&self, name: &str) -> &Shard {
        let end = name.bytes().rev().take(4);
        let mixed = end.fold(name.len(), |mixed, byte| {
            mixed.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        &self.shards[mixed % SHARDS]
    }

    /// The topic of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.shard(name).read().get(name).cloned()
    }

    /// Whether there is a topic of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.shard(name).read().contains_key(name)
    }

    fn topic_of(&self, config: TopicConfig) -> Arc<Topic> {
        Arc::new(Topic {
            name: config.topic_name.as_str().into(),
            closed_to_clients: topic::is_closed_to_clients(&config.topic_name),
            is_retry: topic::is_retry(&config.topic_name),
            put_count: self
                .counters
                .counter(counter_name::TOPIC_PUT_NUMS, &config.topic_name),
            put_bytes: self
                .counters
                .counter(counter_name::TOPIC_PUT_SIZE, &config.topic_name),
            config,
        })
    }

    /// Creates or replaces a topic; returns it and the data version of the change.
    pub(crate) fn put(&self, config: TopicConfig) -> (Arc<Topic>, DataVersion) {
        let topic = self.topic_of(config);
        let mut version = self.version.lock();
        self.shard(&topic.name)
            .write()
            .insert(topic.name.clone(), topic.clone());
        version.bump(now_ms());
        self.generation.fetch_add(1, Ordering::Release);
        (topic, *version)
    }

    /// Creates a topic unless one of this name is there; the data version is that of the change, if there was one.
    pub(crate) fn put_if_absent(&self, config: TopicConfig) -> (Arc<Topic>, Option<DataVersion>) {
        let mut version = self.version.lock();
        if let Some(known) = self.get(&config.topic_name) {
            return (known, None);
        }
        let topic = self.topic_of(config);
        self.shard(&topic.name)
            .write()
            .insert(topic.name.clone(), topic.clone());
        version.bump(now_ms());
        self.generation.fetch_add(1, Ordering::Release);
        (topic, Some(*version))
    }

    /// Removes a topic; true when it was there.
    pub(crate) fn remove(&self, name: &str) -> bool {
        let mut version = self.version.lock();
        let removed = self.shard(name).write().remove(name).is_some();
        if removed {
            version.bump(now_ms());
            self.generation.fetch_add(1, Ordering::Release);
        }
        removed
    }

    /// Takes over what a journal or an export holds, data version included.
    pub(crate) fn load(
        &self,
        configs: impl IntoIterator<Item = TopicConfig>,
        version: Option<DataVersion>,
    ) {
        let mut current = self.version.lock();
        for config in configs {
            let topic = self.topic_of(config);
            self.shard(&topic.name)
                .write()
                .insert(topic.name.clone(), topic);
        }
        if let Some(version) = version {
            *current = version;
        }
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The data version now.
    pub fn version(&self) -> DataVersion {
        *self.version.lock()
    }

    /// Moves the data version on without a change of topics, so that name servers take the next registration.
    pub(crate) fn touch(&self) -> DataVersion {
        let mut version = self.version.lock();
        version.bump(now_ms());
        *version
    }

    /// All topics and the data version that goes with them.
    pub fn snapshot(&self) -> (Vec<Arc<Topic>>, DataVersion) {
        let version = self.version.lock();
        let mut topics = Vec::with_capacity(self.len());
        for shard in &self.shards {
            topics.extend(shard.read().values().cloned());
        }
        (topics, *version)
    }

    /// Number of topics.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    /// Whether there is no topic at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
