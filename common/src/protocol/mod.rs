//! The bodies that travel in requests and replies, field for field as RocketMQ's clients and tools know them. Owns their
//! shapes and text forms; what a broker or a name server does with them is not known here.
//!
//! Every body has `to_json` and `from_json`. Written: compact, members in alphabetical order as Java writes them, absent
//! options left out, numeric map keys quoted (Java, Go and C++ all read that), maps keyed by a queue with the raw object as
//! key. Read: the dialect of [`json`](crate::json), absent members being Java's defaults, unknown ones ignored.

mod assignment;
mod client_status;
mod connection;
mod consume_queue;
mod data_version;
mod heartbeat;
mod kv;
mod lists;
mod lock;
mod message_queue;
mod offsets;
pub mod perm;
mod register;
mod route;
mod stats;
mod subscription_group;
mod topic_config;

pub use assignment::{
    MessageQueueAssignment, MessageRequestMode, QueryAssignmentRequest, QueryAssignmentResponse,
    SetMessageRequestMode,
};
pub use client_status::{
    ConsumeMessageDirectlyResult, ConsumeResult, ConsumeStatus, ConsumerRunningInfo,
    ProcessQueueInfo,
};
pub use connection::{
    ClientConnection, ConsumerConnection, ProducerConnection, ProducerInfo, ProducerTable,
    SubscriptionQuery,
};
pub use consume_queue::{ConsumeQueueUnit, ConsumeQueueView};
pub use data_version::DataVersion;
pub use heartbeat::{
    CheckClientConfig, ConsumeFromWhere, ConsumeType, ConsumerData, ExpressionType, HeartbeatData,
    MessageModel, ProducerData, SUBSCRIBE_ALL, SubscriptionData,
};
pub use kv::{KvConfig, KvTable};
pub use lists::{ConsumerList, GroupList, TopicList};
pub use lock::{LockBatchRequest, LockBatchResponse};
pub use message_queue::MessageQueue;
pub use offsets::{
    ConsumerOffsetTable, ConsumerStatusTable, CorrectionOffsets, DelayOffsetTable, ResetOffsetTable,
};
pub use register::{RegisterBodyError, RegisterBrokerBody};
pub use route::{
    BrokerData, BrokerMemberGroup, BrokerMemberGroupBody, ClusterInfo, MASTER_ID, QueueData,
    TopicRoute,
};
pub use stats::{
    BrokerConsumeStats, BrokerStats, BrokerStatsWindow, ConsumeOffset, ConsumeStats,
    ConsumeTimeSpan, ConsumeTimeSpanList, TopicOffset, TopicStats,
};
pub use subscription_group::{GroupRetryPolicy, SubscriptionGroupConfig, SubscriptionGroupTable};
pub use topic_config::{TopicConfig, TopicFilterType, TopicTable};

/// Gives bodies their `from_json`, and `to_json` unless they write it themselves.
macro_rules! json_body {
    (read $($name:ident),+ $(,)?) => {
        $(impl $name {
            /// Reads the body; the error says what is wrong with the text.
            pub fn from_json(text: &[u8]) -> Result<Self, $crate::json::JsonError> {
                $crate::json::from_slice(text)
            }
        })+
    };
    ($($name:ident),+ $(,)?) => {
        $crate::protocol::json_body!(read $($name),+);
        $(impl $name {
            /// The body as compact JSON.
            #[must_use]
            pub fn to_json(&self) -> Vec<u8> {
                let mut out = Vec::new();
                $crate::json::write_value(&mut out, self);
                out
            }
        })+
    };
}
use json_body;
