//! How far topics and groups have come: positions of queues, lag of groups, and both as times.

use std::collections::BTreeMap;

use mainstem_common::protocol::{
    BrokerConsumeStats, ConsumeOffset, ConsumeStats, ConsumeTimeSpan, MessageQueue, TopicOffset,
    TopicStats,
};

use crate::broker_core::BrokerCore;
use crate::clock::now_ms;
use crate::stats::{Counter, counter_name};

impl BrokerCore {
    /// First and last offset and time of the last message of every queue; `None` for an unknown topic. It may read
    /// from disk.
    pub fn topic_stats(&self, name: &str) -> Option<TopicStats> {
        let topic = self.topics.get(name)?;
        let queues = topic
            .config
            .read_queue_nums
            .max(topic.config.write_queue_nums);
        let offset_table = (0..queues)
            .map(|queue_id| {
                let bounds = self.store.queue_bounds(name, queue_id);
                let last = (bounds.max > bounds.min)
                    .then(|| self.store.store_time_at(name, queue_id, bounds.max - 1))
                    .flatten();
                let offset = TopicOffset {
                    last_update_timestamp: last.unwrap_or(0),
                    max_offset: bounds.max as i64,
                    min_offset: bounds.min as i64,
                };
                (
                    MessageQueue::new(name, self.config.broker_name.as_str(), queue_id),
                    offset,
                )
            })
            .collect();
        Some(TopicStats {
            offset_table,
            topic_put_tps: topic.put_count.minute().tps,
        })
    }

    /// Lag of a group in the given topics, or in all topics where it has an offset. It may read from disk.
    pub fn consume_stats(&self, group: &str, topics: &[String]) -> ConsumeStats {
        let all;
        let topics = if topics.is_empty() {
            all = self.offsets.topics_of_group(group);
            &all
        } else {
            topics
        };
        let mut stats = ConsumeStats::default();
        for name in topics {
            let Some(topic) = self.topics.get(name) else {
                continue;
            };
            for queue_id in 0..topic.config.read_queue_nums {
                let queue =
                    MessageQueue::new(name.as_str(), self.config.broker_name.as_str(), queue_id);
                stats
                    .offset_table
                    .push((queue, self.consume_offset(group, name, queue_id)));
            }
            stats.consume_tps += self.group_get_tps(group, name);
        }
        stats
    }

    fn consume_offset(&self, group: &str, topic: &str, queue_id: i32) -> ConsumeOffset {
        let bounds = self.store.queue_bounds(topic, queue_id);
        let consumer_offset = self
            .offsets
            .committed(group, topic, queue_id)
            .unwrap_or(0)
            .max(0);
        let pull_offset = self
            .offsets
            .pull_offset(group, topic, queue_id)
            .unwrap_or(0)
            .max(consumer_offset);
        let last_timestamp = u64::try_from(consumer_offset - 1)
            .ok()
            .and_then(|last| self.store.store_time_at(topic, queue_id, last))
            .unwrap_or(0);
        ConsumeOffset {
            broker_offset: bounds.max as i64,
            consumer_offset,
            last_timestamp,
            pull_offset,
        }
    }

    fn group_get_tps(&self, group: &str, topic: &str) -> f64 {
        let counter = self
            .counters
            .find(counter_name::GROUP_GET_NUMS, &format!("{topic}@{group}"));
        counter.map_or(0.0, |counter: std::sync::Arc<Counter>| counter.minute().tps)
    }

    /// Lag of every group. It may read from disk.
    pub fn broker_consume_stats(&self) -> BrokerConsumeStats {
        let (groups, _) = self.groups.snapshot();
        let mut body = BrokerConsumeStats {
            broker_addr: self.store_host.to_string(),
            consume_stats_list: Vec::new(),
            total_diff: 0,
            total_inflight_diff: 0,
        };
        for group in groups {
            let mut of_group = Vec::new();
            for topic in self.offsets.topics_of_group(&group.group_name) {
                let stats = self.consume_stats(&group.group_name, std::slice::from_ref(&topic));
                for (_, offset) in &stats.offset_table {
                    body.total_diff += offset.broker_offset - offset.consumer_offset;
                    body.total_inflight_diff += offset.pull_offset - offset.consumer_offset;
                }
                if !stats.offset_table.is_empty() {
                    of_group.push(stats);
                }
            }
            body.consume_stats_list
                .push(BTreeMap::from([(group.group_name.clone(), of_group)]));
        }
        body
    }

    /// The lag of a group in a topic as time, by queue; `None` for an unknown topic. It may read from disk.
    pub fn consume_time_span(&self, name: &str, group: &str) -> Option<Vec<ConsumeTimeSpan>> {
        let topic = self.topics.get(name)?;
        let span_of = |queue_id| {
            let bounds = self.store.queue_bounds(name, queue_id);
            let time_at = |offset: Option<u64>| {
                offset
                    .and_then(|offset| self.store.store_time_at(name, queue_id, offset))
                    .unwrap_or(-1)
            };
            let committed = self.offsets.committed(group, name, queue_id).unwrap_or(0);
            let consumed = u64::try_from(committed).unwrap_or(0).max(bounds.min);
            let consume_time_stamp = if consumed > bounds.min {
                time_at(Some(consumed - 1))
            } else {
                time_at(Some(bounds.min))
            };
            let max_time_stamp = time_at(bounds.max.checked_sub(1));
            // What waits longest is the next message to be consumed.
            let waiting_since = if consumed < bounds.max {
                time_at(Some(consumed))
            } else {
                0
            };
            ConsumeTimeSpan {
                consume_time_stamp,
                consume_time_stamp_str: None,
                delay_time: if waiting_since > 0 {
                    (now_ms() - waiting_since).max(0)
                } else {
                    0
                },
                max_time_stamp,
                max_time_stamp_str: None,
                message_queue: MessageQueue::new(name, self.config.broker_name.as_str(), queue_id),
                min_time_stamp: time_at(Some(bounds.min)),
                min_time_stamp_str: None,
            }
        };
        Some((0..topic.config.read_queue_nums).map(span_of).collect())
    }
}
