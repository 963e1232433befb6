//! Pulls: codes 11 and 361.

use std::sync::Arc;
use std::time::Duration;

use mainstem_common::remoting::code::response;
use mainstem_common::remoting::headers::{PullMessage, PullReply};
use mainstem_common::remoting::{
    Deferred, ExtFields as _, FileRange, HeaderError, Replies, Request, Transfer,
};
use mainstem_store::RecordSlice;

use super::{Door, Session};
use crate::config::TransferMode;
use crate::pull::{InlineSubscription, Pull, PullAnswer, PullError, PullStatus, PullStep, Pulled};

/// Bits of a pull's sysFlag.
const COMMIT_OFFSET: i32 = 1;
const MAY_SUSPEND: i32 = 2;
const HAS_SUBSCRIPTION: i32 = 4;

pub(super) fn pull(
    door: &Door,
    session: &mut Session,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = PullMessage::decode(&request.ext)?;
    let pull = Pull {
        group: header.consumer_group,
        topic: header.topic,
        queue_id: header.queue_id,
        offset: header.queue_offset,
        max_messages: header.max_msg_nums,
        max_bytes: header.max_msg_bytes,
        commit: (header.sys_flag & COMMIT_OFFSET != 0 && header.commit_offset >= 0)
            .then_some(header.commit_offset),
        suspend: (header.sys_flag & MAY_SUSPEND != 0)
            .then(|| Duration::from_millis(header.suspend_timeout_ms.max(0).unsigned_abs())),
        subscription: (header.sys_flag & HAS_SUBSCRIPTION != 0).then(|| InlineSubscription {
            expression: header.subscription.unwrap_or_default(),
            kind: header.expression_type,
        }),
        subscription_version: header.sub_version,
    };
    match door.core.pull(&pull) {
        Err(error) => {
            let mut reply = replies.reply(error_code(&error)).empty_ext();
            if let PullError::Forbidden { kind, .. } = &error {
                reply = reply.ext_int("forbiddenType", *kind as i64);
            }
            reply.remark(&error.to_string()).send();
        }
        Ok(PullStep::Answer(pulled)) => {
            let (code, header, remark) = head_of(&pulled);
            let reply = replies.reply(code).header(&header).remark(remark);
            if pulled.messages.is_empty() {
                reply.send()
            } else {
                reply.send_parts(pulled.messages, &transfer(door.core.config.transfer))
            }
        }
        Ok(PullStep::Park(parkable)) => {
            let (deferred, mode) = (replies.defer().waiting(), door.core.config.transfer);
            door.core.park(
                parkable,
                session.channel.id(),
                Box::new(move |answer| answer_later(deferred, answer, mode)),
            );
        }
        Ok(PullStep::ReadFromDisk(cold)) => {
            let (deferred, mode) = (replies.defer(), door.core.config.transfer);
            let answer = Box::new(move |answer| answer_later(deferred, answer, mode));
            door.core.read_cold(cold, answer);
        }
    }
    Ok(())
}

fn answer_later(deferred: Deferred, answer: PullAnswer, mode: TransferMode) {
    match answer {
        Ok(pulled) => {
            let (code, header, remark) = head_of(&pulled);
            let reply = deferred.reply(code).header(&header).remark(remark);
            if pulled.messages.is_empty() {
                reply.send()
            } else {
                reply.send_parts(pulled.messages, &transfer(mode))
            }
        }
        Err(error) => deferred
            .reply(error_code(&error))
            .empty_ext()
            .remark(&error.to_string())
            .send(),
    }
}

fn transfer(mode: TransferMode) -> Transfer<RecordSlice> {
    match mode {
        TransferMode::Mmap => Transfer::Memory,
        TransferMode::Heap => Transfer::Copy,
        TransferMode::Sendfile => Transfer::File(|message| {
            let (file, offset) = message.in_file()?;
            let file = Arc::clone(file);
            Some(FileRange { file, offset })
        }),
    }
}

/// Response code, header and remark of an outcome. All four numbers stand in every reply: clients read them unasked.
fn head_of(pulled: &Pulled) -> (i32, PullReply, &'static str) {
    let at_start = pulled.asked_offset == 0;
    let not_found_or_moved = if at_start {
        response::PULL_NOT_FOUND
    } else {
        response::PULL_OFFSET_MOVED
    };
    let (code, remark) = match pulled.status {
        PullStatus::Found => (response::SUCCESS, "FOUND"),
        PullStatus::NoMatch => (response::PULL_RETRY_IMMEDIATELY, "NO_MATCHED_MESSAGE"),
        PullStatus::BeingRemoved => (response::PULL_RETRY_IMMEDIATELY, "MESSAGE_WAS_REMOVING"),
        PullStatus::QueueEmpty => (not_found_or_moved, "NO_MESSAGE_IN_QUEUE"),
        PullStatus::NoSuchQueue => (not_found_or_moved, "NO_MATCHED_LOGIC_QUEUE"),
        PullStatus::AtEnd => (response::PULL_NOT_FOUND, "OFFSET_OVERFLOW_ONE"),
        PullStatus::BeyondEnd => (response::PULL_OFFSET_MOVED, "OFFSET_OVERFLOW_BADLY"),
        PullStatus::TooSmall => (response::PULL_OFFSET_MOVED, "OFFSET_TOO_SMALL"),
        PullStatus::Reset => (response::PULL_OFFSET_MOVED, "OFFSET_RESET"),
    };
    let header = PullReply {
        suggest_which_broker_id: 0,
        next_begin_offset: pulled.next_offset,
        min_offset: pulled.min_offset,
        max_offset: pulled.max_offset,
        offset_delta: None,
        topic_sys_flag: Some(pulled.topic_sys_flag),
        group_sys_flag: Some(pulled.group_sys_flag),
        forbidden_type: None,
    };
    (code, header, remark)
}

fn error_code(error: &PullError) -> i32 {
    match error {
        PullError::DiskBusy { .. } => response::SYSTEM_BUSY,
        PullError::Forbidden { .. } => response::NO_PERMISSION,
        PullError::NoSuchGroup { .. } => response::SUBSCRIPTION_GROUP_NOT_EXIST,
        PullError::NoSuchTopic { .. } => response::TOPIC_NOT_EXIST,
        PullError::NoSuchQueue { .. } => response::INVALID_PARAMETER,
        PullError::BadSubscription(_) => response::SUBSCRIPTION_PARSE_FAILED,
        PullError::UnsupportedFilter { .. } => response::SYSTEM_ERROR,
        PullError::NoSubscription { .. } => response::SUBSCRIPTION_NOT_EXIST,
        PullError::OldSubscription { .. } => response::SUBSCRIPTION_NOT_LATEST,
    }
}
