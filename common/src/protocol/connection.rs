//! Who is connected (codes 203, 204, 328) and what a group subscribes to (345).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ConsumeFromWhere, ConsumeType, MessageModel, SubscriptionData};
use crate::json;

/// One client's connection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClientConnection {
    /// Its address, `ip:port`.
    #[serde(deserialize_with = "json::string")]
    pub client_addr: String,
    /// Its id.
    #[serde(deserialize_with = "json::string")]
    pub client_id: String,
    /// Its language, as Java spells it.
    #[serde(deserialize_with = "json::string")]
    pub language: String,
    /// Its protocol version.
    #[serde(deserialize_with = "json::int")]
    pub version: i32,
}

/// The live members of a consumer group (code 203).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumerConnection {
    /// Their connections.
    pub connection_set: Vec<ClientConnection>,
    /// Where the group began.
    pub consume_from_where: ConsumeFromWhere,
    /// How it gets its messages.
    pub consume_type: ConsumeType,
    /// Shared or to all.
    pub message_model: MessageModel,
    /// Subscriptions by topic.
    pub subscription_table: BTreeMap<String, SubscriptionData>,
}

/// The live members of a producer group (code 204).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProducerConnection {
    /// Their connections.
    pub connection_set: Vec<ClientConnection>,
}

/// All live producers by group (code 328).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProducerTable {
    /// Producers by group.
    pub data: BTreeMap<String, Vec<ProducerInfo>>,
}

/// One live producer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProducerInfo {
    /// Its id.
    #[serde(deserialize_with = "json::string")]
    pub client_id: String,
    /// Its language, as Java spells it.
    #[serde(deserialize_with = "json::string")]
    pub language: String,
    /// When it was last heard of, in milliseconds since the epoch.
    #[serde(deserialize_with = "json::int")]
    pub last_update_timestamp: i64,
    /// Its address, written `/ip:port`.
    #[serde(rename = "remoteIP", deserialize_with = "json::string")]
    pub remote_ip: String,
    /// Its protocol version.
    #[serde(deserialize_with = "json::int")]
    pub version: i32,
}

/// What a group subscribes to in a topic (code 345).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SubscriptionQuery {
    /// The group.
    #[serde(deserialize_with = "json::string")]
    pub group: String,
    /// The subscription, absent when nobody is online.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_data: Option<SubscriptionData>,
    /// The topic.
    #[serde(deserialize_with = "json::string")]
    pub topic: String,
}

super::json_body!(
    ConsumerConnection,
    ProducerConnection,
    ProducerTable,
    SubscriptionQuery
);
