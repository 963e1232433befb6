//! Headers of looking up single messages: by key, by physical offset, by queue entry.

use super::headers;

headers! {
    /// Request header of QUERY_MESSAGE (12).
    QueryMessage<'a> {
        topic: &'a str = "topic",
        key: &'a str = "key",
        max_num: i32 = "maxNum",
        begin_timestamp_ms: i64 = "beginTimestamp",
        end_timestamp_ms: i64 = "endTimestamp",
        /// `K` key, `U` unique key, `T` tag; older clients send none.
        index_type: Option<&'a str> = "indexType",
        last_key: Option<&'a str> = "lastKey",
        unique_key_query: Option<bool> = "_UNIQUE_KEY_QUERY",
    }

    /// Response header of QUERY_MESSAGE (12).
    QueryMessageReply {
        index_last_update_timestamp_ms: i64 = "indexLastUpdateTimestamp",
        index_last_update_physical_offset: i64 = "indexLastUpdatePhyoffset",
    }

    /// Request header of VIEW_MESSAGE_BY_ID (33).
    ViewMessage<'a> {
        /// Physical offset.
        offset: i64 = "offset",
        topic: Option<&'a str> = "topic",
    }

    /// Request header of QUERY_CONSUME_QUEUE (321).
    QueryConsumeQueue<'a> {
        topic: &'a str = "topic",
        queue_id: i32 = "queueId",
        index: i64 = "index",
        count: i32 = "count",
        consumer_group: Option<&'a str> = "consumerGroup",
    }
}
