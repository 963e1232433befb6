//! The push consumer: messages come to a handler. It is a group member whose queues are emptied by `dispatch`, which
//! calls the `handler` and settles what fails by `send_back`.

mod answers;
mod builder;
mod dispatch;
mod handler;
mod send_back;

use std::sync::Arc;
use std::time::Duration;

use mainstem_common::protocol::MessageQueue;
use tokio::sync::Semaphore;
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

pub use builder::PushConsumerBuilder;
pub use dispatch::Concurrency;
use handler::Handler;
pub use handler::{HandlerFn, Outcome, StatefulHandlerFn};

use super::member::{Member, Sharing};

/// Calls a handler with the messages of the topics that its group subscribes to.
///
/// The members of a group share the queues; when one comes or goes the others take over within seconds. A message is
/// delivered at least once: again after a crash, a rebalance, or an outcome other than [`Outcome::Done`].
///
/// Dropping the consumer stops it at once, in the middle of handlers; [`shutdown`](Self::shutdown) lets them finish.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use mainstem_client::{ConsumeFrom, Outcome, PushConsumer, ReceivedMessage};
///
/// let consumer = PushConsumer::builder("orders-printer")
///     .name_servers("127.0.0.1:9876")
///     .subscribe("orders", "paid || refunded")
///     .from(ConsumeFrom::Earliest)
///     .handler(async |messages: &[ReceivedMessage]| {
///         for message in messages {
///             println!("{}: {} bytes", message.message_id(), message.body.len());
///         }
///         Outcome::Done
///     })
///     .start()
///     .await?;
/// tokio::signal::ctrl_c().await?;
/// consumer.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct PushConsumer {
    shared: Arc<Shared>,
    /// Ends the instance's tasks.
    _tasks: DropGuard,
}

/// What the consumer's tasks work with.
pub(crate) struct Shared {
    member: Arc<Member>,
    handler: Box<dyn Handler>,
    settings: Settings,
    /// Handler calls at once.
    concurrency: Arc<Semaphore>,
    handlers: TaskTracker,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("member", &self.member)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// What the builder settled.
#[derive(Debug, Clone)]
struct Settings {
    concurrency: Concurrency,
    /// Messages in one call of the handler.
    batch_size: usize,
    handler_timeout: Duration,
    max_attempts: i32,
    /// Before a failed batch is handled again where it is not sent back.
    local_retry: Duration,
    shutdown_timeout: Duration,
}

impl PushConsumer {
    /// Starts the description of a consumer of this group.
    pub fn builder(group: impl Into<String>) -> PushConsumerBuilder {
        PushConsumerBuilder::new(group.into())
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.shared.member.group()
    }

    /// The name under which brokers know this consumer.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.shared.member.instance().client_id()
    }

    /// The queues that are this consumer's now, retry queues included.
    #[must_use]
    pub fn assignment(&self) -> Vec<MessageQueue> {
        let mut queues: Vec<MessageQueue> = self
            .shared
            .member
            .readers()
            .iter()
            .map(|reader| reader.queue.clone())
            .collect();
        queues.sort();
        queues
    }

    /// Stops pulling, lets the handlers that run finish (at most for
    /// [`shutdown_timeout`](PushConsumerBuilder::shutdown_timeout)), commits the offsets a last time and takes leave of the brokers, so
    /// that others take the queues over at once.
    pub async fn shutdown(self) {
        let shared = &self.shared;
        shared.member.stop_reading().cancel();
        shared.concurrency.close();
        shared.handlers.close();
        if tokio::time::timeout(shared.settings.shutdown_timeout, shared.handlers.wait())
            .await
            .is_err()
        {
            tracing::warn!(group = %shared.member.group(), "handlers still run after the shutdown time-out; their messages will be delivered again");
        }
        if let Err(error) = shared.member.commit().await {
            tracing::warn!(group = %shared.member.group(), %error, "the last offsets were not committed; the next consumer repeats messages");
        }
        let group = (shared.member.sharing() != Sharing::Alone).then(|| shared.member.group());
        shared.member.instance().shut_down(None, group).await;
    }
}
