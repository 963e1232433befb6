//! Single messages and queue entries.

use mainstem_common::protocol::{ConsumeQueueUnit, ConsumeQueueView};
use mainstem_record::RecordView;
use mainstem_store::{ReadError, RecordSlice};

use crate::broker_core::BrokerCore;

/// Most queue entries shown at once.
const MAX_UNITS: i32 = 1000;

/// A search for messages by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyQuery {
    /// Topic.
    pub topic: String,
    /// Key, or unique key.
    pub key: String,
    /// Whether it is the unique key.
    pub is_unique_key: bool,
    /// Most messages wanted.
    pub max_messages: usize,
    /// Store times between which the messages lie, milliseconds since 1970.
    pub begin_ms: i64,
    /// End of the span.
    pub end_ms: i64,
}

/// Most messages of a search by unique key.
const MAX_UNIQUE_KEY_MESSAGES: usize = 32;

impl BrokerCore {
    /// Messages with a key, found through the index. It may read from disk.
    pub fn query_key(&self, query: &KeyQuery) -> Vec<RecordSlice> {
        let limit = query.max_messages.min(self.live.max_query_messages());
        let (begin, end) = (query.begin_ms, query.end_ms);
        if query.is_unique_key {
            return self.store.query_unique_key(
                &query.topic,
                &query.key,
                MAX_UNIQUE_KEY_MESSAGES,
                begin,
                end,
            );
        }
        self.store
            .query_key(&query.topic, &query.key, limit, begin, end)
    }

    /// The message whose record begins at a position of the log, if one does. It may read from disk.
    pub fn message_at(&self, physical_offset: i64) -> Result<Option<RecordSlice>, ReadError> {
        let Ok(position) = u64::try_from(physical_offset) else {
            return Ok(None);
        };
        match self.store.record_at(position) {
            Ok(Some(record)) if RecordView::parse(&record).is_ok() => Ok(Some(record)),
            Ok(_) | Err(ReadError::Invalid { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Entries of a queue from an index on; `None` for an unknown queue. It may read from disk.
    pub fn consume_queue(
        &self,
        topic: &str,
        queue_id: i32,
        index: i64,
        count: i32,
        group: Option<&str>,
    ) -> Option<ConsumeQueueView> {
        if !self.topics.contains(topic) {
            return None;
        }
        let bounds = self.store.queue_bounds(topic, queue_id);
        if bounds.max == 0 {
            return None;
        }
        let first = u64::try_from(index).unwrap_or(0).max(bounds.min);
        let last = first
            .saturating_add(count.clamp(1, MAX_UNITS).unsigned_abs().into())
            .min(bounds.max);
        let queue_data = (first..last)
            .filter_map(|offset| self.store.queue_unit(topic, queue_id, offset))
            .map(|unit| ConsumeQueueUnit {
                physic_offset: unit.physical_offset as i64,
                physic_size: unit.size as i32,
                tags_code: unit.tags_code,
                ..ConsumeQueueUnit::default()
            })
            .collect();
        let mut view = ConsumeQueueView {
            max_queue_index: bounds.max as i64,
            min_queue_index: bounds.min as i64,
            queue_data,
            ..ConsumeQueueView::default()
        };
        if let Some(group) = group.filter(|group| !group.is_empty()) {
            match self.consumers.subscription(group, topic) {
                Some(subscription) => view.subscription_data = Some(subscription.data.clone()),
                None => view.filter_data = Some(format!("{group}@{topic} is not online!").into()),
            }
        }
        Some(view)
    }
}
