//! Headers of what producers and retrying consumers send: messages in long and one-letter names, their reply,
//! send-back, transactions, reply messages, recall.

use super::{ExtFields, Value, headers};
use crate::remoting::code::request;
use crate::remoting::head::{Ext, HeaderError};

headers! {
    /// Request header of SEND_MESSAGE (10) and SEND_REPLY_MESSAGE (324), in long names.
    SendMessage<'a> {
        producer_group: &'a str = "producerGroup",
        topic: &'a str = "topic",
        /// The topic whose queue counts an unknown topic inherits when it is created automatically.
        default_topic: &'a str = "defaultTopic",
        default_topic_queue_nums: i32 = "defaultTopicQueueNums",
        /// Below 0: the broker chooses.
        queue_id: i32 = "queueId",
        sys_flag: i32 = "sysFlag",
        born_timestamp_ms: i64 = "bornTimestamp",
        flag: i32 = "flag",
        /// Pairs, separated by \u0001 and \u0002.
        properties: Option<&'a str> = "properties",
        reconsume_times: Option<i32> = "reconsumeTimes",
        unit_mode: Option<bool> = "unitMode",
        max_reconsume_times: Option<i32> = "maxReconsumeTimes",
        batch: Option<bool> = "batch",
        broker_name: Option<&'a str> = "bname",
    }

    /// Request header of SEND_MESSAGE_V2 (310), SEND_BATCH_MESSAGE (320) and SEND_REPLY_MESSAGE_V2 (325): the fields
    /// of [`SendMessage`] under one-letter names.
    SendMessageV2<'a> {
        producer_group: &'a str = "a",
        topic: &'a str = "b",
        default_topic: &'a str = "c",
        default_topic_queue_nums: i32 = "d",
        queue_id: i32 = "e",
        sys_flag: i32 = "f",
        born_timestamp_ms: i64 = "g",
        flag: i32 = "h",
        properties: Option<&'a str> = "i",
        reconsume_times: Option<i32> = "j",
        unit_mode: Option<bool> = "k",
        max_reconsume_times: Option<i32> = "l",
        batch: Option<bool> = "m",
        broker_name: Option<&'a str> = "n",
    }

    /// Response header of every send that was stored. Send replies also carry the plain ext fields `MSG_REGION` and
    /// `TRACE_ON`, which clients read without this class.
    SendReply<'a> {
        /// Offset message id; of a batch the comma-joined list.
        msg_id: &'a str = "msgId",
        queue_id: i32 = "queueId",
        /// Of a batch the first message's.
        queue_offset: i64 = "queueOffset",
        transaction_id: Option<&'a str> = "transactionId",
        batch_uniq_id: Option<&'a str> = "batchUniqId",
        recall_handle: Option<&'a str> = "recallHandle",
        msg_region: Option<&'a str> = "MSG_REGION",
        trace_on: Option<bool> = "TRACE_ON",
    }

    /// Request header of CONSUMER_SEND_MSG_BACK (36).
    SendBack<'a> {
        /// Physical offset of the consumed record.
        offset: i64 = "offset",
        group: &'a str = "group",
        /// 0: by the number of retries so far; below 0: to the dead letter queue.
        delay_level: i32 = "delayLevel",
        origin_msg_id: Option<&'a str> = "originMsgId",
        origin_topic: Option<&'a str> = "originTopic",
        unit_mode: Option<bool> = "unitMode",
        max_reconsume_times: Option<i32> = "maxReconsumeTimes",
        broker_name: Option<&'a str> = "bname",
    }

    /// Request header of END_TRANSACTION (37).
    EndTransaction<'a> {
        topic: Option<&'a str> = "topic",
        producer_group: &'a str = "producerGroup",
        /// Queue offset of the half message.
        tran_state_table_offset: i64 = "tranStateTableOffset",
        commit_log_offset: i64 = "commitLogOffset",
        /// 0 unknown, 8 commit, 12 rollback.
        commit_or_rollback: i32 = "commitOrRollback",
        from_transaction_check: Option<bool> = "fromTransactionCheck",
        msg_id: &'a str = "msgId",
        transaction_id: Option<&'a str> = "transactionId",
        broker_name: Option<&'a str> = "bname",
    }

    /// Request header of CHECK_TRANSACTION_STATE (39), broker to producer.
    CheckTransactionState<'a> {
        topic: Option<&'a str> = "topic",
        tran_state_table_offset: i64 = "tranStateTableOffset",
        commit_log_offset: i64 = "commitLogOffset",
        msg_id: Option<&'a str> = "msgId",
        transaction_id: Option<&'a str> = "transactionId",
        offset_msg_id: Option<&'a str> = "offsetMsgId",
        broker_name: Option<&'a str> = "bname",
    }

    /// Request header of PUSH_REPLY_MESSAGE_TO_CLIENT (326), broker to requester.
    PushReplyMessage<'a> {
        producer_group: &'a str = "producerGroup",
        topic: &'a str = "topic",
        default_topic: &'a str = "defaultTopic",
        default_topic_queue_nums: i32 = "defaultTopicQueueNums",
        queue_id: i32 = "queueId",
        sys_flag: i32 = "sysFlag",
        born_timestamp_ms: i64 = "bornTimestamp",
        flag: i32 = "flag",
        properties: Option<&'a str> = "properties",
        reconsume_times: Option<i32> = "reconsumeTimes",
        unit_mode: Option<bool> = "unitMode",
        /// `ip:port`
        born_host: &'a str = "bornHost",
        /// `ip:port`
        store_host: &'a str = "storeHost",
        store_timestamp_ms: i64 = "storeTimestamp",
    }

    /// Request header of RECALL_MESSAGE (370).
    RecallMessage<'a> {
        producer_group: Option<&'a str> = "producerGroup",
        topic: &'a str = "topic",
        recall_handle: &'a str = "recallHandle",
        broker_name: Option<&'a str> = "bname",
    }

    /// Response header of RECALL_MESSAGE (370).
    RecallReply<'a> {
        /// Unique key of the recalled message.
        msg_id: &'a str = "msgId",
    }
}

impl<'a> SendMessage<'a> {
    /// Reads the header of any send request: one-letter names for the codes that use them, long names otherwise.
    ///
    /// # Errors
    /// As [`ExtFields::decode`].
    #[inline]
    pub fn decode_for(code: i32, ext: &Ext<'a>) -> Result<SendMessage<'a>, HeaderError> {
        match code {
            request::SEND_MESSAGE_V2
            | request::SEND_BATCH_MESSAGE
            | request::SEND_REPLY_MESSAGE_V2 => SendMessageV2::decode(ext).map(SendMessage::from),
            _ => SendMessage::decode(ext),
        }
    }

    /// Writes the header under one-letter names.
    pub fn encode_letters(self, out: &mut impl FnMut(&'static str, Value<'_>)) {
        SendMessageV2::from(self).encode(out);
    }
}

macro_rules! same_fields {
    ($from:ident => $to:ident) => {
        impl<'a> From<$from<'a>> for $to<'a> {
            #[inline]
            fn from(header: $from<'a>) -> $to<'a> {
                $to {
                    producer_group: header.producer_group,
                    topic: header.topic,
                    default_topic: header.default_topic,
                    default_topic_queue_nums: header.default_topic_queue_nums,
                    queue_id: header.queue_id,
                    sys_flag: header.sys_flag,
                    born_timestamp_ms: header.born_timestamp_ms,
                    flag: header.flag,
                    properties: header.properties,
                    reconsume_times: header.reconsume_times,
                    unit_mode: header.unit_mode,
                    max_reconsume_times: header.max_reconsume_times,
                    batch: header.batch,
                    broker_name: header.broker_name,
                }
            }
        }
    };
}
same_fields!(SendMessageV2 => SendMessage);
same_fields!(SendMessage => SendMessageV2);
