//! Tables of offsets: committed ones (code 43 and `consumerOffset.json`), delay levels (45 and `delayOffset.json`), resets
//! (220, 222), a group's view of them (221, 223) and corrections (308).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::message_queue::{read_queue_map, write_queue_map};
use super::{DataVersion, MessageQueue};
use crate::json::ObjectWriter;

/// Committed offsets of all groups.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumerOffsetTable {
    /// Version of the table.
    pub data_version: DataVersion,
    /// Topics by group; follows from the table below.
    pub group_topic_map: BTreeMap<String, Vec<String>>,
    /// Offset by queue id, by `topic@group`.
    pub offset_table: BTreeMap<String, BTreeMap<i32, i64>>,
    /// How far was pulled, by queue id, by `topic@group`; for figures only, and absent from the file.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pull_offset_table: BTreeMap<String, BTreeMap<i32, i64>>,
}

/// Offset by delay level.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DelayOffsetTable {
    /// Version of the table.
    pub data_version: DataVersion,
    /// Offset by level, from 1.
    pub offset_table: BTreeMap<i32, i64>,
}

/// The smallest offset of other groups by queue id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CorrectionOffsets {
    /// Offset by queue id.
    pub correction_offsets: BTreeMap<i32, i64>,
}

/// New offsets by queue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ResetOffsetTable {
    /// Offset by queue.
    #[serde(deserialize_with = "read_queue_map")]
    pub offset_table: Vec<(MessageQueue, i64)>,
}

impl ResetOffsetTable {
    /// The body as compact JSON, queues as raw object keys.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut body = ObjectWriter::new(&mut out);
        body.raw("offsetTable", |out| {
            write_queue_map(out, &self.offset_table)
        });
        body.end();
        out
    }
}

/// Where the members of a group stand: each client answers the second table (221), the broker gathers them in the first (223).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConsumerStatusTable {
    /// Offset by queue, by client id.
    pub consumer_table: BTreeMap<String, QueueOffsets>,
    /// Offset by queue.
    #[serde(deserialize_with = "read_queue_map")]
    pub message_queue_table: Vec<(MessageQueue, i64)>,
}

/// Offset by queue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct QueueOffsets(#[serde(deserialize_with = "read_queue_map")] pub Vec<(MessageQueue, i64)>);

impl ConsumerStatusTable {
    /// The body as compact JSON, queues as raw object keys.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut body = ObjectWriter::new(&mut out);
        body.raw("consumerTable", |out| {
            let mut clients = ObjectWriter::new(out);
            for (client_id, offsets) in &self.consumer_table {
                clients.raw(client_id, |out| write_queue_map(out, &offsets.0));
            }
            clients.end();
        });
        body.raw("messageQueueTable", |out| {
            write_queue_map(out, &self.message_queue_table)
        });
        body.end();
        out
    }
}

super::json_body!(ConsumerOffsetTable, DelayOffsetTable, CorrectionOffsets);
super::json_body!(read ResetOffsetTable, ConsumerStatusTable);
