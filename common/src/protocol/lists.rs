//! Bodies that are little more than a list of names.

use serde::{Deserialize, Serialize};

use crate::json;

/// Topics, and the broker they came from where one answered for itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopicList {
    /// Address of one broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_addr: Option<String>,
    /// The topics.
    #[serde(deserialize_with = "json::string_list")]
    pub topic_list: Vec<String>,
}

/// Consumer groups.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GroupList {
    /// The groups.
    #[serde(deserialize_with = "json::string_list")]
    pub group_list: Vec<String>,
}

/// Ids of the clients in a consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumerList {
    /// The ids.
    #[serde(deserialize_with = "json::string_list")]
    pub consumer_id_list: Vec<String>,
}

super::json_body!(TopicList, GroupList, ConsumerList);
