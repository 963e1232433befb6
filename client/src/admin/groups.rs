//! Consumer and producer groups: their settings, their members, how far they are behind.

use std::collections::BTreeMap;

use mainstem_common::protocol::{
    ConsumeMessageDirectlyResult, ConsumeStats, ConsumerConnection, ConsumerRunningInfo,
    MessageQueue, ProducerConnection, ProducerTable, SubscriptionGroupConfig,
    SubscriptionGroupTable,
};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::{self, ConsumerGroup, DeleteGroup, ProducerGroup};
use mainstem_record::topic;

use super::Admin;
use super::topics::is_missing;
use crate::error::{AdminError, RequestError};
use crate::instance::bad_reply;

/// How far one group is in one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueLag {
    /// The queue.
    pub queue: MessageQueue,
    /// The offset behind the newest message.
    pub broker_offset: i64,
    /// The committed offset.
    pub consumer_offset: i64,
    /// Store time of the last consumed message, in milliseconds since the epoch; 0 if none.
    pub last_timestamp_ms: i64,
}

impl QueueLag {
    /// Messages not yet consumed.
    #[must_use]
    pub fn lag(&self) -> i64 {
        (self.broker_offset - self.consumer_offset).max(0)
    }
}

/// How far one group is.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupLag {
    /// The group.
    pub group: String,
    /// Each queue it has offsets for, by broker name, queue and topic.
    pub queues: Vec<QueueLag>,
    /// Messages a second that it consumes now.
    pub consume_rate: f64,
}

impl GroupLag {
    /// Messages not yet consumed, over all queues.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.queues.iter().map(QueueLag::lag).sum()
    }
}

impl Admin {
    /// Makes a consumer group, or changes one, on all brokers.
    pub async fn create_group(&self, config: &SubscriptionGroupConfig) -> Result<(), AdminError> {
        topic::validate_group(&config.group_name)?;
        let command = Command::request(request::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP)
            .with_body(config.to_json());
        for (_, broker) in self.masters(None).await? {
            self.ask(&broker, command.clone()).await?;
        }
        Ok(())
    }

    /// Removes a consumer group from all brokers, with its offsets if asked.
    pub async fn delete_group(&self, group: &str, with_offsets: bool) -> Result<(), AdminError> {
        let header = DeleteGroup {
            group_name: group,
            clean_offset: Some(with_offsets),
        };
        let command = Command::request(request::DELETE_SUBSCRIPTIONGROUP).with_header(&header);
        for (_, broker) in self.masters(None).await? {
            self.ask(&broker, command.clone()).await?;
        }
        Ok(())
    }

    /// The settings of every group that any broker knows, by name.
    pub async fn groups(&self) -> Result<BTreeMap<String, SubscriptionGroupConfig>, AdminError> {
        let code = request::GET_ALL_SUBSCRIPTIONGROUP_CONFIG;
        let mut groups = BTreeMap::new();
        for (_, broker) in self.masters(None).await? {
            let reply = self.ask(&broker, Command::request(code)).await?;
            let table = SubscriptionGroupTable::from_json(&reply.body)
                .map_err(|error| bad_reply(&broker, code, error))?;
            groups.extend(table.subscription_group_table);
        }
        Ok(groups)
    }

    /// How far a group is on every broker, in one topic if named.
    pub async fn group_lag(
        &self,
        group: &str,
        topic: Option<&str>,
    ) -> Result<GroupLag, AdminError> {
        let code = request::GET_CONSUME_STATS;
        let header = headers::ConsumeStats {
            consumer_group: group,
            topic: Some(topic.unwrap_or("")),
            topic_list: None,
        };
        let command = Command::request(code).with_header(&header);
        let mut lag = GroupLag {
            group: group.to_owned(),
            queues: Vec::new(),
            consume_rate: 0.0,
        };
        for (_, broker) in self.masters(None).await? {
            let reply = match self.ask(&broker, command.clone()).await {
                Ok(reply) => reply,
                Err(error) if is_missing(&error) => continue,
                Err(error) => return Err(error.into()),
            };
            let stats = ConsumeStats::from_json(&reply.body)
                .map_err(|error| bad_reply(&broker, code, error))?;
            lag.consume_rate += stats.consume_tps;
            lag.queues.extend(
                stats
                    .offset_table
                    .into_iter()
                    .map(|(queue, offsets)| QueueLag {
                        queue,
                        broker_offset: offsets.broker_offset,
                        consumer_offset: offsets.consumer_offset,
                        last_timestamp_ms: offsets.last_timestamp,
                    }),
            );
        }
        lag.queues.sort_by(|a, b| a.queue.cmp(&b.queue));
        Ok(lag)
    }

    /// The members of a consumer group and what they subscribe to; `None` when none is connected.
    pub async fn consumer_connections(
        &self,
        group: &str,
    ) -> Result<Option<ConsumerConnection>, AdminError> {
        let code = request::GET_CONSUMER_CONNECTION_LIST;
        let command = Command::request(code).with_header(&ConsumerGroup {
            consumer_group: group,
        });
        let mut all: Option<ConsumerConnection> = None;
        for (_, broker) in self.masters(None).await? {
            let reply = match self.ask(&broker, command.clone()).await {
                Ok(reply) => reply,
                Err(error) if is_missing(&error) => continue,
                Err(error) => return Err(error.into()),
            };
            let part = ConsumerConnection::from_json(&reply.body)
                .map_err(|error| bad_reply(&broker, code, error))?;
            match &mut all {
                None => all = Some(part),
                Some(all) => {
                    let new = part.connection_set.into_iter().filter(|connection| {
                        !all.connection_set
                            .iter()
                            .any(|known| known.client_id == connection.client_id)
                    });
                    let new: Vec<_> = new.collect();
                    all.connection_set.extend(new);
                }
            }
        }
        Ok(all)
    }

    /// The members of a producer group; empty when none is connected.
    pub async fn producer_connections(
        &self,
        group: &str,
    ) -> Result<ProducerConnection, AdminError> {
        let code = request::GET_PRODUCER_CONNECTION_LIST;
        let command = Command::request(code).with_header(&ProducerGroup {
            producer_group: group,
        });
        let mut all = ProducerConnection::default();
        for (_, broker) in self.masters(None).await? {
            let reply = match self.ask(&broker, command.clone()).await {
                Ok(reply) => reply,
                // This is how a broker says that it knows no member.
                Err(error) if error.code() == Some(response::SYSTEM_ERROR) => continue,
                Err(error) => return Err(error.into()),
            };
            let part = ProducerConnection::from_json(&reply.body)
                .map_err(|error| bad_reply(&broker, code, error))?;
            for connection in part.connection_set {
                if !all
                    .connection_set
                    .iter()
                    .any(|known| known.client_id == connection.client_id)
                {
                    all.connection_set.push(connection);
                }
            }
        }
        Ok(all)
    }

    /// Every connected producer, by group.
    pub async fn producers(&self) -> Result<ProducerTable, AdminError> {
        let code = request::GET_ALL_PRODUCER_INFO;
        let mut all = ProducerTable::default();
        for (_, broker) in self.masters(None).await? {
            let reply = self.ask(&broker, Command::request(code)).await?;
            let part = ProducerTable::from_json(&reply.body)
                .map_err(|error| bad_reply(&broker, code, error))?;
            for (group, producers) in part.data {
                all.data.entry(group).or_default().extend(producers);
            }
        }
        Ok(all)
    }

    /// What a member of a consumer group says of itself.
    pub async fn running_info(
        &self,
        group: &str,
        client_id: &str,
    ) -> Result<ConsumerRunningInfo, AdminError> {
        let code = request::GET_CONSUMER_RUNNING_INFO;
        let header = headers::ConsumerRunningInfo {
            consumer_group: group,
            client_id,
            jstack_enable: Some(false),
        };
        let (broker, reply) = self
            .ask_any_master(Command::request(code).with_header(&header))
            .await?;
        ConsumerRunningInfo::from_json(&reply.body)
            .map_err(|error| bad_reply(&broker, code, error).into())
    }

    /// Has a member of a consumer group handle one message now, named by its offset message id, and says how it fared.
    pub async fn consume_directly(
        &self,
        group: &str,
        client_id: &str,
        topic: &str,
        offset_message_id: &str,
    ) -> Result<ConsumeMessageDirectlyResult, AdminError> {
        let broker = super::messages::parse_id(offset_message_id)?
            .host
            .to_string();
        let code = request::CONSUME_MESSAGE_DIRECTLY;
        let header = headers::ConsumeMessageDirectly {
            consumer_group: group,
            client_id,
            msg_id: Some(offset_message_id),
            topic: Some(topic),
            ..Default::default()
        };
        let reply = self
            .ask(&broker, Command::request(code).with_header(&header))
            .await?;
        ConsumeMessageDirectlyResult::from_json(&reply.body)
            .map_err(|error| bad_reply(&broker, code, error).into())
    }

    /// The first master that says yes.
    async fn ask_any_master(&self, command: Command) -> Result<(String, Command), AdminError> {
        let mut last_error: Option<RequestError> = None;
        for (_, broker) in self.masters(None).await? {
            match self.ask(&broker, command.clone()).await {
                Ok(reply) => return Ok((broker, reply)),
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.map_or_else(
            || AdminError::NoBroker {
                name_servers: self.instance.name_servers().text(),
            },
            AdminError::from,
        ))
    }
}
