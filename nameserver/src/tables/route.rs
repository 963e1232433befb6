//! Answers about routes and clusters, encoded once and kept. Owns when an encoded answer is still good: made from the same
//! generation of the broker tables, with its topic unchanged since.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use mainstem_common::protocol::{
    BrokerMemberGroup, BrokerMemberGroupBody, ClusterInfo, DataVersion, QueueData, TopicRoute,
};

use super::RouteTables;
use super::brokers::BrokerKey;
use super::topic_queue::QueuesByBroker;

/// An answer and the generation it was made from.
#[derive(Debug, Clone)]
pub(super) struct Encoded {
    pub(super) generation: u64,
    pub(super) body: Bytes,
}

impl RouteTables {
    /// The route of a topic as it goes out, `None` when no known broker holds it.
    pub(crate) fn route(&self, topic: &str) -> Option<Bytes> {
        // Read before the tables: an answer made while they change carries the older number and is not used again.
        let generation = self.generation.load(Ordering::Acquire);
        self.topics
            .route(topic, generation, |queues| self.encode_route(queues))
    }

    fn encode_route(&self, queues: &QueuesByBroker) -> Option<Bytes> {
        let brokers = self.brokers.read();
        let mut route = TopicRoute::default();
        for (name, queues) in queues {
            // A broker whose addresses are gone is on its way out of this topic, too.
            let Some(data) = brokers.by_name.get(&**name) else {
                continue;
            };
            route.queue_datas.push(QueueData {
                broker_name: name.to_string(),
                perm: queues.effective_perm(),
                read_queue_nums: queues.read_queue_nums,
                topic_sys_flag: queues.topic_sys_flag,
                write_queue_nums: queues.write_queue_nums,
            });
            for addr in data.broker_addrs.values() {
                if let Some(servers) = brokers
                    .filter_servers
                    .get(&BrokerKey::new(&data.cluster, addr))
                {
                    route
                        .filter_server_table
                        .insert(addr.clone(), servers.clone());
                }
            }
            route.broker_datas.push(data.clone());
        }
        (!route.broker_datas.is_empty()).then(|| route.to_json().into())
    }

    /// All brokers and clusters as they go out.
    pub(crate) fn cluster_info(&self) -> Bytes {
        let generation = self.generation.load(Ordering::Acquire);
        let mut kept = self.cluster_info.lock();
        if let Some(made) = kept.as_ref().filter(|made| made.generation == generation) {
            return made.body.clone();
        }
        let brokers = self.brokers.read();
        let clusters = brokers
            .by_cluster
            .iter()
            .map(|(cluster, names)| (cluster.clone(), names.iter().cloned().collect()));
        let info = ClusterInfo {
            broker_addr_table: brokers.by_name.clone(),
            cluster_addr_table: clusters.collect(),
        };
        let body = Bytes::from(info.to_json());
        *kept = Some(Encoded {
            generation,
            body: body.clone(),
        });
        body
    }

    /// The addresses behind one broker name, as they go out.
    pub(crate) fn member_group(&self, cluster: &str, broker_name: &str) -> Vec<u8> {
        let broker_addrs = self
            .brokers
            .read()
            .by_name
            .get(broker_name)
            .map(|data| data.broker_addrs.clone());
        let broker_member_group = BrokerMemberGroup {
            broker_addrs: broker_addrs.unwrap_or_default(),
            broker_name: broker_name.to_owned(),
            cluster: cluster.to_owned(),
        };
        BrokerMemberGroupBody {
            broker_member_group,
        }
        .to_json()
    }

    /// The data version that a broker registered last.
    pub(crate) fn data_version(&self, cluster: &str, addr: &str) -> Option<DataVersion> {
        self.brokers
            .read()
            .live
            .get(&BrokerKey::new(cluster, addr))
            .map(|live| live.data_version)
    }

    /// Marks a broker as heard of; `false` if it is not registered.
    pub(crate) fn heard_of(&self, cluster: &str, addr: &str) -> bool {
        let now_ms = self.now_ms();
        let brokers = self.brokers.read();
        let live = brokers.live.get(&BrokerKey::new(cluster, addr));
        live.inspect(|live| live.last_heard_ms.store(now_ms, Ordering::Relaxed))
            .is_some()
    }
}
