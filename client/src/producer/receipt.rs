//! What an acknowledged send returns.

use std::sync::Arc;

use mainstem_common::protocol::MessageQueue;

use super::outgoing::Outgoing;
use crate::instance::BrokerTarget;

/// How safe an acknowledged message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SendStatus {
    /// As safe as the broker's settings promise.
    Stored,
    /// Stored, but the broker's disk did not confirm in time.
    FlushTimeout,
    /// Stored, but no replica was there to take a copy.
    NoReplica,
    /// Stored, but the replica did not confirm in time.
    ReplicaTimeout,
}

/// What a broker answered to an attempt that it stored.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) broker: Arc<BrokerTarget>,
    pub(crate) queue_id: i32,
    pub(crate) queue_offset: i64,
    /// Comma-joined for a batch.
    pub(crate) offset_message_id: String,
    pub(crate) status: SendStatus,
    pub(crate) attempts: u32,
}

/// An acknowledged message.
#[derive(Debug)]
pub struct SendReceipt {
    topic: Arc<str>,
    unique_key: String,
    delivered: Delivered,
}

impl SendReceipt {
    pub(crate) fn new(outgoing: Outgoing, delivered: Delivered) -> Self {
        Self {
            topic: outgoing.topic,
            unique_key: outgoing.unique_key,
            delivered,
        }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Name of the broker that stored it.
    #[must_use]
    pub fn broker_name(&self) -> &str {
        self.delivered.broker.name()
    }

    /// The queue's number on that broker.
    #[must_use]
    pub fn queue_id(&self) -> i32 {
        self.delivered.queue_id
    }

    /// The message's offset in its queue. Of a delayed message it is no offset that a consumer will see.
    #[must_use]
    pub fn queue_offset(&self) -> i64 {
        self.delivered.queue_offset
    }

    /// The queue as a whole.
    #[must_use]
    pub fn queue(&self) -> MessageQueue {
        MessageQueue {
            topic: self.topic.to_string(),
            broker_name: self.broker_name().to_owned(),
            queue_id: self.queue_id(),
        }
    }

    /// The message id that clients show: the unique key, made before the first attempt.
    #[must_use]
    pub fn message_id(&self) -> &str {
        &self.unique_key
    }

    /// The id that says where the message lies, made by the broker.
    #[must_use]
    pub fn offset_message_id(&self) -> &str {
        &self.delivered.offset_message_id
    }

    /// How safe it is.
    #[must_use]
    pub fn status(&self) -> SendStatus {
        self.delivered.status
    }

    /// How many attempts it took; with more than one the message may be stored more than once.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.delivered.attempts
    }
}

/// An acknowledged batch.
#[derive(Debug)]
pub struct BatchReceipt {
    first: SendReceipt,
    unique_keys: Vec<String>,
}

impl BatchReceipt {
    pub(crate) fn new(outgoing: Outgoing, delivered: Delivered, unique_keys: Vec<String>) -> Self {
        Self {
            first: SendReceipt::new(outgoing, delivered),
            unique_keys,
        }
    }

    /// How many messages it holds.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a batch of none is never sent")]
    pub fn len(&self) -> usize {
        self.unique_keys.len()
    }

    /// The queue that holds them all.
    #[must_use]
    pub fn queue(&self) -> MessageQueue {
        self.first.queue()
    }

    /// Offset of the first message; the others follow it one by one.
    #[must_use]
    pub fn first_queue_offset(&self) -> i64 {
        self.first.queue_offset()
    }

    /// The message ids that clients show, in the batch's order.
    #[must_use]
    pub fn message_ids(&self) -> &[String] {
        &self.unique_keys
    }

    /// The ids that say where the messages lie, in the batch's order.
    pub fn offset_message_ids(&self) -> impl Iterator<Item = &str> {
        self.first.offset_message_id().split(',')
    }

    /// How safe it is.
    #[must_use]
    pub fn status(&self) -> SendStatus {
        self.first.status()
    }

    /// How many attempts it took; with more than one the batch may be stored more than once.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.first.attempts()
    }
}
