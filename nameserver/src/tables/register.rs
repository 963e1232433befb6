//! A broker's registration: what it does to the five tables. Owns Apache's rules: who may write topic data, when an entry
//! changes, which broker is refused; and one rule more, that two live brokers under one name and id are reported.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mainstem_common::protocol::{
    BrokerData, DataVersion, MASTER_ID, RegisterBrokerBody, TopicConfig,
};
use mainstem_record::topic::MAX_RETRY_TOPIC_LEN;

use super::brokers::{BrokerKey, BrokerLive, Brokers};
use super::registration::{MAX_NAME_LEN, RegisterError, Registered, Registration};
use super::topic_queue::{TopicQueues, without_write};
use super::{Origin, RouteChanges, RouteTables};

/// Broker processes in all.
const MAX_BROKERS: usize = 100_000;
/// Topics in all.
const MAX_TOPICS: usize = 2_000_000;
/// A conflict over a broker name and id is reported this often.
const CONFLICT_REPORT_INTERVAL_MS: u64 = 60_000;

impl RouteTables {
    /// Takes note of a registration that repeats the last one of its broker on the same connection, which needs no change but
    /// the time. `None`: it must be read and applied.
    pub(crate) fn repeat(
        &self,
        who: &Registration,
        fingerprint: u64,
        origin_id: u64,
    ) -> Option<Registered> {
        let brokers = self.brokers.read();
        let live = brokers
            .live
            .get(&BrokerKey::new(&who.cluster, &who.broker_addr))?;
        let data = brokers.by_name.get(&who.broker_name)?;
        let same = live.fingerprint == Some(fingerprint)
            && live.origin.id == origin_id
            && live.ha_server_addr == who.ha_server_addr
            && who
                .timeout_ms
                .is_none_or(|timeout_ms| timeout_ms == live.timeout_ms)
            && data.broker_addrs.get(&who.broker_id) == Some(&who.broker_addr)
            && data.enable_acting_master == who.enable_acting_master.unwrap_or(false)
            && data.zone_name == who.zone_name;
        if !same {
            return None;
        }
        live.last_heard_ms.store(self.now_ms(), Ordering::Relaxed);
        Some(brokers.master_of(who, data))
    }
}

/// What applying the topics needs to know from the broker tables.
struct Applied {
    version_changed: bool,
    writes_topics: bool,
    wipe_write: bool,
    result: Registered,
}

impl RouteChanges {
    /// Applies a registration.
    pub(crate) fn register(
        &mut self,
        who: &Registration,
        body: &RegisterBrokerBody,
        fingerprint: u64,
        origin: Origin,
    ) -> Result<Registered, RegisterError> {
        let table = &body.topic_config_serialize_wrapper;
        self.check(who, table.topic_config_table.len())?;
        let Some(applied) = self.apply_broker(who, body, fingerprint, origin) else {
            return Ok(Registered::default());
        };
        if applied.writes_topics {
            let broker: Arc<str> = who.broker_name.as_str().into();
            let mut new_topics = NewTopics::default();
            for (key, topic) in &table.topic_config_table {
                let name = if topic.topic_name.is_empty() {
                    key
                } else {
                    &topic.topic_name
                };
                if self.put_topic(name, topic, &broker, &applied) {
                    new_topics.note(name);
                }
            }
            new_topics.log(&broker);
        }
        Ok(applied.result)
    }

    fn check(&self, who: &Registration, topics: usize) -> Result<(), RegisterError> {
        for (what, value) in [
            ("cluster", &who.cluster),
            ("broker name", &who.broker_name),
            ("broker address", &who.broker_addr),
        ] {
            if value.is_empty() || value.len() > MAX_NAME_LEN {
                return Err(RegisterError::BadName {
                    what,
                    value: value.chars().take(MAX_NAME_LEN).collect(),
                });
            }
        }
        if self.tables.topics.len().saturating_add(topics) > MAX_TOPICS {
            return Err(RegisterError::Full {
                what: "topics",
                limit: MAX_TOPICS,
            });
        }
        let brokers = self.tables.brokers.read();
        if brokers.live.len() >= MAX_BROKERS {
            return Err(RegisterError::Full {
                what: "brokers",
                limit: MAX_BROKERS,
            });
        }
        let data = brokers.by_name.get(&who.broker_name);
        if let Some(data) = data.filter(|data| data.cluster != who.cluster) {
            return Err(RegisterError::OtherCluster {
                broker_name: who.broker_name.clone(),
                cluster: data.cluster.clone(),
            });
        }
        if topics == 1 && !data.is_some_and(|data| data.broker_addrs.contains_key(&who.broker_id)) {
            return Err(RegisterError::OneTopicFromUnknown {
                broker_name: who.broker_name.clone(),
                addr: who.broker_addr.clone(),
            });
        }
        Ok(())
    }

    /// The part of a registration that concerns the broker tables; `None` if an address of a newer master keeps the place.
    fn apply_broker(
        &mut self,
        who: &Registration,
        body: &RegisterBrokerBody,
        fingerprint: u64,
        origin: Origin,
    ) -> Option<Applied> {
        let now_ms = self.tables.now_ms();
        let version = body.topic_config_serialize_wrapper.data_version;
        let key = BrokerKey::new(&who.cluster, &who.broker_addr);
        let tables = Arc::clone(&self.tables);
        let mut brokers = tables.brokers.write();
        if !self.may_take_place(&mut brokers, who, version, now_ms) {
            brokers.live.remove(&key);
            return None;
        }

        brokers
            .by_cluster
            .entry(who.cluster.clone())
            .or_default()
            .insert(who.broker_name.clone());
        let data = brokers
            .by_name
            .entry(who.broker_name.clone())
            .or_insert_with(|| BrokerData {
                broker_name: who.broker_name.clone(),
                cluster: who.cluster.clone(),
                ..BrokerData::default()
            });
        let data_before = data.clone();
        data.enable_acting_master = who.enable_acting_master.unwrap_or(false);
        data.zone_name.clone_from(&who.zone_name);
        // One address has one id: a slave that became master leaves its old id.
        data.broker_addrs
            .retain(|id, addr| *addr != who.broker_addr || *id == who.broker_id);
        let first = data
            .broker_addrs
            .insert(who.broker_id, who.broker_addr.clone())
            .is_none();
        let is_least = data.broker_addrs.keys().next() == Some(&who.broker_id);
        let is_prime_slave =
            who.broker_id != MASTER_ID && who.enable_acting_master.is_some() && is_least;
        let wipe_write = is_prime_slave && data.enable_acting_master;
        let mut changed = *data != data_before;

        let known = brokers.live.get(&key);
        let version_changed = first || known.is_none_or(|live| live.data_version != version);
        if known.is_none() {
            tracing::info!(
                broker = who.broker_name,
                id = who.broker_id,
                addr = who.broker_addr,
                cluster = who.cluster,
                "broker registered"
            );
        }
        let live = BrokerLive {
            broker_name: who.broker_name.clone(),
            last_heard_ms: AtomicU64::new(now_ms),
            timeout_ms: who.timeout_ms.unwrap_or(self.default_timeout_ms),
            data_version: version,
            ha_server_addr: who.ha_server_addr.clone(),
            origin,
            fingerprint: Some(fingerprint),
        };
        brokers.live.insert(key.clone(), live);
        let filter_servers_before = if body.filter_server_list.is_empty() {
            brokers.filter_servers.remove(&key)
        } else {
            brokers
                .filter_servers
                .insert(key, body.filter_server_list.clone())
        };
        changed |= filter_servers_before.unwrap_or_default() != body.filter_server_list;

        let result = brokers
            .by_name
            .get(&who.broker_name)
            .map_or_else(Registered::default, |data| brokers.master_of(who, data));
        drop(brokers);
        if changed {
            tables.brokers_changed();
        }
        Some(Applied {
            version_changed,
            writes_topics: who.broker_id == MASTER_ID || is_prime_slave,
            wipe_write,
            result,
        })
    }

    /// Whether the registrant may have its name and id. Another address that holds them gives way, unless it is that of a
    /// master elected later; if it is still alive, the two are reported.
    fn may_take_place(
        &mut self,
        brokers: &mut Brokers,
        who: &Registration,
        version: DataVersion,
        now_ms: u64,
    ) -> bool {
        let holder = brokers
            .by_name
            .get(&who.broker_name)
            .and_then(|data| data.broker_addrs.get(&who.broker_id));
        let Some(holder) = holder.filter(|addr| **addr != who.broker_addr) else {
            return true;
        };
        let Some(live) = brokers
            .live
            .get(&BrokerKey::new(&who.cluster, holder))
            .filter(|live| !live.is_expired(now_ms))
        else {
            return true;
        };
        let place = (who.broker_name.clone(), who.broker_id);
        let reported_ms = self.conflicts_reported.get(&place);
        if reported_ms
            .is_none_or(|at_ms| now_ms >= at_ms.saturating_add(CONFLICT_REPORT_INTERVAL_MS))
        {
            tracing::error!(
                broker = who.broker_name,
                id = who.broker_id,
                addr = holder,
                other_addr = who.broker_addr,
                "one broker name and id is registered from two live addresses; give one of the brokers another brokerName or brokerId"
            );
            self.conflicts_reported
                .retain(|_, at_ms| now_ms < at_ms.saturating_add(CONFLICT_REPORT_INTERVAL_MS));
            self.conflicts_reported.insert(place, now_ms);
        }
        live.data_version.state_version <= version.state_version
    }

    /// Returns whether the topic is new here.
    fn put_topic(
        &self,
        name: &str,
        topic: &TopicConfig,
        broker: &Arc<str>,
        applied: &Applied,
    ) -> bool {
        if name.is_empty() || name.len() > MAX_RETRY_TOPIC_LEN {
            tracing::warn!(
                broker = &**broker,
                len = name.len(),
                "a registered topic has no name or one that is too long; left out"
            );
            return false;
        }
        let mut queues = TopicQueues::of(topic);
        if applied.wipe_write {
            queues.perm = without_write(queues.perm);
        }
        self.tables
            .topics
            .put(name, broker, queues, applied.version_changed)
    }
}

/// The topics that a registration brought, told in one line however many they are.
#[derive(Default)]
struct NewTopics {
    count: usize,
    first: Vec<String>,
}

impl NewTopics {
    /// Names told; the rest is counted.
    const MAX_NAMES: usize = 5;

    fn note(&mut self, name: &str) {
        self.count += 1;
        if self.first.len() < Self::MAX_NAMES {
            self.first.push(name.to_owned());
        }
    }

    fn log(&self, broker: &str) {
        if self.count > 0 {
            tracing::info!(broker, count = self.count, first = ?self.first, "new topics");
        }
    }
}

impl Brokers {
    /// What a slave is told of its master.
    fn master_of(&self, who: &Registration, data: &BrokerData) -> Registered {
        let master_addr = data
            .broker_addrs
            .get(&MASTER_ID)
            .filter(|_| who.broker_id != MASTER_ID);
        let live = master_addr.and_then(|addr| self.live.get(&BrokerKey::new(&data.cluster, addr)));
        match (master_addr, live) {
            (Some(addr), Some(live)) => Registered {
                ha_server_addr: Some(live.ha_server_addr.clone()),
                master_addr: Some(addr.clone()),
            },
            _ => Registered::default(),
        }
    }
}
