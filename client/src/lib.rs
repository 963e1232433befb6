//! The client SDK: producers, consumers and administration for Mainstem and any other broker that speaks RocketMQ's
//! remoting protocol.
//!
//! # A tour
//!
//! Everything starts with name servers, which know where topics live. They are given to a builder as
//! `host:port;host:port`, or by the variable `NAMESRV_ADDR`, or are 127.0.0.1:9876, where `mainstem standalone` listens.
//!
//! **Sending.** A [`Message`] is built and checked, a [`Producer`] sends it and returns once a broker has acknowledged it:
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use mainstem_client::{Message, Producer};
//!
//! let producer = Producer::builder("orders-service").build().await?;
//! let receipt = producer.send(Message::builder("orders").body("a book").tag("paid").key("order-17").build()?).await?;
//! // All messages of one key, in order:
//! producer.send_ordered(Message::builder("orders").body("shipped").build()?, "order-17").await?;
//! // Many at once, stored together:
//! let batch: Result<Vec<_>, _> = (0..100).map(|n| Message::builder("orders").body(format!("{n}")).build()).collect();
//! producer.send_batch(batch?).await?;
//! producer.shutdown().await;
//! # let _ = receipt; Ok(()) }
//! ```
//!
//! Sends are pipelined: start many at once, from tasks or by joining futures, and the send window pushes back when
//! brokers cannot follow. A failed send moves to another broker; an ordered one stays and waits.
//!
//! **Being handed messages.** A [`PushConsumer`] calls a handler; its [`Outcome`] says what becomes of the messages:
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use mainstem_client::{Outcome, PushConsumer, ReceivedMessage};
//!
//! struct Mailer;
//! impl Mailer {
//!     async fn mail(&self, messages: &[ReceivedMessage]) -> Outcome {
//!         for message in messages {
//!             println!("mailing {}", message.message_id());
//!         }
//!         Outcome::Done
//!     }
//! }
//!
//! let consumer = PushConsumer::builder("mailers").subscribe("orders", "paid").handler_with(Mailer, Mailer::mail).start().await?;
//! # consumer.shutdown().await; Ok(()) }
//! ```
//!
//! **Taking messages.** A [`PullConsumer`] hands messages out when asked, for a group or, without one, to look into a topic and leave
//! no trace.
//!
//! **Administration.** An [`Admin`] makes topics and groups, and says where messages, consumers and brokers are.
//!
//! # Promises
//!
//! - **At least once.** An acknowledged message is with the broker, as safe as its settings make it. A push consumer commits no offset
//!   past a message that is still being handled, so a crash repeats messages and skips none. What fails comes again, later each
//!   time, and in the end goes to the dead-letter topic `%DLQ%group`.
//! - **Errors say what is known.** [`SendError`] keeps apart what was *not sent*, what *may or may not* be stored and what was *refused*; each
//!   error says whether trying again can help (`can_retry`) and what to do next.
//! - **One message, one unique key**, over all its retries: duplicates can be told.
//! - **Order** holds among ordered sends to one queue, each of which leaves when the one before is acknowledged, and in a consumer with
//!   [`Concurrency::PerQueue`].
//! - **Handles own their tasks.** Dropping one ends them; `shutdown().await` lets what is under way finish first. A future that is dropped
//!   leaves nothing half done in the client.
//!
//! All handles need a tokio runtime with its I/O and time drivers.

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
