//! Topics: making, changing, removing and describing them.

use std::time::Duration;

use mainstem_common::protocol::{
    GroupList, TopicConfig, TopicFilterType, TopicList, TopicRoute, TopicStats, perm,
};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::{self, Cluster, CreateTopic, DeleteTopicInNameServer};
use mainstem_record::topic;
use tokio::time::Instant;

use super::Admin;
use crate::error::{AdminError, RequestError, RouteError};
use crate::instance::{accept, bad_reply};

/// Between two looks whether a new topic is visible.
const VISIBLE_POLL: Duration = Duration::from_millis(20);

/// A topic to be made, or an existing one's new form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name, queues, permission and attributes.
    pub config: TopicConfig,
    /// Makes it on the brokers of this cluster only; on all brokers when `None`.
    pub cluster: Option<String>,
    /// Makes it on this broker only (name or `host:port`); on all brokers when `None`.
    pub broker: Option<String>,
}

impl NewTopic {
    /// A topic with so many queues on each broker, readable and writable.
    #[must_use]
    pub fn new(name: impl Into<String>, queues: i32) -> Self {
        Self {
            config: TopicConfig::new(name, queues),
            cluster: None,
            broker: None,
        }
    }
}

/// A topic as its brokers have it.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicDescription {
    /// Its route.
    pub route: TopicRoute,
    /// Its configuration by broker name.
    pub configs: Vec<(String, TopicConfig)>,
    /// Offsets and last times of its queues, by broker name and queue.
    pub stats: TopicStats,
    /// The groups that consume it.
    pub groups: Vec<String>,
}

impl Admin {
    /// Makes a topic, or changes one, and waits until the name server shows it.
    pub async fn create_topic(&self, new: &NewTopic) -> Result<(), AdminError> {
        let config = &new.config;
        topic::validate_topic(&config.topic_name)?;
        for (name, count) in [
            ("queues to read", config.read_queue_nums),
            ("queues to write", config.write_queue_nums),
        ] {
            if count < 1 {
                return Err(AdminError::Value {
                    name,
                    value: count.to_string(),
                    allowed: "at least 1",
                });
            }
        }
        if !perm::is_valid(config.perm) {
            return Err(AdminError::Value {
                name: "the permission",
                value: config.perm.to_string(),
                allowed: "2 (write), 4 (read) or 6 (both)",
            });
        }
        let brokers = match &new.broker {
            Some(broker) => vec![(broker.clone(), self.master(broker).await?)],
            None => self.masters(new.cluster.as_deref()).await?,
        };
        let attributes: Vec<String> = config
            .attributes
            .iter()
            .map(|(name, value)| format!("+{name}={value}"))
            .collect();
        let attributes = attributes.join(",");
        let header = CreateTopic {
            topic: &config.topic_name,
            default_topic: topic::TBW102,
            read_queue_nums: config.read_queue_nums,
            write_queue_nums: config.write_queue_nums,
            perm: config.perm,
            topic_filter_type: Some(match config.topic_filter_type {
                TopicFilterType::SingleTag => "SINGLE_TAG",
                TopicFilterType::MultiTag => "MULTI_TAG",
            }),
            topic_sys_flag: Some(config.topic_sys_flag),
            order: Some(config.order),
            attributes: Some(&attributes),
            force: None,
        };
        let command = Command::request(request::UPDATE_AND_CREATE_TOPIC).with_header(&header);
        for (_, broker) in &brokers {
            self.ask(broker, command.clone()).await?;
        }
        self.wait_until_visible(&config.topic_name, &brokers).await
    }

    async fn wait_until_visible(
        &self,
        topic: &str,
        brokers: &[(String, String)],
    ) -> Result<(), AdminError> {
        let patience = self.instance.options().request_timeout;
        let began = Instant::now();
        loop {
            let visible = match self.route(topic).await {
                Ok(route) => brokers.iter().all(|(_, addr)| {
                    route
                        .broker_datas
                        .iter()
                        .any(|broker| broker.broker_addrs.values().any(|known| known == addr))
                }),
                Err(AdminError::Route(RouteError::UnknownTopic { .. })) => false,
                Err(error) => return Err(error),
            };
            if visible {
                return Ok(());
            }
            if began.elapsed() >= patience {
                return Err(AdminError::NotVisible {
                    topic: topic.to_owned(),
                    waited_ms: began.elapsed().as_millis(),
                });
            }
            tokio::time::sleep(VISIBLE_POLL).await;
        }
    }

    /// Removes a topic from its brokers (of one cluster if named), with its messages and all offsets on it, and from the name
    /// servers.
    pub async fn delete_topic(&self, topic: &str, cluster: Option<&str>) -> Result<(), AdminError> {
        let on: Vec<String> = self
            .masters_of_topic(topic)
            .await?
            .into_iter()
            .map(|(_, addr)| addr)
            .collect();
        let header = headers::Topic {
            topic,
            ..Default::default()
        };
        let command = Command::request(request::DELETE_TOPIC_IN_BROKER).with_header(&header);
        for (_, broker) in self.masters(cluster).await? {
            if on.contains(&broker) {
                self.ask(&broker, command.clone()).await?;
            }
        }
        let header = DeleteTopicInNameServer {
            topic,
            cluster_name: cluster,
        };
        let command = Command::request(request::DELETE_TOPIC_IN_NAMESRV).with_header(&header);
        self.instance.name_servers().request_all(command).await?;
        Ok(())
    }

    /// The names of all topics, those of retries, dead letters and the brokers themselves included.
    pub async fn topics(&self) -> Result<Vec<String>, AdminError> {
        self.topic_list(Command::request(
            request::GET_ALL_TOPIC_LIST_FROM_NAMESERVER,
        ))
        .await
    }

    /// The names of the topics of one cluster.
    pub async fn topics_of_cluster(&self, cluster: &str) -> Result<Vec<String>, AdminError> {
        let command =
            Command::request(request::GET_TOPICS_BY_CLUSTER).with_header(&Cluster { cluster });
        self.topic_list(command).await
    }

    async fn topic_list(&self, command: Command) -> Result<Vec<String>, AdminError> {
        let code = command.code;
        let reply = self.instance.name_servers().request(command).await?;
        let mut topics = TopicList::from_json(&reply.body)
            .map_err(|error| self.unreadable(code, error))?
            .topic_list;
        topics.sort_unstable();
        topics.dedup();
        Ok(topics)
    }

    /// Where a topic's queues are, asked anew.
    pub async fn route(&self, topic: &str) -> Result<TopicRoute, AdminError> {
        let code = request::GET_ROUTEINFO_BY_TOPIC;
        let header = headers::Topic {
            topic,
            ..Default::default()
        };
        let (name_server, reply) = self
            .instance
            .name_servers()
            .ask(Command::request(code).with_header(&header))
            .await
            .map_err(|cause| RouteError::NoNameServer {
                topic: topic.to_owned(),
                name_servers: self.instance.name_servers().text(),
                cause: Box::new(cause),
            })?;
        if reply.code == response::TOPIC_NOT_EXIST {
            return Err(RouteError::UnknownTopic {
                topic: topic.to_owned(),
                name_server,
            }
            .into());
        }
        let reply = accept(&name_server, code, reply)?;
        TopicRoute::from_json(&reply.body)
            .map_err(|error| bad_reply(&name_server, code, error).into())
    }

    /// A topic's configuration on each of its brokers, by broker name.
    pub async fn topic_configs(
        &self,
        topic: &str,
    ) -> Result<Vec<(String, TopicConfig)>, AdminError> {
        let code = request::GET_TOPIC_CONFIG;
        let command = Command::request(code).with_header(&headers::Topic {
            topic,
            ..Default::default()
        });
        let mut configs = Vec::new();
        for (name, broker) in self.masters_of_topic(topic).await? {
            let reply = self.ask(&broker, command.clone()).await?;
            let config = TopicConfig::from_json(&reply.body)
                .map_err(|error| bad_reply(&broker, code, error))?;
            configs.push((name, config));
        }
        Ok(configs)
    }

    /// The bounds and last times of a topic's queues on all its brokers, sorted by broker name and queue.
    pub async fn topic_stats(&self, topic: &str) -> Result<TopicStats, AdminError> {
        let code = request::GET_TOPIC_STATS_INFO;
        let command = Command::request(code).with_header(&headers::Topic {
            topic,
            ..Default::default()
        });
        let mut all = TopicStats::default();
        for (_, broker) in self.masters_of_topic(topic).await? {
            let reply = self.ask(&broker, command.clone()).await?;
            let stats = TopicStats::from_json(&reply.body)
                .map_err(|error| bad_reply(&broker, code, error))?;
            all.offset_table.extend(stats.offset_table);
            all.topic_put_tps += stats.topic_put_tps;
        }
        all.offset_table.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(all)
    }

    /// The groups that consume a topic or have offsets on it.
    pub async fn groups_of_topic(&self, topic: &str) -> Result<Vec<String>, AdminError> {
        let code = request::QUERY_TOPIC_CONSUME_BY_WHO;
        let command = Command::request(code).with_header(&headers::Topic {
            topic,
            ..Default::default()
        });
        let mut groups = Vec::new();
        for (_, broker) in self.masters_of_topic(topic).await? {
            let reply = self.ask(&broker, command.clone()).await?;
            let list = GroupList::from_json(&reply.body)
                .map_err(|error| bad_reply(&broker, code, error))?;
            groups.extend(list.group_list);
        }
        groups.sort_unstable();
        groups.dedup();
        Ok(groups)
    }

    /// Everything about a topic.
    pub async fn describe_topic(&self, topic: &str) -> Result<TopicDescription, AdminError> {
        Ok(TopicDescription {
            route: self.route(topic).await?,
            configs: self.topic_configs(topic).await?,
            stats: self.topic_stats(topic).await?,
            groups: self.groups_of_topic(topic).await?,
        })
    }
}

/// Whether the server said that it knows no such thing.
pub(super) fn is_missing(error: &RequestError) -> bool {
    matches!(
        error.code(),
        Some(
            response::TOPIC_NOT_EXIST
                | response::QUERY_NOT_FOUND
                | response::SUBSCRIPTION_GROUP_NOT_EXIST
                | response::CONSUMER_NOT_ONLINE
        )
    )
}
