//! The topic-queue table: which brokers hold how many queues of a topic, beside each topic its encoded route. Owns the
//! split into shards, the rule when a registration changes an entry, and the encoded answer's life: any change of a topic
//! throws it away.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use bytes::Bytes;
use mainstem_common::protocol::{TopicConfig, perm};
use parking_lot::{Mutex, RwLock};

use super::route::Encoded;

/// Enough that queries on different topics rarely meet; each shard is a lock and a map.
const SHARDS: usize = 64;

/// A topic's queues on one broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TopicQueues {
    pub(super) read_queue_nums: i32,
    pub(super) write_queue_nums: i32,
    pub(super) perm: i32,
    pub(super) topic_sys_flag: i32,
    /// Set by an operator (codes 205 and 327); holds until the broker registers a changed table.
    pub(super) perm_override: Option<i32>,
}

impl TopicQueues {
    pub(super) fn of(topic: &TopicConfig) -> Self {
        Self {
            read_queue_nums: topic.read_queue_nums,
            write_queue_nums: topic.write_queue_nums,
            perm: topic.perm,
            topic_sys_flag: topic.topic_sys_flag,
            perm_override: None,
        }
    }

    pub(super) fn effective_perm(&self) -> i32 {
        self.perm_override.unwrap_or(self.perm)
    }
}

/// Queues by broker name; the names are shared by all topics of a broker.
pub(super) type QueuesByBroker = BTreeMap<Arc<str>, TopicQueues>;

#[derive(Debug, Default)]
struct Topic {
    queues: QueuesByBroker,
    encoded: Mutex<Option<Encoded>>,
}

impl Topic {
    fn changed(&mut self) {
        *self.encoded.get_mut() = None;
    }
}

type Shard = RwLock<HashMap<Box<str>, Topic>>;

#[derive(Debug)]
pub(super) struct TopicQueueTable {
    shards: Box<[Shard]>,
    hasher: RandomState,
}

impl TopicQueueTable {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    fn shard(&self, topic: &str) -> &Shard {
        &self.shards[self.hasher.hash_one(topic) as usize % SHARDS]
    }

    /// The encoded route of a topic at this generation of the broker tables; `encode` makes it where there is none.
    pub(super) fn route(
        &self,
        topic: &str,
        generation: u64,
        encode: impl FnOnce(&QueuesByBroker) -> Option<Bytes>,
    ) -> Option<Bytes> {
        let shard = self.shard(topic).read();
        let entry = shard.get(topic)?;
        let mut encoded = entry.encoded.lock();
        match &*encoded {
            Some(made) if made.generation == generation => Some(made.body.clone()),
            _ => {
                let body = encode(&entry.queues)?;
                *encoded = Some(Encoded {
                    generation,
                    body: body.clone(),
                });
                Some(body)
            }
        }
    }

    /// Puts what a broker registered. With an unchanged data version an operator's permission stays; the rest is compared
    /// all the same, since two changes may have been sent under one version. Returns whether the topic is new here.
    pub(super) fn put(
        &self,
        topic: &str,
        broker: &Arc<str>,
        registered: TopicQueues,
        version_changed: bool,
    ) -> bool {
        let wanted = |known: Option<&TopicQueues>| TopicQueues {
            perm_override: known
                .and_then(|known| known.perm_override)
                .filter(|_| !version_changed),
            ..registered
        };
        let shard = self.shard(topic);
        // Most topics of a registration are as they were: a look under the shared lock spares queries the exclusive one.
        if let Some(known) = shard
            .read()
            .get(topic)
            .and_then(|entry| entry.queues.get(broker))
            && *known == wanted(Some(known))
        {
            return false;
        }
        let mut shard = shard.write();
        let new = !shard.contains_key(topic);
        if new {
            shard.insert(topic.into(), Topic::default());
        }
        if let Some(entry) = shard.get_mut(topic) {
            let queues = wanted(entry.queues.get(broker));
            entry.queues.insert(Arc::clone(broker), queues);
            entry.changed();
        }
        new
    }

    /// Changes the queues of one broker in every topic that it has; returns in how many.
    pub(super) fn change_broker(
        &self,
        broker: &str,
        mut change: impl FnMut(&mut TopicQueues),
    ) -> usize {
        let topics = self.topics_where(|queues| queues.contains_key(broker));
        for topic in &topics {
            let mut shard = self.shard(topic).write();
            if let Some(entry) = shard.get_mut(&**topic)
                && let Some(queues) = entry.queues.get_mut(broker)
            {
                change(queues);
                entry.changed();
            }
        }
        topics.len()
    }

    /// Takes brokers out of a topic, and the topic out of the table when no broker is left. Returns those taken out.
    pub(super) fn remove(&self, topic: &str, mut which: impl FnMut(&str) -> bool) -> Vec<Arc<str>> {
        let mut shard = self.shard(topic).write();
        let Some(entry) = shard.get_mut(topic) else {
            return Vec::new();
        };
        let removed: Vec<Arc<str>> = entry
            .queues
            .keys()
            .filter(|broker| which(broker))
            .cloned()
            .collect();
        for broker in &removed {
            entry.queues.remove(broker);
        }
        entry.changed();
        if entry.queues.is_empty() {
            shard.remove(topic);
        }
        removed
    }

    /// The topics whose queues `which` picks.
    pub(super) fn topics_where(
        &self,
        mut which: impl FnMut(&QueuesByBroker) -> bool,
    ) -> Vec<Box<str>> {
        let mut topics = Vec::new();
        for shard in &self.shards {
            let shard = shard.read();
            topics.extend(
                shard
                    .iter()
                    .filter(|(_, entry)| which(&entry.queues))
                    .map(|(topic, _)| topic.clone()),
            );
        }
        topics
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }
}

/// `perm` without the right to send.
pub(super) const fn without_write(perm: i32) -> i32 {
    perm & !perm::WRITE
}
