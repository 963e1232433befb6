//! All consume queues by topic and queue id. Promises lookups without allocation, one hash of the
//! name and a read lock that is only contended while topics are created; owns the limits on the
//! number of queues and on the memory of all tails together. It reads and writes no files.

mod removal;
mod topic;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use self::topic::Topic;
use super::queue::Queue;
use super::tail::TailMemory;
use super::topic_hash::{Hashed, TopicHash};
use crate::sync::{Arc, AtomicU32, AtomicUsize, Ordering, RwLock};

const SHARDS: usize = 64;
/// Most queues of one store; a broker's own limits on topics are far below.
pub const MAX_QUEUES: usize = 1_000_000;
/// Greatest queue id. Ids are small numbers given by the broker; a damaged one must not pass for one.
pub const MAX_QUEUE_ID: i32 = 65_535;
/// A topic becomes the name of a directory.
const MAX_TOPIC_BYTES: usize = 255;

/// Why there is no such queue and there will be none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateQueueError {
    /// The name cannot be that of a directory.
    #[error(
        "topic {topic:?} cannot be stored: a name has 1 to {MAX_TOPIC_BYTES} bytes, no '/' and no control characters, and is not '.' or '..'"
    )]
    Name {
        /// The topic.
        topic: String,
    },
    /// A queue id out of range.
    #[error("queue id {queue_id} of topic {topic} is out of range: allowed is 0 to {MAX_QUEUE_ID}")]
    QueueId {
        /// The topic.
        topic: String,
        /// The id.
        queue_id: i32,
    },
    /// The store is full of queues.
    #[error(
        "topic {topic} gets no queue {queue_id}: the store has {MAX_QUEUES} queues, its limit; delete topics"
    )]
    TooMany {
        /// The topic.
        topic: String,
        /// The id.
        queue_id: i32,
    },
    /// The topic is being deleted at this moment.
    #[error("topic {topic} is being deleted; try again")]
    BeingDeleted {
        /// The topic.
        topic: String,
    },
}

type Shard = HashMap<u64, Topic, Hashed>;

/// The table of all queues.
#[derive(Debug)]
pub(crate) struct QueueTable {
    hash: TopicHash,
    shards: Box<[RwLock<Shard>]>,
    queues: AtomicUsize,
    serials: AtomicU32,
    tail_memory: TailMemory,
    /// Deleted topics and the log position of their deletion.
    deletions: RwLock<HashMap<String, u64>>,
}

impl QueueTable {
    pub(crate) fn new(deletions: HashMap<String, u64>) -> Self {
        Self {
            hash: TopicHash::new(),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            queues: AtomicUsize::new(0),
            serials: AtomicU32::new(0),
            tail_memory: TailMemory::default(),
            deletions: RwLock::new(deletions),
        }
    }

    pub(crate) fn hash(&self, topic: &str) -> u64 {
        self.hash.of(topic)
    }

    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        // The map uses the low bits (and the top seven); take others for the shard.
        let index = usize::try_from(hash >> 32).unwrap_or(0) % SHARDS;
        &self.shards[index]
    }

    /// The queue, if it exists.
    pub(crate) fn get(&self, topic: &str, queue_id: i32) -> Option<Arc<Queue>> {
        self.get_hashed(self.hash(topic), topic, queue_id)
    }

    pub(crate) fn get_hashed(&self, hash: u64, topic: &str, queue_id: i32) -> Option<Arc<Queue>> {
        let shard = self.shard(hash).read();
        shard.get(&hash)?.named(topic)?.queue(queue_id).cloned()
    }

    /// The queue, created empty when it does not exist.
    ///
    /// # Errors
    /// When no such queue can be: its name, its id, or too many of them.
    pub(crate) fn get_or_create(
        &self,
        topic: &str,
        queue_id: i32,
    ) -> Result<Arc<Queue>, CreateQueueError> {
        let hash = self.hash(topic);
        if let Some(queue) = self.get_hashed(hash, topic, queue_id) {
            return Ok(queue);
        }
        self.create(hash, topic, queue_id)
    }

    #[cold]
    fn create(
        &self,
        hash: u64,
        topic: &str,
        queue_id: i32,
    ) -> Result<Arc<Queue>, CreateQueueError> {
        if !is_directory_name(topic) {
            return Err(CreateQueueError::Name {
                topic: topic.to_owned(),
            });
        }
        if !(0..=MAX_QUEUE_ID).contains(&queue_id) {
            return Err(CreateQueueError::QueueId {
                topic: topic.to_owned(),
                queue_id,
            });
        }
        let created_at = self.deleted_at(topic).unwrap_or(0);
        let mut shard = self.shard(hash).write();
        let entry = match shard.entry(hash) {
            Entry::Occupied(entry) => entry.into_mut().named_or_new(topic),
            Entry::Vacant(entry) => entry.insert(Topic::new(topic)),
        };
        let at = match entry
            .queues
            .binary_search_by_key(&queue_id, |queue| queue.queue_id())
        {
            Ok(at) => return Ok(Arc::clone(&entry.queues[at])),
            Err(at) => at,
        };
        if entry.queues.first().is_some_and(|queue| queue.is_removed()) {
            return Err(CreateQueueError::BeingDeleted {
                topic: topic.to_owned(),
            });
        }
        if self.queues.fetch_add(1, Ordering::Relaxed) >= MAX_QUEUES {
            self.queues.fetch_sub(1, Ordering::Relaxed);
            return Err(CreateQueueError::TooMany {
                topic: topic.to_owned(),
                queue_id,
            });
        }
        let serial = self.serials.fetch_add(1, Ordering::Relaxed);
        let queue = Arc::new(Queue::new(
            Arc::clone(&entry.name),
            queue_id,
            serial,
            created_at,
        ));
        // Topics have few queues and 100,000 of them must stay small: no room to spare.
        entry.queues.reserve_exact(1);
        entry.queues.insert(at, Arc::clone(&queue));
        Ok(queue)
    }

    /// Every topic with the ids of its queues, in no order.
    pub(crate) fn topics(&self) -> Vec<(String, Vec<i32>)> {
        let mut topics = Vec::new();
        for shard in &self.shards {
            for topic in shard.read().values().flat_map(Topic::chain) {
                let ids = topic.queues.iter().map(|queue| queue.queue_id()).collect();
                topics.push((topic.name.to_string(), ids));
            }
        }
        topics
    }

    /// The queues of one topic.
    pub(crate) fn queues_of(&self, topic: &str) -> Vec<Arc<Queue>> {
        let hash = self.hash(topic);
        let shard = self.shard(hash).read();
        shard
            .get(&hash)
            .and_then(|first| first.named(topic))
            .map(|topic| topic.queues.clone())
            .unwrap_or_default()
    }

    /// Calls `visit` for every queue, shard by shard, without a lock held.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&Arc<Queue>)) {
        let mut queues: Vec<Arc<Queue>> = Vec::new();
        for shard in &self.shards {
            queues.extend(
                shard
                    .read()
                    .values()
                    .flat_map(Topic::chain)
                    .flat_map(|topic| topic.queues.iter().cloned()),
            );
            queues.drain(..).for_each(|queue| visit(&queue));
        }
    }

    /// Number of queues.
    pub(crate) fn len(&self) -> usize {
        self.queues.load(Ordering::Relaxed)
    }

    /// Memory of all tails, in bytes.
    pub(crate) fn tail_bytes(&self) -> usize {
        self.tail_memory.bytes()
    }

    /// The account of that memory, for whoever makes a tail grow or shrink.
    pub(crate) fn tail_memory(&self) -> &TailMemory {
        &self.tail_memory
    }
}

/// Whether a topic can be the name of a directory and nothing else than that.
fn is_directory_name(topic: &str) -> bool {
    !topic.is_empty()
        && topic.len() <= MAX_TOPIC_BYTES
        && topic != "."
        && topic != ".."
        && !topic
            .bytes()
            .any(|byte| byte == b'/' || byte.is_ascii_control())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table() -> QueueTable {
        QueueTable::new(HashMap::new())
    }

    #[test]
    fn a_queue_is_one_object_however_often_it_is_asked_for() {
        let table = table();
        assert!(table.get("T", 3).is_none());
        let queue = table.get_or_create("T", 3).unwrap();
        assert!(Arc::ptr_eq(&queue, &table.get("T", 3).unwrap()));
        assert!(Arc::ptr_eq(&queue, &table.get_or_create("T", 3).unwrap()));
        for id in [0, 9, 1, 700] {
            assert_eq!(table.get_or_create("T", id).unwrap().queue_id(), id);
        }
        assert_eq!(table.topics(), [("T".to_owned(), vec![0, 1, 3, 9, 700])]);
        for id in [0, 1, 3, 9, 700] {
            assert_eq!(table.get("T", id).unwrap().queue_id(), id);
        }
        assert!(table.get("T", 2).is_none());
        assert!(table.get("T", -1).is_none());
    }

    #[test]
    fn names_that_would_leave_the_directory_are_refused() {
        let table = table();
        for topic in [
            "",
            ".",
            "..",
            "a/b",
            "../x",
            "a\0b",
            "a\nb",
            &"x".repeat(256),
        ] {
            assert!(
                matches!(
                    table.get_or_create(topic, 0),
                    Err(CreateQueueError::Name { .. })
                ),
                "{topic:?}"
            );
        }
        assert!(matches!(
            table.get_or_create("T", -1),
            Err(CreateQueueError::QueueId { .. })
        ));
        assert!(matches!(
            table.get_or_create("T", MAX_QUEUE_ID + 1),
            Err(CreateQueueError::QueueId { .. })
        ));
        assert_eq!(table.len(), 0);
    }
}
