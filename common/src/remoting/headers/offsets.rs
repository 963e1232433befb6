//! Headers about positions in queues: committed offsets, bounds, search by time, and resetting them.

use super::headers;

headers! {
    /// Request header of QUERY_CONSUMER_OFFSET (14).
    QueryConsumerOffset<'a> {
        consumer_group: &'a str = "consumerGroup",
        topic: &'a str = "topic",
        queue_id: i32 = "queueId",
        set_zero_if_not_found: Option<bool> = "setZeroIfNotFound",
        broker_name: Option<&'a str> = "bname",
    }

    /// Request header of UPDATE_CONSUMER_OFFSET (15). Queue and offset are optional here since their absence has an
    /// answer of its own, 29.
    UpdateConsumerOffset<'a> {
        consumer_group: &'a str = "consumerGroup",
        topic: &'a str = "topic",
        queue_id: Option<i32> = "queueId",
        commit_offset: Option<i64> = "commitOffset",
        broker_name: Option<&'a str> = "bname",
    }

    /// Response header of 14, 29, 30 and 31.
    OffsetReply {
        offset: i64 = "offset",
    }

    /// Request header of SEARCH_OFFSET_BY_TIMESTAMP (29).
    SearchOffset<'a> {
        topic: &'a str = "topic",
        queue_id: i32 = "queueId",
        timestamp_ms: i64 = "timestamp",
        /// `LOWER` (default) or `UPPER`.
        boundary_type: Option<&'a str> = "boundaryType",
        broker_name: Option<&'a str> = "bname",
    }

    /// Request header of GET_MAX_OFFSET (30), GET_MIN_OFFSET (31) and GET_EARLIEST_MSG_STORETIME (32).
    QueueBound<'a> {
        topic: &'a str = "topic",
        queue_id: i32 = "queueId",
        /// 30 only.
        committed: Option<bool> = "committed",
        broker_name: Option<&'a str> = "bname",
    }

    /// Response header of GET_EARLIEST_MSG_STORETIME (32); -1 when the queue is empty.
    EarliestStoreTimeReply {
        timestamp_ms: i64 = "timestamp",
    }

    /// Request header of INVOKE_BROKER_TO_RESET_OFFSET (222) and of RESET_CONSUMER_CLIENT_OFFSET (220), which is
    /// pushed to clients.
    ResetOffset<'a> {
        topic: &'a str = "topic",
        group: &'a str = "group",
        /// Below 0: to the end.
        timestamp_ms: i64 = "timestamp",
        is_force: bool = "isForce",
        /// -1 or absent: every queue.
        queue_id: Option<i32> = "queueId",
        offset: Option<i64> = "offset",
    }

    /// Request header of INVOKE_BROKER_TO_GET_CONSUMER_STATUS (223) and GET_CONSUMER_STATUS_FROM_CLIENT (221).
    ConsumerStatus<'a> {
        topic: &'a str = "topic",
        group: &'a str = "group",
        client_addr: Option<&'a str> = "clientAddr",
    }

    /// Request header of CLONE_GROUP_OFFSET (314).
    CloneGroupOffset<'a> {
        src_group: &'a str = "srcGroup",
        dest_group: &'a str = "destGroup",
        topic: Option<&'a str> = "topic",
        offline: Option<bool> = "offline",
    }

    /// Request header of QUERY_CORRECTION_OFFSET (308).
    QueryCorrectionOffset<'a> {
        filter_groups: Option<&'a str> = "filterGroups",
        compare_group: &'a str = "compareGroup",
        topic: &'a str = "topic",
    }
}
