//! Pulls: the checks in RocketMQ's order, the read of a queue, and waiting for a message that is not there yet. The
//! caller gets an answer, or something to park, or a read that needs the disk.

mod cold;
mod parked;

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstem_common::protocol::ExpressionType;
use mainstem_store::{ReadLimits, ReadStatus, RecordSlice};

use crate::broker_core::BrokerCore;
use crate::clients::{FilterError, TagFilter};
use crate::offsets::PulledAmount;
pub(crate) use cold::ColdReads;
pub(crate) use parked::{AnswerPull, ParkedPull, ParkedPulls};

/// Bytes of queue units looked through for one pull, as RocketMQ limits it, and the size of a unit.
const MAX_SCANNED_UNIT_BYTES: usize = 16_000;
const UNIT_BYTES: usize = 20;
/// Longest wait of a parked pull, whatever the consumer asks for.
const MAX_SUSPEND: Duration = Duration::from_secs(120);

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
    /// Park it: [`BrokerCore::park`].
    Park(Parkable),
    /// Read from disk, not on a network thread: [`BrokerCore::read_cold`].
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

impl BrokerCore {
    /// Checks a pull and reads what is in memory.
    pub fn pull(&self, pull: &Pull<'_>) -> Result<PullStep, PullError> {
        if !self.live.is_readable() {
            return Err(PullError::Forbidden {
                kind: ForbiddenKind::Broker,
                message: format!(
                    "the broker[{}] pulling message is forbidden",
                    self.store_host
                ),
            });
        }
        let group = self
            .group_or_create(pull.group)
            .ok_or_else(|| PullError::NoSuchGroup {
                group: pull.group.to_owned(),
            })?;
        if !group.consume_enable {
            return Err(PullError::Forbidden {
                kind: ForbiddenKind::Group,
                message: format!("subscription group no permission, {}", pull.group),
            });
        }
        let topic = self
            .topics
            .get(pull.topic)
            .ok_or_else(|| PullError::NoSuchTopic {
                topic: pull.topic.to_owned(),
            })?;
        if !topic.is_readable() {
            return Err(PullError::Forbidden {
                kind: ForbiddenKind::Topic,
                message: format!("the topic[{}] pulling message is forbidden", pull.topic),
            });
        }
        if pull.queue_id < 0 || pull.queue_id >= topic.config.read_queue_nums {
            return Err(PullError::NoSuchQueue {
                topic: pull.topic.to_owned(),
                queue_id: pull.queue_id,
                read_queues: topic.config.read_queue_nums,
            });
        }
        let filter = self.filter_of(pull, group.consume_broadcast_enable)?;
        let flags = Flags {
            topic: topic.config.topic_sys_flag,
            group: group.group_sys_flag,
        };
        if let Some(offset) = self
            .offsets
            .take_reset(pull.group, pull.topic, pull.queue_id)
        {
            return Ok(PullStep::Answer(self.reset_answer(
                pull.topic,
                pull.queue_id,
                pull.offset,
                offset,
                flags,
            )));
        }
        if let Some(offset) = pull.commit {
            self.commit_plainly(pull.group, pull.topic, pull.queue_id, offset);
        }

        let from_disk = self.needs_disk(pull.topic, pull.queue_id, pull.offset);
        let limits = self.limits_of(pull, from_disk);
        let request = || PullRequest {
            group: pull.group.into(),
            topic: topic.name.clone(),
            queue_id: pull.queue_id,
            offset: pull.offset,
            max_messages: limits.messages,
            max_bytes: limits.bytes,
        };
        if from_disk {
            let cold = ColdPull {
                request: request(),
                filter,
            };
            return Ok(PullStep::ReadFromDisk(cold));
        }
        let pulled = self.read_queue(
            pull.topic,
            pull.queue_id,
            pull.offset,
            limits,
            &filter,
            flags,
        );
        let nothing_new = pulled.status == PullStatus::AtEnd
            || (matches!(
                pulled.status,
                PullStatus::QueueEmpty | PullStatus::NoSuchQueue
            ) && pull.offset == 0);
        if nothing_new && let Some(suspend) = pull.suspend {
            let wait = if self.live.long_polling() {
                suspend.min(MAX_SUSPEND)
            } else {
                Duration::from_millis(self.live.short_polling_ms())
            };
            return Ok(PullStep::Park(Parkable {
                request: request(),
                filter,
                deadline: Instant::now() + wait,
            }));
        }
        self.count_pulled(pull.group, pull.topic, pull.queue_id, &pulled);
        Ok(PullStep::Answer(pulled))
    }

    fn limits_of(&self, pull: &Pull<'_>, from_disk: bool) -> Limits {
        let (messages, bytes) = if from_disk {
            let config = &self.config;
            (
                config.max_transfer_count_on_disk,
                config.max_transfer_bytes_on_disk,
            )
        } else {
            (
                self.live.max_transfer_count(),
                self.live.max_transfer_bytes(),
            )
        };
        let wanted = pull.max_messages.max(1) as usize;
        let wanted_bytes = pull
            .max_bytes
            .map_or(usize::MAX, |bytes| bytes.max(1) as usize);
        Limits {
            messages: wanted.min(messages),
            bytes: wanted_bytes.min(bytes),
            scanned: MAX_SCANNED_UNIT_BYTES.max(wanted * UNIT_BYTES) / UNIT_BYTES,
        }
    }

    fn filter_of(&self, pull: &Pull<'_>, may_broadcast: bool) -> Result<Arc<TagFilter>, PullError> {
        if let Some(inline) = pull.subscription {
            if let Some(kind) = inline.kind
                && !ExpressionType::is_tag(kind)
            {
                return Err(PullError::UnsupportedFilter {
                    kind: kind.to_owned(),
                });
            }
            return Ok(Arc::new(TagFilter::parse(inline.expression)?));
        }
        let group = self
            .consumers
            .pull_subscription(pull.group, pull.topic)
            .ok_or(PullError::NoSubscription { what: "group info" })?;
        if group.broadcasting && !may_broadcast {
            return Err(PullError::Forbidden {
                kind: ForbiddenKind::Broadcast,
                message: format!(
                    "the consumer group[{}] can not consume by broadcast way",
                    pull.group
                ),
            });
        }
        let subscription = group.subscription.ok_or(PullError::NoSubscription {
            what: "subscription",
        })?;
        if subscription.data.sub_version < pull.subscription_version {
            let (known, asked) = (subscription.data.sub_version, pull.subscription_version);
            return Err(PullError::OldSubscription { known, asked });
        }
        if !ExpressionType::is_tag(&subscription.data.expression_type) {
            let kind = subscription.data.expression_type.clone();
            return Err(PullError::UnsupportedFilter { kind });
        }
        Ok(subscription.filter.clone())
    }

    fn reset_answer(
        &self,
        topic: &str,
        queue_id: i32,
        asked_offset: i64,
        offset: i64,
        flags: Flags,
    ) -> Pulled {
        let bounds = self.store.queue_bounds(topic, queue_id);
        tracing::info!(
            topic,
            queue_id,
            to = offset,
            "a consumer follows the reset of its group"
        );
        Pulled {
            status: PullStatus::Reset,
            asked_offset,
            next_offset: offset,
            min_offset: bounds.min as i64,
            max_offset: bounds.max as i64,
            messages: Vec::new(),
            topic_sys_flag: flags.topic,
            group_sys_flag: flags.group,
        }
    }

    fn needs_disk(&self, topic: &str, queue_id: i32, offset: i64) -> bool {
        u64::try_from(offset).is_ok_and(|offset| !self.store.is_hot(topic, queue_id, offset))
    }

    fn read_queue(
        &self,
        topic: &str,
        queue_id: i32,
        offset: i64,
        limits: Limits,
        filter: &TagFilter,
        flags: Flags,
    ) -> Pulled {
        let bounds = || self.store.queue_bounds(topic, queue_id);
        let Ok(from) = u64::try_from(offset) else {
            let bounds = bounds();
            return Pulled {
                status: PullStatus::TooSmall,
                asked_offset: offset,
                next_offset: bounds.min as i64,
                min_offset: bounds.min as i64,
                max_offset: bounds.max as i64,
                messages: Vec::new(),
                topic_sys_flag: flags.topic,
                group_sys_flag: flags.group,
            };
        };
        let limits = ReadLimits {
            max_messages: limits.messages,
            max_bytes: limits.bytes,
            max_scanned: limits.scanned,
        };
        let outcome = self
            .store
            .read(topic, queue_id, from, &limits, &|code| filter.matches(code));
        let status = match outcome.status {
            ReadStatus::Found => PullStatus::Found,
            ReadStatus::NoMatch => PullStatus::NoMatch,
            ReadStatus::BeingRemoved => PullStatus::BeingRemoved,
            ReadStatus::QueueEmpty => PullStatus::QueueEmpty,
            ReadStatus::NoSuchQueue => PullStatus::NoSuchQueue,
            ReadStatus::OffsetAtEnd => PullStatus::AtEnd,
            ReadStatus::OffsetBeyondEnd => PullStatus::BeyondEnd,
            ReadStatus::OffsetTooSmall => PullStatus::TooSmall,
        };
        Pulled {
            status,
            asked_offset: offset,
            next_offset: outcome.next_offset as i64,
            min_offset: outcome.min_offset as i64,
            max_offset: outcome.max_offset as i64,
            messages: outcome.messages,
            topic_sys_flag: flags.topic,
            group_sys_flag: flags.group,
        }
    }

    /// Parks a pull; `answer` is called once with whatever comes. `owner` is the channel it came by.
    pub fn park(&self, pull: Parkable, owner: u64, answer: AnswerPull) {
        let (topic, queue_id) = (pull.request.topic.clone(), pull.request.queue_id);
        let (offset, filter) = (pull.request.offset, pull.filter.clone());
        let Parkable {
            request,
            filter: own_filter,
            deadline,
        } = pull;
        self.store.watch_queue(&topic, queue_id);
        let parked = ParkedPull {
            request,
            filter: own_filter,
            owner,
            deadline,
            answer,
        };
        match self.parked.park(parked) {
            // The table is full: answered at once, which costs the consumer a round trip and the broker nothing.
            Err(pull) => {
                let answer = self.read_again(&pull.request, &pull.filter);
                (pull.answer)(answer);
            }
            Ok(id) => {
                // A message that arrived between the read and the parking has woken nobody.
                let end = self.store.queue_bounds(&topic, queue_id).max as i64;
                if end > offset && self.any_wanted(&topic, queue_id, offset, &filter) {
                    self.parked.wake(id);
                }
            }
        }
    }

    /// Answers a pull that an arrival, its deadline or a change has woken; what must come from disk is read elsewhere.
    pub(crate) fn answer_woken(self: &Arc<Self>, pull: ParkedPull) {
        let request = &pull.request;
        if self.needs_disk(&request.topic, request.queue_id, request.offset) {
            let cold = ColdPull {
                request: pull.request,
                filter: pull.filter,
            };
            return self.read_cold(cold, pull.answer);
        }
        let answer = self.read_again(&pull.request, &pull.filter);
        (pull.answer)(answer);
    }

    fn any_wanted(&self, topic: &str, queue_id: i32, offset: i64, filter: &TagFilter) -> bool {
        if *filter == TagFilter::All {
            return true;
        }
        u64::try_from(offset)
            .ok()
            .and_then(|offset| self.store.queue_unit(topic, queue_id, offset))
            .is_none_or(|unit| filter.matches(unit.tags_code))
    }

    /// Reads for a pull that has waited, or that needs the disk; it may block.
    pub(crate) fn read_again(&self, request: &PullRequest, filter: &TagFilter) -> PullAnswer {
        let topic = self
            .topics
            .get(&request.topic)
            .ok_or_else(|| PullError::NoSuchTopic {
                topic: request.topic.to_string(),
            })?;
        let group_sys_flag = self
            .groups
            .get(&request.group)
            .map_or(0, |group| group.group_sys_flag);
        let flags = Flags {
            topic: topic.config.topic_sys_flag,
            group: group_sys_flag,
        };
        if let Some(offset) =
            self.offsets
                .take_reset(&request.group, &request.topic, request.queue_id)
        {
            return Ok(self.reset_answer(
                &request.topic,
                request.queue_id,
                request.offset,
                offset,
                flags,
            ));
        }
        let limits = Limits {
            messages: request.max_messages,
            bytes: request.max_bytes,
            scanned: MAX_SCANNED_UNIT_BYTES.max(request.max_messages * UNIT_BYTES) / UNIT_BYTES,
        };
        let pulled = self.read_queue(
            &request.topic,
            request.queue_id,
            request.offset,
            limits,
            filter,
            flags,
        );
        self.count_pulled(&request.group, &request.topic, request.queue_id, &pulled);
        Ok(pulled)
    }

    fn count_pulled(&self, group: &str, topic: &str, queue_id: i32, pulled: &Pulled) {
        let amount = PulledAmount {
            messages: pulled.messages.len() as u64,
            bytes: pulled
                .messages
                .iter()
                .map(|message| message.len() as u64)
                .sum(),
        };
        self.offsets
            .pulled(group, topic, queue_id, pulled.next_offset, amount);
        self.stats.pulled(amount.messages);
        if matches!(pulled.status, PullStatus::BeyondEnd | PullStatus::TooSmall) {
            self.moved_offsets.run(|suppressed| {
                tracing::warn!(group, topic, queue_id, from = pulled.asked_offset, to = pulled.next_offset,
                    min = pulled.min_offset, max = pulled.max_offset, status = ?pulled.status, suppressed,
                    "a consumer's offset is out of range: it is told to go on elsewhere");
            });
        }
    }
}

#[derive(Clone, Copy)]
struct Flags {
    topic: i32,
    group: i32,
}

#[derive(Clone, Copy)]
struct Limits {
    messages: usize,
    bytes: usize,
    scanned: usize,
}
