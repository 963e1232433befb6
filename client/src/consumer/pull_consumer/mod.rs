//! The pull consumer: the caller takes messages when it wants them. It is a group member like a push consumer, or reads queues
//! that the caller names, or all queues without any group at all.

mod assign;
mod builder;
mod poll;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use mainstem_common::protocol::MessageQueue;
use mainstem_common::remoting::{Command, PeerAnswer};
use parking_lot::Mutex;
use tokio_util::sync::DropGuard;

pub use builder::PullConsumerBuilder;

use super::member::{Member, Sharing};
use super::reader::Reader;
use super::subscription::Subscription;
use super::{Filter, answers};
use crate::clock::{now_ms, to_ms};
use crate::error::{BuildError, ConsumeError};
use crate::instance::ServerRequests;
use crate::queue_position;

/// Hands out messages when asked.
///
/// With a group it [subscribes](Self::subscribe), sharing the queues with the other members, or is
/// [assigned](Self::assign) queues by the caller; offsets are committed for the group. Built
/// [without a group](Self::without_group) it reads all queues of its topics and leaves no trace on any broker.
///
/// Messages are fetched ahead, in the background. A message counts as consumed when the *next* poll (or
/// [`commit`](Self::commit), or [`shutdown`](Self::shutdown)) comes, so a crash repeats messages and loses none.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use mainstem_client::{ConsumeFrom, PullConsumer};
///
/// let mut reader = PullConsumer::without_group().name_servers("127.0.0.1:9876").from(ConsumeFrom::Earliest).build().await?;
/// reader.subscribe("orders", "*").await?;
/// for message in reader.poll(Duration::from_secs(5)).await? {
///     println!("{} at {}: {} bytes", message.message_id(), message.queue_offset, message.body.len());
/// }
/// reader.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct PullConsumer {
    member: Arc<Member>,
    settings: Settings,
    /// What the last poll handed out, not yet counted as consumed.
    handed: Vec<Handed>,
    /// Where the next poll starts looking, so that no queue is kept waiting by the others.
    turn: usize,
    mode: Mutex<Mode>,
    /// Keeps alive what answers brokers.
    _answers: Arc<Answers>,
    /// Ends the instance's tasks.
    _tasks: DropGuard,
}

/// What the builder settled.
#[derive(Debug, Clone)]
struct Settings {
    /// Messages in one poll.
    max_poll: usize,
    auto_commit: bool,
}

/// Messages of one queue in the caller's hands.
#[derive(Debug)]
struct Handed {
    reader: Arc<Reader>,
    offsets: Vec<i64>,
}

/// How queues come to this consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Undecided,
    Subscribed,
    Assigned,
}

/// Answers brokers' questions on behalf of a pull consumer.
#[derive(Debug)]
struct Answers(Arc<Member>);

impl ServerRequests for Answers {
    fn answer(self: Arc<Self>, _from: &str, command: Command) -> Option<PeerAnswer> {
        answers::answer(&self.0, &command)
    }
}

impl PullConsumer {
    /// Starts the description of a consumer of this group.
    pub fn builder(group: impl Into<String>) -> PullConsumerBuilder {
        PullConsumerBuilder::with_group(group.into())
    }

    /// Starts the description of a consumer that belongs to no group.
    pub fn without_group() -> PullConsumerBuilder {
        PullConsumerBuilder::alone()
    }

    /// Subscribes to a topic, or changes its filter: `"*"` for all messages, `"TagA || TagB"` for some, or a [`Filter`]. With a
    /// group the queues are shared with its other members; without one all are read, new ones too as they appear. Returns when the
    /// first division of the queues is done, or has failed for a reason that may pass, such as a topic that does not
    /// exist yet.
    pub async fn subscribe(
        &self,
        topic: &str,
        filter: impl Into<Filter>,
    ) -> Result<(), ConsumeError> {
        self.enter_mode(Mode::Subscribed)?;
        mainstem_record::topic::validate_topic(topic).map_err(BuildError::Topic)?;
        let subscription = Subscription::new(topic, filter.into(), now_ms())?;
        let changed = self.member.subscription(topic).is_some();
        self.member.subscribe(subscription);
        self.member.forget_announcements();
        if changed {
            for reader in self
                .member
                .readers()
                .iter()
                .filter(|reader| reader.queue.topic == topic)
            {
                self.member
                    .restart(&reader.queue, reader.process.committable());
            }
        }
        self.member.run(true);
        self.member.rebalanced().await;
        Ok(())
    }

    /// Gives a topic up; its queues go to the other members of the group.
    pub async fn unsubscribe(&self, topic: &str) -> Result<(), ConsumeError> {
        if self.member.unsubscribe(topic) {
            self.member.forget_announcements();
            self.member.rebalanced().await;
        }
        Ok(())
    }

    /// The queues of a topic that can be read, by broker name and number.
    pub async fn queues(&self, topic: &str) -> Result<Vec<MessageQueue>, ConsumeError> {
        Ok(self
            .member
            .instance()
            .routes()
            .find(topic)
            .await?
            .readable()
            .to_vec())
    }

    /// The queues that are this consumer's now.
    #[must_use]
    pub fn assignment(&self) -> Vec<MessageQueue> {
        let mut queues: Vec<MessageQueue> = self
            .member
            .readers()
            .iter()
            .map(|reader| reader.queue.clone())
            .collect();
        queues.sort();
        queues
    }

    /// The offset of the next message that a poll would take from this queue; behind it everything has been handed out or
    /// was filtered away.
    pub fn position(&self, queue: &MessageQueue) -> Result<i64, ConsumeError> {
        Ok(self.reader(queue)?.process.position())
    }

    /// The next offset of every queue that is this consumer's.
    #[must_use]
    pub fn positions(&self) -> BTreeMap<MessageQueue, i64> {
        self.member
            .readers()
            .iter()
            .map(|reader| (reader.queue.clone(), reader.process.position()))
            .collect()
    }

    /// The offsets behind the newest messages of a topic's queues, for a reader that wants to stop there.
    pub async fn end_offsets(
        &self,
        topic: &str,
    ) -> Result<BTreeMap<MessageQueue, i64>, ConsumeError> {
        let mut ends = BTreeMap::new();
        for queue in self.queues(topic).await? {
            let end = queue_position::max_offset(self.member.instance(), &queue).await?;
            ends.insert(queue, end);
        }
        Ok(ends)
    }

    /// Whether every one of these queues has been read up to its offset. In a group a queue that is not this consumer's counts as
    /// read, for another member reads it.
    #[must_use]
    pub fn has_reached(&self, ends: &BTreeMap<MessageQueue, i64>) -> bool {
        let positions = self.positions();
        let alone = self.member.sharing() == Sharing::Alone;
        ends.iter().all(|(queue, end)| match positions.get(queue) {
            Some(position) => position >= end,
            None => !alone,
        })
    }

    /// The oldest offset that the queue still has.
    pub async fn min_offset(&self, queue: &MessageQueue) -> Result<i64, ConsumeError> {
        queue_position::min_offset(self.member.instance(), queue).await
    }

    /// The offset behind the queue's newest message.
    pub async fn max_offset(&self, queue: &MessageQueue) -> Result<i64, ConsumeError> {
        queue_position::max_offset(self.member.instance(), queue).await
    }

    /// The offset of the first message stored at this time or later.
    pub async fn offset_at(
        &self,
        queue: &MessageQueue,
        time: SystemTime,
    ) -> Result<i64, ConsumeError> {
        queue_position::offset_at(self.member.instance(), queue, to_ms(time)).await
    }

    /// Stops fetching and handing out these queues until they are [resumed](Self::resume).
    pub fn pause(&self, queues: &[MessageQueue]) -> Result<(), ConsumeError> {
        self.set_paused(queues, true)
    }

    /// Goes on with paused queues.
    pub fn resume(&self, queues: &[MessageQueue]) -> Result<(), ConsumeError> {
        self.set_paused(queues, false)
    }

    /// The name under which brokers know this consumer, if it has a group.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.member.instance().client_id()
    }

    /// Counts what the last poll handed out as consumed, if commits are automatic, commits, and takes leave of the brokers.
    pub async fn shutdown(mut self) {
        self.member.stop_reading().cancel();
        if self.settings.auto_commit {
            self.finish_handed();
        }
        if self.member.offsets().are_kept()
            && self.settings.auto_commit
            && let Err(error) = self.member.commit().await
        {
            tracing::warn!(group = %self.member.group(), %error, "the last offsets were not committed; the next consumer repeats messages");
        }
        let group = (self.member.sharing() != Sharing::Alone).then(|| self.member.group());
        self.member.instance().shut_down(None, group).await;
    }

    fn set_paused(&self, queues: &[MessageQueue], paused: bool) -> Result<(), ConsumeError> {
        for queue in queues {
            self.reader(queue)?.process.set_paused(paused);
        }
        self.member.arrived().notify_one();
        Ok(())
    }

    fn reader(&self, queue: &MessageQueue) -> Result<Arc<Reader>, ConsumeError> {
        self.member
            .reader(queue)
            .ok_or_else(|| ConsumeError::NotAssigned {
                topic: queue.topic.clone(),
                broker_name: queue.broker_name.clone(),
                queue_id: queue.queue_id,
            })
    }

    fn enter_mode(&self, wanted: Mode) -> Result<(), ConsumeError> {
        let mut mode = self.mode.lock();
        let mixed = |has, wanted| Err(ConsumeError::Mixed { has, wanted });
        match (*mode, wanted) {
            (Mode::Assigned, Mode::Subscribed) => mixed("assigned queues", "a subscription"),
            (Mode::Subscribed, Mode::Assigned) => mixed("subscriptions", "an assignment"),
            _ => {
                *mode = wanted;
                Ok(())
            }
        }
    }
}
