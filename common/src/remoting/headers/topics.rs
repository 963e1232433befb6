//! Headers about topic config and topic listings, of brokers and name servers.

use super::headers;

headers! {
    /// Request header that names a topic: GET_ROUTEINFO_BY_TOPIC (105, with `acceptStandardJsonOnly`),
    /// GET_TOPIC_CONFIG (351), DELETE_TOPIC_IN_BROKER (215), GET_TOPIC_STATS_INFO (202), QUERY_TOPIC_CONSUME_BY_WHO
    /// (300), REGISTER_TOPIC_IN_NAMESRV (217).
    Topic<'a> {
        topic: &'a str = "topic",
        accept_standard_json_only: Option<bool> = "acceptStandardJsonOnly",
        /// The logical-queue mark of static topics.
        logical: Option<bool> = "lo",
    }

    /// Request header of UPDATE_AND_CREATE_TOPIC (17).
    CreateTopic<'a> {
        topic: &'a str = "topic",
        default_topic: &'a str = "defaultTopic",
        read_queue_nums: i32 = "readQueueNums",
        write_queue_nums: i32 = "writeQueueNums",
        /// Bits: 4 read, 2 write, 1 inherit.
        perm: i32 = "perm",
        /// `SINGLE_TAG` or `MULTI_TAG`.
        topic_filter_type: Option<&'a str> = "topicFilterType",
        topic_sys_flag: Option<i32> = "topicSysFlag",
        order: Option<bool> = "order",
        /// `+name=value,+name2=value,-gone`
        attributes: Option<&'a str> = "attributes",
        force: Option<bool> = "force",
    }

    /// Request header of DELETE_TOPIC_IN_NAMESRV (216).
    DeleteTopicInNameServer<'a> {
        topic: &'a str = "topic",
        cluster_name: Option<&'a str> = "clusterName",
    }

    /// Request header of GET_ALL_TOPIC_CONFIG (21); paging, which only new tools ask for.
    GetAllTopics<'a> {
        topic_seq: Option<i32> = "topicSeq",
        data_version: Option<&'a str> = "dataVersion",
        max_topic_num: Option<i32> = "maxTopicNum",
    }

    /// Response header of GET_ALL_TOPIC_CONFIG (21).
    GetAllTopicsReply {
        total_topic_num: Option<i32> = "totalTopicNum",
    }

    /// Request header of GET_TOPICS_BY_CLUSTER (224).
    Cluster<'a> {
        cluster: &'a str = "cluster",
    }
}
