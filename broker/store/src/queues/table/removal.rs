//! Deleting topics from the table, in two halves between which the deletion becomes durable.
//! Promises that a queue takes nothing after the first half, and that a topic made anew after the
//! second half knows where in the log its life begins.

use super::{Queue, QueueTable};
use crate::sync::{Arc, Ordering};

impl QueueTable {
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
            self.tail_memory().shrank(tail.settled(end));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashMap;

    use super::*;
    use crate::queues::{CreateQueueError, Pushed, QueueUnit};

    #[test]
    fn a_deleted_topic_starts_anew_behind_its_deletion() {
        let table = QueueTable::new(HashMap::new());
        let old = table.get_or_create("T", 0).unwrap();
        let unit = QueueUnit {
            physical_offset: 0,
            size: 10,
            tags_code: 0,
        };
        assert_eq!(
            old.push(0, &unit, table.tail_memory()),
            Pushed::Taken { watched: false }
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
}
