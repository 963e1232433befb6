//! Single messages and queue entries: codes 12, 33, 321.

use bytes::Bytes;
use mainstem_common::remoting::code::response;
use mainstem_common::remoting::headers::{
    QueryConsumeQueue, QueryMessage, QueryMessageReply, ViewMessage,
};
use mainstem_common::remoting::{ExtFields as _, HeaderError, Replies, Request};
use mainstem_record::RecordView;

use super::Door;
use crate::admin::KeyQuery;

pub(super) fn by_key(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = QueryMessage::decode(&request.ext)?;
    let query = KeyQuery {
        topic: header.topic.to_owned(),
        key: header.key.to_owned(),
        is_unique_key: header.unique_key_query == Some(true) || header.index_type == Some("U"),
        max_messages: header.max_num.max(1).unsigned_abs() as usize,
        begin_ms: header.begin_timestamp_ms,
        end_ms: header.end_timestamp_ms,
    };
    let (core, deferred) = (door.core.clone(), replies.defer());
    tokio::task::spawn_blocking(move || {
        let found = core.query_key(&query);
        let newest = found
            .iter()
            .filter_map(|record| RecordView::parse(record).ok())
            .max_by_key(RecordView::physical_offset);
        let header = QueryMessageReply {
            index_last_update_timestamp_ms: newest
                .as_ref()
                .map_or(0, RecordView::store_timestamp_ms),
            index_last_update_physical_offset: newest
                .as_ref()
                .map_or(0, RecordView::physical_offset),
        };
        if found.is_empty() {
            let remark = "can not find message, maybe time range not correct";
            return deferred
                .reply(response::QUERY_NOT_FOUND)
                .header(&header)
                .remark(remark)
                .send();
        }
        let chunks = found.into_iter().map(Bytes::from_owner).collect();
        deferred
            .reply(response::SUCCESS)
            .header(&header)
            .body_chunks(chunks)
            .send();
    });
    Ok(())
}

pub(super) fn by_offset(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let offset = ViewMessage::decode(&request.ext)?.offset;
    let (core, deferred) = (door.core.clone(), replies.defer());
    tokio::task::spawn_blocking(move || match core.message_at(offset) {
        Ok(Some(record)) => deferred
            .reply(response::SUCCESS)
            .body(Bytes::from_owner(record))
            .send(),
        Ok(None) => {
            let remark = format!("can not find message by the offset, {offset}");
            deferred
                .reply(response::SYSTEM_ERROR)
                .remark(&remark)
                .send();
        }
        Err(error) => deferred
            .reply(response::SYSTEM_ERROR)
            .remark(&error.to_string())
            .send(),
    });
    Ok(())
}

pub(super) fn consume_queue(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = QueryConsumeQueue::decode(&request.ext)?;
    let (topic, queue_id) = (header.topic.to_owned(), header.queue_id);
    let (index, count, group) = (
        header.index,
        header.count,
        header.consumer_group.map(str::to_owned),
    );
    let (core, deferred) = (door.core.clone(), replies.defer());
    tokio::task::spawn_blocking(move || {
        match core.consume_queue(&topic, queue_id, index, count, group.as_deref()) {
            Some(view) => deferred
                .reply(response::SUCCESS)
                .body(view.to_json())
                .send(),
            None => {
                let remark = format!("{queue_id}@{topic} is not exist!");
                deferred
                    .reply(response::SYSTEM_ERROR)
                    .remark(&remark)
                    .send();
            }
        }
    });
    Ok(())
}
