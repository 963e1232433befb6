//! Committing an offset and the answer to "where am I": a stored offset, or the decision where a new group starts.

use crate::broker_core::BrokerCore;

/// Why an offset was not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitOffsetError {
    /// Unknown group.
    #[error("Group {group} not exist!")]
    NoSuchGroup {
        /// Group.
        group: String,
    },
    /// Unknown topic.
    #[error("Topic {topic} not exist!")]
    NoSuchTopic {
        /// Topic.
        topic: String,
    },
    /// The request names no queue.
    #[error("Queue id is null, topic is {topic}")]
    MissingQueue {
        /// Topic.
        topic: String,
    },
    /// The request names no offset.
    #[error("Offset is null, topic is {topic}")]
    MissingOffset {
        /// Topic.
        topic: String,
    },
}

/// The group has no offset in the queue: it decides itself where it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Not found, maybe this group consumer boot first")]
pub struct OffsetNotFound;

impl BrokerCore {
    /// Commits an offset. While a reset waits for the consumer, its commits are ignored.
    pub fn commit_offset(
        &self,
        group: &str,
        topic: &str,
        queue_id: Option<i32>,
        offset: Option<i64>,
    ) -> Result<(), CommitOffsetError> {
        if !self.groups.contains(group) {
            return Err(CommitOffsetError::NoSuchGroup {
                group: group.to_owned(),
            });
        }
        if !self.topics.contains(topic) {
            return Err(CommitOffsetError::NoSuchTopic {
                topic: topic.to_owned(),
            });
        }
        let queue_id = queue_id.ok_or_else(|| CommitOffsetError::MissingQueue {
            topic: topic.to_owned(),
        })?;
        let offset = offset.ok_or_else(|| CommitOffsetError::MissingOffset {
            topic: topic.to_owned(),
        })?;
        if self.offsets.pending_reset(group, topic, queue_id).is_none() {
            self.commit_plainly(group, topic, queue_id, offset);
        }
        Ok(())
    }

    /// Commits without looking at group and topic, which the caller knows.
    pub(crate) fn commit_plainly(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        let previous = self.offsets.commit(group, topic, queue_id, offset);
        if let Some(previous) = previous
            && offset < previous
        {
            tracing::warn!(
                group,
                topic,
                queue_id,
                from = previous,
                to = offset,
                "a consumer committed an offset backwards"
            );
        }
    }

    /// The committed offset of a group; for a group without one, 0 when the queue's first message is still in memory,
    /// so that a group that starts soon after its producers misses nothing.
    pub fn consumer_offset(
        &self,
        group: &str,
        topic: &str,
        queue_id: i32,
        zero_if_young: bool,
    ) -> Result<i64, OffsetNotFound> {
        if let Some(offset) = self.offsets.committed(group, topic, queue_id)
            && offset >= 0
        {
            return Ok(offset);
        }
        if zero_if_young
            && self.store.queue_bounds(topic, queue_id).min == 0
            && self.is_in_memory(topic, queue_id, 0)
        {
            return Ok(0);
        }
        Err(OffsetNotFound)
    }

    /// Whether the message at an offset exists and lies near enough to the log's end to be in memory.
    pub(crate) fn is_in_memory(&self, topic: &str, queue_id: i32, offset: u64) -> bool {
        let Some(unit) = self.store.queue_unit(topic, queue_id, offset) else {
            return false;
        };
        let end = self.store.watermarks().appended();
        end.saturating_sub(unit.physical_offset) <= self.memory_window_bytes
    }
}

impl BrokerCore {
    /// For each queue the smallest offset that any group has committed, those of `filtered` left out, but where the
    /// compared group lags behind all others its own.
    pub fn correction_offsets(
        &self,
        topic: &str,
        compare_group: &str,
        filtered: &[&str],
    ) -> super::QueueOffsets {
        let mut smallest = super::QueueOffsets::new();
        for group in self.offsets.groups_of_topic(topic) {
            if filtered.contains(&group.as_str()) {
                continue;
            }
            for (queue_id, offset) in self.offsets.committed_all(&group, topic) {
                let least = smallest.entry(queue_id).or_insert(offset);
                *least = offset.min(*least);
            }
        }
        let compared = self.offsets.committed_all(compare_group, topic);
        for (queue_id, offset) in &mut smallest {
            if let Some(own) = compared.get(queue_id) {
                *offset = if *offset > *own { -1 } else { *own };
            }
        }
        smallest
    }
}
