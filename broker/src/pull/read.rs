//! Reading a queue for a pull: limits, the outcome in the words of a pull, and what is counted.

use mainstem_store::{Patience, ReadLimits, ReadStatus};

use super::{Pull, PullAnswer, PullError, PullRequest, PullStatus, Pulled};
use crate::broker_core::BrokerCore;
use crate::clients::TagFilter;
use crate::offsets::PulledAmount;

/// Bytes of queue units looked through for one pull, as RocketMQ limits it, and the size of a unit.
const MAX_SCANNED_UNIT_BYTES: usize = 16_000;
const UNIT_BYTES: usize = 20;

/// System flags that replies pass on.
#[derive(Clone, Copy)]
pub(super) struct Flags {
    pub(super) topic: i32,
    pub(super) group: i32,
}

/// Bounds of one read.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) messages: usize,
    pub(super) bytes: usize,
    pub(super) scanned: usize,
    pub(super) patience: Patience,
}

impl BrokerCore {
    pub(super) fn limits_of(&self, pull: &Pull<'_>, patience: Patience) -> Limits {
        let (messages, bytes) = if patience == Patience::Wait {
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
            patience,
        }
    }

    pub(super) fn reset_answer(
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

    /// Reads a queue; `None` when that would have to wait and the limits forbid it.
    pub(super) fn read_queue(
        &self,
        topic: &str,
        queue_id: i32,
        offset: i64,
        limits: Limits,
        filter: &TagFilter,
        flags: Flags,
    ) -> Option<Pulled> {
        let bounds = || self.store.queue_bounds(topic, queue_id);
        let Ok(from) = u64::try_from(offset) else {
            let bounds = bounds();
            return Some(Pulled {
                status: PullStatus::TooSmall,
                asked_offset: offset,
                next_offset: bounds.min as i64,
                min_offset: bounds.min as i64,
                max_offset: bounds.max as i64,
                messages: Vec::new(),
                topic_sys_flag: flags.topic,
                group_sys_flag: flags.group,
            });
        };
        let limits = ReadLimits {
            max_messages: limits.messages,
            max_bytes: limits.bytes,
            max_scanned: limits.scanned,
            patience: limits.patience,
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
            ReadStatus::NotInMemory => return None,
        };
        Some(Pulled {
            status,
            asked_offset: offset,
            next_offset: outcome.next_offset as i64,
            min_offset: outcome.min_offset as i64,
            max_offset: outcome.max_offset as i64,
            messages: outcome.messages,
            topic_sys_flag: flags.topic,
            group_sys_flag: flags.group,
        })
    }

    /// Reads for a pull that has waited, or that needs the disk; `None` when that would have to wait and may not.
    pub(crate) fn read_again(
        &self,
        request: &PullRequest,
        filter: &TagFilter,
        patience: Patience,
    ) -> Option<PullAnswer> {
        self.try_read_again(request, filter, patience).transpose()
    }

    fn try_read_again(
        &self,
        request: &PullRequest,
        filter: &TagFilter,
        patience: Patience,
    ) -> Result<Option<Pulled>, PullError> {
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
            return Ok(Some(self.reset_answer(
                &request.topic,
                request.queue_id,
                request.offset,
                offset,
                flags,
            )));
        }
        let limits = Limits {
            messages: request.max_messages,
            bytes: request.max_bytes,
            scanned: MAX_SCANNED_UNIT_BYTES.max(request.max_messages * UNIT_BYTES) / UNIT_BYTES,
            patience,
        };
        let pulled = self.read_queue(
            &request.topic,
            request.queue_id,
            request.offset,
            limits,
            filter,
            flags,
        );
        if let Some(pulled) = &pulled {
            self.count_pulled(&request.group, &request.topic, request.queue_id, pulled);
        }
        Ok(pulled)
    }

    pub(super) fn count_pulled(&self, group: &str, topic: &str, queue_id: i32, pulled: &Pulled) {
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
