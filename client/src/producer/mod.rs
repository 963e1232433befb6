//! Producers: sending messages, one by one, in batches, in order. A send goes through `window` (room for it), `outgoing`
//! (its bytes), `lane` (its turn, if ordered), `queue_choice` (where to) and `delivery` (attempts until one is answered).

mod broker_health;
mod builder;
mod delivery;
mod lane;
mod outgoing;
mod queue_choice;
mod receipt;
mod window;

use std::sync::Arc;
use std::time::Duration;

use mainstem_common::protocol::{HeartbeatData, MessageQueue, ProducerData};
use mainstem_record::id::UniqueKeyGenerator;
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

pub(crate) use broker_health::BrokerHealth;
pub use builder::ProducerBuilder;
pub use receipt::{BatchReceipt, SendReceipt, SendStatus};

use self::delivery::Destination;
use self::lane::{Lanes, Turn};
use self::outgoing::Outgoing;
use self::window::SendWindow;
use crate::error::{NotSentCause, RouteError, SendError};
use crate::instance::{Instance, PublishQueue};
use crate::message::Message;

/// Sends messages.
///
/// A producer is cheap to clone; all clones share connections, routes and the send window. When the last one is
/// dropped its tasks end at once; [`shutdown`](Self::shutdown) lets what is in flight finish first.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use mainstem_client::{Message, Producer};
///
/// let producer = Producer::builder("orders-service").name_servers("127.0.0.1:9876").build().await?;
/// let receipt = producer.send(Message::builder("orders").body("an order").build()?).await?;
/// println!("stored in queue {} at offset {}", receipt.queue_id(), receipt.queue_offset());
/// producer.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Producer {
    shared: Arc<Shared>,
    /// Ends the instance's tasks when the last clone is dropped.
    _tasks: Arc<DropGuard>,
}

#[derive(Debug)]
struct Shared {
    instance: Arc<Instance>,
    group: String,
    settings: Settings,
    window: SendWindow,
    lanes: Lanes,
    keys: UniqueKeyGenerator,
}

/// What the builder settled.
#[derive(Debug, Clone)]
struct Settings {
    /// For a whole send with its retries.
    timeout: Duration,
    /// For one attempt.
    attempt_timeout: Duration,
    /// Attempts after the first.
    retries: u32,
    retry_unknown_outcome: bool,
    compress_over: usize,
    max_message_bytes: usize,
    default_topic: String,
    default_topic_queues: i32,
}

impl Producer {
    /// Starts a producer of this group. The group's name matters to transactions and to people reading connection lists.
    pub fn builder(group: impl Into<String>) -> ProducerBuilder {
        ProducerBuilder::new(group.into())
    }

    /// Sends a message to any queue of its topic and waits until a broker has acknowledged it. Queues take turns; a failed attempt
    /// is retried on another broker, if there is one, and brokers that were slow are passed by for a while.
    ///
    /// Dropping the future gives the send up: the message may be stored or not, nothing else is left behind.
    pub async fn send(&self, message: Message) -> Result<SendReceipt, SendError> {
        self.shared.send_one(message, Destination::InTurn).await
    }

    /// Sends a message to the queue that `key` belongs to, in order with all other ordered sends to that queue: it leaves when
    /// the earlier ones are acknowledged, and is retried on the same broker only. If one fails for good, those that
    /// wait behind it fail with [`NotSentCause::EarlierFailed`].
    ///
    /// The key's queue is the one that Java's `SelectMessageQueueByHash` picks. It changes when the topic's number of
    /// writable queues does.
    pub async fn send_ordered(
        &self,
        message: Message,
        key: &str,
    ) -> Result<SendReceipt, SendError> {
        self.shared.send_one(message, Destination::Key(key)).await
    }

    /// Sends a message to this queue, ordered as by [`send_ordered`](Self::send_ordered).
    pub async fn send_to_queue(
        &self,
        message: Message,
        queue: &MessageQueue,
    ) -> Result<SendReceipt, SendError> {
        self.shared
            .send_one(message, Destination::Queue(queue))
            .await
    }

    /// Sends a message to the queue whose position `choose` returns (taken modulo their number), ordered as by
    /// [`send_ordered`](Self::send_ordered).
    pub async fn send_selecting(
        &self,
        message: Message,
        choose: impl FnOnce(&[MessageQueue], &Message) -> usize,
    ) -> Result<SendReceipt, SendError> {
        let route = self
            .shared
            .publish_route(message.topic())
            .await
            .map_err(|error| SendError::not_sent(message.topic(), error))?;
        let chosen = choose(route.names(), &message) % route.names().len();
        self.shared
            .send_one(message, Destination::Queue(&route.names()[chosen]))
            .await
    }

    /// Hands a message to the connection and returns: no broker ever says whether it was stored.
    pub async fn send_one_way(&self, message: Message) -> Result<(), SendError> {
        self.shared.send_one_way(message).await
    }

    /// Sends messages of one topic as one request to one queue: they are stored together, at consecutive offsets.
    pub async fn send_batch(&self, messages: Vec<Message>) -> Result<BatchReceipt, SendError> {
        self.shared.send_batch(messages, Destination::InTurn).await
    }

    /// [`send_batch`](Self::send_batch) to the queue of `key`, ordered as by [`send_ordered`](Self::send_ordered).
    pub async fn send_batch_ordered(
        &self,
        messages: Vec<Message>,
        key: &str,
    ) -> Result<BatchReceipt, SendError> {
        self.shared
            .send_batch(messages, Destination::Key(key))
            .await
    }

    /// [`send_batch`](Self::send_batch) to this queue, ordered as by [`send_ordered`](Self::send_ordered).
    pub async fn send_batch_to_queue(
        &self,
        messages: Vec<Message>,
        queue: &MessageQueue,
    ) -> Result<BatchReceipt, SendError> {
        self.shared
            .send_batch(messages, Destination::Queue(queue))
            .await
    }

    /// The queues that messages to this topic may go to, in the order that key hashing counts them.
    pub async fn queues(&self, topic: &str) -> Result<Vec<MessageQueue>, RouteError> {
        Ok(self.shared.publish_route(topic).await?.names().to_vec())
    }

    /// The queue that [`send_ordered`](Self::send_ordered) sends this key to.
    pub async fn queue_of_key(&self, topic: &str, key: &str) -> Result<MessageQueue, RouteError> {
        let route = self.shared.publish_route(topic).await?;
        Ok(route.names()[queue_choice::position_of_key(key, route.names().len())].clone())
    }

    /// Gives a message its unique key now, so that a caller who sends it again after an error can keep it. A message that
    /// has one keeps it.
    pub fn assign_unique_key(&self, message: &mut Message) {
        self.shared.assign_unique_key(message);
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.shared.group
    }

    /// The name under which brokers know this producer.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.shared.instance.client_id()
    }

    /// Takes no more messages, waits for those in flight (at most the send time-out), takes leave of the brokers and closes the
    /// connections. Later sends fail with [`NotSentCause::ShutDown`]; calling it again does nothing.
    pub async fn shutdown(&self) {
        let shared = &self.shared;
        if !shared.window.drain(shared.settings.timeout).await {
            tracing::warn!(group = %shared.group, "producer shut down with messages in flight; their outcome is unknown");
        }
        shared.instance.shut_down(Some(&shared.group), None).await;
    }
}

impl Shared {
    async fn send_one(
        &self,
        mut message: Message,
        to: Destination<'_>,
    ) -> Result<SendReceipt, SendError> {
        let deadline = Instant::now() + self.settings.timeout;
        self.check_size(&message)?;
        let line = self.line_up(message.topic(), to, deadline).await?;
        let fixed = line.as_ref().map(|(queue, _)| queue);
        let sending = async {
            let _in_flight = self
                .enter(message.topic(), message.body().len(), deadline)
                .await?;
            self.assign_unique_key(&mut message);
            let outgoing = Outgoing::one(message, self.settings.compress_over).await;
            let delivered = self.deliver(&outgoing, fixed, deadline).await?;
            Ok(SendReceipt::new(outgoing, delivered))
        };
        settle(sending.await, line)
    }

    async fn send_batch(
        &self,
        mut messages: Vec<Message>,
        to: Destination<'_>,
    ) -> Result<BatchReceipt, SendError> {
        let deadline = Instant::now() + self.settings.timeout;
        for message in &mut messages {
            self.check_size(message)?;
            self.assign_unique_key(message);
        }
        let topic = messages.first().map_or("", Message::topic).to_owned();
        let (outgoing, unique_keys) = Outgoing::batch(messages, self.settings.max_message_bytes)
            .map_err(|cause| SendError::not_sent(&topic, cause))?;
        let line = self.line_up(&topic, to, deadline).await?;
        let fixed = line.as_ref().map(|(queue, _)| queue);
        let sending = async {
            let _in_flight = self.enter(&topic, outgoing.body.len(), deadline).await?;
            let delivered = self.deliver(&outgoing, fixed, deadline).await?;
            Ok(BatchReceipt::new(outgoing, delivered, unique_keys))
        };
        settle(sending.await, line)
    }

    async fn send_one_way(&self, mut message: Message) -> Result<(), SendError> {
        let deadline = Instant::now() + self.settings.timeout;
        self.check_size(&message)?;
        let _in_flight = self
            .enter(message.topic(), message.body().len(), deadline)
            .await?;
        self.assign_unique_key(&mut message);
        let outgoing = Outgoing::one(message, self.settings.compress_over).await;
        self.hand_over(&outgoing).await
    }

    async fn enter(
        &self,
        topic: &str,
        bytes: usize,
        deadline: Instant,
    ) -> Result<window::InFlight<'_>, SendError> {
        self.window
            .enter(bytes, deadline)
            .await
            .map_err(|cause| SendError::not_sent(topic, cause))
    }

    fn check_size(&self, message: &Message) -> Result<(), SendError> {
        let (len, limit) = (message.body().len(), self.settings.max_message_bytes);
        if len > limit {
            let error = crate::MessageError::BodyTooLarge {
                topic: message.topic().to_owned(),
                len,
                limit,
            };
            return Err(SendError::not_sent(
                message.topic(),
                NotSentCause::Message(error),
            ));
        }
        Ok(())
    }

    fn assign_unique_key(&self, message: &mut Message) {
        if message.unique_key().is_none() {
            message.set_unique_key(self.keys.next());
        }
    }

    fn heartbeat(&self) -> HeartbeatData {
        HeartbeatData {
            client_id: self.instance.client_id().to_owned(),
            producer_data_set: vec![ProducerData {
                group_name: self.group.clone(),
            }],
            ..HeartbeatData::default()
        }
    }
}

/// Ends an ordered send's turn: after a failure those behind it are turned away.
fn settle<T>(
    sent: Result<T, SendError>,
    line: Option<(PublishQueue, Turn)>,
) -> Result<T, SendError> {
    if let (Err(_), Some((_, turn))) = (&sent, line) {
        turn.failed();
    }
    sent
}
