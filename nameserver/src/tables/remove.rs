//! Taking things out of the tables: brokers that leave, fall silent or lose their connection, topics that operators delete,
//! and the operators' hold on write permission. A broker name's topics go when its last address goes.

use std::collections::BTreeSet;

use mainstem_common::protocol::{QueueData, perm};

use super::RouteChanges;
use super::brokers::{BrokerKey, NameAfter};
use super::topic_queue::{TopicQueues, without_write};

impl RouteChanges {
    /// A broker says good-bye.
    pub(crate) fn unregister(&mut self, cluster: &str, broker_name: &str, addr: &str) {
        tracing::info!(broker = broker_name, addr, cluster, "broker unregistered");
        self.remove_broker(&BrokerKey::new(cluster, addr), broker_name);
    }

    /// A connection is gone, and with it the brokers that registered on it last.
    pub(crate) fn connection_closed(&mut self, origin_id: u64) {
        for (key, broker_name) in self.live_where(|live| live.origin.id == origin_id) {
            tracing::warn!(
                broker = broker_name,
                addr = key.addr,
                "broker lost: its connection closed"
            );
            self.remove_broker(&key, &broker_name);
        }
    }

    /// Removes brokers not heard of for their time, and closes their connections. To be called every `interval_ms`.
    pub(crate) fn expire(&mut self, interval_ms: u64) {
        self.tables.clock.scanned(interval_ms);
        let now_ms = self.tables.now_ms();
        for (key, broker_name) in self.live_where(|live| live.is_expired(now_ms)) {
            let connection = self
                .tables
                .brokers
                .read()
                .live
                .get(&key)
                .and_then(|live| live.origin.connection.clone());
            tracing::warn!(
                broker = broker_name,
                addr = key.addr,
                "broker lost: not heard of for its heartbeat timeout"
            );
            self.remove_broker(&key, &broker_name);
            if let Some(connection) = connection {
                connection.close();
            }
        }
    }

    fn live_where(
        &self,
        which: impl Fn(&super::brokers::BrokerLive) -> bool,
    ) -> Vec<(BrokerKey, String)> {
        let brokers = self.tables.brokers.read();
        let picked = brokers.live.iter().filter(|(_, live)| which(live));
        picked
            .map(|(key, live)| (key.clone(), live.broker_name.clone()))
            .collect()
    }

    fn remove_broker(&mut self, key: &BrokerKey, broker_name: &str) {
        let after = self.tables.brokers.write().remove(key, broker_name);
        self.tables.brokers_changed();
        match after {
            NameAfter::Untouched | NameAfter::Reduced => {}
            NameAfter::WithoutMaster => {
                self.tables.topics.change_broker(broker_name, |queues| {
                    queues.perm = without_write(queues.perm)
                });
            }
            NameAfter::Gone => {
                for topic in self
                    .tables
                    .topics
                    .topics_where(|queues| queues.contains_key(broker_name))
                {
                    self.tables
                        .topics
                        .remove(&topic, |broker| broker == broker_name);
                }
            }
        }
    }

    /// Takes the right to send from all topics of a broker until it registers a changed table. Returns their number.
    pub(crate) fn wipe_write_perm(&mut self, broker_name: &str) -> usize {
        let wipe = |queues: &mut TopicQueues| {
            queues.perm_override = Some(without_write(queues.effective_perm()))
        };
        self.tables.topics.change_broker(broker_name, wipe)
    }

    /// Makes all topics of a broker readable and writable, likewise.
    pub(crate) fn add_write_perm(&mut self, broker_name: &str) -> usize {
        self.tables.topics.change_broker(broker_name, |queues| {
            queues.perm_override = Some(perm::READ | perm::WRITE)
        })
    }

    /// Forgets a topic, on one cluster's brokers or on all. A broker that still has it brings it back with its next
    /// registration, even an unchanged one.
    pub(crate) fn delete_topic(&mut self, topic: &str, cluster: Option<&str>) {
        let names: Option<BTreeSet<String>> = cluster.map(|cluster| {
            self.tables
                .brokers
                .read()
                .by_cluster
                .get(cluster)
                .cloned()
                .unwrap_or_default()
        });
        let removed = self.tables.topics.remove(topic, |broker| {
            names.as_ref().is_none_or(|names| names.contains(broker))
        });
        if removed.is_empty() {
            return;
        }
        tracing::info!(topic, brokers = ?removed, "topic deleted");
        for live in self.tables.brokers.write().live.values_mut() {
            if removed.iter().any(|broker| **broker == *live.broker_name) {
                live.fingerprint = None;
            }
        }
    }

    /// Adds a topic to the tables of known brokers (code 217). All or nothing: one unknown broker refuses it.
    pub(crate) fn register_topic(&mut self, topic: &str, queue_datas: &[QueueData]) {
        let unknown = {
            let brokers = self.tables.brokers.read();
            queue_datas
                .iter()
                .find(|data| !brokers.by_name.contains_key(&data.broker_name))
        };
        if let Some(unknown) = unknown {
            tracing::warn!(
                topic,
                broker = unknown.broker_name,
                "topic not registered: no such broker"
            );
            return;
        }
        for data in queue_datas {
            let queues = TopicQueues {
                read_queue_nums: data.read_queue_nums,
                write_queue_nums: data.write_queue_nums,
                perm: data.perm,
                topic_sys_flag: data.topic_sys_flag,
                perm_override: None,
            };
            self.tables
                .topics
                .put(topic, &data.broker_name.as_str().into(), queues, true);
        }
    }
}
