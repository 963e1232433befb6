//! Headers about clients and consumer groups: membership, notices, connections, relayed calls, group config.

use super::headers;

headers! {
    /// Request header of UNREGISTER_CLIENT (35).
    UnregisterClient<'a> {
        client_id: &'a str = "clientID",
        producer_group: Option<&'a str> = "producerGroup",
        consumer_group: Option<&'a str> = "consumerGroup",
    }

    /// Response header of HEART_BEAT (34).
    HeartbeatReply {
        supports_v2: Option<bool> = "IS_SUPPORT_HEART_BEAT_V2",
        subscription_changed: Option<bool> = "IS_SUB_CHANGE",
    }

    /// Request header that names a consumer group: GET_CONSUMER_LIST_BY_GROUP (38), NOTIFY_CONSUMER_IDS_CHANGED
    /// (40), GET_CONSUMER_CONNECTION_LIST (203).
    ConsumerGroup<'a> {
        consumer_group: &'a str = "consumerGroup",
    }

    /// Request header of GET_PRODUCER_CONNECTION_LIST (204).
    ProducerGroup<'a> {
        producer_group: &'a str = "producerGroup",
    }

    /// Request header that names a group: GET_SUBSCRIPTIONGROUP_CONFIG (352), QUERY_TOPICS_BY_CONSUMER (343).
    Group<'a> {
        group: &'a str = "group",
    }

    /// Request header that names a group and a topic: QUERY_SUBSCRIPTION_BY_CONSUMER (345), QUERY_CONSUME_TIME_SPAN
    /// (303).
    GroupAndTopic<'a> {
        group: &'a str = "group",
        topic: &'a str = "topic",
    }

    /// Request header of DELETE_SUBSCRIPTIONGROUP (207).
    DeleteGroup<'a> {
        group_name: &'a str = "groupName",
        clean_offset: Option<bool> = "cleanOffset",
    }

    /// Request header of GET_ALL_SUBSCRIPTIONGROUP_CONFIG (201); paging, which only new tools ask for.
    GetAllGroups<'a> {
        group_seq: Option<i32> = "groupSeq",
        data_version: Option<&'a str> = "dataVersion",
        max_group_num: Option<i32> = "maxGroupNum",
    }

    /// Response header of GET_ALL_SUBSCRIPTIONGROUP_CONFIG (201).
    GetAllGroupsReply {
        total_group_num: Option<i32> = "totalGroupNum",
    }

    /// Request header of UPDATE_AND_GET_GROUP_FORBIDDEN (353).
    GroupForbidden<'a> {
        group: &'a str = "group",
        topic: &'a str = "topic",
        readable: Option<bool> = "readable",
    }

    /// Request header of GET_CONSUMER_RUNNING_INFO (307), relayed to the client.
    ConsumerRunningInfo<'a> {
        consumer_group: &'a str = "consumerGroup",
        client_id: &'a str = "clientId",
        jstack_enable: Option<bool> = "jstackEnable",
    }

    /// Request header of CONSUME_MESSAGE_DIRECTLY (309), relayed to the client.
    ConsumeMessageDirectly<'a> {
        consumer_group: &'a str = "consumerGroup",
        client_id: &'a str = "clientId",
        msg_id: Option<&'a str> = "msgId",
        broker_name: Option<&'a str> = "brokerName",
        topic: Option<&'a str> = "topic",
        topic_sys_flag: Option<i32> = "topicSysFlag",
        group_sys_flag: Option<i32> = "groupSysFlag",
    }
}
