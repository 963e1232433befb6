//! Builds a push consumer, checking every setting before anything is opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mainstem_common::protocol::ConsumeType;
use mainstem_record::topic;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::handler::{Handler, HandlerFn, Plain, Stateful, StatefulHandlerFn};
use super::{Concurrency, PushConsumer, Settings, Shared};
use crate::clock::now_ms;
use crate::consumer::member::{Member, MemberSettings, Sharing};
use crate::consumer::offsets::Offsets;
use crate::consumer::process_queue::FlowLimits;
use crate::consumer::pull::PullSettings;
use crate::consumer::subscription::Subscription;
use crate::consumer::{ConsumeFrom, Filter};
use crate::error::{BuildError, ConsumeError};
use crate::instance::{ClientOptions, Instance, PeerDoor, at_least_a_millisecond, at_least_one};

/// Settings of a [`PushConsumer`].
#[must_use = "a builder does nothing until start()"]
pub struct PushConsumerBuilder {
    group: String,
    options: ClientOptions,
    subscriptions: Vec<(String, Filter)>,
    handler: Option<Box<dyn Handler>>,
    broadcasting: bool,
    local_offsets_dir: Option<PathBuf>,
    instance_name: String,
    from: ConsumeFrom,
    pull: PullSettings,
    limits: FlowLimits,
    handlers: usize,
    commit_interval: Duration,
    rebalance_interval: Duration,
    settings: Settings,
}

impl std::fmt::Debug for PushConsumerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PushConsumerBuilder")
            .field("group", &self.group)
            .field("subscriptions", &self.subscriptions)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl PushConsumerBuilder {
    pub(super) fn new(group: String) -> Self {
        Self {
            group,
            options: ClientOptions::new(),
            subscriptions: Vec::new(),
            handler: None,
            broadcasting: false,
            local_offsets_dir: None,
            instance_name: "default".to_owned(),
            from: ConsumeFrom::default(),
            pull: PullSettings::default(),
            limits: FlowLimits::default(),
            handlers: 20,
            commit_interval: Duration::from_secs(5),
            rebalance_interval: Duration::from_secs(20),
            settings: Settings {
                concurrency: Concurrency::default(),
                batch_size: 1,
                handler_timeout: Duration::from_secs(15 * 60),
                max_attempts: 16,
                local_retry: Duration::from_secs(1),
                shutdown_timeout: Duration::from_secs(30),
            },
        }
    }

    /// Name servers as `host:port`, separated by `;`. Default: the variable NAMESRV_ADDR, else 127.0.0.1:9876.
    pub fn name_servers(mut self, addresses: impl AsRef<str>) -> Self {
        self.options.set_name_servers(addresses.as_ref());
        self
    }

    /// Subscribes to a topic: `"*"` for all its messages, `"TagA || TagB"` for some, or a [`Filter`]. May be called for several
    /// topics. All members of a group must subscribe alike. The topic need not exist yet.
    pub fn subscribe(mut self, topic: impl Into<String>, filter: impl Into<Filter>) -> Self {
        self.subscriptions.push((topic.into(), filter.into()));
        self
    }

    /// The function that is called with messages: `async |messages: &[ReceivedMessage]| -> Outcome`. A closure must not capture
    /// anything; state goes through [`handler_with`](Self::handler_with).
    pub fn handler<F>(mut self, handler: F) -> Self
    where
        F: for<'a> HandlerFn<'a> + 'static,
    {
        self.handler = Some(Box::new(Plain(handler)));
        self
    }

    /// The function that is called with `state` and messages:
    ///
    /// ```
    /// # use mainstem_client::{Outcome, PushConsumer, ReceivedMessage};
    /// # use std::sync::atomic::{AtomicUsize, Ordering};
    /// let consumer = PushConsumer::builder("counters")
    ///     .subscribe("orders", "*")
    ///     .handler_with(AtomicUsize::new(0), async |seen: &AtomicUsize, messages: &[ReceivedMessage]| {
    ///         seen.fetch_add(messages.len(), Ordering::Relaxed);
    ///         Outcome::Done
    ///     });
    /// ```
    ///
    /// A method works too: `handler_with(printer, Printer::print)`.
    pub fn handler_with<S, F>(mut self, state: S, handler: F) -> Self
    where
        S: Send + Sync + 'static,
        F: for<'a> StatefulHandlerFn<'a, S> + 'static,
    {
        self.handler = Some(Box::new(Stateful {
            state,
            function: handler,
        }));
        self
    }

    /// Gives every member all messages, instead of sharing them out. Offsets are kept in a file of this machine, and a message
    /// that fails is tried again here, for there is no retry topic.
    pub fn broadcasting(mut self) -> Self {
        self.broadcasting = true;
        self
    }

    /// Where a broadcasting consumer keeps its offsets. Default: `.mainstem/offsets` in the home directory.
    pub fn local_offsets_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.local_offsets_dir = Some(dir.into());
        self
    }

    /// Tells broadcasting consumers of one group on one machine apart: each needs a name of its own. Default `default`.
    pub fn instance_name(mut self, name: impl Into<String>) -> Self {
        self.instance_name = name.into();
        self
    }

    /// Where the group starts in a queue that it has no offset for. Default [`ConsumeFrom::Latest`].
    pub fn from(mut self, from: ConsumeFrom) -> Self {
        self.from = from;
        self
    }

    /// How many handlers run at once, over all queues. Default 20.
    pub fn handlers(mut self, handlers: usize) -> Self {
        self.handlers = handlers;
        self
    }

    /// Whether messages of one queue are handled in order. Default [`Concurrency::Unordered`].
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.settings.concurrency = concurrency;
        self
    }

    /// At most so many messages in one call of the handler. Default 1.
    pub fn batch_size(mut self, messages: usize) -> Self {
        self.settings.batch_size = messages;
        self
    }

    /// How long one call of the handler may take before it is stopped and its messages are delivered again. Default 15 min.
    pub fn handler_timeout(mut self, timeout: Duration) -> Self {
        self.settings.handler_timeout = timeout;
        self
    }

    /// How often a message is delivered again before it goes to the dead-letter topic. Default 16.
    pub fn max_attempts(mut self, attempts: i32) -> Self {
        self.settings.max_attempts = attempts;
        self
    }

    /// How long a failed batch waits where it is tried again here: broadcasting, or [`Concurrency::PerQueue`]. Default 1 s.
    pub fn local_retry(mut self, pause: Duration) -> Self {
        self.settings.local_retry = pause;
        self
    }

    /// Messages of one queue that may lie in memory before pulling it pauses. Default 1000.
    pub fn max_cached_messages(mut self, messages: usize) -> Self {
        self.limits.messages = messages;
        self.limits.span = messages.saturating_mul(2);
        self
    }

    /// Bytes of one queue that may lie in memory before pulling it pauses. Default 100 MiB.
    pub fn max_cached_bytes(mut self, bytes: usize) -> Self {
        self.limits.bytes = bytes;
        self
    }

    /// Messages asked for in one pull. Default 32.
    pub fn pull_batch(mut self, messages: i32) -> Self {
        self.pull.batch = messages;
        self
    }

    /// How long a broker may hold a pull that finds nothing. Default 15 s.
    pub fn pull_wait(mut self, wait: Duration) -> Self {
        self.pull.set_wait(wait);
        self
    }

    /// How often offsets are committed. Default 5 s.
    pub fn commit_interval(mut self, interval: Duration) -> Self {
        self.commit_interval = interval;
        self
    }

    /// How often the division of queues is looked at, beside the times that a broker reports a change. Default 20 s.
    pub fn rebalance_interval(mut self, interval: Duration) -> Self {
        self.rebalance_interval = interval;
        self
    }

    /// How often brokers are told that this consumer lives. Default 30 s; they forget it after 120 s.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.options.heartbeat_interval = interval;
        self
    }

    /// How often known routes are refreshed. Default 30 s.
    pub fn route_interval(mut self, interval: Duration) -> Self {
        self.options.route_interval = interval;
        self
    }

    /// How long one request other than a pull may take. Default 3 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.options.request_timeout = timeout;
        self
    }

    /// How long [`PushConsumer::shutdown`] waits for handlers. Default 30 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.shutdown_timeout = timeout;
        self
    }

    /// Checks the settings and starts the consumer. It needs no server to be up yet: it joins its group as soon as it can.
    pub async fn start(self) -> Result<PushConsumer, BuildError> {
        topic::validate_group(&self.group).map_err(BuildError::Group)?;
        let Some(handler) = self.handler else {
            return Err(BuildError::Missing {
                what: "the handler",
                method: "handler or handler_with",
            });
        };
        if self.subscriptions.is_empty() {
            return Err(BuildError::Missing {
                what: "a topic",
                method: "subscribe",
            });
        }
        for (name, value) in [
            ("handlers", self.handlers),
            ("batch_size", self.settings.batch_size),
            ("max_cached_messages", self.limits.messages),
            ("max_cached_bytes", self.limits.bytes),
        ] {
            at_least_one(name, value)?;
        }
        for (name, value) in [
            ("commit_interval", self.commit_interval),
            ("rebalance_interval", self.rebalance_interval),
            ("handler_timeout", self.settings.handler_timeout),
        ] {
            at_least_a_millisecond(name, value)?;
        }
        self.pull.check()?;
        let version = now_ms();
        let mut subscriptions = Vec::new();
        for (topic, filter) in self.subscriptions {
            topic::validate_topic(&topic).map_err(BuildError::Topic)?;
            subscriptions.push(Subscription::new(&topic, filter, version)?);
        }
        let offsets = if self.broadcasting {
            let path = offsets_file(self.local_offsets_dir, &self.group, &self.instance_name);
            Offsets::in_file(path).map_err(|error| match error {
                ConsumeError::LocalOffsets { path, cause } => {
                    BuildError::LocalOffsets { path, cause }
                }
                other => BuildError::LocalOffsets {
                    path: String::new(),
                    cause: other.to_string(),
                },
            })?
        } else {
            Offsets::on_brokers(&self.group)
        };
        let options = self.options.checked()?;
        let door = PeerDoor::new();
        let instance = Instance::start(options, None, &door);
        let guard = instance.stop_token().clone().drop_guard();
        let sharing = if self.broadcasting {
            Sharing::Broadcasting
        } else {
            Sharing::Clustering
        };
        let member_settings = MemberSettings {
            group: self.group,
            sharing,
            consume_type: ConsumeType::ConsumePassively,
            from: self.from,
            commits_start: true,
            pull: self.pull,
            limits: self.limits,
            commit_interval: self.commit_interval,
            rebalance_interval: self.rebalance_interval,
        };
        let member = Member::new(instance, member_settings, offsets);
        for subscription in subscriptions {
            member.subscribe(subscription);
        }
        if let Some(retry_topic) = member.retry_topic() {
            member.subscribe(Subscription::new(&retry_topic, Filter::All, version)?);
        }
        let shared = Arc::new(Shared {
            member: Arc::clone(&member),
            handler,
            settings: self.settings,
            concurrency: Arc::new(Semaphore::new(self.handlers)),
            handlers: TaskTracker::new(),
        });
        member.connect(&shared);
        door.connect(&shared);
        member.run(true);
        Ok(PushConsumer {
            shared,
            _tasks: guard,
        })
    }
}

/// `DIR/GROUP/INSTANCE.json`.
fn offsets_file(dir: Option<PathBuf>, group: &str, instance_name: &str) -> PathBuf {
    let dir = dir.unwrap_or_else(|| {
        let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("."), PathBuf::from);
        home.join(".mainstem").join("offsets")
    });
    dir.join(group).join(format!("{instance_name}.json"))
}
