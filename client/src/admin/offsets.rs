//! Positions in queues: bounds, search by time, committed offsets, and resetting a group.

use std::time::SystemTime;

use mainstem_common::protocol::{MessageQueue, ResetOffsetTable};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::request;
use mainstem_common::remoting::headers::ResetOffset;

use super::Admin;
use crate::clock::to_ms;
use crate::error::AdminError;
use crate::instance::bad_reply;
use crate::queue_position;

/// Where a group is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetTo {
    /// At the oldest message.
    Earliest,
    /// Behind the newest message.
    Latest,
    /// At the first message stored at this time or later.
    Time(SystemTime),
}

impl Admin {
    /// The queues of a topic that can be read, by broker name and number.
    pub async fn queues(&self, topic: &str) -> Result<Vec<MessageQueue>, AdminError> {
        Ok(self
            .instance
            .routes()
            .refresh(topic)
            .await?
            .readable()
            .to_vec())
    }

    /// The oldest offset that the queue still has.
    pub async fn min_offset(&self, queue: &MessageQueue) -> Result<i64, AdminError> {
        Ok(queue_position::min_offset(&self.instance, queue).await?)
    }

    /// The offset behind the queue's newest message.
    pub async fn max_offset(&self, queue: &MessageQueue) -> Result<i64, AdminError> {
        Ok(queue_position::max_offset(&self.instance, queue).await?)
    }

    /// The offset of the first message stored at this time or later.
    pub async fn offset_at(
        &self,
        queue: &MessageQueue,
        time: SystemTime,
    ) -> Result<i64, AdminError> {
        Ok(queue_position::offset_at(&self.instance, queue, to_ms(time)).await?)
    }

    /// The offset that a group has committed, if it has.
    pub async fn committed(
        &self,
        group: &str,
        queue: &MessageQueue,
    ) -> Result<Option<i64>, AdminError> {
        Ok(queue_position::committed(&self.instance, group, queue).await?)
    }

    /// Commits an offset in a group's name. Members that are connected go on from where they are and overwrite it; to move them,
    /// [reset](Self::reset_offsets) the group.
    pub async fn commit(
        &self,
        group: &str,
        queue: &MessageQueue,
        offset: i64,
    ) -> Result<(), AdminError> {
        Ok(queue_position::commit(&self.instance, group, queue, offset).await?)
    }

    /// Has a group go on elsewhere in a topic, connected members included. Returns the new offset of each queue.
    pub async fn reset_offsets(
        &self,
        group: &str,
        topic: &str,
        to: ResetTo,
    ) -> Result<Vec<(MessageQueue, i64)>, AdminError> {
        let code = request::INVOKE_BROKER_TO_RESET_OFFSET;
        let timestamp_ms = match to {
            ResetTo::Earliest => 0,
            ResetTo::Latest => -1,
            ResetTo::Time(time) => to_ms(time),
        };
        let header = ResetOffset {
            topic,
            group,
            timestamp_ms,
            is_force: true,
            queue_id: Some(-1),
            offset: None,
        };
        let command = Command::request(code).with_header(&header);
        let mut all = Vec::new();
        for (_, broker) in self.masters_of_topic(topic).await? {
            let reply = self.ask(&broker, command.clone()).await?;
            let table = ResetOffsetTable::from_json(&reply.body)
                .map_err(|error| bad_reply(&broker, code, error))?;
            all.extend(table.offset_table);
        }
        all.sort();
        Ok(all)
    }
}
