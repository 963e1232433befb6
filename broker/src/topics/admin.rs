//! Topics created, changed and removed by request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mainstem_common::protocol::{DataVersion, TopicConfig};
use mainstem_record::topic::{self, NameError};

use super::{Topic, is_system_topic};
use crate::broker_core::BrokerCore;

/// Most queues of a topic.
const MAX_QUEUES: i32 = 65_536;

/// How long a request to create a topic waits for the name servers.
const REGISTRATION_WAIT: Duration = Duration::from_secs(2);

/// Attributes that a topic may have, and whether their value may change later.
const KNOWN_ATTRIBUTES: [(&str, bool); 4] = [
    ("queue.type", false),
    ("cleanup.policy", false),
    ("message.type", true),
    ("reserve.time", true),
];

/// Why a topic was not created or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutTopicError {
    /// The name is not allowed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The name is the system's.
    #[error("The topic[{topic}] is conflict with system topic.")]
    System {
        /// Topic.
        topic: String,
    },
    /// Queue numbers out of range.
    #[error(
        "topic {topic} asks for {read} read and {write} write queues: between 1 and {MAX_QUEUES} are allowed"
    )]
    Queues {
        /// Topic.
        topic: String,
        /// Read queues.
        read: i32,
        /// Write queues.
        write: i32,
    },
    /// An attribute that no topic has.
    #[error("unsupported key: {name}")]
    UnknownAttribute {
        /// Name.
        name: String,
    },
    /// An attribute whose value stays as it was at the creation, or is not served.
    #[error("attribute {name} of topic {topic} cannot be {value}: {cause}")]
    Attribute {
        /// Topic.
        topic: String,
        /// Name.
        name: String,
        /// Value asked for.
        value: String,
        /// Why.
        cause: &'static str,
    },
    /// The broker holds as many topics as it may.
    #[error("the broker has {limit} topics, the most it may have (maxTopics)")]
    TooManyTopics {
        /// The limit.
        limit: usize,
    },
    /// The journal refused.
    #[error("topic {topic} could not be saved: {cause}")]
    NotSaved {
        /// Topic.
        topic: String,
        /// What went wrong.
        cause: String,
    },
}

/// Why a topic was not removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeleteTopicError {
    /// No name given.
    #[error("The specified topic is blank.")]
    Blank,
    /// The name is the system's.
    #[error("The topic[{topic}] is conflict with system topic.")]
    System {
        /// Topic.
        topic: String,
    },
    /// The store or the journal refused.
    #[error("topic {topic} could not be removed: {cause}")]
    NotRemoved {
        /// Topic.
        topic: String,
        /// What went wrong.
        cause: String,
    },
}

impl BrokerCore {
    /// Creates topics or changes them, in order; saved, and the name servers told, before this returns: with one sync and one
    /// registration for all of them. With each come changes of its attributes, `+name` or `-name`. The first that is refused
    /// ends it; those before it stay.
    pub async fn put_topics(
        self: &Arc<Self>,
        changes: impl IntoIterator<Item = (TopicConfig, BTreeMap<String, String>)>,
    ) -> Result<(), PutTopicError> {
        let mut changed = Vec::new();
        let mut version = DataVersion::default();
        let mut outcome = Ok(());
        for (config, attributes) in changes {
            match self.set_up_topic(config, &attributes) {
                Ok(Some((topic, of_change))) => {
                    changed.push(topic.config.clone());
                    version = of_change;
                }
                Ok(None) => {}
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        if changed.is_empty() {
            return outcome;
        }
        let registered: Vec<_> = changed
            .iter()
            .map(|config| self.registered_config(config))
            .collect();
        let first = changed[0].topic_name.clone();
        let (saved, ()) = tokio::join!(
            self.save_topics(changed),
            self.registration
                .register_topics(registered, version, REGISTRATION_WAIT)
        );
        saved.map_err(|error| PutTopicError::NotSaved {
            topic: first,
            cause: error.to_string(),
        })?;
        outcome
    }

    /// Checks a topic and puts it into the table; `None` when it is there as it is.
    fn set_up_topic(
        &self,
        mut config: TopicConfig,
        attributes: &BTreeMap<String, String>,
    ) -> Result<Option<(Arc<Topic>, DataVersion)>, PutTopicError> {
        let name = config.topic_name.clone();
        topic::validate_topic(&name)?;
        if is_system_topic(&self.config, &name) {
            return Err(PutTopicError::System { topic: name });
        }
        let allowed = 1..=MAX_QUEUES;
        if !allowed.contains(&config.read_queue_nums) || !allowed.contains(&config.write_queue_nums)
        {
            return Err(PutTopicError::Queues {
                topic: name,
                read: config.read_queue_nums,
                write: config.write_queue_nums,
            });
        }
        let known = self.topics.get(&name);
        if known.is_none() && self.topics.len() >= self.config.max_topics {
            return Err(PutTopicError::TooManyTopics {
                limit: self.config.max_topics,
            });
        }
        config.attributes = known
            .as_ref()
            .map(|known| known.config.attributes.clone())
            .unwrap_or_default();
        change_attributes(&mut config, attributes, known.is_none())?;
        if known.as_ref().is_some_and(|known| known.config == config) {
            return Ok(None);
        }
        let (topic, version) = self.topics.put(config);
        tracing::info!(topic = %name, read_queues = topic.config.read_queue_nums, write_queues = topic.config.write_queue_nums,
            perm = topic.config.perm, new = known.is_none(), "a topic was set up by request");
        self.parked.wake_topic(&name);
        Ok(Some((topic, version)))
    }

    /// Removes a topic with its queues and every group's offsets in it. It may block: not for a network thread.
    pub fn delete_topic(&self, name: &str) -> Result<(), DeleteTopicError> {
        if name.trim().is_empty() {
            return Err(DeleteTopicError::Blank);
        }
        if is_system_topic(&self.config, name) {
            return Err(DeleteTopicError::System {
                topic: name.to_owned(),
            });
        }
        let refused = |cause: String| DeleteTopicError::NotRemoved {
            topic: name.to_owned(),
            cause,
        };
        let known = self.topics.remove(name);
        self.store
            .delete_topic(name)
            .map_err(|error| refused(error.to_string()))?;
        self.forget_topic(name)
            .map_err(|error| refused(error.to_string()))?;
        self.parked.wake_topic(name);
        self.counters.forget_topic(name);
        if known {
            tracing::info!(
                topic = name,
                "a topic was removed by request, with its queues and offsets"
            );
            self.registration.topics_changed();
        }
        Ok(())
    }
}

fn change_attributes(
    config: &mut TopicConfig,
    changes: &BTreeMap<String, String>,
    is_new: bool,
) -> Result<(), PutTopicError> {
    for (change, value) in changes {
        let (name, adds) = match change.split_at_checked(1) {
            Some(("+", name)) => (name, true),
            Some(("-", name)) => (name, false),
            _ => (change.as_str(), true),
        };
        let Some((_, changeable)) = KNOWN_ATTRIBUTES.iter().find(|(known, _)| *known == name)
        else {
            return Err(PutTopicError::UnknownAttribute {
                name: name.to_owned(),
            });
        };
        let refused = |cause| PutTopicError::Attribute {
            topic: config.topic_name.clone(),
            name: name.to_owned(),
            value: value.clone(),
            cause,
        };
        if !is_new && !changeable && config.attributes.get(name) != Some(value) {
            return Err(refused("it stays as it was when the topic was created"));
        }
        if (name == "queue.type" && value == "BatchCQ")
            || (name == "cleanup.policy" && value == "COMPACTION")
        {
            return Err(refused("this form of storage is not served"));
        }
        if adds {
            config.attributes.insert(name.to_owned(), value.clone());
        } else {
            config.attributes.remove(name);
        }
    }
    Ok(())
}
