//! A topic's configuration and the table of all of a broker's topics, as code 21 answers it and as registration carries it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DataVersion, perm};
use crate::json::{self, java_enum};

java_enum! {
    /// Whether messages of a topic carry one tag or several.
    TopicFilterType {
        /// One tag.
        #[default]
        SingleTag = "SINGLE_TAG",
        /// Several tags, separated by `||`.
        MultiTag = "MULTI_TAG",
    }
}

/// How a topic is laid out on one broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopicConfig {
    /// Further properties, such as `message.type` or `queue.type`.
    pub attributes: BTreeMap<String, String>,
    /// Whether the topic is ordered over all brokers.
    #[serde(deserialize_with = "json::boolean")]
    pub order: bool,
    /// Bits of [`perm`].
    #[serde(deserialize_with = "json::int")]
    pub perm: i32,
    /// Queues that may be read: ids below this.
    #[serde(deserialize_with = "json::int")]
    pub read_queue_nums: i32,
    /// One tag or several.
    pub topic_filter_type: TopicFilterType,
    /// The topic.
    #[serde(deserialize_with = "json::string")]
    pub topic_name: String,
    /// 1: unit topic, 2: has unit subscriptions.
    #[serde(deserialize_with = "json::int")]
    pub topic_sys_flag: i32,
    /// Queues that may be written: ids below this.
    #[serde(deserialize_with = "json::int")]
    pub write_queue_nums: i32,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self::new("", Self::DEFAULT_QUEUE_NUMS)
    }
}

impl TopicConfig {
    /// Queues of a topic of which nobody said how many.
    pub const DEFAULT_QUEUE_NUMS: i32 = 16;

    /// A readable and writable topic of so many queues.
    pub fn new(topic_name: impl Into<String>, queue_nums: i32) -> Self {
        Self {
            attributes: BTreeMap::new(),
            order: false,
            perm: perm::READ | perm::WRITE,
            read_queue_nums: queue_nums,
            topic_filter_type: TopicFilterType::SingleTag,
            topic_name: topic_name.into(),
            topic_sys_flag: 0,
            write_queue_nums: queue_nums,
        }
    }
}

/// All topics of a broker with their version; Java's `TopicConfigSerializeWrapper`, and the content of `topics.json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopicTable {
    /// Version of the table.
    pub data_version: DataVersion,
    /// Version of the static-topic mappings.
    pub mapping_data_version: DataVersion,
    /// Configurations by topic.
    pub topic_config_table: BTreeMap<String, TopicConfig>,
    /// Static topics, passed through.
    pub topic_queue_mapping_detail_map: BTreeMap<String, Value>,
    /// Static topics, passed through.
    pub topic_queue_mapping_info_map: BTreeMap<String, Value>,
}

super::json_body!(TopicConfig, TopicTable);
