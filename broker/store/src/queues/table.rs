//! All consume queues by topic and queue id. Promises lookups without allocation, one hash of the
//! name and a read lock that is only contended while topics are created; owns the limits on the
//! number of queues and on the memory of all tails together. It reads and writes no files.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::queue::Queue;
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

/// The queues of one topic.
#[derive(Debug)]
struct Topic {
    name: Arc<str>,
    /// Sorted by id; dense ids are found at their own index.
    queues: Vec<Arc<Queue>>,
    /// Another topic with the same hash.
    other: Option<Box<Topic>>,
}

type Shard = HashMap<u64, Topic, Hashed>;

/// The table of all queues.
#[derive(Debug)]
pub struct QueueTable {
    hash: TopicHash,
    shards: Box<[RwLock<Shard>]>,
    queues: AtomicUsize,
    serials: AtomicU32,
    tail_bytes: AtomicUsize,
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
            tail_bytes: AtomicUsize::new(0),
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
    pub fn get(&self, topic: &str, queue_id: i32) -> Option<Arc<Queue>> {
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
    pub fn get_or_create(
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
    pub fn topics(&self) -> Vec<(String, Vec<i32>)> {
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
    pub fn len(&self) -> usize {
        self.queues.load(Ordering::Relaxed)
    }

    /// Whether there is no queue.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory of all tails, in bytes.
    pub fn tail_bytes(&self) -> usize {
        self.tail_bytes.load(Ordering::Relaxed)
    }

    /// The account of that memory, for whoever makes a tail grow.
    pub(crate) fn tail_memory(&self) -> &AtomicUsize {
        &self.tail_bytes
    }

    pub(super) fn tails_grew(&self, bytes: usize) {
        self.tail_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn tails_shrank(&self, bytes: usize) {
        let before = self.tail_bytes.fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(before >= bytes, "tails give back what they took");
    }

    /// Log position at which a topic of this name was last deleted.
    pub(crate) fn deleted_at(&self, topic: &str) -> Option<u64> {
        let deletions = self.deletions.read();
        if deletions.is_empty() {
            None
        } else {
            deletions.get(topic).copied()
        }
    }

    /// First half of a deletion: the topic's queues take nothing any more.
    pub(crate) fn begin_removal(&self, topic: &str) -> Vec<Arc<Queue>> {
        let queues = self.queues_of(topic);
        queues.iter().for_each(|queue| queue.set_removed(true));
        queues
    }

    /// Takes the first half back, when the deletion could not be made durable.
    pub(crate) fn cancel_removal(&self, queues: &[Arc<Queue>]) {
        queues.iter().for_each(|queue| queue.set_removed(false));
    }

    /// Second half, after the deletion at log position `position` is durable: the topic is gone
    /// and may be created anew.
    pub(crate) fn finish_removal(&self, topic: &str, position: u64) {
        self.deletions.write().insert(topic.to_owned(), position);
        let hash = self.hash(topic);
        let removed = {
            let mut shard = self.shard(hash).write();
            match shard.remove(&hash) {
                None => return,
                Some(first) => {
                    let (removed, rest) = first.without(topic);
                    if let Some(rest) = rest {
                        shard.insert(hash, rest);
                    }
                    removed
                }
            }
        };
        self.queues.fetch_sub(removed.len(), Ordering::Relaxed);
        for queue in removed {
            let mut tail = queue.tail.lock();
            let end = tail.end();
            self.tails_shrank(tail.settled(end));
        }
    }

    /// Forgets deletions that no record of the log can precede any more; returns them.
    pub(crate) fn forget_deletions_below(&self, min_position: u64) -> Vec<String> {
        let mut deletions = self.deletions.write();
        deletions
            .extract_if(|_, position| *position <= min_position)
            .map(|(topic, _)| topic)
            .collect()
    }
}

impl Topic {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            queues: Vec::new(),
            other: None,
        }
    }

    fn named(&self, name: &str) -> Option<&Self> {
        let mut topic = self;
        while *topic.name != *name {
            topic = topic.other.as_deref()?;
        }
        Some(topic)
    }

    fn named_or_new(&mut self, name: &str) -> &mut Self {
        if *self.name == *name {
            return self;
        }
        self.other
            .get_or_insert_with(|| Box::new(Self::new(name)))
            .named_or_new(name)
    }

    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |topic| topic.other.as_deref())
    }

    fn queue(&self, queue_id: i32) -> Option<&Arc<Queue>> {
        let at = usize::try_from(queue_id).ok()?;
        match self.queues.get(at) {
            Some(queue) if queue.queue_id() == queue_id => Some(queue),
            _ => {
                let at = self
                    .queues
                    .binary_search_by_key(&queue_id, |queue| queue.queue_id())
                    .ok()?;
                self.queues.get(at)
            }
        }
    }

    /// Takes the named topic out of the chain: its queues, and what is left.
    fn without(mut self, name: &str) -> (Vec<Arc<Queue>>, Option<Self>) {
        let other = self.other.take();
        if *self.name == *name {
            return (self.queues, other.map(|next| *next));
        }
        let (removed, rest) = other.map_or((Vec::new(), None), |next| next.without(name));
        self.other = rest.map(Box::new);
        (removed, Some(self))
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
    use crate::queues::QueueUnit;

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
        assert!(table.is_empty());
    }

    #[test]
    fn a_deleted_topic_starts_anew_behind_its_deletion() {
        let table = table();
        let old = table.get_or_create("T", 0).unwrap();
        let unit = QueueUnit {
            physical_offset: 0,
            size: 10,
            tags_code: 0,
        };
        assert_eq!(
            old.push(0, &unit, table.tail_memory()),
            crate::queues::Pushed::Taken
        );
        let queues = table.begin_removal("T");
        assert!(old.is_removed() && queues.len() == 1);
        assert!(matches!(
            table.get_or_create("T", 1),
            Err(CreateQueueError::BeingDeleted { .. })
        ));
        table.finish_removal("T", 500);
        assert!(table.get("T", 0).is_none());
        assert_eq!((table.len(), table.tail_bytes()), (0, 0));
        let new = table.get_or_create("T", 0).unwrap();
        assert_eq!((new.created_at(), new.max()), (500, 0));
        assert!(table.forget_deletions_below(499).is_empty());
        assert_eq!(table.forget_deletions_below(500), ["T"]);
        assert_eq!(table.deleted_at("T"), None);
    }

    #[test]
    fn topics_of_one_hash_are_kept_apart() {
        let mut first = Topic::new("a");
        first
            .named_or_new("b")
            .queues
            .push(Arc::new(Queue::new("b".into(), 0, 0, 0)));
        first
            .named_or_new("c")
            .queues
            .push(Arc::new(Queue::new("c".into(), 0, 0, 0)));
        assert_eq!(first.chain().count(), 3);
        assert_eq!(first.named("c").unwrap().queues.len(), 1);
        let (removed, rest) = first.without("b");
        assert_eq!(removed.len(), 1);
        let (removed, rest) = rest.unwrap().without("a");
        assert!(removed.is_empty());
        let rest = rest.unwrap();
        assert_eq!(
            rest.chain()
                .map(|topic| topic.name.to_string())
                .collect::<Vec<_>>(),
            ["c"]
        );
    }
}
