//! Sends: one message or a batch, from the request to its place in the log. A [`Sender`] holds what a stream of sends
//! reuses; a send returns at once where the message lies and the log position at which it is durable.

mod batch;
mod error;
mod properties;
mod send_back;
mod single;

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mainstem_record::topic;
use mainstem_store::{Batch, Store};

use crate::broker_core::BrokerCore;
use crate::stats::BrokerStats;
use crate::topics::Topic;
pub use error::SendError;
pub use properties::PropertiesError;
pub use send_back::{SendBackError, SendBackRequest};

/// A message to be stored.
#[derive(Debug, Clone, Copy)]
pub struct SendRequest<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Queue; negative leaves the choice to the broker.
    pub queue_id: i32,
    /// The producer's own flags, passed through.
    pub flag: i32,
    /// Message system flags: compression and so on.
    pub sys_flag: i32,
    /// When the producer made the message, milliseconds since 1970.
    pub born_timestamp_ms: i64,
    /// Where the producer is.
    pub born_host: SocketAddr,
    /// How often the message has been consumed in vain.
    pub reconsume_times: i32,
    /// Greatest number of vain attempts, when the producer sets one.
    pub max_reconsume_times: Option<i32>,
    /// Properties in their stored form.
    pub properties: &'a str,
    /// Body, or the items of a batch.
    pub body: &'a [u8],
    /// Whether the body is a batch.
    pub is_batch: bool,
}

/// A stored message or batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Queue it went to.
    pub queue_id: i32,
    /// Offset in the queue; that of the first message of a batch.
    pub queue_offset: u64,
    /// Position in the log; that of the first message of a batch.
    pub physical_offset: u64,
    /// Positions of the further messages of a batch.
    pub more_physical_offsets: Vec<u64>,
    /// The message is durable once the store's durable mark has reached this position.
    pub durable_at: u64,
    /// Whether the producer wants to wait for that.
    pub waits_for_disk: bool,
}

/// What a stream of sends (a connection) reuses: the batch of appends that one kick publishes, the last topic, and the
/// buffers. Call [`Sender::finish`] when nothing more is at hand.
pub struct Sender {
    batch: Batch,
    last_topic: Option<(u64, Arc<Topic>)>,
    properties: Vec<u8>,
    new_key: String,
    unique_key: Range<usize>,
    has_unique_key: bool,
    stats: Arc<BrokerStats>,
    /// Messages and bytes stored in the last topic and not counted yet: counters are shared by all connections, and
    /// touching them for every message costs more than writing it.
    uncounted: (u64, u64),
    /// The same of all topics since the last [`finish`](Self::finish), for the broker's own figures: where each message has
    /// another topic than the one before it, they would be touched with each.
    uncounted_in_all: (u64, u64),
}

impl Sender {
    pub(crate) fn new(store: &Arc<Store>, stats: &Arc<BrokerStats>) -> Self {
        Sender {
            stats: stats.clone(),
            uncounted: (0, 0),
            uncounted_in_all: (0, 0),
            batch: store.batch(),
            last_topic: None,
            properties: Vec::new(),
            new_key: String::new(),
            unique_key: 0..0,
            has_unique_key: false,
        }
    }

    /// The unique key of the message sent last.
    pub fn unique_key(&self) -> Option<&str> {
        if !self.has_unique_key {
            return None;
        }
        // The range was taken from a str, so it is whole; an odd one shows as no key.
        std::str::from_utf8(self.properties.get(self.unique_key.clone())?).ok()
    }

    /// Publishes what has been appended since the last call.
    pub fn finish(&mut self) {
        self.batch.kick();
        self.count();
        let (messages, bytes) = std::mem::take(&mut self.uncounted_in_all);
        if messages > 0 {
            self.stats.put(messages, bytes);
        }
    }

    /// Counts what was stored in the last topic.
    fn count(&mut self) {
        let (messages, bytes) = std::mem::take(&mut self.uncounted);
        if messages == 0 {
            return;
        }
        self.uncounted_in_all.0 += messages;
        self.uncounted_in_all.1 += bytes;
        if let Some((_, topic)) = &self.last_topic {
            topic.count_put(messages, bytes);
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.finish();
    }
}

impl BrokerCore {
    /// A sender for one stream of sends.
    pub fn sender(&self) -> Sender {
        Sender::new(&self.store, &self.stats)
    }

    /// Stores a message or a batch. An unknown topic is [`SendError::NoSuchTopic`]: see
    /// [`BrokerCore::create_topic_for_send`].
    pub fn send(&self, sender: &mut Sender, request: &SendRequest<'_>) -> Result<Sent, SendError> {
        self.admit()?;
        self.find_topic(sender, request.topic)?;
        // `find_topic` leaves the topic there.
        let Some((_, topic)) = sender.last_topic.take() else {
            return Err(SendError::NoSuchTopic {
                topic: request.topic.to_owned(),
            });
        };
        let sent = self.send_to(sender, &topic, request);
        sender.last_topic = Some((self.topics.generation(), topic));
        sent
    }

    /// Refuses a send while the disk is too far behind. The cause is stated, for that is what an operator has to mend.
    fn admit(&self) -> Result<(), SendError> {
        let marks = self.store.watermarks();
        let behind_bytes = marks.appended().saturating_sub(marks.durable());
        let limit_bytes = self.config.max_unflushed_bytes;
        if behind_bytes > limit_bytes {
            return Err(SendError::Busy {
                behind_bytes,
                limit_bytes,
            });
        }
        Ok(())
    }

    fn find_topic(&self, sender: &mut Sender, name: &str) -> Result<(), SendError> {
        let generation = self.topics.generation();
        if let Some((seen, topic)) = &sender.last_topic
            && *seen == generation
            && &*topic.name == name
        {
            return Ok(());
        }
        match self.topics.get(name) {
            Some(topic) => {
                sender.count();
                sender.last_topic = Some((generation, topic));
                Ok(())
            }
            None => {
                topic::validate_topic(name)?;
                if topic::is_closed_to_clients(name) {
                    return Err(SendError::Closed {
                        topic: name.to_owned(),
                    });
                }
                Err(SendError::NoSuchTopic {
                    topic: name.to_owned(),
                })
            }
        }
    }

    fn send_to(
        &self,
        sender: &mut Sender,
        topic: &Arc<Topic>,
        request: &SendRequest<'_>,
    ) -> Result<Sent, SendError> {
        sender.has_unique_key = false;
        if topic.closed_to_clients {
            return Err(SendError::Closed {
                topic: topic.name.to_string(),
            });
        }
        if topic.config.order && !self.live.is_writable() {
            return Err(SendError::NotWritable {
                broker: self.store_host,
            });
        }
        let queue_id = self.choose_queue(topic, request)?;
        if request.body.is_empty() {
            return Err(SendError::EmptyBody);
        }
        if request.body.len() > self.config.max_message_bytes {
            return Err(SendError::BodyTooLong {
                len: request.body.len(),
                limit: self.config.max_message_bytes,
            });
        }
        if topic.is_retry
            && !request.is_batch
            && let Some(dead) = self.dead_letter_topic(topic, request)?
        {
            return self.send_single(sender, &dead, 0, request, false);
        }
        if request.is_batch {
            self.send_batch(sender, topic, queue_id, request)
        } else {
            self.send_single(sender, topic, queue_id, request, true)
        }
    }

    fn choose_queue(&self, topic: &Topic, request: &SendRequest<'_>) -> Result<i32, SendError> {
        let (write, read) = (topic.config.write_queue_nums, topic.config.read_queue_nums);
        if request.queue_id >= write.max(read) {
            return Err(SendError::NoSuchQueue {
                topic: topic.name.to_string(),
                queue_id: request.queue_id,
                write_queues: write,
                read_queues: read,
                producer: request.born_host,
            });
        }
        if request.queue_id >= 0 {
            return Ok(request.queue_id);
        }
        let turn = self.next_queue.fetch_add(1, Ordering::Relaxed);
        Ok((turn % u64::from(write.max(1).unsigned_abs())) as i32)
    }

    /// A message that a consumer sends to its retry topic itself: to the dead letters when it has been tried too often,
    /// or when its group consumes in order, for then no retry can keep the order.
    fn dead_letter_topic(
        &self,
        topic: &Topic,
        request: &SendRequest<'_>,
    ) -> Result<Option<Arc<Topic>>, SendError> {
        let group = topic
            .name
            .strip_prefix(topic::RETRY_PREFIX)
            .unwrap_or(&topic.name);
        let Some(config) = self.group_or_create(group) else {
            return Err(SendError::NoSuchGroup {
                group: group.to_owned(),
            });
        };
        let limit = request
            .max_reconsume_times
            .unwrap_or(config.retry_max_times);
        if request.reconsume_times <= limit && !self.locks.any_held(group) {
            return Ok(None);
        }
        Ok(Some(self.ensure_dead_letter_topic(group)))
    }
}

impl BrokerCore {
    /// Counts a refused send and logs it when it is the broker's own trouble, once in a while.
    pub(crate) fn count_refused_send(&self, error: &SendError) {
        self.stats.put_refused();
        if matches!(error, SendError::Busy { .. } | SendError::Store(_)) {
            self.refusals
                .run(|suppressed| tracing::error!(%error, suppressed, "sends are refused"));
        }
    }
}
