//! What a consumer tells of itself when a tool asks through the broker (codes 307 and 309). Brokers pass these bodies on
//! as bytes; only clients and tools look inside.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::message_queue::{read_queue_map, write_queue_map};
use super::{MessageQueue, SubscriptionData};
use crate::json::{self, ObjectWriter, java_enum};

java_enum! {
    /// How one message fared.
    ConsumeResult {
        /// Consumed.
        #[default]
        Success = "CR_SUCCESS",
        /// To be tried again.
        Later = "CR_LATER",
        /// Rolled back (orderly).
        Rollback = "CR_ROLLBACK",
        /// Committed (orderly).
        Commit = "CR_COMMIT",
        /// The handler failed.
        ThrowException = "CR_THROW_EXCEPTION",
        /// The handler gave no answer.
        ReturnNull = "CR_RETURN_NULL",
    }
}

/// Reply of a consumer that was made to consume one message (code 309).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumeMessageDirectlyResult {
    /// Whether orderly consumption commits by itself.
    #[serde(deserialize_with = "json::boolean")]
    pub auto_commit: bool,
    /// How it fared.
    pub consume_result: ConsumeResult,
    /// Whether the consumer is orderly.
    #[serde(deserialize_with = "json::boolean")]
    pub order: bool,
    /// What the handler said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// Time spent, in milliseconds.
    #[serde(deserialize_with = "json::int")]
    pub spent_time_mills: i64,
}

/// A consumer's inner state (code 307).
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumerRunningInfo {
    /// Stacks of its threads, where asked for.
    pub jstack: Option<String>,
    /// Queues read by pop, values passed through.
    #[serde(deserialize_with = "read_queue_map")]
    pub mq_pop_table: Vec<(MessageQueue, Value)>,
    /// Queues read by pull.
    #[serde(deserialize_with = "read_queue_map")]
    pub mq_table: Vec<(MessageQueue, ProcessQueueInfo)>,
    /// Settings as text.
    pub properties: BTreeMap<String, String>,
    /// Rates by topic.
    pub status_table: BTreeMap<String, ConsumeStatus>,
    /// Its subscriptions.
    pub subscription_set: Vec<SubscriptionData>,
    /// What the application adds.
    pub user_consumer_info: BTreeMap<String, String>,
}

impl ConsumerRunningInfo {
    /// The body as compact JSON, queues as raw object keys.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut body = ObjectWriter::new(&mut out);
        if let Some(jstack) = &self.jstack {
            body.field("jstack", jstack);
        }
        body.raw("mqPopTable", |out| write_queue_map(out, &self.mq_pop_table));
        body.raw("mqTable", |out| write_queue_map(out, &self.mq_table));
        body.field("properties", &self.properties)
            .field("statusTable", &self.status_table);
        body.field("subscriptionSet", &self.subscription_set)
            .field("userConsumerInfo", &self.user_consumer_info);
        body.end();
        out
    }
}

/// A consumer's state in one queue; times in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProcessQueueInfo {
    /// Messages held.
    #[serde(deserialize_with = "json::int")]
    pub cached_msg_count: i32,
    /// Greatest offset held.
    #[serde(deserialize_with = "json::int")]
    pub cached_msg_max_offset: i64,
    /// Smallest offset held.
    #[serde(deserialize_with = "json::int")]
    pub cached_msg_min_offset: i64,
    /// Their size in MiB.
    #[serde(rename = "cachedMsgSizeInMiB", deserialize_with = "json::int")]
    pub cached_msg_size_in_mib: i32,
    /// The committed offset.
    #[serde(deserialize_with = "json::int")]
    pub commit_offset: i64,
    /// Whether the queue was taken away (spelt as Java spells it).
    #[serde(deserialize_with = "json::boolean")]
    pub droped: bool,
    /// Last consumption.
    #[serde(deserialize_with = "json::int")]
    pub last_consume_timestamp: i64,
    /// Last lock.
    #[serde(deserialize_with = "json::int")]
    pub last_lock_timestamp: i64,
    /// Last pull.
    #[serde(deserialize_with = "json::int")]
    pub last_pull_timestamp: i64,
    /// Whether it is locked.
    #[serde(deserialize_with = "json::boolean")]
    pub locked: bool,
    /// Messages being consumed in order.
    #[serde(deserialize_with = "json::int")]
    pub transaction_msg_count: i32,
    /// Greatest offset of them.
    #[serde(deserialize_with = "json::int")]
    pub transaction_msg_max_offset: i64,
    /// Smallest offset of them.
    #[serde(deserialize_with = "json::int")]
    pub transaction_msg_min_offset: i64,
    /// Attempts to unlock.
    #[serde(deserialize_with = "json::int")]
    pub try_unlock_times: i64,
}

/// A consumer's rates in one topic.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumeStatus {
    /// Messages failed.
    #[serde(deserialize_with = "json::int")]
    pub consume_failed_msgs: i64,
    /// Failures a second.
    #[serde(rename = "consumeFailedTPS", deserialize_with = "json::float")]
    pub consume_failed_tps: f64,
    /// Successes a second.
    #[serde(rename = "consumeOKTPS", deserialize_with = "json::float")]
    pub consume_ok_tps: f64,
    /// Milliseconds a message.
    #[serde(rename = "consumeRT", deserialize_with = "json::float")]
    pub consume_rt: f64,
    /// Milliseconds a pull.
    #[serde(rename = "pullRT", deserialize_with = "json::float")]
    pub pull_rt: f64,
    /// Messages pulled a second.
    #[serde(rename = "pullTPS", deserialize_with = "json::float")]
    pub pull_tps: f64,
}

super::json_body!(ConsumeMessageDirectlyResult);
super::json_body!(read ConsumerRunningInfo);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn running_info_keeps_its_raw_keys_both_ways() {
        let queue = r#"{"brokerName":"broker-a","queueId":0,"topic":"TopicTest"}"#;
        let text = format!(
            "{}{queue}{}{}",
            r#"{"mqPopTable":{},"mqTable":{"#,
            r#":{"cachedMsgCount":0,"cachedMsgMaxOffset":0,"cachedMsgMinOffset":0,"cachedMsgSizeInMiB":0,"commitOffset":10,"droped":false,"lastConsumeTimestamp":1700000000000,"lastLockTimestamp":0,"lastPullTimestamp":1700000000000,"locked":false,"transactionMsgCount":0,"transactionMsgMaxOffset":0,"transactionMsgMinOffset":0,"tryUnlockTimes":0}},"#,
            r#""properties":{"PROP_CONSUME_TYPE":"CONSUME_PASSIVELY"},"statusTable":{"TopicTest":{"consumeFailedMsgs":0,"consumeFailedTPS":0.0,"consumeOKTPS":0.0,"consumeRT":0.0,"pullRT":0.0,"pullTPS":0.0}},"subscriptionSet":[],"userConsumerInfo":{}}"#
        );
        let info = ConsumerRunningInfo::from_json(text.as_bytes()).unwrap();
        assert_eq!(
            info.mq_table[0].0,
            MessageQueue::new("TopicTest", "broker-a", 0)
        );
        assert_eq!(info.mq_table[0].1.commit_offset, 10);
        assert_eq!(String::from_utf8(info.to_json()).unwrap(), text);
    }
}
