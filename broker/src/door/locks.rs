//! Queue locks: codes 41 and 42.

use std::time::Instant;

use mainstem_common::protocol::{LockBatchRequest, LockBatchResponse, MessageQueue};
use mainstem_common::remoting::code::response;
use mainstem_common::remoting::{Replies, Request};

use super::{Door, answer_body, refuse};
use crate::locks::LockedQueue;

fn decode(
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Option<(LockBatchRequest, Vec<LockedQueue>)> {
    match LockBatchRequest::from_json(request.body) {
        Ok(body) => {
            let queues = body
                .mq_set
                .iter()
                .map(|queue| LockedQueue {
                    topic: queue.topic.clone(),
                    queue_id: queue.queue_id,
                })
                .collect();
            Some((body, queues))
        }
        Err(error) => {
            refuse(replies, response::SYSTEM_ERROR, &error);
            None
        }
    }
}

pub(super) fn lock(door: &Door, request: &Request<'_>, replies: &mut Replies<'_>) {
    let Some((body, queues)) = decode(request, replies) else {
        return;
    };
    let granted = door.core.locks.lock(
        &body.consumer_group,
        &body.client_id,
        queues,
        Instant::now(),
    );
    let broker = &door.core.config.broker_name;
    let granted = granted
        .into_iter()
        .map(|queue| MessageQueue::new(queue.topic, broker.as_str(), queue.queue_id))
        .collect();
    answer_body(
        door,
        replies,
        LockBatchResponse {
            lock_ok_mq_set: granted,
        }
        .to_json(),
    );
}

pub(super) fn unlock(door: &Door, request: &Request<'_>, replies: &mut Replies<'_>) {
    let Some((body, queues)) = decode(request, replies) else {
        return;
    };
    door.core
        .locks
        .unlock(&body.consumer_group, &body.client_id, &queues);
    replies.reply(response::SUCCESS).send();
}
