//! Queue assignment by the broker (codes 400 and 401).

use serde::{Deserialize, Serialize};

use super::{MessageModel, MessageQueue};
use crate::json::{self, java_enum};

java_enum! {
    /// How a consumer is to ask for messages.
    MessageRequestMode {
        /// By offset.
        #[default]
        Pull = "PULL",
        /// Shared out by the broker.
        Pop = "POP",
    }
}

/// Asks which queues a consumer is to read (code 400).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct QueryAssignmentRequest {
    /// The client.
    #[serde(deserialize_with = "json::string")]
    pub client_id: String,
    /// Its group.
    #[serde(deserialize_with = "json::string")]
    pub consumer_group: String,
    /// Shared or to all.
    pub message_model: MessageModel,
    /// `AVG` or `AVG_BY_CIRCLE`.
    #[serde(deserialize_with = "json::string")]
    pub strategy_name: String,
    /// The topic.
    #[serde(deserialize_with = "json::string")]
    pub topic: String,
}

/// The queues and how to read each.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct QueryAssignmentResponse {
    /// The assignments.
    pub message_queue_assignments: Vec<MessageQueueAssignment>,
}

/// One queue and how to read it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MessageQueueAssignment {
    /// The queue; id -1 stands for all of the broker's (pop).
    pub message_queue: MessageQueue,
    /// Pull or pop.
    pub mode: MessageRequestMode,
}

/// Sets how a group reads a topic (code 401).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SetMessageRequestMode {
    /// The group.
    #[serde(deserialize_with = "json::string")]
    pub consumer_group: String,
    /// Pull or pop.
    pub mode: MessageRequestMode,
    /// Queues that several consumers share under pop; 0 means all.
    #[serde(deserialize_with = "json::int")]
    pub pop_share_queue_num: i32,
    /// The topic.
    #[serde(deserialize_with = "json::string")]
    pub topic: String,
}

super::json_body!(
    QueryAssignmentRequest,
    QueryAssignmentResponse,
    SetMessageRequestMode
);
