//! A message to send, and the builder that checks it. What a broker would refuse for its form alone is refused
//! here, before any byte leaves; limits that only a broker knows are left to it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use mainstem_record::property::{self, PropertyError};
use mainstem_record::topic::{self, NameError};
use mainstem_record::{MAX_PROPERTIES_LEN, Properties, PropertiesTooLong};

/// The delays behind the levels that [`MessageBuilder::delay_level`] takes, as a broker has them unless
/// `messageDelayLevel` says otherwise: level 1 is the first.
pub const DELAY_LEVELS: [Duration; 18] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(2 * 60),
    Duration::from_secs(3 * 60),
    Duration::from_secs(4 * 60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(6 * 60),
    Duration::from_secs(7 * 60),
    Duration::from_secs(8 * 60),
    Duration::from_secs(9 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(20 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(2 * 60 * 60),
];

/// A message ready to be sent. Cloning is cheap for the body, which is shared.
///
/// ```
/// # use mainstem_client::Message;
/// let message = Message::builder("orders")
///     .body("an order")
///     .tag("paid")
///     .key("order-17")
///     .property("origin", "web")
///     .build()?;
/// assert_eq!(message.tag(), Some("paid"));
/// # Ok::<(), mainstem_client::MessageError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    topic: Arc<str>,
    flag: i32,
    body: Bytes,
    /// All but the unique key.
    properties: Properties,
    unique_key: Option<String>,
}

/// Why a message cannot be sent at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The topic's name is not one that a broker takes.
    #[error("topic of the message: {0}")]
    Topic(#[from] NameError),
    /// The topic belongs to the broker itself.
    #[error(
        "topic {topic} is the broker's own and takes no messages from clients; send to a topic of yours"
    )]
    ClosedTopic {
        /// The topic.
        topic: String,
    },
    /// A body of no bytes; brokers refuse it.
    #[error(
        "the message to topic {topic} has an empty body, which brokers refuse; give it at least one byte"
    )]
    EmptyBody {
        /// The topic.
        topic: String,
    },
    /// The body is over the producer's limit.
    #[error(
        "the body of the message to topic {topic} has {len} bytes, the producer's limit is {limit}; \
         split it, or raise max_message_bytes here and maxMessageSize on the broker"
    )]
    BodyTooLarge {
        /// The topic.
        topic: String,
        /// Bytes of the body before compression.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A property of the user's.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// All properties together.
    #[error(transparent)]
    Properties(#[from] PropertiesTooLong),
    /// A tag that no subscription could name.
    #[error(
        "tag {tag:?} is empty or holds `|` or a control character; subscriptions separate tags by `||`, choose another"
    )]
    Tag {
        /// The tag.
        tag: String,
    },
    /// A key with a blank or control character in it.
    #[error(
        "key {key:?} is empty or holds white space, which separates keys; replace it, for instance by `_`"
    )]
    Key {
        /// The key.
        key: String,
    },
    /// No such delay level.
    #[error("there is no delay level {level}; levels go from 1 (1 s) to 18 (2 h)")]
    DelayLevel {
        /// The level asked for.
        level: u8,
    },
}

/// Room left for the properties that producer and broker add: unique key, region, trace switch, cluster.
const RESERVED_PROPERTIES_LEN: usize = 512;

impl Message {
    /// Starts a message to `topic`. An `Arc<str>` saves the copy of the name.
    pub fn builder(topic: impl Into<Arc<str>>) -> MessageBuilder {
        MessageBuilder {
            message: Self {
                topic: topic.into(),
                flag: 0,
                body: Bytes::new(),
                properties: Properties::new(),
                unique_key: None,
            },
            keys: String::new(),
            error: None,
        }
    }

    /// The topic it goes to.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The body as given, not compressed.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The number that the broker stores and never reads.
    #[must_use]
    pub fn flag(&self) -> i32 {
        self.flag
    }

    /// The tag, if any.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.properties.get(property::TAGS)
    }

    /// All properties set so far, tag and keys among them, but for the unique key.
    #[must_use]
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// The id under which consumers and tools know the message. A producer gives it one when it is first sent; a message that
    /// was [kept with one](MessageBuilder::unique_key) keeps it.
    #[must_use]
    pub fn unique_key(&self) -> Option<&str> {
        self.unique_key.as_deref()
    }

    pub(crate) fn shared_topic(&self) -> &Arc<str> {
        &self.topic
    }

    pub(crate) fn set_unique_key(&mut self, unique_key: String) {
        self.unique_key = Some(unique_key);
    }

    /// The properties in the stored form, with the unique key.
    pub(crate) fn stored_properties(&self) -> String {
        let unique_key = self.unique_key().map(|key| (property::UNIQ_KEY, key));
        let added = unique_key.map_or(0, |(name, key)| name.len() + key.len() + 2);
        let mut text = String::with_capacity(self.properties.encoded_len() + added);
        for (name, value) in self.properties.iter().chain(unique_key) {
            text.push_str(name);
            text.push(char::from(property::NAME_VALUE_SEPARATOR));
            text.push_str(value);
            text.push(char::from(property::PROPERTY_SEPARATOR));
        }
        text
    }

    /// What is left of a message that has been encoded: its topic and unique key.
    pub(crate) fn into_name(self) -> (Arc<str>, String) {
        (self.topic, self.unique_key.unwrap_or_default())
    }

    /// Whether the message needs handling of its own that a batch cannot give.
    pub(crate) fn fits_a_batch(&self) -> bool {
        [property::DELAY, property::TIMER_DELIVER_MS]
            .iter()
            .all(|name| self.properties.get(name).is_none())
    }
}

/// Gathers a [`Message`]; [`build`](Self::build) reports the first mistake.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until build()"]
pub struct MessageBuilder {
    message: Message,
    keys: String,
    error: Option<MessageError>,
}

impl MessageBuilder {
    /// The body; a `Bytes`, a `Vec<u8>` or a `String` is taken over without a copy.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.message.body = body.into();
        self
    }

    /// The one tag that consumers can filter by.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        let tag = tag.into();
        if tag.trim().is_empty() || tag.contains(|c: char| c == '|' || c.is_control()) {
            return self.fail(MessageError::Tag { tag });
        }
        self.message.properties.set(property::TAGS, tag);
        self
    }

    /// One more business key to find the message by. May be called several times.
    pub fn key(mut self, key: impl AsRef<str>) -> Self {
        let key = key.as_ref();
        if key.is_empty() || key.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return self.fail(MessageError::Key {
                key: key.to_owned(),
            });
        }
        if !self.keys.is_empty() {
            self.keys.push(property::KEY_SEPARATOR);
        }
        self.keys.push_str(key);
        self
    }

    /// A property of the user's own.
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        match property::check_user_property(&name, &value) {
            Ok(()) => {
                self.message.properties.set(name, value);
                self
            }
            Err(cause) => self.fail(cause.into()),
        }
    }

    /// A number that the broker stores and never reads.
    pub fn flag(mut self, flag: i32) -> Self {
        self.message.flag = flag;
        self
    }

    /// Delivers after the delay of this level, 1 to 18 ([`DELAY_LEVELS`]).
    pub fn delay_level(mut self, level: u8) -> Self {
        if !(1..=DELAY_LEVELS.len()).contains(&usize::from(level)) {
            return self.fail(MessageError::DelayLevel { level });
        }
        self.message
            .properties
            .set(property::DELAY, level.to_string());
        self
    }

    /// Delivers at this time, for brokers that keep timed messages (Apache from 5.0 on).
    pub fn deliver_at(mut self, time: SystemTime) -> Self {
        let ms = time
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        self.message
            .properties
            .set(property::TIMER_DELIVER_MS, ms.to_string());
        self
    }

    /// Lets the broker acknowledge before the message is on disk, even if it flushes synchronously.
    pub fn without_waiting_for_disk(mut self) -> Self {
        self.message.properties.set(property::WAIT, "false");
        self
    }

    /// Gives the message the unique key of an earlier attempt to send it, so that consumers can tell that both are one.
    /// Not needed for the retries of a producer itself, which keep it.
    pub fn unique_key(mut self, unique_key: impl Into<String>) -> Self {
        self.message.unique_key = Some(unique_key.into());
        self
    }

    /// The message, or the first thing wrong with it.
    pub fn build(mut self) -> Result<Message, MessageError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        topic::validate_topic(&self.message.topic)?;
        if topic::is_closed_to_clients(&self.message.topic) {
            return Err(MessageError::ClosedTopic {
                topic: self.message.topic.to_string(),
            });
        }
        if self.message.body.is_empty() {
            return Err(MessageError::EmptyBody {
                topic: self.message.topic.to_string(),
            });
        }
        if !self.keys.is_empty() {
            self.message.properties.set(property::KEYS, self.keys);
        }
        let len = self.message.properties.encoded_len();
        if len + RESERVED_PROPERTIES_LEN > MAX_PROPERTIES_LEN {
            return Err(PropertiesTooLong { len }.into());
        }
        Ok(self.message)
    }

    fn fail(mut self, error: MessageError) -> Self {
        self.error.get_or_insert(error);
        self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn orders() -> MessageBuilder {
        Message::builder("orders").body("x")
    }

    #[test]
    fn keys_are_joined_by_blanks_and_the_tag_is_kept() {
        let message = orders().key("a").tag("t").key("b").build().unwrap();
        assert_eq!(message.properties().get(property::KEYS), Some("a b"));
        assert_eq!(message.tag(), Some("t"));
    }

    #[test]
    fn mistakes_are_reported_when_the_message_is_built_and_the_first_one_counts() {
        assert!(matches!(
            Message::builder("a b").body("x").build(),
            Err(MessageError::Topic(_))
        ));
        assert!(matches!(
            Message::builder("a").build(),
            Err(MessageError::EmptyBody { .. })
        ));
        assert!(matches!(
            Message::builder(topic::SCHEDULE).body("x").build(),
            Err(MessageError::ClosedTopic { .. })
        ));
        assert!(matches!(
            orders().tag("a||b").delay_level(99).build(),
            Err(MessageError::Tag { .. })
        ));
        assert!(matches!(
            orders().key("a b").build(),
            Err(MessageError::Key { .. })
        ));
        assert!(matches!(
            orders().delay_level(0).build(),
            Err(MessageError::DelayLevel { level: 0 })
        ));
        assert!(matches!(
            orders().property("KEYS", "x").build(),
            Err(MessageError::Property(_))
        ));
        assert!(matches!(
            orders()
                .property("p", "x".repeat(MAX_PROPERTIES_LEN))
                .build(),
            Err(MessageError::Properties(_))
        ));
    }
}
