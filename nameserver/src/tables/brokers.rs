//! The tables about brokers: broker-address, cluster-address, broker-live, filter-server. They change together, under one
//! lock that is held for moments; what they hold is small, a few entries a broker.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use mainstem_common::protocol::{BrokerData, DataVersion};

use super::Origin;

/// A broker's cluster and address, which together name one process.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct BrokerKey {
    pub(super) cluster: String,
    pub(super) addr: String,
}

impl BrokerKey {
    pub(super) fn new(cluster: &str, addr: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            addr: addr.to_owned(),
        }
    }
}

/// What is known of a live broker.
#[derive(Debug)]
pub(super) struct BrokerLive {
    pub(super) broker_name: String,
    pub(super) last_heard_ms: AtomicU64,
    pub(super) timeout_ms: u64,
    pub(super) data_version: DataVersion,
    pub(super) ha_server_addr: String,
    pub(super) origin: Origin,
    /// Hash of its last registration; a repetition of it need not be read. `None` when the tables no longer hold all of it.
    pub(super) fingerprint: Option<u64>,
}

impl BrokerLive {
    pub(super) fn is_expired(&self, now_ms: u64) -> bool {
        self.last_heard_ms
            .load(Ordering::Relaxed)
            .saturating_add(self.timeout_ms)
            < now_ms
    }
}

/// The four tables.
#[derive(Debug, Default)]
pub(super) struct Brokers {
    /// Broker-address: addresses by id, by broker name.
    pub(super) by_name: BTreeMap<String, BrokerData>,
    /// Cluster-address: broker names by cluster.
    pub(super) by_cluster: BTreeMap<String, BTreeSet<String>>,
    /// Broker-live.
    pub(super) live: HashMap<BrokerKey, BrokerLive>,
    /// Filter-server: addresses of filter servers by broker.
    pub(super) filter_servers: HashMap<BrokerKey, Vec<String>>,
}

/// What was left of a broker name when an address was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameAfter {
    /// The name was not there, or did not have the address.
    Untouched,
    /// The name is gone.
    Gone,
    /// Others share the name, and a master is among them or need not be.
    Reduced,
    /// Only slaves are left that may stand in for their master: nobody takes writes now.
    WithoutMaster,
}

impl Brokers {
    /// Takes one address out of the four tables.
    pub(super) fn remove(&mut self, key: &BrokerKey, broker_name: &str) -> NameAfter {
        self.live.remove(key);
        self.filter_servers.remove(key);
        let Some(data) = self.by_name.get_mut(broker_name) else {
            return NameAfter::Untouched;
        };
        let before = data.broker_addrs.len();
        data.broker_addrs.retain(|_, addr| *addr != key.addr);
        if data.broker_addrs.is_empty() {
            let cluster = std::mem::take(&mut data.cluster);
            self.by_name.remove(broker_name);
            self.remove_from_cluster(&cluster, broker_name);
            return NameAfter::Gone;
        }
        if data.broker_addrs.len() == before {
            NameAfter::Untouched
        } else if data.enable_acting_master
            && !data
                .broker_addrs
                .contains_key(&mainstem_common::protocol::MASTER_ID)
        {
            NameAfter::WithoutMaster
        } else {
            NameAfter::Reduced
        }
    }

    pub(super) fn remove_from_cluster(&mut self, cluster: &str, broker_name: &str) {
        if let Some(names) = self.by_cluster.get_mut(cluster) {
            names.remove(broker_name);
            if names.is_empty() {
                self.by_cluster.remove(cluster);
            }
        }
    }
}
