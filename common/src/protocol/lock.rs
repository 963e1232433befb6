//! Locks on queues, for orderly consumption (codes 41 and 42).

use serde::{Deserialize, Serialize};

use super::MessageQueue;
use crate::json;

/// Queues that a client wants locked, or lets go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LockBatchRequest {
    /// The client.
    #[serde(deserialize_with = "json::string")]
    pub client_id: String,
    /// Its group.
    #[serde(deserialize_with = "json::string")]
    pub consumer_group: String,
    /// The queues.
    pub mq_set: Vec<MessageQueue>,
    /// Not to be passed on to other brokers of the name.
    #[serde(deserialize_with = "json::boolean")]
    pub only_this_broker: bool,
}

/// The queues that are the client's now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LockBatchResponse {
    /// The queues.
    #[serde(rename = "lockOKMQSet")]
    pub lock_ok_mq_set: Vec<MessageQueue>,
}

super::json_body!(LockBatchRequest, LockBatchResponse);
