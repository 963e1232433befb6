//! Consumer groups: codes 200, 201, 207, 225, 300, 343, 345, 352.

use mainstem_common::protocol::{GroupList, SubscriptionGroupConfig, SubscriptionQuery, TopicList};
use mainstem_common::remoting::code::response;
use mainstem_common::remoting::headers::{DeleteGroup, Group, GroupAndTopic, Topic};
use mainstem_common::remoting::{ExtFields as _, HeaderError, Replies, Request};

use super::{Door, answer_body, refuse};
use crate::groups::PutGroupError;

fn put_code(error: &PutGroupError) -> i32 {
    match error {
        PutGroupError::Name(_) | PutGroupError::RetryQueues { .. } => response::INVALID_PARAMETER,
        PutGroupError::NotSaved { .. } => response::SYSTEM_ERROR,
    }
}

fn put_all(door: &Door, groups: Vec<SubscriptionGroupConfig>, replies: &mut Replies<'_>) {
    let (core, deferred) = (door.core.clone(), replies.defer());
    tokio::spawn(async move {
        for group in groups {
            if let Err(error) = core.put_group(group).await {
                return deferred
                    .reply(put_code(&error))
                    .remark(&error.to_string())
                    .send();
            }
        }
        deferred.reply(response::SUCCESS).send();
    });
}

pub(super) fn put(door: &Door, request: &Request<'_>, replies: &mut Replies<'_>) {
    match SubscriptionGroupConfig::from_json(request.body) {
        Ok(group) => put_all(door, vec![group], replies),
        Err(error) => refuse(replies, response::SYSTEM_ERROR, &error),
    }
}

/// The body of code 225.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupConfigs {
    group_config_list: Vec<SubscriptionGroupConfig>,
}

pub(super) fn put_list(door: &Door, request: &Request<'_>, replies: &mut Replies<'_>) {
    match mainstem_common::json::from_slice::<GroupConfigs>(request.body) {
        Ok(list) => put_all(door, list.group_config_list, replies),
        Err(error) => refuse(replies, response::SYSTEM_ERROR, &error),
    }
}

pub(super) fn all(door: &Door, replies: &mut Replies<'_>) {
    answer_body(door, replies, door.core.group_table_body().to_json());
}

pub(super) fn get(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let name = Group::decode(&request.ext)?.group;
    match door.core.group_or_create(name) {
        Some(group) => answer_body(door, replies, group.to_json()),
        None => {
            let remark = format!("No group in this broker. group: {name}");
            refuse(replies, response::SUBSCRIPTION_GROUP_NOT_EXIST, &remark);
        }
    }
    Ok(())
}

pub(super) fn delete(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = DeleteGroup::decode(&request.ext)?;
    let (name, with_offsets) = (
        header.group_name.to_owned(),
        header.clean_offset.unwrap_or(false),
    );
    let (core, deferred) = (door.core.clone(), replies.defer());
    tokio::task::spawn_blocking(move || match core.delete_group(&name, with_offsets) {
        Ok(()) => deferred.reply(response::SUCCESS).send(),
        Err(error) => deferred
            .reply(response::SYSTEM_ERROR)
            .remark(&error.to_string())
            .send(),
    });
    Ok(())
}

pub(super) fn of_topic(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let topic = Topic::decode(&request.ext)?.topic;
    answer_body(
        door,
        replies,
        GroupList {
            group_list: door.core.groups_of_topic(topic),
        }
        .to_json(),
    );
    Ok(())
}

pub(super) fn topics_of(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let group = Group::decode(&request.ext)?.group;
    let body = TopicList {
        broker_addr: Some(door.core.store_host.to_string()),
        topic_list: door.core.offsets.topics_of_group(group),
    };
    answer_body(door, replies, body.to_json());
    Ok(())
}

pub(super) fn subscription_of(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = GroupAndTopic::decode(&request.ext)?;
    let body = SubscriptionQuery {
        group: header.group.to_owned(),
        subscription_data: door
            .core
            .consumers
            .subscription(header.group, header.topic)
            .map(|subscription| subscription.data.clone()),
        topic: header.topic.to_owned(),
    };
    answer_body(door, replies, body.to_json());
    Ok(())
}
