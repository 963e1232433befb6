//! Offsets: codes 14, 15, 29-32, 43, 45, 222, 308, 314.

use std::collections::BTreeMap;

use mainstem_common::protocol::{CorrectionOffsets, MessageQueue, ResetOffsetTable};
use mainstem_common::remoting::code::response;
use mainstem_common::remoting::headers::{
    CloneGroupOffset, QueryConsumerOffset, QueryCorrectionOffset, QueueBound, ResetOffset,
    SearchOffset, UpdateConsumerOffset,
};
use mainstem_common::remoting::{ExtFields as _, HeaderError, Language, Replies, Request};
use mainstem_store::Boundary;

use super::{Door, answer_body, refuse};
use crate::offsets::{CommitOffsetError, OffsetResetRequest, QueueOffsets, ResetOffsetError};

pub(super) fn query(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = QueryConsumerOffset::decode(&request.ext)?;
    let zero_if_young = header.set_zero_if_not_found != Some(false);
    match door.core.consumer_offset(
        header.consumer_group,
        header.topic,
        header.queue_id,
        zero_if_young,
    ) {
        Ok(offset) => replies
            .reply(response::SUCCESS)
            .ext_int("offset", offset)
            .send(),
        Err(error) => replies
            .reply(response::QUERY_NOT_FOUND)
            .empty_ext()
            .remark(&error.to_string())
            .send(),
    }
    Ok(())
}

pub(super) fn update(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = UpdateConsumerOffset::decode(&request.ext)?;
    match door.core.commit_offset(
        header.consumer_group,
        header.topic,
        header.queue_id,
        header.commit_offset,
    ) {
        Ok(()) => replies.reply(response::SUCCESS).empty_ext().send(),
        Err(error) => {
            let code = match error {
                CommitOffsetError::NoSuchGroup { .. } => response::SUBSCRIPTION_GROUP_NOT_EXIST,
                CommitOffsetError::NoSuchTopic { .. } => response::TOPIC_NOT_EXIST,
                CommitOffsetError::MissingQueue { .. }
                | CommitOffsetError::MissingOffset { .. } => response::INVALID_PARAMETER,
            };
            replies
                .reply(code)
                .empty_ext()
                .remark(&error.to_string())
                .send();
        }
    }
    Ok(())
}

pub(super) fn search(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = SearchOffset::decode(&request.ext)?;
    let upper = header
        .boundary_type
        .is_some_and(|kind| kind.eq_ignore_ascii_case("UPPER"));
    let boundary = if upper {
        Boundary::Upper
    } else {
        Boundary::Lower
    };
    let (topic, queue_id, timestamp_ms) = (
        header.topic.to_owned(),
        header.queue_id,
        header.timestamp_ms,
    );
    let (core, deferred) = (door.core.clone(), replies.defer());
    // A search by time reads units and records from anywhere in the queue.
    tokio::task::spawn_blocking(move || {
        let offset = core
            .store
            .offset_by_time(&topic, queue_id, timestamp_ms, boundary);
        deferred
            .reply(response::SUCCESS)
            .ext_int("offset", offset as i64)
            .send();
    });
    Ok(())
}

pub(super) fn max(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = QueueBound::decode(&request.ext)?;
    let bounds = door.core.store.queue_bounds(header.topic, header.queue_id);
    replies
        .reply(response::SUCCESS)
        .ext_int("offset", bounds.max as i64)
        .send();
    Ok(())
}

pub(super) fn min(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = QueueBound::decode(&request.ext)?;
    let bounds = door.core.store.queue_bounds(header.topic, header.queue_id);
    replies
        .reply(response::SUCCESS)
        .ext_int("offset", bounds.min as i64)
        .send();
    Ok(())
}

pub(super) fn earliest(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = QueueBound::decode(&request.ext)?;
    let (topic, queue_id) = (header.topic.to_owned(), header.queue_id);
    let (core, deferred) = (door.core.clone(), replies.defer());
    tokio::task::spawn_blocking(move || {
        let first = core.store.queue_bounds(&topic, queue_id).min;
        let timestamp_ms = core
            .store
            .store_time_at(&topic, queue_id, first)
            .unwrap_or(-1);
        deferred
            .reply(response::SUCCESS)
            .ext_int("timestamp", timestamp_ms)
            .send();
    });
    Ok(())
}

pub(super) fn all(door: &Door, replies: &mut Replies<'_>) {
    answer_body(door, replies, door.core.offset_table_body().to_json());
}

pub(super) fn all_delay(door: &Door, replies: &mut Replies<'_>) {
    answer_body(door, replies, door.core.delay_table_body().to_json());
}

pub(super) fn reset(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = ResetOffset::decode(&request.ext)?;
    let wanted = OffsetResetRequest {
        group: header.group.to_owned(),
        topic: header.topic.to_owned(),
        timestamp_ms: header.timestamp_ms,
        queue_id: header.queue_id.unwrap_or(-1),
        offset: header.offset.filter(|offset| *offset >= 0),
        force: header.is_force,
    };
    let for_cpp = request.language == Language::Cpp;
    let (core, deferred) = (door.core.clone(), replies.defer());
    tokio::task::spawn_blocking(move || match core.reset_offsets(&wanted) {
        Ok(offsets) => {
            let body = reset_body(&wanted.topic, &core.config.broker_name, &offsets, for_cpp);
            deferred.reply(response::SUCCESS).body(body).send();
        }
        Err(error) => {
            let code = match &error {
                ResetOffsetError::NoSuchTopic { .. } => response::TOPIC_NOT_EXIST,
                ResetOffsetError::NoSuchGroup { .. } => response::SUBSCRIPTION_GROUP_NOT_EXIST,
                ResetOffsetError::NoSuchQueue { .. } => response::INVALID_PARAMETER,
                ResetOffsetError::OutOfRange { .. } => response::SYSTEM_ERROR,
                ResetOffsetError::NotOnline { .. } => response::CONSUMER_NOT_ONLINE,
            };
            deferred.reply(code).remark(&error.to_string()).send();
        }
    });
    Ok(())
}

/// The table of new offsets; C++ clients read it as a list, all others as a map whose keys are objects.
fn reset_body(topic: &str, broker: &str, offsets: &QueueOffsets, for_cpp: bool) -> Vec<u8> {
    if for_cpp {
        let list: Vec<_> = offsets
            .iter()
            .map(|(id, offset)| {
                serde_json::json!({"brokerName": broker, "offset": offset, "queueId": id, "topic": topic})
            })
            .collect();
        return serde_json::json!({ "offsetTable": list })
            .to_string()
            .into_bytes();
    }
    let queue = |id: &i32| MessageQueue::new(topic, broker, *id);
    ResetOffsetTable {
        offset_table: offsets
            .iter()
            .map(|(id, offset)| (queue(id), *offset))
            .collect(),
    }
    .to_json()
}

pub(super) fn clone_group(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = CloneGroupOffset::decode(&request.ext)?;
    let offline = header.offline.unwrap_or(false);
    match door
        .core
        .clone_offsets(header.src_group, header.dest_group, header.topic, offline)
    {
        Ok(()) => replies.reply(response::SUCCESS).send(),
        Err(error) => refuse(replies, response::SYSTEM_ERROR, &error),
    }
    Ok(())
}

pub(super) fn correction(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = QueryCorrectionOffset::decode(&request.ext)?;
    let filtered: Vec<&str> = header
        .filter_groups
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let offsets: BTreeMap<i32, i64> =
        door.core
            .correction_offsets(header.topic, header.compare_group, &filtered);
    answer_body(
        door,
        replies,
        CorrectionOffsets {
            correction_offsets: offsets,
        }
        .to_json(),
    );
    Ok(())
}
