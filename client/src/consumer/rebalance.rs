//! Rebalance: which queues this member holds. Each member works that out from the topic's queues and the group's members, and
//! all come to the same answer; a member that cannot ask keeps what it has.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use mainstem_common::protocol::{ConsumerList, MessageQueue};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::ConsumerGroup;
use tokio::task::JoinSet;

use super::allocation::allocate_averagely;
use super::member::{Member, Sharing};
use super::subscription::Subscription;
use crate::error::{ConsumeError, RequestError};
use crate::instance::{TopicEntry, accept, bad_reply};

/// Queues whose start is looked up at once.
const MAX_STARTS_AT_ONCE: usize = 64;
/// After a rebalance that could not finish; doubles while it cannot.
const FIRST_RETRY: Duration = Duration::from_millis(500);

impl Member {
    /// Rebalances at intervals, when a broker reports a change, when a route changes, and soon again while something is missing.
    pub(crate) async fn keep_balanced(self: Arc<Self>) {
        let mut unfinished = 0_u32;
        let mut changes = self.instance().routes().changes();
        loop {
            let asked = self.rebalances_asked();
            changes.mark_unchanged();
            let finished = self.rebalance().await;
            self.rebalance_done(asked);
            unfinished = if finished {
                0
            } else {
                unfinished.saturating_add(1)
            };
            let interval = self.settings().rebalance_interval;
            let pause = match unfinished {
                0 => interval,
                n => FIRST_RETRY
                    .saturating_mul(1 << (n - 1).min(8))
                    .min(interval),
            };
            tokio::select! {
                () = self.rebalance_wanted() => {}
                _ = changes.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Brings the held queues in line with the group; says whether everything could be asked.
    pub(crate) async fn rebalance(self: &Arc<Self>) -> bool {
        let subscriptions = self.subscriptions();
        let mut finished = true;
        let mut routes = Vec::new();
        for subscription in subscriptions {
            match self.route_of(&subscription).await {
                Ok(route) => routes.push((subscription, route)),
                Err(error) => {
                    finished = false;
                    tracing::debug!(topic = %subscription.topic, %error, "no queues to share out yet");
                    self.note_error(error);
                }
            }
        }
        // A member that the brokers do not list gets nothing.
        self.announce_to_new_brokers().await;
        for (subscription, route) in routes {
            match self.share_of(&route).await {
                Ok(queues) => finished &= self.hold(&subscription, queues).await,
                Err(error) => {
                    finished = false;
                    tracing::warn!(topic = %subscription.topic, %error, "rebalance failed, keeping the queues as they are");
                }
            }
        }
        self.release_unsubscribed().await;
        finished
    }

    async fn route_of(&self, subscription: &Subscription) -> Result<Arc<TopicEntry>, ConsumeError> {
        Ok(self.instance().routes().find(&subscription.topic).await?)
    }

    /// The queues of the topic that are this member's.
    async fn share_of(&self, route: &TopicEntry) -> Result<Vec<MessageQueue>, RequestError> {
        let all = route.readable();
        if self.sharing() != Sharing::Clustering {
            return Ok(all.to_vec());
        }
        let members = self.members(route).await?;
        Ok(all[allocate_averagely(all.len(), &members, self.instance().client_id())].to_vec())
    }

    /// The ids of the group's members, sorted.
    async fn members(&self, route: &TopicEntry) -> Result<Vec<String>, RequestError> {
        let code = request::GET_CONSUMER_LIST_BY_GROUP;
        let command = Command::request(code).with_header(&ConsumerGroup {
            consumer_group: self.group(),
        });
        let mut last_error = None;
        for broker in route.broker_addrs(false) {
            match self
                .instance()
                .call(
                    broker,
                    command.clone(),
                    self.instance().options().request_timeout,
                )
                .await
            {
                // This is how a broker says that it knows no member.
                Ok(reply) if reply.code == response::SYSTEM_ERROR => return Ok(Vec::new()),
                Ok(reply) => {
                    let reply = accept(broker, code, reply)?;
                    let list = ConsumerList::from_json(&reply.body)
                        .map_err(|error| bad_reply(broker, code, error))?;
                    let mut ids = list.consumer_id_list;
                    ids.sort_unstable();
                    return Ok(ids);
                }
                Err(error) => last_error = Some(error),
            }
        }
        last_error.map_or_else(|| Ok(Vec::new()), Err)
    }

    /// Holds exactly these queues of the subscription's topic; says whether all could be started.
    async fn hold(
        self: &Arc<Self>,
        subscription: &Arc<Subscription>,
        queues: Vec<MessageQueue>,
    ) -> bool {
        let wanted: HashSet<&MessageQueue> = queues.iter().collect();
        let gone: Vec<MessageQueue> = self
            .readers()
            .iter()
            .map(|reader| &reader.queue)
            .filter(|queue| queue.topic == subscription.topic && !wanted.contains(queue))
            .cloned()
            .collect();
        if !gone.is_empty() {
            tracing::info!(group = %self.group(), topic = %subscription.topic, queues = gone.len(), "queues given up");
        }
        self.release(&gone).await;
        let new: Vec<MessageQueue> = queues
            .into_iter()
            .filter(|queue| self.reader(queue).is_none())
            .collect();
        let count = new.len();
        let started = self.start_all(subscription, new).await;
        if started > 0 {
            tracing::info!(group = %self.group(), topic = %subscription.topic, queues = started, "queues taken over");
        }
        started == count
    }

    /// Starts queues where their group stopped, or where it is to begin; returns how many could be.
    pub(crate) async fn start_all(
        self: &Arc<Self>,
        subscription: &Arc<Subscription>,
        queues: Vec<MessageQueue>,
    ) -> usize {
        let mut starts = JoinSet::new();
        let mut queues = queues.into_iter();
        let mut started = 0;
        loop {
            while starts.len() < MAX_STARTS_AT_ONCE
                && let Some(queue) = queues.next()
            {
                let member = Arc::clone(self);
                starts.spawn(async move {
                    let start = member.find_start(&queue).await;
                    (queue, start)
                });
            }
            match starts.join_next().await {
                Some(Ok((queue, Ok(start)))) => {
                    self.start(queue, Arc::clone(subscription), start);
                    started += 1;
                }
                Some(Ok((queue, Err(error)))) => {
                    tracing::warn!(
                        topic = %queue.topic, broker = %queue.broker_name, queue = queue.queue_id, %error,
                        "where to start a queue could not be found out, trying again"
                    );
                    self.note_error(error);
                }
                Some(Err(_)) => {}
                None => return started,
            }
        }
    }

    /// The offset to start at.
    pub(crate) async fn find_start(&self, queue: &MessageQueue) -> Result<i64, ConsumeError> {
        let committed = self.offsets().fetch(self.instance(), queue).await?;
        let start = match committed {
            Some(offset) => offset,
            None => self.settings().from.offset(self.instance(), queue).await?,
        };
        let written = if self.settings().commits_start {
            committed
        } else {
            Some(start)
        };
        self.offsets().begin(queue, written, start);
        Ok(start)
    }

    async fn release_unsubscribed(&self) {
        let gone: Vec<MessageQueue> = self
            .readers()
            .iter()
            .map(|reader| reader.queue.clone())
            .filter(|queue| self.subscription(&queue.topic).is_none())
            .collect();
        self.release(&gone).await;
    }
}
