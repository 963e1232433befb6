//! The queues of one topic that a producer may write to, ready for the hot path: addresses resolved, brokers' health at
//! hand, and a counter to take queues in turn. A snapshot; a changed route makes a new one.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mainstem_common::protocol::MessageQueue;

use crate::producer::BrokerHealth;

/// A broker as a target of sends.
#[derive(Debug)]
pub(crate) struct BrokerTarget {
    name: String,
    addr: String,
    health: Arc<BrokerHealth>,
}

impl BrokerTarget {
    pub(crate) fn new(name: &str, addr: &str, health: Arc<BrokerHealth>) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            addr: addr.to_owned(),
            health,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Address of its master.
    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }

    pub(crate) fn health(&self) -> &Arc<BrokerHealth> {
        &self.health
    }
}

/// One writable queue.
#[derive(Debug, Clone)]
pub(crate) struct PublishQueue {
    pub(crate) broker: Arc<BrokerTarget>,
    pub(crate) queue_id: i32,
}

impl PublishQueue {
    pub(crate) fn name(&self, topic: &str) -> MessageQueue {
        MessageQueue {
            topic: topic.to_owned(),
            broker_name: self.broker.name().to_owned(),
            queue_id: self.queue_id,
        }
    }
}

/// All writable queues of a topic, ordered by broker name and queue id as in Java, which the queue of a key depends on.
#[derive(Debug)]
pub(crate) struct PublishRoute {
    queues: Vec<PublishQueue>,
    /// The same queues as callers see them.
    names: Vec<MessageQueue>,
    assumed: bool,
    turn: AtomicUsize,
}

impl PublishRoute {
    /// `None` if there is no queue to write to.
    pub(crate) fn new(topic: &str, queues: Vec<PublishQueue>, assumed: bool) -> Option<Arc<Self>> {
        if queues.is_empty() {
            return None;
        }
        // Producers that start together must not all begin with the same queue.
        let start = usize::try_from(RandomState::new().hash_one(0_u8) & 0xffff).unwrap_or(0);
        let names = queues.iter().map(|queue| queue.name(topic)).collect();
        Some(Arc::new(Self {
            queues,
            names,
            assumed,
            turn: AtomicUsize::new(start),
        }))
    }

    /// Whether the topic does not exist yet, so that its first message will create it.
    pub(crate) fn is_assumed(&self) -> bool {
        self.assumed
    }

    /// The queues as callers see them, in the order of [`queues`](Self::queues).
    pub(crate) fn names(&self) -> &[MessageQueue] {
        &self.names
    }

    /// The queue of this broker and number.
    pub(crate) fn find(&self, broker_name: &str, queue_id: i32) -> Option<&PublishQueue> {
        self.queues
            .iter()
            .find(|queue| queue.queue_id == queue_id && queue.broker.name() == broker_name)
    }

    /// Whether the queues lie on more than one broker.
    pub(crate) fn has_several_brokers(&self) -> bool {
        self.queues
            .iter()
            .any(|queue| queue.broker.name() != self.queues[0].broker.name())
    }

    /// At least one.
    pub(crate) fn queues(&self) -> &[PublishQueue] {
        &self.queues
    }

    /// The next position in turn.
    pub(crate) fn turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed) % self.queues.len()
    }
}
