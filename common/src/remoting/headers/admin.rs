//! Headers of statistics and broker administration.

use super::headers;

headers! {
    /// Response header of GET_BROKER_CONFIG (26).
    BrokerConfigReply<'a> {
        /// Data version as JSON.
        version: &'a str = "version",
    }

    /// Request header of GET_CONSUME_STATS (208).
    ConsumeStats<'a> {
        consumer_group: &'a str = "consumerGroup",
        /// Absent or blank: every topic that has an offset of the group.
        topic: Option<&'a str> = "topic",
        /// Joined by `;`.
        topic_list: Option<&'a str> = "topicList",
    }

    /// Request header of GET_BROKER_CONSUME_STATS (317).
    BrokerConsumeStats {
        is_order: Option<bool> = "isOrder",
    }

    /// Request header of VIEW_BROKER_STATS_DATA (315).
    BrokerStatsData<'a> {
        /// `TOPIC_PUT_NUMS`, `GROUP_GET_NUMS`, ...
        stats_name: &'a str = "statsName",
        /// The topic, `topic@group` or cluster that is counted.
        stats_key: &'a str = "statsKey",
    }
}
