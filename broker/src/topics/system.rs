//! The topics that exist from the start, and the names that belong to this broker beside those of the protocol.

use mainstem_common::protocol::{TopicConfig, perm};
use mainstem_record::topic;

use crate::broker_core::BrokerCore;
use crate::config::BrokerConfig;

/// Queues of the topics that bear the name of the cluster and of Apache's benchmark.
const CLUSTER_TOPIC_QUEUES: i32 = 16;
const BENCHMARK_QUEUES: i32 = 1024;

/// A topic with as many queues to read as to write.
pub(crate) fn topic_config(name: &str, queues: i32, perm: i32) -> TopicConfig {
    TopicConfig {
        perm,
        ..TopicConfig::new(name, queues)
    }
}

/// Topics that a broker creates at its start.
pub(crate) fn system_topics(config: &BrokerConfig) -> Vec<TopicConfig> {
    const READ_WRITE: i32 = perm::READ | perm::WRITE;
    let auto_create_perm = if config.auto_create_topic {
        READ_WRITE | perm::INHERIT
    } else {
        READ_WRITE
    };
    let mut topics = vec![
        topic_config(topic::SELF_TEST, 1, READ_WRITE),
        topic_config(
            topic::TBW102,
            config.default_topic_queue_nums,
            auto_create_perm,
        ),
        topic_config(topic::BENCHMARK, BENCHMARK_QUEUES, READ_WRITE),
        topic_config(
            &config.cluster_name,
            CLUSTER_TOPIC_QUEUES,
            READ_WRITE | perm::INHERIT,
        ),
        topic_config(&config.broker_name, 1, READ_WRITE | perm::INHERIT),
        topic_config(topic::OFFSET_MOVED_EVENT, 1, READ_WRITE),
        topic_config(topic::SCHEDULE, config.delay_levels.max_level(), READ_WRITE),
    ];
    if config.trace_topic {
        topics.push(topic_config(topic::TRACE, 1, READ_WRITE));
    }
    topics
}

/// Whether a name belongs to the system: such topics are neither created nor deleted by request.
pub(crate) fn is_system_topic(config: &BrokerConfig, name: &str) -> bool {
    topic::is_system(name)
        || name == config.cluster_name
        || name == config.broker_name
        || name.strip_suffix("_REPLY_TOPIC") == Some(&config.cluster_name)
}

impl BrokerCore {
    /// The names of the system topics that this broker holds.
    pub fn system_topic_names(&self) -> Vec<String> {
        let (topics, _) = self.topics.snapshot();
        topics
            .iter()
            .filter(|topic| is_system_topic(&self.config, &topic.name))
            .map(|topic| topic.name.to_string())
            .collect()
    }
}
