//! Topics: codes 17, 18, 21, 215, 305, 351.

use std::collections::BTreeMap;

use mainstem_common::protocol::{TopicConfig, TopicFilterType, TopicList};
use mainstem_common::remoting::code::response;
use mainstem_common::remoting::headers::{CreateTopic, Topic};
use mainstem_common::remoting::{ExtFields as _, HeaderError, Replies, Request};

use super::{Door, answer_body, refuse};
use crate::topics::{DeleteTopicError, PutTopicError};

/// Text of attribute changes: `+name=value,-name`.
fn attributes_of(text: Option<&str>) -> BTreeMap<String, String> {
    text.unwrap_or_default()
        .split(',')
        .filter(|change| !change.is_empty())
        .map(|change| change.split_once('=').unwrap_or((change, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn put_code(error: &PutTopicError) -> i32 {
    match error {
        PutTopicError::Name(_) | PutTopicError::System { .. } | PutTopicError::Queues { .. } => {
            response::INVALID_PARAMETER
        }
        _ => response::SYSTEM_ERROR,
    }
}

pub(super) fn put(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = CreateTopic::decode(&request.ext)?;
    let config = TopicConfig {
        order: header.order.unwrap_or(false),
        perm: header.perm,
        read_queue_nums: header.read_queue_nums,
        write_queue_nums: header.write_queue_nums,
        topic_filter_type: header
            .topic_filter_type
            .and_then(TopicFilterType::from_name)
            .unwrap_or_default(),
        topic_sys_flag: header.topic_sys_flag.unwrap_or(0),
        ..TopicConfig::new(header.topic, 0)
    };
    let attributes = attributes_of(header.attributes);
    let (core, deferred) = (door.core.clone(), replies.defer());
    tokio::spawn(async move {
        match core.put_topics([(config, attributes)]).await {
            Ok(()) => deferred.reply(response::SUCCESS).send(),
            Err(error) => deferred
                .reply(put_code(&error))
                .remark(&error.to_string())
                .send(),
        }
    });
    Ok(())
}

/// The body of code 18.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct TopicConfigs {
    topic_config_list: Vec<TopicConfig>,
}

pub(super) fn put_list(door: &Door, request: &Request<'_>, replies: &mut Replies<'_>) {
    let list: TopicConfigs = match mainstem_common::json::from_slice(request.body) {
        Ok(list) => list,
        Err(error) => return refuse(replies, response::SYSTEM_ERROR, &error),
    };
    let (core, deferred) = (door.core.clone(), replies.defer());
    tokio::spawn(async move {
        let changes = list.topic_config_list.into_iter().map(|config| {
            let attributes = config
                .attributes
                .iter()
                .map(|(name, value)| (format!("+{name}"), value.clone()))
                .collect();
            (config, attributes)
        });
        match core.put_topics(changes).await {
            Ok(()) => deferred.reply(response::SUCCESS).send(),
            Err(error) => deferred
                .reply(put_code(&error))
                .remark(&error.to_string())
                .send(),
        }
    });
}

pub(super) fn delete(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let topic = Topic::decode(&request.ext)?.topic.to_owned();
    let (core, deferred) = (door.core.clone(), replies.defer());
    tokio::task::spawn_blocking(move || match core.delete_topic(&topic) {
        Ok(()) => deferred.reply(response::SUCCESS).send(),
        Err(error) => {
            let code = match error {
                DeleteTopicError::Blank | DeleteTopicError::System { .. } => {
                    response::INVALID_PARAMETER
                }
                DeleteTopicError::NotRemoved { .. } => response::SYSTEM_ERROR,
            };
            deferred.reply(code).remark(&error.to_string()).send();
        }
    });
    Ok(())
}

pub(super) fn all(door: &Door, replies: &mut Replies<'_>) {
    answer_body(door, replies, door.core.topic_table_body().to_json());
}

pub(super) fn get(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let name = Topic::decode(&request.ext)?.topic;
    match door.core.topics.get(name) {
        Some(topic) => answer_body(door, replies, topic.config.to_json()),
        None => refuse(
            replies,
            response::TOPIC_NOT_EXIST,
            &format!("No topic in this broker. topic: {name}"),
        ),
    }
    Ok(())
}

pub(super) fn system(door: &Door, replies: &mut Replies<'_>) {
    let topic_list = door.core.system_topic_names();
    answer_body(
        door,
        replies,
        TopicList {
            topic_list,
            ..TopicList::default()
        }
        .to_json(),
    );
}
