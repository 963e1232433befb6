//! Batches: many messages of one topic and queue in one request. Each becomes a record of its own; they lie together in
//! the log and have consecutive queue offsets.

use std::sync::Arc;

use mainstem_record::{NewRecord, batch, topic};

use super::{SendError, SendRequest, Sender, Sent, properties};
use crate::broker_core::BrokerCore;
use crate::topics::Topic;

/// Most messages of one batch.
const MAX_BATCH_MESSAGES: usize = 10_000;

impl BrokerCore {
    pub(super) fn send_batch(
        &self,
        sender: &mut Sender,
        topic: &Arc<Topic>,
        queue_id: i32,
        request: &SendRequest<'_>,
    ) -> Result<Sent, SendError> {
        if topic.is_retry {
            return Err(SendError::Batch {
                cause: "batch request does not support retry group".to_owned(),
            });
        }
        if topic.name.len() > topic::MAX_TOPIC_LEN {
            return Err(SendError::Batch {
                cause: format!("message topic length over {}", topic::MAX_TOPIC_LEN),
            });
        }
        let wishes = properties::wishes(request.properties)?;
        sender.properties.clear();
        sender.has_unique_key = false;
        if let Some(key) = wishes.unique_key {
            sender.properties.extend_from_slice(key.as_bytes());
            sender.unique_key = 0..key.len();
            sender.has_unique_key = true;
        }
        let mut records = Vec::new();
        for item in batch::iter(request.body) {
            let item = item.map_err(|error| SendError::Batch {
                cause: error.to_string(),
            })?;
            let text = std::str::from_utf8(item.properties).map_err(|_| SendError::Batch {
                cause: format!("properties of message {} are not UTF-8", records.len()),
            })?;
            let asked = properties::wishes(text)?;
            if asked.transaction || asked.timer || asked.delay_level.is_some_and(|level| level > 0)
            {
                return Err(SendError::Batch {
                    cause: format!(
                        "message {} is delayed or transactional; send it alone",
                        records.len()
                    ),
                });
            }
            if records.len() == MAX_BATCH_MESSAGES {
                return Err(SendError::Batch {
                    cause: format!("more than {MAX_BATCH_MESSAGES} messages"),
                });
            }
            records.push(NewRecord {
                topic: &topic.name,
                queue_id,
                flag: item.flag,
                sys_flag: request.sys_flag,
                born_timestamp_ms: request.born_timestamp_ms,
                born_host: request.born_host,
                store_host: self.store_host,
                reconsume_times: request.reconsume_times,
                prepared_transaction_offset: 0,
                body: item.body,
                properties: item.properties,
            });
        }
        if records.is_empty() {
            return Err(SendError::EmptyBody);
        }
        let appended = sender.batch.append_group(&records)?;
        let (Some(first), Some(last)) = (appended.first(), appended.last()) else {
            return Err(SendError::EmptyBody);
        };
        let bytes: u64 = appended.iter().map(|placed| u64::from(placed.size)).sum();
        sender.uncounted = (
            sender.uncounted.0 + appended.len() as u64,
            sender.uncounted.1 + bytes,
        );
        Ok(Sent {
            queue_id,
            queue_offset: first.queue_offset,
            physical_offset: first.physical_offset,
            more_physical_offsets: appended[1..]
                .iter()
                .map(|placed| placed.physical_offset)
                .collect(),
            durable_at: last.durable_at,
            waits_for_disk: !wishes.no_wait,
        })
    }
}
