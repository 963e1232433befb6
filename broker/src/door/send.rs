//! Sends and send-backs: codes 10, 310, 320 and 36.

use std::net::SocketAddr;

use mainstem_common::remoting::code::{request as code, response};
use mainstem_common::remoting::headers::{SendBack, SendMessage};
use mainstem_common::remoting::{Deferred, ExtFields as _, HeaderError, Replies, Request};
use mainstem_record::id::OffsetMessageId;
use mainstem_store::AppendError;

use super::first_sends::{Line, OwnedSend, Place};
use super::{Door, Session};
use crate::broker_core::BrokerCore;
use crate::send::{SendBackError, SendBackRequest, SendError, SendRequest, Sender, Sent};
use crate::topics::CreateTopicError;

/// First client version that states its own limit of attempts.
const VERSION_WITH_MAX_RECONSUME: i32 = 121;

pub(super) fn send(
    door: &Door,
    session: &mut Session,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = SendMessage::decode_for(request.code, &request.ext)?;
    let message = message_of(&header, request, replies.connection().peer());
    let place = session.first_sends.join(message.topic, &door.waiting, || {
        owned(door, &header, &message, replies.defer())
    });
    match place {
        Place::Free => {}
        Place::Queued => return Ok(()),
        Place::Full(bytes) => {
            refuse_to_wait(&message, bytes, replies);
            return Ok(());
        }
    }
    match door.core.send(&mut session.sender, &message) {
        Ok(sent) => answer_sent(door, session, &sent, replies),
        Err(SendError::NoSuchTopic { .. }) => {
            if let Some(bytes) = door.waiting.too_much() {
                refuse_to_wait(&message, bytes, replies);
                return Ok(());
            }
            let first = owned(door, &header, &message, replies.defer());
            let line = session.first_sends.open(message.topic);
            create_and_send(door, first, line);
        }
        Err(error) => {
            door.core.count_refused_send(&error);
            let core = &door.core;
            replies
                .reply(send_code(&error))
                .ext("MSG_REGION", &core.config.region_id)
                .ext_bool("TRACE_ON", core.live.trace_on())
                .remark(&error.to_string())
                .send();
        }
    }
    Ok(())
}

fn message_of<'a>(
    header: &SendMessage<'a>,
    request: &Request<'a>,
    born_host: SocketAddr,
) -> SendRequest<'a> {
    SendRequest {
        topic: header.topic,
        queue_id: header.queue_id,
        flag: header.flag,
        sys_flag: header.sys_flag,
        born_timestamp_ms: header.born_timestamp_ms,
        born_host,
        reconsume_times: header.reconsume_times.unwrap_or(0),
        max_reconsume_times: header
            .max_reconsume_times
            .filter(|_| request.version >= VERSION_WITH_MAX_RECONSUME),
        properties: header.properties.unwrap_or_default(),
        body: request.body,
        is_batch: header
            .batch
            .unwrap_or(request.code == code::SEND_BATCH_MESSAGE),
    }
}

/// The offset message ids of a send, those of a batch joined by commas.
fn write_message_ids(sent: &Sent, host: SocketAddr, out: &mut String) {
    out.clear();
    OffsetMessageId {
        host,
        physical_offset: sent.physical_offset as i64,
    }
    .write_hex(out);
    for offset in &sent.more_physical_offsets {
        out.push(',');
        OffsetMessageId {
            host,
            physical_offset: *offset as i64,
        }
        .write_hex(out);
    }
}

fn answer_sent(door: &Door, session: &mut Session, sent: &Sent, replies: &mut Replies<'_>) {
    let core = &door.core;
    write_message_ids(sent, core.store_host, &mut session.message_id);
    let mut reply = replies
        .reply(response::SUCCESS)
        .ext("msgId", &session.message_id)
        .ext_int("queueId", i64::from(sent.queue_id))
        .ext_int("queueOffset", sent.queue_offset as i64)
        .ext("MSG_REGION", &core.config.region_id)
        .ext_bool("TRACE_ON", core.live.trace_on());
    if let Some(key) = session.sender.unique_key() {
        reply = reply.ext("transactionId", key);
    }
    if door.holds_replies && sent.waits_for_disk {
        reply.send_when_durable(sent.durable_at);
    } else {
        reply.send();
    }
}

fn refuse_to_wait(message: &SendRequest<'_>, bytes: usize, replies: &mut Replies<'_>) {
    let error = format!(
        "topic[{}] has to be created first, and sends of {bytes} bytes wait for such topics already; try again",
        message.topic
    );
    super::refuse(replies, response::SYSTEM_BUSY, &error);
}

fn owned(
    door: &Door,
    header: &SendMessage<'_>,
    message: &SendRequest<'_>,
    deferred: Deferred,
) -> OwnedSend {
    OwnedSend::new(
        message,
        header.default_topic,
        header.default_topic_queue_nums,
        deferred,
        &door.waiting,
    )
}

/// A first send: the topic is created on a task of its own, for saving and registering it takes a while. What the
/// connection sends to the topic meanwhile is stored behind it, in order.
fn create_and_send(door: &Door, first: OwnedSend, mut line: Line) {
    let core = door.core.clone();
    let holds_replies = door.holds_replies;
    tokio::spawn(async move {
        let mut next = Some(first);
        while let Some(send) = next {
            let created = core
                .create_topic_for_send(&send.topic, &send.default_topic, send.queues)
                .await;
            let sent = match created {
                Err(error) => Err((create_code(&error), error.to_string())),
                Ok(_) => send_alone(&core, &send.request())
                    .map_err(|error| (send_code(&error), error.to_string())),
            };
            answer_deferred(&core, holds_replies, sent, send.deferred);
            next = line.next();
        }
    });
}

fn answer_deferred(
    core: &BrokerCore,
    holds_replies: bool,
    sent: Result<(Sent, Option<String>), (i32, String)>,
    deferred: Deferred,
) {
    match sent {
        Err((code, remark)) => deferred
            .reply(code)
            .ext("MSG_REGION", &core.config.region_id)
            .ext_bool("TRACE_ON", core.live.trace_on())
            .remark(&remark)
            .send(),
        Ok((sent, unique_key)) => {
            let mut ids = String::new();
            write_message_ids(&sent, core.store_host, &mut ids);
            let mut reply = deferred
                .reply(response::SUCCESS)
                .ext("msgId", &ids)
                .ext_int("queueId", i64::from(sent.queue_id))
                .ext_int("queueOffset", sent.queue_offset as i64)
                .ext("MSG_REGION", &core.config.region_id)
                .ext_bool("TRACE_ON", core.live.trace_on());
            if let Some(key) = unique_key {
                reply = reply.ext("transactionId", &key);
            }
            if holds_replies && sent.waits_for_disk {
                reply.send_when_durable(sent.durable_at);
            } else {
                reply.send();
            }
        }
    }
}

fn send_alone(
    core: &BrokerCore,
    message: &SendRequest<'_>,
) -> Result<(Sent, Option<String>), SendError> {
    let mut sender: Sender = core.sender();
    let sent = core.send(&mut sender, message)?;
    sender.finish();
    let unique_key = sender.unique_key().map(str::to_owned);
    Ok((sent, unique_key))
}

fn create_code(error: &CreateTopicError) -> i32 {
    match error {
        CreateTopicError::NotAllowed { .. } => response::TOPIC_NOT_EXIST,
        CreateTopicError::TooManyTopics { .. } => response::NO_PERMISSION,
        CreateTopicError::NotSaved { .. } => response::SYSTEM_ERROR,
    }
}

fn send_code(error: &SendError) -> i32 {
    match error {
        SendError::TopicName(_) | SendError::NoSuchQueue { .. } => response::INVALID_PARAMETER,
        SendError::Closed { .. }
        | SendError::NotWritable { .. }
        | SendError::Transaction { .. } => response::NO_PERMISSION,
        SendError::NoSuchTopic { .. } => response::TOPIC_NOT_EXIST,
        SendError::NoSuchGroup { .. } => response::SUBSCRIPTION_GROUP_NOT_EXIST,
        SendError::EmptyBody
        | SendError::BodyTooLong { .. }
        | SendError::Properties(_)
        | SendError::Batch { .. } => response::MESSAGE_ILLEGAL,
        SendError::Timer => response::SYSTEM_ERROR,
        SendError::Busy { .. } => response::SYSTEM_BUSY,
        SendError::Store(error) => append_code(error),
    }
}

fn append_code(error: &AppendError) -> i32 {
    match error {
        AppendError::TooLarge { .. } | AppendError::Encode(_) => response::MESSAGE_ILLEGAL,
        AppendError::NextFileLate { .. } => response::SYSTEM_BUSY,
        AppendError::NoQueue(_) | AppendError::QueueRemoved => response::SYSTEM_ERROR,
        _ => response::SERVICE_NOT_AVAILABLE,
    }
}

pub(super) fn send_back(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = SendBack::decode(&request.ext)?;
    let wanted = SendBackRequest {
        group: header.group.to_owned(),
        physical_offset: header.offset,
        delay_level: header.delay_level,
        max_reconsume_times: header
            .max_reconsume_times
            .filter(|_| request.version >= VERSION_WITH_MAX_RECONSUME),
    };
    let (core, holds_replies, deferred) = (door.core.clone(), door.holds_replies, replies.defer());
    // The record may have to come from disk.
    tokio::task::spawn_blocking(move || match core.send_back(&wanted) {
        Ok(Some(appended)) if holds_replies => deferred
            .reply(response::SUCCESS)
            .send_when_durable(appended.durable_at),
        Ok(_) => deferred.reply(response::SUCCESS).send(),
        Err(error) => deferred
            .reply(send_back_code(&error))
            .remark(&error.to_string())
            .send(),
    });
    Ok(())
}

fn send_back_code(error: &SendBackError) -> i32 {
    match error {
        SendBackError::NoSuchGroup { .. } => response::SUBSCRIPTION_GROUP_NOT_EXIST,
        SendBackError::NotWritable { .. } => response::NO_PERMISSION,
        SendBackError::NoSuchMessage { .. } | SendBackError::Read(_) => response::SYSTEM_ERROR,
        SendBackError::Properties(_) => response::MESSAGE_ILLEGAL,
        SendBackError::Store(error) => append_code(error),
    }
}
