//! What goes into a pull and what comes out, and why one is refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstem_store::RecordSlice;

use crate::clients::{FilterError, TagFilter};

/// A pull as it arrives.
#[derive(Debug, Clone, Copy)]
pub struct Pull<'a> {
    /// Consumer group.
    pub group: &'a str,
    /// Topic.
    pub topic: &'a str,
    /// Queue.
    pub queue_id: i32,
    /// First offset wanted.
    pub offset: i64,
    /// Most messages wanted.
    pub max_messages: i32,
    /// Most bytes wanted.
    pub max_bytes: Option<i32>,
    /// An offset to commit along the way.
    pub commit: Option<i64>,
    /// How long it may wait for a message; `None` not at all.
    pub suspend: Option<Duration>,
    /// The subscription, when it travels with the pull instead of the heartbeat.
    pub subscription: Option<InlineSubscription<'a>>,
    /// Version of the subscription that the consumer knows.
    pub subscription_version: i64,
}

/// A subscription that travels with a pull.
#[derive(Debug, Clone, Copy)]
pub struct InlineSubscription<'a> {
    /// The expression.
    pub expression: &'a str,
    /// Its kind; `None` is `TAG`.
    pub kind: Option<&'a str>,
}

/// The part of a pull that the read needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Consumer group.
    pub group: Arc<str>,
    /// Topic.
    pub topic: Arc<str>,
    /// Queue.
    pub queue_id: i32,
    /// First offset wanted.
    pub offset: i64,
    /// Most messages wanted.
    pub max_messages: usize,
    /// Most bytes wanted.
    pub max_bytes: usize,
}

/// What a pull found.
#[derive(Debug)]
pub struct Pulled {
    /// How it went.
    pub status: PullStatus,
    /// The offset asked for.
    pub asked_offset: i64,
    /// Where to pull next.
    pub next_offset: i64,
    /// First offset of the queue.
    pub min_offset: i64,
    /// Offset after the last message.
    pub max_offset: i64,
    /// Whole records, oldest first.
    pub messages: Vec<RecordSlice>,
    /// System flags of the topic.
    pub topic_sys_flag: i32,
    /// System flags of the group.
    pub group_sys_flag: i32,
}

/// How a pull went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullStatus {
    /// There are messages.
    Found,
    /// Messages were there, but none that the subscription wants.
    NoMatch,
    /// The messages were expired meanwhile.
    BeingRemoved,
    /// The queue is empty.
    QueueEmpty,
    /// The queue has never had a message.
    NoSuchQueue,
    /// Nothing new yet.
    AtEnd,
    /// The offset lies beyond the end.
    BeyondEnd,
    /// The offset lies before the first message.
    TooSmall,
    /// An operator moved the group.
    Reset,
}

/// The answer of a parked or cold pull.
pub type PullAnswer = Result<Pulled, PullError>;

/// What is to be done with a pull.
pub enum PullStep {
    /// Answer it.
    Answer(Pulled),
    /// Park it: [`BrokerCore::park`](crate::BrokerCore::park).
    Park(Parkable),
    /// Read from disk, not on a network thread: [`BrokerCore::read_cold`](crate::BrokerCore::read_cold).
    ReadFromDisk(ColdPull),
}

/// A pull that may wait.
pub struct Parkable {
    pub(crate) request: PullRequest,
    pub(crate) filter: Arc<TagFilter>,
    pub(crate) deadline: Instant,
}

/// A pull that needs the disk.
pub struct ColdPull {
    pub(crate) request: PullRequest,
    pub(crate) filter: Arc<TagFilter>,
}

/// What kind of permission a refused pull lacked, by RocketMQ's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForbiddenKind {
    /// The broker is not readable.
    Broker = 1,
    /// The group may not consume.
    Group = 2,
    /// The topic is not readable.
    Topic = 3,
    /// The group may not consume by broadcast.
    Broadcast = 4,
}

/// Why a pull was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// More pulls wait for the disk than may.
    #[error(
        "{waiting} pulls of old messages wait for the disk already: ask again later, or pull less at a time"
    )]
    DiskBusy {
        /// How many.
        waiting: usize,
    },
    /// Something may not be read.
    #[error("{message}")]
    Forbidden {
        /// What.
        kind: ForbiddenKind,
        /// In words.
        message: String,
    },
    /// Unknown group.
    #[error(
        "subscription group [{group}] does not exist: create it, or enable autoCreateSubscriptionGroup"
    )]
    NoSuchGroup {
        /// Group.
        group: String,
    },
    /// Unknown topic.
    #[error("topic[{topic}] not exist, apply first please!")]
    NoSuchTopic {
        /// Topic.
        topic: String,
    },
    /// The topic has no such queue.
    #[error(
        "queueId[{queue_id}] is illegal, topic:[{topic}] topicConfig.readQueueNums:[{read_queues}]"
    )]
    NoSuchQueue {
        /// Topic.
        topic: String,
        /// Queue asked for.
        queue_id: i32,
        /// Read queues of the topic.
        read_queues: i32,
    },
    /// The expression is no tag expression.
    #[error(transparent)]
    BadSubscription(#[from] FilterError),
    /// Only tags are served.
    #[error("The broker does not support consumer to filter message by {kind}")]
    UnsupportedFilter {
        /// Kind of the expression.
        kind: String,
    },
    /// No heartbeat of the group has been seen, or none that names the topic.
    #[error("the consumer's {what} not exist: it comes with the next heartbeat")]
    NoSubscription {
        /// What is missing.
        what: &'static str,
    },
    /// The consumer knows a newer subscription than the broker.
    #[error(
        "the consumer's subscription not latest: the broker knows version {known}, the consumer {asked}"
    )]
    OldSubscription {
        /// Version of the last heartbeat.
        known: i64,
        /// Version of the pull.
        asked: i64,
    },
}
