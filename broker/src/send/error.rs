//! Why sends are refused.

use std::net::SocketAddr;

use mainstem_record::topic::NameError;
use mainstem_store::AppendError;

use super::PropertiesError;

/// Why a message was not stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SendError {
    /// The topic's name is not allowed.
    #[error(transparent)]
    TopicName(#[from] NameError),
    /// The topic is the system's.
    #[error("Sending message to topic[{topic}] is forbidden.")]
    Closed {
        /// Topic.
        topic: String,
    },
    /// The broker takes no messages.
    #[error(
        "the broker[{broker}] sending message is forbidden: brokerPermission lacks the write bit"
    )]
    NotWritable {
        /// Address of the broker.
        broker: SocketAddr,
    },
    /// There is no such topic.
    #[error(
        "topic[{topic}] not exist, apply first please! Create it, or enable autoCreateTopicEnable."
    )]
    NoSuchTopic {
        /// Topic.
        topic: String,
    },
    /// The topic has no such queue.
    #[error(
        "request queueId[{queue_id}] is illegal, topic[{topic}] has {write_queues} write queues and {read_queues} read queues. Producer: {producer}"
    )]
    NoSuchQueue {
        /// Topic.
        topic: String,
        /// Queue asked for.
        queue_id: i32,
        /// Write queues of the topic.
        write_queues: i32,
        /// Read queues of the topic.
        read_queues: i32,
        /// Where the producer is.
        producer: SocketAddr,
    },
    /// A retry topic whose group is unknown.
    #[error(
        "subscription group not exist, {group}: create it, or enable autoCreateSubscriptionGroup"
    )]
    NoSuchGroup {
        /// Group.
        group: String,
    },
    /// A message without a body.
    #[error("message body is empty")]
    EmptyBody,
    /// The body is too long.
    #[error(
        "the message is illegal, maybe msg body or properties length not matched. msg body length limit {limit}B, msg properties length limit 32KB. The body has {len}B."
    )]
    BodyTooLong {
        /// Length of the body.
        len: usize,
        /// `maxMessageSize`.
        limit: usize,
    },
    /// The properties cannot be stored.
    #[error(transparent)]
    Properties(#[from] PropertiesError),
    /// The items of a batch cannot be stored.
    #[error("the batch is illegal: {cause}")]
    Batch {
        /// What is wrong.
        cause: String,
    },
    /// Half messages are not served.
    #[error(
        "the broker[{broker}] sending transaction message is forbidden: this broker does not serve transactions"
    )]
    Transaction {
        /// Address of the broker.
        broker: SocketAddr,
    },
    /// Arbitrary delays are not served.
    #[error(
        "accurate timer message is not enabled, timerWheelEnable is false: use a delay level (property DELAY)"
    )]
    Timer,
    /// Too much waits for the disk.
    #[error(
        "[REJECTREQUEST] the disk is {behind_bytes} bytes behind, the limit is {limit_bytes} (maxUnflushedBytes): the device is stalled or too slow; retry"
    )]
    Busy {
        /// Bytes appended and not yet durable.
        behind_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] AppendError),
}
