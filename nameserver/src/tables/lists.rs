//! Lists of topics, for admin tools. They are made when asked for, a shard at a time.

use std::collections::BTreeSet;

use mainstem_common::protocol::TopicList;

use super::RouteTables;
use super::topic_queue::QueuesByBroker;

const UNIT: i32 = 1;
const UNIT_SUB: i32 = 2;

/// Which topics of unit mode to list (codes 311, 312, 313).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnitFilter {
    /// Unit topics.
    Unit,
    /// Topics with unit subscriptions.
    UnitSub,
    /// Topics with unit subscriptions that are no unit topics.
    UnitSubNotUnit,
}

impl RouteTables {
    /// All topics.
    pub(crate) fn all_topics(&self) -> TopicList {
        self.list(|_| true)
    }

    /// The topics of a cluster's brokers; none for an unknown cluster.
    pub(crate) fn topics_of_cluster(&self, cluster: &str) -> TopicList {
        let names: BTreeSet<String> = self
            .brokers
            .read()
            .by_cluster
            .get(cluster)
            .cloned()
            .unwrap_or_default();
        self.list(|queues| queues.keys().any(|broker| names.contains(&**broker)))
    }

    /// Topics by their unit flags, taken from the first broker as Apache takes them from any.
    pub(crate) fn unit_topics(&self, filter: UnitFilter) -> TopicList {
        self.list(|queues| {
            let flag = queues
                .values()
                .next()
                .map_or(0, |queues| queues.topic_sys_flag);
            match filter {
                UnitFilter::Unit => flag & UNIT != 0,
                UnitFilter::UnitSub => flag & UNIT_SUB != 0,
                UnitFilter::UnitSubNotUnit => flag & (UNIT | UNIT_SUB) == UNIT_SUB,
            }
        })
    }

    /// Names that are topics of the system: every cluster and broker is one; with the address of some broker.
    pub(crate) fn system_topics(&self) -> TopicList {
        let brokers = self.brokers.read();
        let mut topics: BTreeSet<&str> = BTreeSet::new();
        for (cluster, names) in &brokers.by_cluster {
            topics.insert(cluster);
            topics.extend(names.iter().map(String::as_str));
        }
        let broker_addr = brokers
            .by_name
            .values()
            .find_map(|data| data.broker_addrs.values().next().cloned());
        TopicList {
            broker_addr,
            topic_list: topics.into_iter().map(str::to_owned).collect(),
        }
    }

    fn list(&self, which: impl FnMut(&QueuesByBroker) -> bool) -> TopicList {
        let mut topic_list: Vec<String> = self
            .topics
            .topics_where(which)
            .into_iter()
            .map(String::from)
            .collect();
        topic_list.sort_unstable();
        TopicList {
            broker_addr: None,
            topic_list,
        }
    }
}
