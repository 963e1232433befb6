//! Mainstem's client SDK.

mod admin;
mod clock;
mod consumer;
mod error;
mod instance;
mod message;
mod producer;
mod queue_position;

pub use admin::{
    Admin, AdminBuilder, BrokerStatus, GroupLag, NewTopic, QueueLag, ResetTo, TopicDescription,
};
pub use consumer::{
    Concurrency, ConsumeFrom, Filter, HandlerFn, Outcome, PullConsumer, PullConsumerBuilder,
    PushConsumer, PushConsumerBuilder, StatefulHandlerFn,
};
pub use error::{
    AdminError, BuildError, ConsumeError, NotSentCause, Refusal, RequestError, RouteError,
    SendError,
};
pub use mainstem_common::protocol::MessageQueue;
pub use message::{DELAY_LEVELS, Message, MessageBuilder, MessageError, ReceivedMessage};
pub use producer::{BatchReceipt, Producer, ProducerBuilder, SendReceipt, SendStatus};
