//! Headers of reading messages: pull and lite pull, and the pop family for tools that speak it.

use super::headers;

headers! {
    /// Request header of PULL_MESSAGE (11) and LITE_PULL_MESSAGE (361).
    PullMessage<'a> {
        consumer_group: &'a str = "consumerGroup",
        topic: &'a str = "topic",
        queue_id: i32 = "queueId",
        queue_offset: i64 = "queueOffset",
        max_msg_nums: i32 = "maxMsgNums",
        /// Bits: 1 commit first, 2 may wait, 4 carries the subscription, 8 class filter, 16 lite pull.
        sys_flag: i32 = "sysFlag",
        commit_offset: i64 = "commitOffset",
        suspend_timeout_ms: i64 = "suspendTimeoutMillis",
        subscription: Option<&'a str> = "subscription",
        sub_version: i64 = "subVersion",
        expression_type: Option<&'a str> = "expressionType",
        max_msg_bytes: Option<i32> = "maxMsgBytes",
        request_source: Option<i32> = "requestSource",
        broker_name: Option<&'a str> = "bname",
    }

    /// Response header of both pulls; the first four must be in every reply that is not an error.
    PullReply {
        suggest_which_broker_id: i64 = "suggestWhichBrokerId",
        next_begin_offset: i64 = "nextBeginOffset",
        min_offset: i64 = "minOffset",
        max_offset: i64 = "maxOffset",
        offset_delta: Option<i64> = "offsetDelta",
        topic_sys_flag: Option<i32> = "topicSysFlag",
        group_sys_flag: Option<i32> = "groupSysFlag",
        /// Why code 16 came: 1 broker, 2 group, 3 topic, 4 broadcast, 5 subscription.
        forbidden_type: Option<i32> = "forbiddenType",
    }

    /// Request header of POP_MESSAGE (200050).
    PopMessage<'a> {
        consumer_group: &'a str = "consumerGroup",
        topic: &'a str = "topic",
        /// -1: any.
        queue_id: i32 = "queueId",
        max_msg_nums: i32 = "maxMsgNums",
        invisible_time_ms: i64 = "invisibleTime",
        poll_time_ms: i64 = "pollTime",
        /// By the client's clock.
        born_time_ms: i64 = "bornTime",
        /// 0 from the minimum, 1 from the maximum.
        init_mode: i32 = "initMode",
        exp_type: Option<&'a str> = "expType",
        exp: Option<&'a str> = "exp",
        order: Option<bool> = "order",
        attempt_id: Option<&'a str> = "attemptId",
        broker_name: Option<&'a str> = "bname",
    }

    /// Response header of POP_MESSAGE (200050).
    PopReply<'a> {
        pop_time_ms: i64 = "popTime",
        invisible_time_ms: i64 = "invisibleTime",
        revive_queue_id: i32 = "reviveQid",
        rest_num: i64 = "restNum",
        start_offset_info: Option<&'a str> = "startOffsetInfo",
        msg_offset_info: Option<&'a str> = "msgOffsetInfo",
        order_count_info: Option<&'a str> = "orderCountInfo",
    }

    /// Request header of ACK_MESSAGE (200051).
    AckMessage<'a> {
        consumer_group: &'a str = "consumerGroup",
        topic: &'a str = "topic",
        queue_id: i32 = "queueId",
        /// The receipt handle: eight tokens separated by blanks.
        extra_info: &'a str = "extraInfo",
        offset: i64 = "offset",
        broker_name: Option<&'a str> = "bname",
    }

    /// Request header of CHANGE_MESSAGE_INVISIBLETIME (200053).
    ChangeInvisibleTime<'a> {
        consumer_group: &'a str = "consumerGroup",
        topic: &'a str = "topic",
        queue_id: i32 = "queueId",
        extra_info: &'a str = "extraInfo",
        offset: i64 = "offset",
        invisible_time_ms: i64 = "invisibleTime",
        suspend: Option<bool> = "suspend",
        broker_name: Option<&'a str> = "bname",
    }

    /// Response header of CHANGE_MESSAGE_INVISIBLETIME (200053): parts of the new handle.
    ChangeInvisibleTimeReply {
        pop_time_ms: i64 = "popTime",
        invisible_time_ms: i64 = "invisibleTime",
        revive_queue_id: i32 = "reviveQid",
    }
}
