//! A consumer group's configuration and the table of all groups, as codes 200, 201 and 352 carry them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::DataVersion;
use crate::json;

/// How a broker treats a consumer group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SubscriptionGroupConfig {
    /// Further properties.
    pub attributes: BTreeMap<String, String>,
    /// Where consumers read from; 0 is the master.
    #[serde(deserialize_with = "json::int")]
    pub broker_id: i64,
    /// Whether broadcasting is allowed.
    #[serde(deserialize_with = "json::boolean")]
    pub consume_broadcast_enable: bool,
    /// Whether the group may consume at all.
    #[serde(deserialize_with = "json::boolean")]
    pub consume_enable: bool,
    /// Whether a new group may begin at the oldest message.
    #[serde(deserialize_with = "json::boolean")]
    pub consume_from_min_enable: bool,
    /// Whether pop delivers in order.
    #[serde(deserialize_with = "json::boolean")]
    pub consume_message_orderly: bool,
    /// Minutes a consumer may take over a message.
    #[serde(deserialize_with = "json::int")]
    pub consume_timeout_minute: i32,
    /// The group.
    #[serde(deserialize_with = "json::string")]
    pub group_name: String,
    /// When failed messages come back.
    pub group_retry_policy: GroupRetryPolicy,
    /// Flags of the group.
    #[serde(deserialize_with = "json::int")]
    pub group_sys_flag: i32,
    /// Whether members are told when the group changes.
    #[serde(deserialize_with = "json::boolean")]
    pub notify_consumer_ids_changed_enable: bool,
    /// Deliveries in vain before a message is dead-lettered.
    #[serde(deserialize_with = "json::int")]
    pub retry_max_times: i32,
    /// Queues of the retry topic; 0 or less drops failed messages.
    #[serde(deserialize_with = "json::int")]
    pub retry_queue_nums: i32,
    /// Static subscriptions, passed through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_data_set: Option<Value>,
    /// Which broker id to read from when a consumer lags.
    #[serde(deserialize_with = "json::int")]
    pub which_broker_when_consume_slowly: i64,
}

impl Default for SubscriptionGroupConfig {
    fn default() -> Self {
        Self {
            attributes: BTreeMap::new(),
            broker_id: 0,
            consume_broadcast_enable: true,
            consume_enable: true,
            consume_from_min_enable: true,
            consume_message_orderly: false,
            consume_timeout_minute: 15,
            group_name: String::new(),
            group_retry_policy: GroupRetryPolicy::default(),
            group_sys_flag: 0,
            notify_consumer_ids_changed_enable: true,
            retry_max_times: 16,
            retry_queue_nums: 1,
            subscription_data_set: None,
            which_broker_when_consume_slowly: 1,
        }
    }
}

impl SubscriptionGroupConfig {
    /// The default configuration of a group.
    pub fn new(group_name: impl Into<String>) -> Self {
        Self {
            group_name: group_name.into(),
            ..Self::default()
        }
    }
}

/// When failed messages come back; only `CUSTOMIZED` (the delay levels) is in general use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GroupRetryPolicy {
    /// Intervals of the `CUSTOMIZED` type, passed through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customized_retry_policy: Option<Value>,
    /// Initial, maximum and factor of the `EXPONENTIAL` type, passed through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exponential_retry_policy: Option<Value>,
    /// `CUSTOMIZED` or `EXPONENTIAL`.
    #[serde(rename = "type")]
    pub policy_type: String,
}

impl Default for GroupRetryPolicy {
    fn default() -> Self {
        Self {
            customized_retry_policy: None,
            exponential_retry_policy: None,
            policy_type: "CUSTOMIZED".to_owned(),
        }
    }
}

/// All groups of a broker with their version; also the content of `subscriptionGroup.json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SubscriptionGroupTable {
    /// Version of the table.
    pub data_version: DataVersion,
    /// Topics that a group may not read, by group and topic.
    pub forbidden_table: BTreeMap<String, BTreeMap<String, i32>>,
    /// Configurations by group.
    pub subscription_group_table: BTreeMap<String, SubscriptionGroupConfig>,
}

super::json_body!(SubscriptionGroupConfig, SubscriptionGroupTable);
