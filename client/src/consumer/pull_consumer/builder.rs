//! Builds a pull consumer, checking every setting before anything is opened.

use std::sync::Arc;
use std::time::Duration;

use mainstem_common::protocol::ConsumeType;
use mainstem_record::topic;
use parking_lot::Mutex;

use super::{Answers, Mode, PullConsumer, Settings};
use crate::consumer::ConsumeFrom;
use crate::consumer::member::{Member, MemberSettings, Sharing};
use crate::consumer::offsets::Offsets;
use crate::consumer::process_queue::FlowLimits;
use crate::consumer::pull::PullSettings;
use crate::error::BuildError;
use crate::instance::{ClientOptions, Instance, PeerDoor, at_least_a_millisecond, at_least_one};

/// The group under which tools read; brokers know it without having heard of it and keep nothing for it.
const TOOLS_GROUP: &str = "TOOLS_CONSUMER";

/// Settings of a [`PullConsumer`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until build()"]
pub struct PullConsumerBuilder {
    group: Option<String>,
    options: ClientOptions,
    from: ConsumeFrom,
    pull: PullSettings,
    limits: FlowLimits,
    commit_interval: Duration,
    rebalance_interval: Duration,
    settings: Settings,
}

impl PullConsumerBuilder {
    pub(super) fn with_group(group: String) -> Self {
        Self {
            group: Some(group),
            ..Self::alone()
        }
    }

    pub(super) fn alone() -> Self {
        Self {
            group: None,
            options: ClientOptions::new(),
            from: ConsumeFrom::default(),
            pull: PullSettings::default(),
            limits: FlowLimits::default(),
            commit_interval: Duration::from_secs(5),
            rebalance_interval: Duration::from_secs(20),
            settings: Settings {
                max_poll: 32,
                auto_commit: true,
            },
        }
    }

    /// Name servers as `host:port`, separated by `;`. Default: the variable NAMESRV_ADDR, else 127.0.0.1:9876.
    pub fn name_servers(mut self, addresses: impl AsRef<str>) -> Self {
        self.options.set_name_servers(addresses.as_ref());
        self
    }

    /// Where to start in a queue that the group has no offset for; without a group, in every queue. Default
    /// [`ConsumeFrom::Latest`].
    pub fn from(mut self, from: ConsumeFrom) -> Self {
        self.from = from;
        self
    }

    /// At most so many messages in one poll. Default 32.
    pub fn max_poll(mut self, messages: usize) -> Self {
        self.settings.max_poll = messages;
        self
    }

    /// Commits only by [`commit`](PullConsumer::commit); by default each poll counts what the one before handed out as consumed, and
    /// the offsets go out every [`commit_interval`](Self::commit_interval).
    pub fn manual_commit(mut self) -> Self {
        self.settings.auto_commit = false;
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

    /// Messages of one queue that may be fetched ahead. Default 1000.
    pub fn max_cached_messages(mut self, messages: usize) -> Self {
        self.limits.messages = messages;
        self.limits.span = messages.saturating_mul(2);
        self
    }

    /// Bytes of one queue that may be fetched ahead. Default 100 MiB.
    pub fn max_cached_bytes(mut self, bytes: usize) -> Self {
        self.limits.bytes = bytes;
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

    /// Checks the settings and makes the consumer; it reads nothing until it subscribes or is assigned queues.
    pub async fn build(self) -> Result<PullConsumer, BuildError> {
        if let Some(group) = &self.group {
            topic::validate_group(group).map_err(BuildError::Group)?;
        }
        for (name, value) in [
            ("max_poll", self.settings.max_poll),
            ("max_cached_messages", self.limits.messages),
            ("max_cached_bytes", self.limits.bytes),
        ] {
            at_least_one(name, value)?;
        }
        at_least_a_millisecond("commit_interval", self.commit_interval)?;
        at_least_a_millisecond("rebalance_interval", self.rebalance_interval)?;
        self.pull.check()?;
        let options = self.options.checked()?;
        let door = PeerDoor::new();
        let instance = Instance::start(options, None, &door);
        let guard = instance.stop_token().clone().drop_guard();
        let (sharing, offsets) = match &self.group {
            Some(group) => (Sharing::Clustering, Offsets::on_brokers(group)),
            None => (Sharing::Alone, Offsets::nowhere()),
        };
        let member_settings = MemberSettings {
            group: self.group.unwrap_or_else(|| TOOLS_GROUP.to_owned()),
            sharing,
            consume_type: ConsumeType::ConsumeActively,
            from: self.from,
            commits_start: self.settings.auto_commit,
            pull: self.pull,
            limits: self.limits,
            commit_interval: self.commit_interval,
            rebalance_interval: self.rebalance_interval,
        };
        let member = Member::new(instance, member_settings, offsets);
        let answers = Arc::new(Answers(Arc::clone(&member)));
        door.connect(&answers);
        Ok(PullConsumer {
            member,
            settings: self.settings,
            handed: Vec::new(),
            turn: 0,
            mode: Mutex::new(Mode::Undecided),
            _answers: answers,
            _tasks: guard,
        })
    }
}
