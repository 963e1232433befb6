//! Figures about topics, groups and brokers (codes 202, 208, 303, 315, 317).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::MessageQueue;
use super::message_queue::{read_queue_map, write_queue_map};
use crate::json::{self, ObjectWriter};

/// Bounds of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopicOffset {
    /// Store time of the last message in milliseconds, 0 for none.
    #[serde(deserialize_with = "json::int")]
    pub last_update_timestamp: i64,
    /// The next offset to be written.
    #[serde(deserialize_with = "json::int")]
    pub max_offset: i64,
    /// The oldest offset that can be read.
    #[serde(deserialize_with = "json::int")]
    pub min_offset: i64,
}

/// Bounds of a topic's queues (code 202).
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopicStats {
    /// Bounds by queue.
    #[serde(deserialize_with = "read_queue_map")]
    pub offset_table: Vec<(MessageQueue, TopicOffset)>,
    /// Messages put a second.
    #[serde(deserialize_with = "json::float")]
    pub topic_put_tps: f64,
}

impl TopicStats {
    /// The body as compact JSON, queues as raw object keys.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut body = ObjectWriter::new(&mut out);
        body.raw("offsetTable", |out| {
            write_queue_map(out, &self.offset_table)
        })
        .field("topicPutTps", &self.topic_put_tps);
        body.end();
        out
    }
}

/// How far a group is in one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumeOffset {
    /// The next offset to be written.
    #[serde(deserialize_with = "json::int")]
    pub broker_offset: i64,
    /// The committed offset.
    #[serde(deserialize_with = "json::int")]
    pub consumer_offset: i64,
    /// Store time of the last consumed message in milliseconds, 0 for none.
    #[serde(deserialize_with = "json::int")]
    pub last_timestamp: i64,
    /// The offset pulled up to.
    #[serde(deserialize_with = "json::int")]
    pub pull_offset: i64,
}

/// How far a group is (code 208).
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumeStats {
    /// Messages consumed a second.
    #[serde(deserialize_with = "json::float")]
    pub consume_tps: f64,
    /// Progress by queue.
    #[serde(deserialize_with = "read_queue_map")]
    pub offset_table: Vec<(MessageQueue, ConsumeOffset)>,
}

impl ConsumeStats {
    /// The body as compact JSON, queues as raw object keys.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        let mut body = ObjectWriter::new(out);
        body.field("consumeTps", &self.consume_tps)
            .raw("offsetTable", |out| {
                write_queue_map(out, &self.offset_table)
            });
        body.end();
    }
}

/// How far all groups of a broker are (code 317).
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BrokerConsumeStats {
    /// The broker's address.
    #[serde(deserialize_with = "json::string")]
    pub broker_addr: String,
    /// One entry a group, each with one progress a topic.
    pub consume_stats_list: Vec<BTreeMap<String, Vec<ConsumeStats>>>,
    /// Messages behind in all.
    #[serde(deserialize_with = "json::int")]
    pub total_diff: i64,
    /// Messages pulled but not committed in all.
    #[serde(deserialize_with = "json::int")]
    pub total_inflight_diff: i64,
}

impl BrokerConsumeStats {
    /// The body as compact JSON, queues as raw object keys.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut body = ObjectWriter::new(&mut out);
        body.field("brokerAddr", &self.broker_addr)
            .raw("consumeStatsList", |out| self.write_groups(out));
        body.field("totalDiff", &self.total_diff)
            .field("totalInflightDiff", &self.total_inflight_diff);
        body.end();
        out
    }

    fn write_groups(&self, out: &mut Vec<u8>) {
        write_list(out, &self.consume_stats_list, |out, groups| {
            let mut object = ObjectWriter::new(out);
            for (group, stats) in groups {
                object.raw(group, |out| {
                    write_list(out, stats, |out, stats| stats.write_json(out))
                });
            }
            object.end();
        });
    }
}

fn write_list<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// One counter over three windows (code 315).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BrokerStats {
    /// The last day.
    pub stats_day: BrokerStatsWindow,
    /// The last hour.
    pub stats_hour: BrokerStatsWindow,
    /// The last minute.
    pub stats_minute: BrokerStatsWindow,
}

/// One counter over one window.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BrokerStatsWindow {
    /// Average per call.
    #[serde(deserialize_with = "json::float")]
    pub avgpt: f64,
    /// Sum.
    #[serde(deserialize_with = "json::int")]
    pub sum: i64,
    /// Per second.
    #[serde(deserialize_with = "json::float")]
    pub tps: f64,
}

/// What span of time a group has before it, by queue (code 303).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumeTimeSpanList {
    /// One a queue.
    pub consume_time_span_set: Vec<ConsumeTimeSpan>,
}

/// The span of one queue; times in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumeTimeSpan {
    /// Store time of the last consumed message.
    #[serde(deserialize_with = "json::int")]
    pub consume_time_stamp: i64,
    /// The same as `yyyy-MM-dd#HH:mm:ss:SSS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consume_time_stamp_str: Option<String>,
    /// How old the first message not consumed is, in milliseconds.
    #[serde(deserialize_with = "json::int")]
    pub delay_time: i64,
    /// Store time of the newest message.
    #[serde(deserialize_with = "json::int")]
    pub max_time_stamp: i64,
    /// The same as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_time_stamp_str: Option<String>,
    /// The queue.
    pub message_queue: MessageQueue,
    /// Store time of the oldest message.
    #[serde(deserialize_with = "json::int")]
    pub min_time_stamp: i64,
    /// The same as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_time_stamp_str: Option<String>,
}

super::json_body!(BrokerStats, ConsumeTimeSpanList);
super::json_body!(read TopicStats, ConsumeStats, BrokerConsumeStats);
