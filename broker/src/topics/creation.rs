//! Topics that come to be by themselves: by a first send, for a group's retries, for its dead letters.

use std::sync::Arc;
use std::time::Duration;

use mainstem_common::protocol::{TopicConfig, perm};
use mainstem_record::topic;

use super::{Topic, topic_config};
use crate::broker_core::BrokerCore;

/// How long a first send waits for the name servers to learn of the new topic. They learn of it anyway; this only makes
/// it likely that whoever the producer tells finds a route at once.
const REGISTRATION_WAIT: Duration = Duration::from_secs(1);

/// Why a topic was not created by a send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateTopicError {
    /// The default topic that the producer names does not exist or lets nothing inherit from it.
    #[error(
        "topic[{topic}] not exist, apply first please! Create it with `mainstem topic create {topic}`, or enable autoCreateTopicEnable."
    )]
    NotAllowed {
        /// Topic.
        topic: String,
    },
    /// The broker holds as many topics as it may.
    #[error(
        "topic[{topic}] not exist and is not created: the broker has {limit} topics, the most it may have (maxTopics)"
    )]
    TooManyTopics {
        /// Topic.
        topic: String,
        /// The limit.
        limit: usize,
    },
    /// The journal refused.
    #[error("topic[{topic}] could not be saved: {cause}")]
    NotSaved {
        /// Topic.
        topic: String,
        /// What went wrong.
        cause: String,
    },
}

impl BrokerCore {
    /// Creates the topic of a send after the default topic that the producer names: saved before this returns, and
    /// known to the name servers that answered within a second.
    pub async fn create_topic_for_send(
        self: &Arc<Self>,
        name: &str,
        default_topic: &str,
        queues: i32,
    ) -> Result<Arc<Topic>, CreateTopicError> {
        if let Some(known) = self.topics.get(name) {
            return Ok(known);
        }
        let config = if topic::is_retry(name) {
            topic_config(name, 1, perm::READ | perm::WRITE)
        } else {
            self.inherited_config(name, default_topic, queues)?
        };
        if self.topics.len() >= self.config.max_topics {
            return Err(CreateTopicError::TooManyTopics {
                topic: name.to_owned(),
                limit: self.config.max_topics,
            });
        }
        let (topic, version) = self.topics.put_if_absent(config);
        let Some(version) = version else {
            return Ok(topic);
        };
        tracing::info!(
            topic = name,
            queues = topic.config.write_queue_nums,
            after = default_topic,
            "a topic was created by its first send"
        );
        let registered = self.registered_config(&topic.config);
        let (saved, ()) = tokio::join!(
            self.save_topics(vec![topic.config.clone()]),
            self.registration
                .register_topics([registered], version, REGISTRATION_WAIT)
        );
        saved.map_err(|error| CreateTopicError::NotSaved {
            topic: name.to_owned(),
            cause: error.to_string(),
        })?;
        Ok(topic)
    }

    fn inherited_config(
        &self,
        name: &str,
        default_topic: &str,
        queues: i32,
    ) -> Result<TopicConfig, CreateTopicError> {
        let refused = || CreateTopicError::NotAllowed {
            topic: name.to_owned(),
        };
        let parent = self.topics.get(default_topic).ok_or_else(refused)?;
        let switched_off = default_topic == topic::TBW102 && !self.live.auto_create_topic();
        if parent.config.perm & perm::INHERIT == 0 || switched_off {
            return Err(refused());
        }
        let queues = queues.min(parent.config.write_queue_nums).max(1);
        Ok(TopicConfig {
            topic_filter_type: parent.config.topic_filter_type,
            ..topic_config(name, queues, parent.config.perm & !perm::INHERIT)
        })
    }

    /// The retry topic of a group, created when it is new.
    pub(crate) fn ensure_retry_topic(&self, group: &str, queues: i32) -> Arc<Topic> {
        self.ensure_topic(topic_config(
            &topic::retry_topic(group),
            queues.max(1),
            perm::READ | perm::WRITE,
        ))
    }

    /// The dead-letter topic of a group, created when it is new; readable, so that its messages can be looked at.
    pub(crate) fn ensure_dead_letter_topic(&self, group: &str) -> Arc<Topic> {
        self.ensure_topic(topic_config(
            &topic::dlq_topic(group),
            1,
            perm::READ | perm::WRITE,
        ))
    }

    fn ensure_topic(&self, config: TopicConfig) -> Arc<Topic> {
        if let Some(known) = self.topics.get(&config.topic_name) {
            return known;
        }
        let (topic, version) = self.topics.put_if_absent(config);
        if let Some(version) = version {
            self.persist_topic(&topic.config);
            self.registration
                .announce_topic(&self.registered_config(&topic.config), version);
        }
        topic
    }
}
