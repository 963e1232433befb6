//! Messages that a consumer could not process: to the group's retry topic after a delay, or to its dead letters.

use std::net::SocketAddr;

use mainstem_record::id::OffsetMessageId;
use mainstem_record::{NewRecord, Properties, PropertiesTooLong, RecordView, property, topic};
use mainstem_store::{AppendError, Appended, ReadError};

use crate::broker_core::BrokerCore;
use crate::stats::counter_name;

/// Delay level of the first retry when the consumer leaves the choice to the broker.
const FIRST_RETRY_LEVEL: i32 = 3;

/// A message to be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendBackRequest {
    /// Consumer group.
    pub group: String,
    /// Position of the message's record in the log.
    pub physical_offset: i64,
    /// Delay level; 0 leaves the choice to the broker, negative means dead letters.
    pub delay_level: i32,
    /// Greatest number of attempts, when the consumer sets one.
    pub max_reconsume_times: Option<i32>,
}

/// Why a message was not taken back.
#[derive(Debug, thiserror::Error)]
pub enum SendBackError {
    /// Unknown group.
    #[error(
        "subscription group not exist, {group}: create it, or enable autoCreateSubscriptionGroup"
    )]
    NoSuchGroup {
        /// Group.
        group: String,
    },
    /// The broker takes no messages.
    #[error(
        "the broker[{broker}] sending message is forbidden: brokerPermission lacks the write bit"
    )]
    NotWritable {
        /// Address of the broker.
        broker: SocketAddr,
    },
    /// There is no record there.
    #[error("look message by offset failed, {physical_offset}")]
    NoSuchMessage {
        /// Position asked for.
        physical_offset: i64,
    },
    /// The record could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The properties have grown over the limit.
    #[error("the message cannot be stored again: {0}")]
    Properties(#[from] PropertiesTooLong),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] AppendError),
}

impl BrokerCore {
    /// Stores a message for another attempt. It may read from disk: not for a network thread. `None` when the group
    /// wants no retries; else where the new record lies and when it is durable.
    pub fn send_back(&self, request: &SendBackRequest) -> Result<Option<Appended>, SendBackError> {
        let group =
            self.group_or_create(&request.group)
                .ok_or_else(|| SendBackError::NoSuchGroup {
                    group: request.group.clone(),
                })?;
        if !self.live.is_writable() {
            return Err(SendBackError::NotWritable {
                broker: self.store_host,
            });
        }
        if group.retry_queue_nums <= 0 {
            return Ok(None);
        }
        let missing = || SendBackError::NoSuchMessage {
            physical_offset: request.physical_offset,
        };
        let position = u64::try_from(request.physical_offset).map_err(|_| missing())?;
        let record = self
            .store
            .record_at(position)
            .map_err(|error| match error {
                ReadError::Invalid { .. } => missing(),
                error @ ReadError::Io { .. } => error.into(),
            })?;
        let record = record.ok_or_else(missing)?;
        let view = RecordView::parse(&record).map_err(|_| missing())?;

        let mut properties = Properties::parse(view.properties().as_bytes());
        if properties.get(property::RETRY_TOPIC).is_none() {
            properties.set(property::RETRY_TOPIC, view.topic());
        }
        if properties.get(property::ORIGIN_MESSAGE_ID).is_none() {
            let id = OffsetMessageId {
                host: view.store_host(),
                physical_offset: view.physical_offset(),
            };
            properties.set(property::ORIGIN_MESSAGE_ID, id.to_string());
        }
        let limit = request.max_reconsume_times.unwrap_or(group.retry_max_times);
        let dead = view.reconsume_times() >= limit || request.delay_level < 0;
        let (topic, queue_id, level) = if dead {
            (self.ensure_dead_letter_topic(&request.group), 0, 0)
        } else {
            let retry = self.ensure_retry_topic(&request.group, group.retry_queue_nums);
            let turn = self
                .next_queue
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let queue_id =
                (turn % u64::from(retry.config.write_queue_nums.max(1).unsigned_abs())) as i32;
            let level = match request.delay_level {
                0 => FIRST_RETRY_LEVEL + view.reconsume_times(),
                level => level,
            };
            (
                retry,
                queue_id,
                level.min(self.config.delay_levels.max_level()),
            )
        };
        properties.set(property::DELAY, level.to_string());
        if !dead {
            properties.set(property::REAL_TOPIC, &*topic.name);
            properties.set(property::REAL_QID, queue_id.to_string());
        }
        let (target, target_queue) = if dead {
            (&*topic.name, 0)
        } else {
            (topic::SCHEDULE, level - 1)
        };
        let stored = properties.encode()?;
        let appended = self.store.append(
            &NewRecord {
                topic: target,
                queue_id: target_queue,
                flag: view.flag(),
                sys_flag: view.sys_flag(),
                born_timestamp_ms: view.born_timestamp_ms(),
                born_host: view.born_host(),
                store_host: self.store_host,
                reconsume_times: view.reconsume_times() + 1,
                prepared_transaction_offset: 0,
                body: view.body(),
                properties: &stored,
            },
            Default::default(),
        )?;
        let key = format!("{}@{}", view.topic(), request.group);
        self.counters
            .counter(counter_name::SNDBCK_PUT_NUMS, &key)
            .add(1);
        if dead {
            tracing::info!(group = %request.group, topic = %view.topic(), attempts = view.reconsume_times(),
                "a message was given up: it went to the group's dead letters");
        }
        Ok(Some(appended))
    }
}
