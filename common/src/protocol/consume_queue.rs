//! A look into a consume queue (code 321).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SubscriptionData;
use crate::json;

/// Some units of a queue.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumeQueueView {
    /// The compiled filter of the group asked for, passed through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_data: Option<Value>,
    /// The next offset to be written.
    #[serde(deserialize_with = "json::int")]
    pub max_queue_index: i64,
    /// The oldest offset.
    #[serde(deserialize_with = "json::int")]
    pub min_queue_index: i64,
    /// The units.
    pub queue_data: Vec<ConsumeQueueUnit>,
    /// The subscription of the group asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_data: Option<SubscriptionData>,
}

/// One unit of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumeQueueUnit {
    /// Bits of the filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bit_map: Option<String>,
    /// Whether the group's filter lets it pass.
    #[serde(deserialize_with = "json::boolean")]
    pub eval: bool,
    /// The extended unit as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extend_data_json: Option<String>,
    /// What went wrong reading it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg: Option<String>,
    /// Position in the commit log.
    #[serde(deserialize_with = "json::int")]
    pub physic_offset: i64,
    /// Length of the record in bytes.
    #[serde(deserialize_with = "json::int")]
    pub physic_size: i32,
    /// The tag's hash, or the delivery time.
    #[serde(deserialize_with = "json::int")]
    pub tags_code: i64,
}

super::json_body!(ConsumeQueueView);
