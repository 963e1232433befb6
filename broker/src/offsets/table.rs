//! How far each group has come in each queue: committed offsets, pull offsets, and resets that a consumer has yet to
//! follow. It is memory only; [`OffsetTable::take_dirty`] tells the journal what has changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};

use crate::stats::{Counter, CounterTable, counter_name};

/// Offsets of a group in a topic, by queue id.
pub type QueueOffsets = BTreeMap<i32, i64>;

#[derive(Default)]
struct Progress {
    committed: QueueOffsets,
    pulled: QueueOffsets,
    resets: QueueOffsets,
    dirty: bool,
    /// Counters of messages and bytes pulled, from the first on.
    counters: Option<(Arc<Counter>, Arc<Counter>)>,
}

type Topics = HashMap<String, Mutex<Progress>>;

/// What one pull returned.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PulledAmount {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// Committed offsets of one group in one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupTopicOffsets {
    pub(crate) group: String,
    pub(crate) topic: String,
    pub(crate) offsets: QueueOffsets,
}

/// Offsets of every group of a broker.
#[derive(Default)]
pub struct OffsetTable {
    groups: RwLock<HashMap<String, Topics>>,
    any_dirty: AtomicBool,
    counters: Arc<CounterTable>,
}

impl OffsetTable {
    pub(crate) fn new(counters: Arc<CounterTable>) -> Self {
        OffsetTable {
            counters,
            ..OffsetTable::default()
        }
    }

    fn with<R>(
        &self,
        group: &str,
        topic: &str,
        action: impl FnOnce(&mut Progress) -> R,
    ) -> Option<R> {
        let groups = self.groups.read();
        let progress = groups.get(group)?.get(topic)?;
        Some(action(&mut progress.lock()))
    }

    fn with_or_new<R>(&self, group: &str, topic: &str, action: impl Fn(&mut Progress) -> R) -> R {
        if let Some(result) = self.with(group, topic, &action) {
            return result;
        }
        let mut groups = self.groups.write();
        let progress = groups
            .entry(group.to_owned())
            .or_default()
            .entry(topic.to_owned())
            .or_default();
        action(progress.get_mut())
    }

    /// Stores a committed offset and returns the one before. Any value is taken, a smaller one too.
    pub fn commit(&self, group: &str, topic: &str, queue_id: i32, offset: i64) -> Option<i64> {
        let previous = self.with_or_new(group, topic, |progress| {
            let previous = progress.committed.insert(queue_id, offset);
            progress.dirty |= previous != Some(offset);
            previous
        });
        if previous != Some(offset) {
            self.any_dirty.store(true, Ordering::Release);
        }
        previous
    }

    /// The committed offset, if there is one.
    pub fn committed(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        self.with(group, topic, |progress| {
            progress.committed.get(&queue_id).copied()
        })
        .flatten()
    }

    /// All committed offsets of a group in a topic.
    pub fn committed_all(&self, group: &str, topic: &str) -> QueueOffsets {
        self.with(group, topic, |progress| progress.committed.clone())
            .unwrap_or_default()
    }

    /// Notes where the next pull of a queue will begin, and what was pulled; for statistics only.
    pub(crate) fn pulled(
        &self,
        group: &str,
        topic: &str,
        queue_id: i32,
        offset: i64,
        pulled: PulledAmount,
    ) {
        self.with_or_new(group, topic, |progress| {
            progress.pulled.insert(queue_id, offset);
            if pulled.messages > 0 {
                let (messages, bytes) = progress.counters.get_or_insert_with(|| {
                    let key = format!("{topic}@{group}");
                    let counter = |name| self.counters.counter(name, &key);
                    (
                        counter(counter_name::GROUP_GET_NUMS),
                        counter(counter_name::GROUP_GET_SIZE),
                    )
                });
                messages.add(pulled.messages);
                bytes.add(pulled.bytes);
            }
        });
    }

    /// Where the next pull of a queue will begin, as far as known.
    pub fn pull_offset(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        self.with(group, topic, |progress| {
            progress.pulled.get(&queue_id).copied()
        })
        .flatten()
    }

    /// Moves a queue to another offset: the consumer learns of it with its next pull, and until then its own commits
    /// are ignored.
    pub fn reset(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        self.with_or_new(group, topic, |progress| {
            progress.committed.insert(queue_id, offset);
            progress.resets.insert(queue_id, offset);
            progress.dirty = true;
        });
        self.any_dirty.store(true, Ordering::Release);
    }

    /// The reset that waits for the consumer of a queue, if any.
    pub fn pending_reset(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        self.with(group, topic, |progress| {
            progress.resets.get(&queue_id).copied()
        })
        .flatten()
    }

    /// The same, and the consumer is taken to follow it from now on.
    pub fn take_reset(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        self.with(group, topic, |progress| {
            if progress.resets.is_empty() {
                None
            } else {
                progress.resets.remove(&queue_id)
            }
        })
        .flatten()
    }

    /// Topics in which a group has a committed offset.
    pub fn topics_of_group(&self, group: &str) -> Vec<String> {
        let groups = self.groups.read();
        let Some(topics) = groups.get(group) else {
            return Vec::new();
        };
        topics
            .iter()
            .filter(|(_, progress)| !progress.lock().committed.is_empty())
            .map(|(topic, _)| topic.clone())
            .collect()
    }

    /// Groups that have a committed offset in a topic.
    pub fn groups_of_topic(&self, topic: &str) -> Vec<String> {
        let groups = self.groups.read();
        groups
            .iter()
            .filter(|(_, topics)| {
                topics
                    .get(topic)
                    .is_some_and(|progress| !progress.lock().committed.is_empty())
            })
            .map(|(group, _)| group.clone())
            .collect()
    }

    /// Forgets a topic in every group; returns the groups that knew it.
    pub fn remove_topic(&self, topic: &str) -> Vec<String> {
        let mut groups = self.groups.write();
        let mut removed = Vec::new();
        groups.retain(|group, topics| {
            if topics.remove(topic).is_some() {
                removed.push(group.clone());
            }
            !topics.is_empty()
        });
        removed
    }

    /// Forgets a group; returns the topics it knew.
    pub fn remove_group(&self, group: &str) -> Vec<String> {
        self.groups
            .write()
            .remove(group)
            .map(|topics| topics.into_keys().collect())
            .unwrap_or_default()
    }

    /// Everything committed.
    pub(crate) fn snapshot(&self) -> Vec<GroupTopicOffsets> {
        let groups = self.groups.read();
        let mut all = Vec::new();
        for (group, topics) in groups.iter() {
            for (topic, progress) in topics {
                let offsets = progress.lock().committed.clone();
                if !offsets.is_empty() {
                    all.push(GroupTopicOffsets {
                        group: group.clone(),
                        topic: topic.clone(),
                        offsets,
                    });
                }
            }
        }
        all
    }

    /// What has been committed since the last call.
    pub(crate) fn take_dirty(&self) -> Vec<GroupTopicOffsets> {
        if !self.any_dirty.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        let groups = self.groups.read();
        let mut dirty = Vec::new();
        for (group, topics) in groups.iter() {
            for (topic, progress) in topics {
                let mut progress = progress.lock();
                if std::mem::take(&mut progress.dirty) {
                    let offsets = progress.committed.clone();
                    dirty.push(GroupTopicOffsets {
                        group: group.clone(),
                        topic: topic.clone(),
                        offsets,
                    });
                }
            }
        }
        dirty
    }

    /// Takes over what a journal or an export holds.
    pub(crate) fn load(&self, entries: impl IntoIterator<Item = GroupTopicOffsets>) {
        let mut groups = self.groups.write();
        for entry in entries {
            let progress = groups
                .entry(entry.group)
                .or_default()
                .entry(entry.topic)
                .or_default();
            progress.get_mut().committed.extend(entry.offsets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_goes_backwards_when_asked() {
        let table = OffsetTable::default();
        assert_eq!(table.commit("g", "T", 0, 9), None);
        assert_eq!(table.commit("g", "T", 0, 4), Some(9));
        assert_eq!(table.committed("g", "T", 0), Some(4));
    }

    #[test]
    fn only_what_changed_is_dirty_and_only_once() {
        let table = OffsetTable::default();
        table.commit("g", "T", 0, 9);
        assert_eq!(table.take_dirty().len(), 1);
        assert!(table.take_dirty().is_empty());
        table.commit("g", "T", 0, 9);
        assert!(table.take_dirty().is_empty());
        table.commit("g", "T", 1, 1);
        assert_eq!(
            table.take_dirty()[0].offsets,
            QueueOffsets::from([(0, 9), (1, 1)])
        );
    }

    #[test]
    fn a_reset_waits_until_it_is_taken() {
        let table = OffsetTable::default();
        table.reset("g", "T", 2, 5);
        assert_eq!(table.pending_reset("g", "T", 2), Some(5));
        assert_eq!(table.take_reset("g", "T", 2), Some(5));
        assert_eq!(table.take_reset("g", "T", 2), None);
        assert_eq!(table.committed("g", "T", 2), Some(5));
    }

    #[test]
    fn a_removed_topic_takes_its_offsets_along() {
        let table = OffsetTable::default();
        table.commit("g", "T", 0, 1);
        table.commit("g", "U", 0, 1);
        assert_eq!(table.remove_topic("T"), ["g"]);
        assert_eq!(table.topics_of_group("g"), ["U"]);
        assert!(table.groups_of_topic("T").is_empty());
    }
}
