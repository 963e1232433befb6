//! What a client knows of one topic: the route as a name server gave it, and the lists of queues worked out from it.
//! A snapshot that never changes; the route table replaces it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mainstem_common::protocol::{BrokerData, MessageQueue, TopicRoute, perm};

use super::{BrokerTarget, PublishQueue, PublishRoute};
use crate::producer::BrokerHealth;

/// The broker id of a master.
const MASTER_ID: i64 = 0;

/// A topic's route with its queues.
#[derive(Debug)]
pub(crate) struct TopicEntry {
    topic: Arc<str>,
    route: TopicRoute,
    publish: Option<Arc<PublishRoute>>,
    readable: Arc<[MessageQueue]>,
    /// The topic does not exist yet; this is what it will be when its first message creates it.
    assumed: bool,
    used: AtomicBool,
}

impl TopicEntry {
    /// Works the queue lists out. `health` gives the record of a broker by name.
    pub(crate) fn new(
        topic: &str,
        route: TopicRoute,
        assumed: bool,
        health: impl Fn(&str) -> Arc<BrokerHealth>,
    ) -> Self {
        Self {
            publish: PublishRoute::new(topic, writable_queues(&route, health), assumed),
            readable: readable_queues(topic, &route).into(),
            topic: topic.into(),
            route,
            assumed,
            used: AtomicBool::new(true),
        }
    }

    pub(crate) fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    pub(crate) fn route(&self) -> &TopicRoute {
        &self.route
    }

    /// The queues to write to; `None` if there is none.
    pub(crate) fn publish(&self) -> Option<&Arc<PublishRoute>> {
        self.publish.as_ref()
    }

    /// The queues to read from, by broker name and queue id.
    pub(crate) fn readable(&self) -> &Arc<[MessageQueue]> {
        &self.readable
    }

    pub(crate) fn is_assumed(&self) -> bool {
        self.assumed
    }

    /// Address of a broker's master.
    pub(crate) fn master_of(&self, broker_name: &str) -> Option<&str> {
        self.addr_of(broker_name, MASTER_ID)
    }

    /// Address of a broker by name and id.
    pub(crate) fn addr_of(&self, broker_name: &str, broker_id: i64) -> Option<&str> {
        let broker = self
            .route
            .broker_datas
            .iter()
            .find(|broker| broker.broker_name == broker_name)?;
        broker.broker_addrs.get(&broker_id).map(String::as_str)
    }

    /// Where to read a broker's queues: the replica that it suggested, else its master, else any.
    pub(crate) fn reader_addr_of(&self, broker_name: &str, suggested_id: i64) -> Option<&str> {
        self.addr_of(broker_name, suggested_id)
            .or_else(|| self.master_of(broker_name))
            .or_else(|| {
                let broker = self
                    .route
                    .broker_datas
                    .iter()
                    .find(|broker| broker.broker_name == broker_name)?;
                broker.broker_addrs.values().next().map(String::as_str)
            })
    }

    /// Addresses of the topic's brokers: masters only, or all.
    pub(crate) fn broker_addrs(&self, masters_only: bool) -> impl Iterator<Item = &str> {
        self.route
            .broker_datas
            .iter()
            .flat_map(move |broker: &BrokerData| {
                broker
                    .broker_addrs
                    .iter()
                    .filter(move |(id, _)| !masters_only || **id == MASTER_ID)
                    .map(|(_, addr)| addr.as_str())
            })
    }

    /// Notes that somebody asked for this topic.
    pub(crate) fn mark_used(&self) {
        // Reads are cheap, writes to a line that all senders share are not.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether anybody asked since the last call.
    pub(crate) fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }
}

/// Java's order of publishing: an order topic's own list if the route has one, else queues by broker name.
fn writable_queues(
    route: &TopicRoute,
    health: impl Fn(&str) -> Arc<BrokerHealth>,
) -> Vec<PublishQueue> {
    let target = |broker_name: &str| {
        let broker = route
            .broker_datas
            .iter()
            .find(|broker| broker.broker_name == broker_name)?;
        let master = broker.broker_addrs.get(&MASTER_ID)?;
        Some(BrokerTarget::new(broker_name, master, health(broker_name)))
    };
    let mut counts: Vec<(&str, i32)> = match route.order_topic_conf.as_deref() {
        Some(order) if !order.is_empty() => order
            .split(';')
            .filter_map(|part| part.split_once(':'))
            .filter_map(|(broker, count)| Some((broker, count.trim().parse().ok()?)))
            .collect(),
        _ => {
            let mut counts: Vec<_> = route
                .queue_datas
                .iter()
                .filter(|queues| queues.perm & perm::WRITE != 0)
                .map(|queues| (queues.broker_name.as_str(), queues.write_queue_nums))
                .collect();
            counts.sort_unstable();
            counts
        }
    };
    counts.dedup_by(|a, b| a.0 == b.0);
    counts
        .into_iter()
        .filter_map(|(broker, count)| Some((target(broker)?, count)))
        .flat_map(|(broker, count)| {
            (0..count).map(move |queue_id| PublishQueue {
                broker: Arc::clone(&broker),
                queue_id,
            })
        })
        .collect()
}

fn readable_queues(topic: &str, route: &TopicRoute) -> Vec<MessageQueue> {
    let mut counts: Vec<_> = route
        .queue_datas
        .iter()
        .filter(|queues| queues.perm & perm::READ != 0)
        .map(|queues| (queues.broker_name.as_str(), queues.read_queue_nums))
        .collect();
    counts.sort_unstable();
    counts.dedup_by(|a, b| a.0 == b.0);
    counts
        .into_iter()
        .flat_map(|(broker_name, count)| {
            (0..count).map(move |queue_id| MessageQueue {
                topic: topic.to_owned(),
                broker_name: broker_name.to_owned(),
                queue_id,
            })
        })
        .collect()
}
