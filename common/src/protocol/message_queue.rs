//! One queue of one topic on one broker, and maps keyed by it. Owns the raw object-key form in both directions.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use serde_json::Value;

use crate::json::{self, ObjectWriter};

/// A queue as clients name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MessageQueue {
    /// The broker's name.
    #[serde(deserialize_with = "json::string")]
    pub broker_name: String,
    /// The queue's number in its topic; -1 where the broker shares a whole topic (pop).
    #[serde(deserialize_with = "json::int")]
    pub queue_id: i32,
    /// The topic.
    #[serde(deserialize_with = "json::string")]
    pub topic: String,
}

super::json_body!(MessageQueue);

impl MessageQueue {
    /// A queue.
    pub fn new(topic: impl Into<String>, broker_name: impl Into<String>, queue_id: i32) -> Self {
        Self {
            broker_name: broker_name.into(),
            queue_id,
            topic: topic.into(),
        }
    }
}

/// Writes a map keyed by queues, each key a raw object.
pub(super) fn write_queue_map<V: Serialize>(out: &mut Vec<u8>, entries: &[(MessageQueue, V)]) {
    let mut table = ObjectWriter::new(out);
    for (queue, value) in entries {
        table.object_key(queue, |out| json::write_value(out, value));
    }
    table.end();
}

/// Reads a map keyed by queues; the keys come as compact text from the tolerant reader, or quoted from a careful client.
pub(super) fn read_queue_map<'de, D, V>(deserializer: D) -> Result<Vec<(MessageQueue, V)>, D::Error>
where
    D: Deserializer<'de>,
    V: for<'v> Deserialize<'v>,
{
    let entries = Map::<String, Value>::deserialize(deserializer)?;
    let read = |(key, value): (String, Value)| {
        let queue = MessageQueue::from_json(key.as_bytes()).map_err(D::Error::custom)?;
        let value = V::deserialize(value).map_err(D::Error::custom)?;
        Ok((queue, value))
    };
    entries.into_iter().map(read).collect()
}
