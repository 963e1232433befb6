//! Where reading of a queue starts when its group has never committed an offset there.

use std::time::SystemTime;

use mainstem_common::protocol::{ConsumeFromWhere, MessageQueue};
use mainstem_record::topic;

use crate::clock::to_ms;
use crate::error::ConsumeError;
use crate::instance::Instance;
use crate::queue_position;

/// Where a group that is new to a queue starts reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsumeFrom {
    /// At the oldest message that the broker still has.
    Earliest,
    /// Behind the newest message: only what is sent from now on.
    #[default]
    Latest,
    /// At the first message stored at this time or later.
    Time(SystemTime),
}

impl ConsumeFrom {
    /// The value that heartbeats carry.
    pub(crate) fn wire_value(self) -> ConsumeFromWhere {
        match self {
            Self::Earliest => ConsumeFromWhere::FirstOffset,
            Self::Latest => ConsumeFromWhere::LastOffset,
            Self::Time(_) => ConsumeFromWhere::Timestamp,
        }
    }

    /// The offset to start a queue at. Messages to be retried were the group's before: none of them is passed by.
    pub(crate) async fn offset(
        self,
        instance: &Instance,
        queue: &MessageQueue,
    ) -> Result<i64, ConsumeError> {
        if topic::is_retry(&queue.topic) {
            return queue_position::min_offset(instance, queue).await;
        }
        match self {
            Self::Earliest => queue_position::min_offset(instance, queue).await,
            Self::Latest => queue_position::max_offset(instance, queue).await,
            Self::Time(time) => queue_position::offset_at(instance, queue, to_ms(time)).await,
        }
    }
}
