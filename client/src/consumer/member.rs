//! A member of a consumer group: what it subscribes to, which queues it holds, how far it has come. Push and pull consumers
//! are both one member and differ only in who takes the messages out of the process queues.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use mainstem_common::protocol::{
    ConsumeType, ConsumerData, HeartbeatData, MessageModel, MessageQueue,
};
use mainstem_record::topic;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::offsets::Offsets;
use super::process_queue::FlowLimits;
use super::pull::{PullSettings, Unreadable};
use super::reader::Reader;
use super::start::ConsumeFrom;
use super::subscription::Subscription;
use crate::error::ConsumeError;
use crate::instance::Instance;

/// A failure that goes on is logged every so many times.
pub(crate) const LOG_EVERY: u32 = 32;

/// How the members of a group divide the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Each queue belongs to one member.
    Clustering,
    /// Every member reads every queue.
    Broadcasting,
    /// There is no group: every queue is read, and no broker hears of it.
    Alone,
}

/// What a member is made from.
#[derive(Debug)]
pub(crate) struct MemberSettings {
    pub(crate) group: String,
    pub(crate) sharing: Sharing,
    pub(crate) consume_type: ConsumeType,
    pub(crate) from: ConsumeFrom,
    /// Whether a group that is new to a queue commits where it starts, so that a restart finds the same place.
    pub(crate) commits_start: bool,
    pub(crate) pull: PullSettings,
    pub(crate) limits: FlowLimits,
    /// Between two writes of the offsets.
    pub(crate) commit_interval: Duration,
    /// Between two looks at who holds which queue, beside those that a broker asks for.
    pub(crate) rebalance_interval: Duration,
}

/// Who wants to know what happens to a member's queues.
pub(crate) trait QueueEvents: Send + Sync {
    /// A queue is this member's from now on.
    fn started(self: Arc<Self>, reader: &Arc<Reader>);
    /// A record was found that cannot be decoded.
    fn unreadable(self: Arc<Self>, reader: &Reader, record: &Unreadable);
}

/// One consumer as its group sees it.
pub(crate) struct Member {
    instance: Arc<Instance>,
    settings: MemberSettings,
    offsets: Offsets,
    subscriptions: RwLock<BTreeMap<String, Arc<Subscription>>>,
    readers: Mutex<HashMap<MessageQueue, Arc<Reader>>>,
    /// Brokers that know of this member.
    announced: Mutex<BTreeSet<String>>,
    rebalance_now: Notify,
    /// How many rebalances have been asked for, and the latest of them that is done.
    rebalances_asked: AtomicU64,
    rebalances_done: watch::Sender<u64>,
    running: AtomicBool,
    arrived: Notify,
    events: OnceLock<Weak<dyn QueueEvents>>,
    last_error: Mutex<Option<ConsumeError>>,
    /// Cancelled when no queue is to be read any more.
    stop_reading: CancellationToken,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Member {
    pub(crate) fn new(
        instance: Arc<Instance>,
        settings: MemberSettings,
        offsets: Offsets,
    ) -> Arc<Self> {
        let stop_reading = instance.stop_token().child_token();
        Arc::new(Self {
            instance,
            settings,
            offsets,
            subscriptions: RwLock::default(),
            readers: Mutex::default(),
            announced: Mutex::default(),
            rebalance_now: Notify::new(),
            rebalances_asked: AtomicU64::new(0),
            rebalances_done: watch::Sender::new(0),
            running: AtomicBool::new(false),
            arrived: Notify::new(),
            events: OnceLock::new(),
            last_error: Mutex::default(),
            stop_reading,
        })
    }

    /// Starts heartbeats, committing and (unless queues are assigned) rebalancing; only the first call counts.
    pub(crate) fn run(self: &Arc<Self>, rebalances: bool) {
        if self.running.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.settings.sharing != Sharing::Alone {
            let announced = Arc::downgrade(self);
            self.instance.announce(move || {
                announced
                    .upgrade()
                    .map(|member| member.heartbeat())
                    .unwrap_or_default()
            });
        }
        if rebalances {
            let (member, stop) = (Arc::clone(self), self.stop_reading.clone());
            self.instance.spawn(async move {
                stop.run_until_cancelled(member.keep_balanced()).await;
            });
        }
        if self.offsets.are_kept() {
            let member = Arc::clone(self);
            self.instance
                .spawn(async move { member.keep_committing().await });
        }
    }

    /// Names the one who hears of started queues; only the first call counts.
    pub(crate) fn connect<T: QueueEvents + 'static>(&self, events: &Arc<T>) {
        let events: Weak<T> = Arc::downgrade(events);
        let _ = self.events.set(events);
    }

    pub(crate) fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }

    pub(crate) fn group(&self) -> &str {
        &self.settings.group
    }

    pub(crate) fn sharing(&self) -> Sharing {
        self.settings.sharing
    }

    pub(crate) fn settings(&self) -> &MemberSettings {
        &self.settings
    }

    pub(crate) fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    pub(crate) fn pull_settings(&self) -> &PullSettings {
        &self.settings.pull
    }

    /// Told whenever a queue has new messages.
    pub(crate) fn arrived(&self) -> &Notify {
        &self.arrived
    }

    pub(crate) fn stop_reading(&self) -> &CancellationToken {
        &self.stop_reading
    }

    /// Subscribes to a topic, or changes its filter.
    pub(crate) fn subscribe(&self, subscription: Subscription) {
        self.subscriptions
            .write()
            .insert(subscription.topic.clone(), Arc::new(subscription));
    }

    /// Gives a topic up; says whether it was subscribed to.
    pub(crate) fn unsubscribe(&self, topic: &str) -> bool {
        self.subscriptions.write().remove(topic).is_some()
    }

    /// Every subscription, by topic.
    pub(crate) fn subscriptions(&self) -> Vec<Arc<Subscription>> {
        self.subscriptions.read().values().cloned().collect()
    }

    pub(crate) fn subscription(&self, topic: &str) -> Option<Arc<Subscription>> {
        self.subscriptions.read().get(topic).cloned()
    }

    /// The queues it holds.
    pub(crate) fn readers(&self) -> Vec<Arc<Reader>> {
        self.readers.lock().values().cloned().collect()
    }

    pub(crate) fn reader(&self, queue: &MessageQueue) -> Option<Arc<Reader>> {
        self.readers.lock().get(queue).cloned()
    }

    /// Takes the queue in, unless it is held already.
    pub(crate) fn start(
        self: &Arc<Self>,
        queue: MessageQueue,
        subscription: Arc<Subscription>,
        start: i64,
    ) {
        self.put_reader(queue, subscription, start, None);
    }

    /// Reads a held queue from another offset. What had been pulled of it is forgotten, and handlers that still work on such
    /// messages no longer move the group's offset.
    pub(crate) fn restart(self: &Arc<Self>, queue: &MessageQueue, offset: i64) -> bool {
        let Some(old) = self.reader(queue) else {
            return false;
        };
        let Some(subscription) = self.subscription_of(queue) else {
            return false;
        };
        let paused = old.process.is_paused();
        self.offsets.begin(queue, None, offset);
        match self.put_reader(queue.clone(), subscription, offset, Some(&old)) {
            Some(reader) => {
                reader.process.set_paused(paused);
                true
            }
            None => false,
        }
    }

    /// The subscription that messages of this queue are read under; an assigned queue needs none.
    fn subscription_of(&self, queue: &MessageQueue) -> Option<Arc<Subscription>> {
        self.subscription(&queue.topic).or_else(|| {
            Subscription::new(&queue.topic, super::Filter::All, 0)
                .ok()
                .map(Arc::new)
        })
    }

    /// Puts a reader in the place of `expected` and starts it.
    fn put_reader(
        self: &Arc<Self>,
        queue: MessageQueue,
        subscription: Arc<Subscription>,
        start: i64,
        expected: Option<&Arc<Reader>>,
    ) -> Option<Arc<Reader>> {
        let reader = Arc::new(Reader::new(
            queue,
            subscription,
            start,
            self.settings.limits,
            self.stop_reading.child_token(),
        ));
        {
            let mut readers = self.readers.lock();
            match (readers.get(&reader.queue), expected) {
                (None, None) => {}
                (Some(held), Some(expected)) if Arc::ptr_eq(held, expected) => held.stop(),
                _ => return None,
            }
            readers.insert(reader.queue.clone(), Arc::clone(&reader));
        }
        let (member, reading) = (Arc::clone(self), Arc::clone(&reader));
        self.instance.spawn(async move {
            let stop = reading.stop_token().clone();
            if let Some(offset) = stop.run_until_cancelled(reading.read(&member)).await {
                member.restart(&reading.queue, offset);
            }
        });
        if let Some(events) = self.events.get().and_then(Weak::upgrade) {
            events.started(&reader);
        }
        Some(reader)
    }

    /// Lets go of queues, having committed how far they were done.
    pub(crate) async fn release(&self, queues: &[MessageQueue]) {
        if queues.is_empty() {
            return;
        }
        let released: Vec<Arc<Reader>> = {
            let mut readers = self.readers.lock();
            queues
                .iter()
                .filter_map(|queue| readers.remove(queue))
                .collect()
        };
        for reader in &released {
            reader.stop();
            self.offsets
                .reached(&reader.queue, reader.process.committable());
        }
        if let Err(error) = self.offsets.write(&self.instance, Some(queues)).await {
            tracing::warn!(group = %self.settings.group, %error, "offsets of released queues not committed; their next reader repeats messages");
        }
        for queue in queues {
            self.offsets.forget(queue);
        }
    }

    /// Commits how far every held queue is done.
    pub(crate) async fn commit(&self) -> Result<(), ConsumeError> {
        for reader in self.readers() {
            self.offsets
                .reached(&reader.queue, reader.process.committable());
        }
        self.offsets.write(&self.instance, None).await
    }

    /// Commits at intervals.
    pub(crate) async fn keep_committing(&self) {
        let mut ticks = tokio::time::interval(self.settings.commit_interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failures = 0_u32;
        loop {
            ticks.tick().await;
            let Err(error) = self.commit().await else {
                failures = 0;
                continue;
            };
            if failures.is_multiple_of(LOG_EVERY) {
                tracing::warn!(group = %self.settings.group, failures, %error, "offsets not committed, trying again");
            }
            failures = failures.saturating_add(1);
        }
    }

    /// Asks for a rebalance now.
    pub(crate) fn rebalance_soon(&self) {
        self.rebalance_now.notify_one();
    }

    /// Waits for a rebalance that begins after this call.
    pub(crate) async fn rebalanced(&self) {
        let wanted = self.rebalances_asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.rebalance_soon();
        let mut done = self.rebalances_done.subscribe();
        let done = done.wait_for(|done| *done >= wanted);
        self.stop_reading.run_until_cancelled(done).await;
    }

    pub(crate) async fn rebalance_wanted(&self) {
        self.rebalance_now.notified().await;
    }

    /// The latest rebalance asked for; one that begins now answers all up to it.
    pub(crate) fn rebalances_asked(&self) -> u64 {
        self.rebalances_asked.load(Ordering::Acquire)
    }

    pub(crate) fn rebalance_done(&self, asked: u64) {
        self.rebalances_done.send_replace(asked);
    }

    pub(crate) fn unreadable(&self, reader: &Reader, record: &Unreadable) {
        tracing::error!(
            topic = %reader.queue.topic, broker = %reader.queue.broker_name, queue = reader.queue.queue_id,
            offset = record.queue_offset, reason = %record.reason, "a message cannot be read and is passed by"
        );
        if let Some(events) = self.events.get().and_then(Weak::upgrade) {
            events.unreadable(reader, record);
        }
    }

    /// Remembers an error for a caller who asks.
    pub(crate) fn note_error(&self, error: ConsumeError) {
        *self.last_error.lock() = Some(error);
    }

    pub(crate) fn take_error(&self) -> Option<ConsumeError> {
        self.last_error.lock().take()
    }

    /// What heartbeats say of this member.
    pub(crate) fn heartbeat(&self) -> HeartbeatData {
        let message_model = match self.settings.sharing {
            Sharing::Clustering => MessageModel::Clustering,
            Sharing::Broadcasting | Sharing::Alone => MessageModel::Broadcasting,
        };
        HeartbeatData {
            client_id: self.instance.client_id().to_owned(),
            consumer_data_set: vec![ConsumerData {
                group_name: self.settings.group.clone(),
                consume_type: self.settings.consume_type,
                message_model,
                consume_from_where: self.settings.from.wire_value(),
                subscription_data_set: self
                    .subscriptions()
                    .iter()
                    .map(|one| one.to_data())
                    .collect(),
                unit_mode: false,
            }],
            ..HeartbeatData::default()
        }
    }

    /// Tells every broker of this member now.
    pub(crate) async fn announce_once(&self) {
        if self.settings.sharing != Sharing::Alone {
            self.instance.announce_once(&self.heartbeat()).await;
        }
    }

    /// Tells brokers of this member if some of them do not know it yet.
    pub(crate) async fn announce_to_new_brokers(&self) {
        let brokers = self.instance.routes().broker_addrs(false);
        if brokers.is_subset(&self.announced.lock()) {
            return;
        }
        self.announce_once().await;
        *self.announced.lock() = brokers;
    }

    /// Has the brokers told anew at the next rebalance, for a subscription has changed.
    pub(crate) fn forget_announcements(&self) {
        self.announced.lock().clear();
    }

    /// The group's retry topic, if it has one.
    pub(crate) fn retry_topic(&self) -> Option<String> {
        (self.settings.sharing == Sharing::Clustering)
            .then(|| topic::retry_topic(&self.settings.group))
    }
}
