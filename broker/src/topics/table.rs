//! The topics of a broker: read on every request, changed rarely. Readers get a shared topic without copying; the
//! generation number lets them keep one until anything changes.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mainstem_common::protocol::{DataVersion, TopicConfig, perm};
use mainstem_record::topic;
use mainstem_store::QueueSlots;
use parking_lot::{Mutex, RwLock};

use crate::clock::now_ms;
use crate::stats::{Counter, CounterTable, counter_name};

/// Queues of a topic that sends find without a lookup; those of a greater number are looked up. With 16 bytes each they
/// are part of what a topic may take by the sum of limits.
const MAX_SLOTS: usize = 64;

/// A topic with its counters. In this order since with very many topics each send finds its topic in no cache: what it
/// touches lies together, first.
#[derive(Debug)]
#[repr(C)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// The store's queues, for sends. Their topic is `name`.
    pub(crate) slots: QueueSlots,
    /// Messages and bytes stored since they were last moved to the counters.
    uncounted_messages: AtomicU64,
    uncounted_bytes: AtomicU64,
    /// Whether clients may not send to it.
    pub(crate) closed_to_clients: bool,
    /// Whether it is a group's retry topic.
    pub(crate) is_retry: bool,
    /// How it is set up.
    pub config: TopicConfig,
    /// Messages stored.
    pub(crate) put_count: Arc<Counter>,
    /// Bytes stored.
    put_bytes: Arc<Counter>,
}

impl Topic {
    /// Whether consumers may read it.
    pub fn is_readable(&self) -> bool {
        self.config.perm & perm::READ != 0
    }

    /// Counts stored messages; the counters have them after the next sample.
    pub(crate) fn count_put(&self, messages: u64, bytes: u64) {
        self.uncounted_messages
            .fetch_add(messages, Ordering::Relaxed);
        self.uncounted_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Moves what was stored since the last call to the counters.
    fn settle_counts(&self) {
        if self.uncounted_messages.load(Ordering::Relaxed) == 0 {
            return;
        }
        let messages = self.uncounted_messages.swap(0, Ordering::Relaxed);
        let bytes = self.uncounted_bytes.swap(0, Ordering::Relaxed);
        self.put_count.add_many(messages, messages);
        self.put_bytes.add_many(bytes, messages);
    }
}

/// Some sender may have kept a topic that was replaced, and have counted to it since.
impl Drop for Topic {
    fn drop(&mut self) {
        self.settle_counts();
    }
}

/// A topic that is found by its name.
struct ByName(Arc<Topic>);

impl Borrow<str> for ByName {
    fn borrow(&self) -> &str {
        &self.0.name
    }
}

impl Hash for ByName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for ByName {}

/// Parts of the table with a lock each: where every message has another topic than the one before it, one lock would
/// be what all threads meet at.
const SHARDS: usize = 16;

type Shard = RwLock<HashSet<ByName, foldhash::fast::RandomState>>;

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
        let shard = self.shard(name).read();
        shard.get(name).map(|found| found.0.clone())
    }

    /// Whether there is a topic of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.shard(name).read().contains(name)
    }

    /// Puts a topic in, in the place of one of the same name.
    fn insert(&self, topic: &Arc<Topic>) {
        let mut shard = self.shard(&topic.name).write();
        if let Some(replaced) = shard.replace(ByName(topic.clone())) {
            replaced.0.settle_counts();
        }
    }

    /// Moves what was stored in every topic to the counters, before these are sampled.
    pub(crate) fn settle_counts(&self) {
        for shard in &self.shards {
            shard
                .read()
                .iter()
                .for_each(|topic| topic.0.settle_counts());
        }
    }

    fn topic_of(&self, config: TopicConfig) -> Arc<Topic> {
        let queues = config.write_queue_nums.max(config.read_queue_nums);
        let queues = usize::try_from(queues).unwrap_or(0).min(MAX_SLOTS);
        let name: Arc<str> = config.topic_name.as_str().into();
        Arc::new(Topic {
            slots: QueueSlots::new(name.clone(), queues),
            uncounted_messages: AtomicU64::new(0),
            uncounted_bytes: AtomicU64::new(0),
            name,
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
        self.insert(&topic);
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
        self.insert(&topic);
        version.bump(now_ms());
        self.generation.fetch_add(1, Ordering::Release);
        (topic, Some(*version))
    }

    /// Removes a topic; true when it was there.
    pub(crate) fn remove(&self, name: &str) -> bool {
        let mut version = self.version.lock();
        let removed = self.shard(name).write().take(name);
        if let Some(removed) = &removed {
            removed.0.settle_counts();
            version.bump(now_ms());
            self.generation.fetch_add(1, Ordering::Release);
        }
        removed.is_some()
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
            self.insert(&topic);
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
            topics.extend(shard.read().iter().map(|topic| topic.0.clone()));
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
