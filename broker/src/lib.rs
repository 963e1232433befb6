//! Mainstem's broker: the server around the store. [`Broker::start`] runs one; what requests do are functions of
//! [`BrokerCore`] with typed arguments, results and errors, and the remoting door is one way to call them.
//!
//! A reader may follow a message: `door` decodes its request, `send` checks it and writes its properties, the store
//! appends it, `pull` hands it out; `topics`, `groups`, `offsets` and `clients` are what those ask.

mod admin;
mod background;
mod broker;
mod broker_core;
mod clients;
mod clock;
mod config;
mod delay;
mod door;
mod groups;
mod live;
mod locks;
mod log_limit;
mod memory;
mod metrics;
mod offsets;
mod opening;
mod persist;
mod ports;
mod pull;
mod registration;
mod retention;
mod send;
mod stats;
mod topics;

pub use broker::{Broker, ShutdownError, StartError};
pub use broker_core::BrokerCore;
pub use config::{BrokerConfig, FastPort, OnChange, TransferMode};
pub use delay::{DEFAULT_DELAY_LEVELS, DelayLevels, DelayLevelsError};
pub use memory::{MemoryLimit, MemoryPart};
pub use persist::LoadError;
pub use retention::{delete_hours, retention};

/// The broker's functions by subject: their arguments, results and errors.
pub mod operations {
    pub use crate::admin::{KeyQuery, RelayError, UpdateConfigError};
    pub use crate::clients::{
        AskError, ClientAnswer, ClientChannel, ClientQuestion, ConsumerGroupView, Consumers,
        FilterError, HeartbeatOutcome, MAX_TAGS, Member, OffsetReset, Producers, SharedChannel,
        Subscription, TagFilter, UnregisterRequest,
    };
    pub use crate::groups::{GroupTable, PutGroupError};
    pub use crate::locks::{LOCK_LIFETIME, LockedQueue, QueueLocks};
    pub use crate::offsets::{
        CloneOffsetsError, CommitOffsetError, OffsetNotFound, OffsetResetRequest, OffsetTable,
        QueueOffsets, ResetOffsetError,
    };
    pub use crate::pull::{
        ColdPull, ForbiddenKind, InlineSubscription, Parkable, Pull, PullAnswer, PullError,
        PullRequest, PullStatus, PullStep, Pulled,
    };
    pub use crate::send::{
        PropertiesError, SendBackError, SendBackRequest, SendError, SendRequest, Sender, Sent,
    };
    pub use crate::stats::{Counter, CounterTable, Window, counter_name};
    pub use crate::topics::{CreateTopicError, DeleteTopicError, PutTopicError, Topic, TopicTable};
}
