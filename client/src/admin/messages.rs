//! Looking up single messages: by the id that says where one lies, by unique key, by business key.

use std::time::SystemTime;

use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::{QueryMessage, ViewMessage};
use mainstem_record::id::OffsetMessageId;
use mainstem_record::property;

use super::Admin;
use crate::clock::to_ms;
use crate::error::AdminError;
use crate::instance::{accept, bad_reply};
use crate::message::ReceivedMessage;

/// Brokers look at no more index entries than this in one query.
const MAX_QUERY: i32 = 64;

impl Admin {
    /// The message that an offset message id names, asked of the broker that the id names; `None` if it is not there (any more).
    pub async fn message_by_id(
        &self,
        topic: &str,
        offset_message_id: &str,
    ) -> Result<Option<ReceivedMessage>, AdminError> {
        let id = parse_id(offset_message_id)?;
        let broker = id.host.to_string();
        let code = request::VIEW_MESSAGE_BY_ID;
        let header = ViewMessage {
            offset: id.physical_offset,
            topic: Some(topic),
        };
        let reply = self
            .instance
            .call(
                &broker,
                Command::request(code).with_header(&header),
                self.instance.options().request_timeout,
            )
            .await?;
        // This is how a broker says that no record begins there.
        if reply.code == response::SYSTEM_ERROR {
            return Ok(None);
        }
        let reply = accept(&broker, code, reply)?;
        let messages = decode(&broker, code, &reply.body, "")?;
        Ok(messages.into_iter().next())
    }

    /// The messages of a topic that carry this business key and were stored between the two times, from all its brokers, oldest first;
    /// at most `max` of each broker.
    pub async fn messages_by_key(
        &self,
        topic: &str,
        key: &str,
        max: i32,
        between: (SystemTime, SystemTime),
    ) -> Result<Vec<ReceivedMessage>, AdminError> {
        let found = self.query(topic, key, "K", max, between).await?;
        Ok(found
            .into_iter()
            .filter(|message| message.keys().any(|one| one == key))
            .collect())
    }

    /// The messages of a topic with this unique key (the message id that clients show): one, or several if it was sent more than once.
    pub async fn messages_by_unique_key(
        &self,
        topic: &str,
        unique_key: &str,
    ) -> Result<Vec<ReceivedMessage>, AdminError> {
        let ever = (
            SystemTime::UNIX_EPOCH,
            SystemTime::now() + std::time::Duration::from_secs(24 * 3600),
        );
        let found = self.query(topic, unique_key, "U", MAX_QUERY, ever).await?;
        Ok(found
            .into_iter()
            .filter(|message| message.properties.get(property::UNIQ_KEY) == Some(unique_key))
            .collect())
    }

    async fn query(
        &self,
        topic: &str,
        key: &str,
        index_type: &str,
        max: i32,
        between: (SystemTime, SystemTime),
    ) -> Result<Vec<ReceivedMessage>, AdminError> {
        let code = request::QUERY_MESSAGE;
        let header = QueryMessage {
            topic,
            key,
            max_num: max.clamp(1, MAX_QUERY),
            begin_timestamp_ms: to_ms(between.0),
            end_timestamp_ms: to_ms(between.1),
            index_type: Some(index_type),
            last_key: None,
            unique_key_query: Some(index_type == "U"),
        };
        let command = Command::request(code).with_header(&header);
        let mut found = Vec::new();
        for (name, broker) in self.masters_of_topic(topic).await? {
            let reply = self
                .instance
                .call(
                    &broker,
                    command.clone(),
                    self.instance.options().request_timeout,
                )
                .await?;
            if reply.code == response::QUERY_NOT_FOUND {
                continue;
            }
            let reply = accept(&broker, code, reply)?;
            found.extend(decode(&broker, code, &reply.body, &name)?);
        }
        found.sort_by_key(|message| (message.store_timestamp_ms, message.physical_offset));
        found.dedup_by(|a, b| {
            a.broker_name() == b.broker_name() && a.physical_offset == b.physical_offset
        });
        Ok(found)
    }
}

/// The parts of an offset message id.
pub(super) fn parse_id(text: &str) -> Result<OffsetMessageId, AdminError> {
    text.parse().map_err(|_| AdminError::MessageId {
        given: text.to_owned(),
    })
}

fn decode(
    broker: &str,
    code: i32,
    body: &[u8],
    broker_name: &str,
) -> Result<Vec<ReceivedMessage>, AdminError> {
    let name = if broker_name.is_empty() {
        broker
    } else {
        broker_name
    };
    let name = name.into();
    let messages = mainstem_record::Message::decode_all(body)
        .map_err(|error| bad_reply(broker, code, error))?;
    Ok(messages
        .into_iter()
        .map(|message| {
            let topic = message.topic.as_str().into();
            ReceivedMessage::new(message, &name, &topic)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn an_offset_message_id_gives_broker_and_position() {
        let id = parse_id("0A00000100002A9F00000000000003E8").unwrap();
        assert_eq!(
            (id.host, id.physical_offset),
            (SocketAddr::from(([10, 0, 0, 1], 10911)), 1_000)
        );
        assert!(matches!(parse_id("xyz"), Err(AdminError::MessageId { .. })));
    }
}
