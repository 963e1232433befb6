//! Consumers. What push and pull have in common, read in the order in which messages come: `rebalance` decides which queues
//! are this member's, `start` where to begin them, `reader` and `pull` fetch, `process_queue` keeps what is in flight,
//! `offsets` how far it is done.

mod allocation;
mod answers;
mod member;
mod offsets;
mod process_queue;
mod pull;
mod pull_consumer;
mod push;
mod reader;
mod rebalance;
mod start;
mod subscription;

pub use pull_consumer::{PullConsumer, PullConsumerBuilder};
pub use push::{
    Concurrency, HandlerFn, Outcome, PushConsumer, PushConsumerBuilder, StatefulHandlerFn,
};
pub use start::ConsumeFrom;
pub use subscription::Filter;
