//! Pulls: the checks in RocketMQ's order, the read of a queue, and waiting for a message that is not there yet. The
//! caller gets an answer, or something to park, or a read that needs the disk.

mod cold;
mod parked;
mod read;
mod request;
mod waiting;

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstem_common::protocol::ExpressionType;

use crate::broker_core::BrokerCore;
use crate::clients::TagFilter;
pub(crate) use cold::ColdReads;
use mainstem_store::Patience;
pub(crate) use parked::{AnswerPull, ParkedPull, ParkedPulls};
use read::{Flags, Limits};
pub use request::{
    ColdPull, ForbiddenKind, InlineSubscription, Parkable, Pull, PullAnswer, PullError,
    PullRequest, PullStatus, PullStep, Pulled,
};

/// Longest wait of a parked pull, whatever the consumer asks for.
const MAX_SUSPEND: Duration = Duration::from_secs(120);

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

        let request = |limits: Limits| PullRequest {
            group: pull.group.into(),
            topic: topic.name.clone(),
            queue_id: pull.queue_id,
            offset: pull.offset,
            max_messages: limits.messages,
            max_bytes: limits.bytes,
        };
        let limits = self.limits_of(pull, Patience::InMemoryOnly);
        let read = self.read_queue(
            pull.topic,
            pull.queue_id,
            pull.offset,
            limits,
            &filter,
            flags,
        );
        let Some(pulled) = read else {
            let cold = ColdPull {
                request: request(self.limits_of(pull, Patience::Wait)),
                filter,
            };
            return Ok(PullStep::ReadFromDisk(cold));
        };
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
                request: request(limits),
                filter,
                deadline: Instant::now() + wait,
            }));
        }
        self.count_pulled(pull.group, pull.topic, pull.queue_id, &pulled);
        Ok(PullStep::Answer(pulled))
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
}
