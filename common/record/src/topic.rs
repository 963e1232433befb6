//! Names of topics and groups: what they may look like and which the system keeps for itself. Owns the rules and the
//! prefixes; knows no topic's configuration.

use thiserror::Error;

/// Prefix of a group's retry topic.
pub const RETRY_PREFIX: &str = "%RETRY%";
/// Prefix of a group's dead-letter topic.
pub const DLQ_PREFIX: &str = "%DLQ%";
/// Prefix of the broker's internal topics.
pub const SYSTEM_PREFIX: &str = "rmq_sys_";
/// Prefix of internal consumer groups.
pub const SYSTEM_GROUP_PREFIX: &str = "CID_RMQ_SYS_";
/// Holds delayed messages, one queue a level.
pub const SCHEDULE: &str = "SCHEDULE_TOPIC_XXXX";
/// The template that producers ask for when their topic does not exist yet.
pub const TBW102: &str = "TBW102";
/// Message traces.
pub const TRACE: &str = "RMQ_SYS_TRACE_TOPIC";
/// Half messages of transactions.
pub const TRANS_HALF: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
/// Outcomes of half messages.
pub const TRANS_OP_HALF: &str = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
/// Half messages of the RocksDB variant; registered, unused.
pub const ROCKSDB_TRANS_HALF: &str = "RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC";
/// Outcomes of the RocksDB variant; registered, unused.
pub const ROCKSDB_TRANS_OP_HALF: &str = "RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC";
/// Half messages whose checks were given up.
pub const TRANS_CHECK_MAX_TIME: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
/// The broker's self test.
pub const SELF_TEST: &str = "SELF_TEST_TOPIC";
/// Apache's benchmark.
pub const BENCHMARK: &str = "BenchmarkTest";
/// Events of moved offsets.
pub const OFFSET_MOVED_EVENT: &str = "OFFSET_MOVED_EVENT";
/// Checkpoints of special modes.
pub const CHECKPOINT: &str = "CHECKPOINT_TOPIC";
/// Timed messages.
pub const TIMER: &str = "rmq_sys_wheel_timer";

/// The longest topic name, in bytes.
pub const MAX_TOPIC_LEN: usize = 127;
/// The longest retry or dead-letter topic name, in bytes.
pub const MAX_RETRY_TOPIC_LEN: usize = 255;
/// The longest group name, in bytes.
pub const MAX_GROUP_LEN: usize = 120;

const SYSTEM: &[&str] = &[
    TBW102,
    SCHEDULE,
    BENCHMARK,
    TRANS_HALF,
    TRANS_OP_HALF,
    ROCKSDB_TRANS_HALF,
    ROCKSDB_TRANS_OP_HALF,
    TRACE,
    TRANS_CHECK_MAX_TIME,
    SELF_TEST,
    OFFSET_MOVED_EVENT,
    CHECKPOINT,
];

const CLOSED_TO_CLIENTS: &[&str] = &[
    SCHEDULE,
    TRANS_HALF,
    TRANS_OP_HALF,
    ROCKSDB_TRANS_HALF,
    ROCKSDB_TRANS_OP_HALF,
    TRANS_CHECK_MAX_TIME,
    SELF_TEST,
    OFFSET_MOVED_EVENT,
];

const SYSTEM_GROUPS: &[&str] = &[
    "DEFAULT_CONSUMER",
    "DEFAULT_PRODUCER",
    "TOOLS_CONSUMER",
    "FILTERSRV_CONSUMER",
    "SELF_TEST_C_GROUP",
    "SELF_TEST_P_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
    "CID_RMQ_SYS_TRANS",
    "CID_SYS_RMQ_TRANS",
];

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// No name, or blanks only.
    #[error("the {what} has no name; give it one")]
    Blank {
        /// `topic` or `group`.
        what: &'static str,
    },
    /// A character outside the allowed ones.
    #[error(
        "{what} {name:?} holds {character:?}; allowed are letters, digits, '%', '|', '_' and '-'"
    )]
    IllegalCharacter {
        /// `topic` or `group`.
        what: &'static str,
        /// The name, shortened.
        name: String,
        /// The first character not allowed.
        character: char,
    },
    /// Longer than the limit.
    #[error("{what} {name:?} is {len} characters long, the limit is {limit}; shorten it")]
    TooLong {
        /// `topic` or `group`.
        what: &'static str,
        /// The name, shortened.
        name: String,
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

/// Checks the name of a topic that a user may create: the allowed characters, at most [`MAX_TOPIC_LEN`]; retry and
/// dead-letter topics up to [`MAX_RETRY_TOPIC_LEN`].
pub fn validate_topic(topic: &str) -> Result<(), NameError> {
    let limit = if is_retry(topic) || is_dlq(topic) {
        MAX_RETRY_TOPIC_LEN
    } else {
        MAX_TOPIC_LEN
    };
    validate("topic", topic, limit)
}

/// Checks the name of a producer or consumer group: the allowed characters, at most [`MAX_GROUP_LEN`].
pub fn validate_group(group: &str) -> Result<(), NameError> {
    validate("group", group, MAX_GROUP_LEN)
}

fn validate(what: &'static str, name: &str, limit: usize) -> Result<(), NameError> {
    let shortened = || name.chars().take(MAX_RETRY_TOPIC_LEN).collect::<String>();
    if name.trim().is_empty() {
        return Err(NameError::Blank { what });
    }
    if let Some(character) = name.chars().find(|&c| !is_allowed(c)) {
        return Err(NameError::IllegalCharacter {
            what,
            name: shortened(),
            character,
        });
    }
    if name.len() > limit {
        return Err(NameError::TooLong {
            what,
            name: shortened(),
            len: name.len(),
            limit,
        });
    }
    Ok(())
}

const fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '%' | '|' | '_' | '-')
}

/// The topic that failed messages of `group` are delivered from again.
#[must_use]
pub fn retry_topic(group: &str) -> String {
    [RETRY_PREFIX, group].concat()
}

/// The topic that `group`'s poison messages end in.
#[must_use]
pub fn dlq_topic(group: &str) -> String {
    [DLQ_PREFIX, group].concat()
}

/// Whether this is some group's retry topic.
#[must_use]
pub fn is_retry(topic: &str) -> bool {
    topic.starts_with(RETRY_PREFIX)
}

/// Whether this is some group's dead-letter topic.
#[must_use]
pub fn is_dlq(topic: &str) -> bool {
    topic.starts_with(DLQ_PREFIX)
}

/// Whether the topic is the system's own: it may be neither created nor deleted by users. Topics named after the cluster or
/// the broker are known only to the broker.
#[must_use]
pub fn is_system(topic: &str) -> bool {
    topic.starts_with(SYSTEM_PREFIX) || SYSTEM.contains(&topic)
}

/// Whether clients may not send to the topic.
#[must_use]
pub fn is_closed_to_clients(topic: &str) -> bool {
    CLOSED_TO_CLIENTS.contains(&topic)
}

/// Whether the group exists without anybody having registered it.
#[must_use]
pub fn is_system_group(group: &str) -> bool {
    group.starts_with(SYSTEM_GROUP_PREFIX) || SYSTEM_GROUPS.contains(&group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_apaches_rules() {
        for good in [
            "TopicTest",
            "a",
            "NS%topic",
            "%RETRY%g_1-2",
            "x|y",
            &"t".repeat(MAX_TOPIC_LEN),
        ] {
            assert_eq!(validate_topic(good), Ok(()), "{good}");
        }
        assert_eq!(validate_topic(" "), Err(NameError::Blank { what: "topic" }));
        for (bad, character) in [("a b", ' '), ("a.b", '.'), ("北京", '北'), ("a\0", '\0')] {
            assert!(
                matches!(validate_topic(bad), Err(NameError::IllegalCharacter { character: c, .. }) if c == character),
                "{bad}"
            );
        }
        assert!(matches!(
            validate_topic(&"t".repeat(MAX_TOPIC_LEN + 1)),
            Err(NameError::TooLong { len: 128, .. })
        ));
        assert_eq!(
            validate_topic(&retry_topic(&"g".repeat(MAX_GROUP_LEN + 1))),
            Ok(())
        );
        assert!(validate_group(&"g".repeat(MAX_GROUP_LEN)).is_ok());
        assert!(validate_group(&"g".repeat(MAX_GROUP_LEN + 1)).is_err());
    }

    #[test]
    fn system_names_are_known() {
        for topic in [TBW102, SCHEDULE, TIMER, "rmq_sys_REVIVE_LOG_DefaultCluster"] {
            assert!(is_system(topic), "{topic}");
        }
        assert!(!is_system("TopicTest"));
        assert!(
            is_closed_to_clients(TRANS_HALF)
                && !is_closed_to_clients(TBW102)
                && !is_closed_to_clients(TRACE)
        );
        assert!(
            is_system_group("TOOLS_CONSUMER")
                && is_system_group("CID_RMQ_SYS_x")
                && !is_system_group("g")
        );
        assert_eq!(
            (retry_topic("g").as_str(), dlq_topic("g").as_str()),
            ("%RETRY%g", "%DLQ%g")
        );
    }
}
