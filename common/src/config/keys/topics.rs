//! How topics and groups come to be.

use super::keys;
use crate::config::Kind;

keys! {
    GROUP = "Topics and groups";
    AUTO_CREATE_TOPIC_ENABLE: bool = "autoCreateTopicEnable", Kind::Bool, "true", "", Live,
        "Whether the first send to an unknown topic creates it. Switch it off where topics are created on purpose.";
    DEFAULT_TOPIC_QUEUE_NUMS: u32 = "defaultTopicQueueNums", Kind::Int { min: 1, max: 65_536 }, "8", "queues", Start,
        "The most queues that a topic gets by automatic creation.";
    AUTO_CREATE_SUBSCRIPTION_GROUP: bool = "autoCreateSubscriptionGroup", Kind::Bool, "true", "", Live,
        "Whether an unknown consumer group is created by its first heartbeat or pull.";
    TRACE_TOPIC_ENABLE: bool = "traceTopicEnable", Kind::Bool, "false", "", Start,
        "Whether the topic for message traces is created at start.";
    MESSAGE_DELAY_LEVEL: String = "messageDelayLevel", Kind::Delays, "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h", "", Start,
        "The delay levels, from level 1 on; retries of a failed message begin at level 3.";
    FLUSH_DELAY_OFFSET_INTERVAL: u64 = "flushDelayOffsetInterval", Kind::Int { min: 100, max: 600_000 }, "10000", "ms", Start,
        "How often the progress of delayed messages is saved; after a crash those delivered since are delivered again.";
}
