//! Moving a group: to a time, an offset or the end of its queues, and copying one group's offsets to another.

use mainstem_store::Boundary;

use super::QueueOffsets;
use crate::broker_core::BrokerCore;
use crate::clients::OffsetReset;

/// Where a group is to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetResetRequest {
    /// Consumer group.
    pub group: String,
    /// Topic.
    pub topic: String,
    /// Time, milliseconds since 1970; negative means the end of the queue.
    pub timestamp_ms: i64,
    /// Queue; negative means all.
    pub queue_id: i32,
    /// Offset, instead of the time.
    pub offset: Option<i64>,
    /// Also forwards, to messages not consumed yet.
    pub force: bool,
}

/// Why a group was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResetOffsetError {
    /// Unknown topic.
    #[error("reset offset failed, no topic in this broker. topic: {topic}")]
    NoSuchTopic {
        /// Topic.
        topic: String,
    },
    /// Unknown group.
    #[error("reset offset failed, no such group {group}")]
    NoSuchGroup {
        /// Group.
        group: String,
    },
    /// The topic has no such queue.
    #[error("reset offset failed, topic {topic} has no queue {queue_id}: it has {queues}")]
    NoSuchQueue {
        /// Topic.
        topic: String,
        /// Queue asked for.
        queue_id: i32,
        /// Queues of the topic.
        queues: i32,
    },
    /// The offset is outside of the queue.
    #[error(
        "reset offset failed, offset {offset} of queue {queue_id} is not between {min} and {max}"
    )]
    OutOfRange {
        /// Queue.
        queue_id: i32,
        /// Offset asked for.
        offset: i64,
        /// First offset of the queue.
        min: u64,
        /// Offset after the last.
        max: u64,
    },
    /// Nobody of the group is connected, and the broker does not keep resets.
    #[error(
        "Consumer not online, so can not reset offset, Group: {group} Topic: {topic} Timestamp: {timestamp_ms}"
    )]
    NotOnline {
        /// Group.
        group: String,
        /// Topic.
        topic: String,
        /// Time asked for.
        timestamp_ms: i64,
    },
}

/// Why offsets were not copied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloneOffsetsError {
    /// The target group is at work.
    #[error("the consumer group[{group}] is online: stop it before its offsets are replaced")]
    Online {
        /// Group.
        group: String,
    },
}

impl BrokerCore {
    /// Moves a group and returns the new offset of each queue. The broker keeps the reset until the consumer has pulled,
    /// and tells connected members at once.
    pub fn reset_offsets(
        &self,
        request: &OffsetResetRequest,
    ) -> Result<QueueOffsets, ResetOffsetError> {
        let topic =
            self.topics
                .get(&request.topic)
                .ok_or_else(|| ResetOffsetError::NoSuchTopic {
                    topic: request.topic.clone(),
                })?;
        let queues = topic.config.read_queue_nums;
        if request.queue_id >= queues {
            let topic = request.topic.clone();
            return Err(ResetOffsetError::NoSuchQueue {
                topic,
                queue_id: request.queue_id,
                queues,
            });
        }
        if !self.groups.contains(&request.group) {
            return Err(ResetOffsetError::NoSuchGroup {
                group: request.group.clone(),
            });
        }
        let server_side = self.config.server_side_reset;
        let members = self
            .consumers
            .group(&request.group)
            .map(|group| group.members)
            .unwrap_or_default();
        if !server_side && members.is_empty() {
            return Err(ResetOffsetError::NotOnline {
                group: request.group.clone(),
                topic: request.topic.clone(),
                timestamp_ms: request.timestamp_ms,
            });
        }
        let wanted = if request.queue_id >= 0 {
            request.queue_id..request.queue_id + 1
        } else {
            0..queues
        };
        let mut offsets = QueueOffsets::new();
        for queue_id in wanted {
            let target = self.reset_target(request, queue_id)?;
            let current = self
                .offsets
                .committed(&request.group, &request.topic, queue_id);
            let offset = match current {
                Some(current) if !request.force && target >= current => current,
                _ => target,
            };
            offsets.insert(queue_id, offset);
        }
        for (queue_id, offset) in &offsets {
            let before = self
                .offsets
                .committed(&request.group, &request.topic, *queue_id);
            tracing::info!(group = %request.group, topic = %request.topic, queue_id, from = ?before, to = offset,
                timestamp_ms = request.timestamp_ms, "an operator moved a group");
            if server_side {
                self.offsets
                    .reset(&request.group, &request.topic, *queue_id, *offset);
            }
        }
        if server_side {
            // A parked pull would otherwise hold the news back until it ends.
            self.parked.wake_group(&request.group);
        } else {
            let reset = OffsetReset {
                group: request.group.clone(),
                topic: request.topic.clone(),
                timestamp_ms: request.timestamp_ms,
                offsets: offsets
                    .iter()
                    .map(|(queue, offset)| (*queue, *offset))
                    .collect(),
            };
            for member in &members {
                member.channel.reset_offsets(&reset);
            }
        }
        Ok(offsets)
    }

    fn reset_target(
        &self,
        request: &OffsetResetRequest,
        queue_id: i32,
    ) -> Result<i64, ResetOffsetError> {
        let bounds = self.store.queue_bounds(&request.topic, queue_id);
        match request.offset {
            Some(offset) if offset >= 0 => {
                if (offset as u64) < bounds.min || offset as u64 > bounds.max {
                    return Err(ResetOffsetError::OutOfRange {
                        queue_id,
                        offset,
                        min: bounds.min,
                        max: bounds.max,
                    });
                }
                Ok(offset)
            }
            _ if request.timestamp_ms < 0 => Ok(bounds.max as i64),
            _ => Ok(self.store.offset_by_time(
                &request.topic,
                queue_id,
                request.timestamp_ms,
                Boundary::Lower,
            ) as i64),
        }
    }

    /// Copies the offsets of a group to another, of one topic or of all.
    pub fn clone_offsets(
        &self,
        from: &str,
        to: &str,
        topic: Option<&str>,
        offline: bool,
    ) -> Result<(), CloneOffsetsError> {
        if !offline
            && self
                .consumers
                .group(to)
                .is_some_and(|group| !group.members.is_empty())
        {
            return Err(CloneOffsetsError::Online {
                group: to.to_owned(),
            });
        }
        let topics = match topic {
            Some(topic) if !topic.is_empty() => vec![topic.to_owned()],
            _ => self.offsets.topics_of_group(from),
        };
        for topic in topics {
            for (queue_id, offset) in self.offsets.committed_all(from, &topic) {
                tracing::info!(
                    group = to,
                    topic,
                    queue_id,
                    to = offset,
                    copied_from = from,
                    "an operator copied an offset"
                );
                self.offsets.commit(to, &topic, queue_id, offset);
            }
        }
        Ok(())
    }
}
