//! Builds a producer, checking every setting before anything is opened.

use std::sync::Arc;
use std::time::Duration;

use mainstem_record::id::UniqueKeyGenerator;
use mainstem_record::topic;

use super::lane::Lanes;
use super::window::SendWindow;
use super::{Producer, Settings, Shared};
use crate::error::BuildError;
use crate::instance::{
    ClientOptions, DefaultTopic, Instance, PeerDoor, at_least_a_millisecond, local_ip,
};

/// Settings of a [`Producer`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until build()"]
pub struct ProducerBuilder {
    group: String,
    options: ClientOptions,
    settings: Settings,
    max_in_flight_messages: u32,
    max_in_flight_bytes: u32,
}

impl ProducerBuilder {
    pub(super) fn new(group: String) -> Self {
        Self {
            group,
            options: ClientOptions::new(),
            settings: Settings {
                timeout: Duration::from_secs(10),
                attempt_timeout: Duration::from_secs(3),
                retries: 2,
                retry_unknown_outcome: true,
                compress_over: 4096,
                max_message_bytes: 4 * 1024 * 1024,
                default_topic: topic::TBW102.to_owned(),
                default_topic_queues: 4,
            },
            max_in_flight_messages: 4096,
            max_in_flight_bytes: 64 * 1024 * 1024,
        }
    }

    /// Name servers as `host:port`, separated by `;`. Default: the variable NAMESRV_ADDR, else 127.0.0.1:9876.
    pub fn name_servers(mut self, addresses: impl AsRef<str>) -> Self {
        self.options.set_name_servers(addresses.as_ref());
        self
    }

    /// How long one send may take with all its retries. Default 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// How long one attempt waits for its answer. Default 3 s.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.settings.attempt_timeout = timeout;
        self
    }

    /// How often a failed send is tried again, within its [`timeout`](Self::timeout). Default 2. Attempts at the same broker
    /// are 10 ms apart, then 20 ms and so on up to 1 s.
    pub fn retries(mut self, retries: u32) -> Self {
        self.settings.retries = retries;
        self
    }

    /// Whether to try again when an attempt's outcome is unknown, at the price of a message that may be stored twice, with
    /// the same unique key. Default yes.
    pub fn retry_unknown_outcome(mut self, retry: bool) -> Self {
        self.settings.retry_unknown_outcome = retry;
        self
    }

    /// How many messages may be on their way at once; further sends wait. Default 4096.
    pub fn max_in_flight_messages(mut self, messages: u32) -> Self {
        self.max_in_flight_messages = messages;
        self
    }

    /// How many bytes of bodies may be on their way at once; further sends wait. Default 64 MiB.
    pub fn max_in_flight_bytes(mut self, bytes: u32) -> Self {
        self.max_in_flight_bytes = bytes;
        self
    }

    /// Bodies longer than this many bytes are compressed (zlib), if that makes them shorter. Default 4096.
    pub fn compress_over(mut self, bytes: usize) -> Self {
        self.settings.compress_over = bytes;
        self
    }

    /// Sends all bodies as they are.
    pub fn without_compression(self) -> Self {
        self.compress_over(usize::MAX)
    }

    /// Longest body, in bytes before compression, and longest batch. Default 4 MiB, which is a broker's default too.
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_message_bytes = bytes;
        self
    }

    /// How many queues on each broker a topic gets that the first message creates, where brokers allow that. Default 4.
    pub fn default_topic_queues(mut self, queues: i32) -> Self {
        self.settings.default_topic_queues = queues;
        self
    }

    /// How long one request other than a send may take. Default 3 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.options.request_timeout = timeout;
        self
    }

    /// How often brokers are told that this producer lives. Default 30 s; they forget it after 120 s.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.options.heartbeat_interval = interval;
        self
    }

    /// How often known routes are refreshed. Default 30 s.
    pub fn route_interval(mut self, interval: Duration) -> Self {
        self.options.route_interval = interval;
        self
    }

    /// Checks the settings and starts the producer. No server is asked: routes are looked up when they are first needed.
    pub async fn build(self) -> Result<Producer, BuildError> {
        topic::validate_group(&self.group).map_err(BuildError::Group)?;
        let refuse = |name, value: String, allowed| {
            Err(BuildError::Value {
                name,
                value,
                allowed,
            })
        };
        at_least_a_millisecond("timeout", self.settings.timeout)?;
        at_least_a_millisecond("attempt_timeout", self.settings.attempt_timeout)?;
        if self.max_in_flight_messages == 0 {
            return refuse("max_in_flight_messages", "0".to_owned(), "at least 1");
        }
        if self.max_in_flight_bytes == 0 {
            return refuse("max_in_flight_bytes", "0".to_owned(), "at least 1");
        }
        if self.settings.max_message_bytes == 0 {
            return refuse("max_message_bytes", "0".to_owned(), "at least 1");
        }
        if self.settings.default_topic_queues < 1 {
            return refuse(
                "default_topic_queues",
                self.settings.default_topic_queues.to_string(),
                "at least 1",
            );
        }
        let options = self.options.checked()?;
        let keys = UniqueKeyGenerator::new(local_ip(&options.name_servers));
        let default_topic = DefaultTopic {
            name: self.settings.default_topic.clone(),
            queues: self.settings.default_topic_queues,
        };
        let instance = Instance::start(options, Some(default_topic), &PeerDoor::new());
        let guard = Arc::new(instance.stop_token().clone().drop_guard());
        let shared = Arc::new(Shared {
            instance: Arc::clone(&instance),
            group: self.group,
            settings: self.settings,
            window: SendWindow::new(self.max_in_flight_messages, self.max_in_flight_bytes),
            lanes: Lanes::default(),
            keys,
        });
        let announced = Arc::downgrade(&shared);
        instance.announce(move || {
            announced
                .upgrade()
                .map(|shared| shared.heartbeat())
                .unwrap_or_default()
        });
        Ok(Producer {
            shared,
            _tasks: guard,
        })
    }
}
