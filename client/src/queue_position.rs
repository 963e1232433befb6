//! Questions about one queue's bounds, asked of the broker that holds it. Consumers and the admin client share them.

use mainstem_common::protocol::MessageQueue;
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::{
    OffsetReply, QueryConsumerOffset, QueueBound, SearchOffset, UpdateConsumerOffset,
};

use crate::error::{ConsumeError, RouteError};
use crate::instance::{Instance, accept, read_header};

/// The oldest offset that the queue still has.
pub(crate) async fn min_offset(
    instance: &Instance,
    queue: &MessageQueue,
) -> Result<i64, ConsumeError> {
    bound(instance, queue, request::GET_MIN_OFFSET).await
}

/// The offset behind the queue's newest message.
pub(crate) async fn max_offset(
    instance: &Instance,
    queue: &MessageQueue,
) -> Result<i64, ConsumeError> {
    bound(instance, queue, request::GET_MAX_OFFSET).await
}

/// The offset of the first message stored at `timestamp_ms` or later.
pub(crate) async fn offset_at(
    instance: &Instance,
    queue: &MessageQueue,
    timestamp_ms: i64,
) -> Result<i64, ConsumeError> {
    let header = SearchOffset {
        topic: &queue.topic,
        queue_id: queue.queue_id,
        timestamp_ms,
        broker_name: Some(&queue.broker_name),
        ..SearchOffset::default()
    };
    ask(
        instance,
        queue,
        Command::request(request::SEARCH_OFFSET_BY_TIMESTAMP).with_header(&header),
    )
    .await
}

/// The offset that `group` has committed, if it has.
pub(crate) async fn committed(
    instance: &Instance,
    group: &str,
    queue: &MessageQueue,
) -> Result<Option<i64>, ConsumeError> {
    let header = QueryConsumerOffset {
        consumer_group: group,
        topic: &queue.topic,
        queue_id: queue.queue_id,
        broker_name: Some(&queue.broker_name),
        ..QueryConsumerOffset::default()
    };
    let broker = master(instance, queue).await?;
    let code = request::QUERY_CONSUMER_OFFSET;
    let reply = instance
        .call(
            &broker,
            Command::request(code).with_header(&header),
            instance.options().request_timeout,
        )
        .await?;
    if reply.code == response::QUERY_NOT_FOUND {
        return Ok(None);
    }
    let reply = accept(&broker, code, reply)?;
    let offset: OffsetReply = read_header(&broker, code, &reply)?;
    Ok((offset.offset >= 0).then_some(offset.offset))
}

/// Commits an offset for `group`.
pub(crate) async fn commit(
    instance: &Instance,
    group: &str,
    queue: &MessageQueue,
    offset: i64,
) -> Result<(), ConsumeError> {
    let header = UpdateConsumerOffset {
        consumer_group: group,
        topic: &queue.topic,
        queue_id: Some(queue.queue_id),
        commit_offset: Some(offset),
        broker_name: Some(&queue.broker_name),
    };
    let broker = master(instance, queue).await?;
    instance
        .request(
            &broker,
            Command::request(request::UPDATE_CONSUMER_OFFSET).with_header(&header),
        )
        .await?;
    Ok(())
}

/// Address of the master that holds the queue.
pub(crate) async fn master(
    instance: &Instance,
    queue: &MessageQueue,
) -> Result<String, ConsumeError> {
    let entry = instance.routes().find(&queue.topic).await?;
    if let Some(addr) = entry.master_of(&queue.broker_name) {
        return Ok(addr.to_owned());
    }
    let entry = instance.routes().refresh(&queue.topic).await?;
    entry
        .master_of(&queue.broker_name)
        .map(str::to_owned)
        .ok_or_else(|| {
            ConsumeError::Route(RouteError::UnknownQueue {
                topic: queue.topic.clone(),
                broker_name: queue.broker_name.clone(),
                queue_id: queue.queue_id,
            })
        })
}

async fn bound(instance: &Instance, queue: &MessageQueue, code: i32) -> Result<i64, ConsumeError> {
    let header = QueueBound {
        topic: &queue.topic,
        queue_id: queue.queue_id,
        broker_name: Some(&queue.broker_name),
        ..QueueBound::default()
    };
    ask(instance, queue, Command::request(code).with_header(&header)).await
}

async fn ask(
    instance: &Instance,
    queue: &MessageQueue,
    command: Command,
) -> Result<i64, ConsumeError> {
    let code = command.code;
    let broker = master(instance, queue).await?;
    let reply = instance.request(&broker, command).await?;
    let offset: OffsetReply = read_header(&broker, code, &reply)?;
    Ok(offset.offset)
}
