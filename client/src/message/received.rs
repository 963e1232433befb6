//! A message as a consumer's handler sees it: the stored message, and the broker that it came from, which the
//! record itself does not name.

use std::ops::Deref;
use std::sync::Arc;

/// A message that was consumed. It reads like the stored [`mainstem_record::Message`] (topic, body, tag, keys, properties,
/// offsets, times) and adds where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    message: mainstem_record::Message,
    broker_name: Arc<str>,
    /// The topic of the queue it lies in, when that is not the message's own (a group's retry topic).
    queue_topic: Option<Arc<str>>,
}

impl ReceivedMessage {
    pub(crate) fn new(
        message: mainstem_record::Message,
        broker_name: &Arc<str>,
        queue_topic: &Arc<str>,
    ) -> Self {
        let queue_topic = (**queue_topic != *message.topic).then(|| Arc::clone(queue_topic));
        Self {
            message,
            broker_name: Arc::clone(broker_name),
            queue_topic,
        }
    }

    /// Name of the broker that holds the message.
    #[must_use]
    pub fn broker_name(&self) -> &str {
        &self.broker_name
    }

    /// The topic whose queue it was read from: its own, or the group's retry topic.
    #[must_use]
    pub fn queue_topic(&self) -> &str {
        self.queue_topic.as_deref().unwrap_or(&self.message.topic)
    }

    /// Takes the stored message out.
    #[must_use]
    pub fn into_inner(self) -> mainstem_record::Message {
        self.message
    }

    pub(crate) fn queue_offset(&self) -> i64 {
        self.message.queue_offset
    }

    /// What it counts in flow control: the decompressed body and the properties.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.message.body.len() + self.message.properties.encoded_len()
    }

    pub(crate) fn count_another_attempt(&mut self) {
        self.message.reconsume_times = self.message.reconsume_times.saturating_add(1);
    }
}

impl Deref for ReceivedMessage {
    type Target = mainstem_record::Message;

    fn deref(&self) -> &Self::Target {
        &self.message
    }
}
