//! Clients: codes 34, 35, 38, 46, 203, 204, 328.

use std::collections::BTreeMap;

use mainstem_common::protocol::{
    CheckClientConfig, ClientConnection, ConsumerConnection, ConsumerList, ExpressionType,
    HeartbeatData, ProducerConnection, ProducerInfo, ProducerTable,
};
use mainstem_common::remoting::code::response;
use mainstem_common::remoting::headers::{ConsumerGroup, ProducerGroup, UnregisterClient};
use mainstem_common::remoting::{ExtFields as _, HeaderError, Replies, Request};

use super::{Door, Session, answer_body, refuse};
use crate::clients::{Member, TagFilter, UnregisterRequest};

pub(super) fn heartbeat(
    door: &Door,
    session: &mut Session,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) {
    let data = match HeartbeatData::from_json(request.body) {
        Ok(data) => data,
        Err(error) => {
            return refuse(
                replies,
                response::SYSTEM_ERROR,
                &format!("the heartbeat's body is no JSON: {error}"),
            );
        }
    };
    let outcome = door
        .core
        .heartbeat(&session.channel, request.language, request.version, &data);
    replies
        .reply(response::SUCCESS)
        .ext("IS_SUPPORT_HEART_BEAT_V2", "true")
        .ext_bool("IS_SUB_CHANGE", outcome.wants_subscriptions)
        .send();
}

pub(super) fn unregister(
    door: &Door,
    session: &mut Session,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = UnregisterClient::decode(&request.ext)?;
    door.core.unregister(
        session.channel.id(),
        UnregisterRequest {
            producer_group: header.producer_group,
            consumer_group: header.consumer_group,
        },
    );
    replies.reply(response::SUCCESS).empty_ext().send();
    Ok(())
}

pub(super) fn check_config(request: &Request<'_>, replies: &mut Replies<'_>) {
    let check = match CheckClientConfig::from_json(request.body) {
        Ok(check) => check,
        Err(error) => return refuse(replies, response::SYSTEM_ERROR, &error),
    };
    let data = &check.subscription_data;
    if !ExpressionType::is_tag(&data.expression_type) {
        let remark = format!(
            "The broker does not support consumer to filter message by {}",
            data.expression_type
        );
        return refuse(replies, response::SYSTEM_ERROR, &remark);
    }
    match TagFilter::parse(&data.sub_string) {
        Ok(_) => replies.reply(response::SUCCESS).send(),
        Err(error) => refuse(replies, response::SUBSCRIPTION_PARSE_FAILED, &error),
    }
}

pub(super) fn consumer_list(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let group = ConsumerGroup::decode(&request.ext)?.consumer_group;
    let ids = door.core.consumers.client_ids(group);
    if ids.is_empty() {
        let remark = format!("no consumer for this group, {group}");
        replies
            .reply(response::SYSTEM_ERROR)
            .empty_ext()
            .remark(&remark)
            .send();
        return Ok(());
    }
    let body = ConsumerList {
        consumer_id_list: ids.iter().map(|id| id.to_string()).collect(),
    };
    replies
        .reply(response::SUCCESS)
        .empty_ext()
        .body(body.to_json())
        .send();
    Ok(())
}

fn connection_of(member: &Member) -> ClientConnection {
    ClientConnection {
        client_addr: member.channel.remote().to_string(),
        client_id: member.client_id.to_string(),
        language: member.language.name().to_owned(),
        version: member.version,
    }
}

pub(super) fn consumer_connections(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let name = ConsumerGroup::decode(&request.ext)?.consumer_group;
    let Some(group) = door.core.consumers.group(name) else {
        refuse(
            replies,
            response::CONSUMER_NOT_ONLINE,
            &format!("the consumer group[{name}] not online"),
        );
        return Ok(());
    };
    let body = ConsumerConnection {
        connection_set: group.members.iter().map(connection_of).collect(),
        consume_from_where: group.consume_from_where,
        consume_type: group.consume_type,
        message_model: group.message_model,
        subscription_table: group
            .subscriptions
            .iter()
            .map(|subscription| (subscription.data.topic.clone(), subscription.data.clone()))
            .collect(),
    };
    answer_body(door, replies, body.to_json());
    Ok(())
}

pub(super) fn producer_connections(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let name = ProducerGroup::decode(&request.ext)?.producer_group;
    let members = door.core.producers.members(name);
    if members.is_empty() {
        refuse(
            replies,
            response::SYSTEM_ERROR,
            &format!("the producer group[{name}] not exist"),
        );
        return Ok(());
    }
    answer_body(
        door,
        replies,
        ProducerConnection {
            connection_set: members.iter().map(connection_of).collect(),
        }
        .to_json(),
    );
    Ok(())
}

pub(super) fn all_producers(door: &Door, replies: &mut Replies<'_>) {
    let info = |member: &Member| ProducerInfo {
        client_id: member.client_id.to_string(),
        language: member.language.name().to_owned(),
        last_update_timestamp: member.last_heartbeat_ms,
        remote_ip: format!("/{}", member.channel.remote()),
        version: member.version,
    };
    let data: BTreeMap<_, _> = door
        .core
        .producers
        .all()
        .into_iter()
        .map(|(group, members)| (group, members.iter().map(info).collect()))
        .collect();
    answer_body(door, replies, ProducerTable { data }.to_json());
}
