//! Routes: which brokers hold a topic, where they listen, and how clusters are made up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json;

/// The broker id of a master; only it takes writes.
pub const MASTER_ID: i64 = 0;

/// A topic's queues on one broker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct QueueData {
    /// The broker's name.
    #[serde(deserialize_with = "json::string")]
    pub broker_name: String,
    /// Bits of [`perm`](super::perm).
    #[serde(deserialize_with = "json::int")]
    pub perm: i32,
    /// Queues that may be read.
    #[serde(deserialize_with = "json::int")]
    pub read_queue_nums: i32,
    /// 1: unit topic, 2: has unit subscriptions.
    #[serde(deserialize_with = "json::int")]
    pub topic_sys_flag: i32,
    /// Queues that may be written.
    #[serde(deserialize_with = "json::int")]
    pub write_queue_nums: i32,
}

/// The brokers of one name: a master and its slaves. Written without a blank and always with its addresses, for Go takes
/// this text apart by hand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BrokerData {
    /// Address by broker id; [`MASTER_ID`] is the master.
    pub broker_addrs: BTreeMap<i64, String>,
    /// The name.
    #[serde(deserialize_with = "json::string")]
    pub broker_name: String,
    /// The cluster.
    #[serde(deserialize_with = "json::string")]
    pub cluster: String,
    /// Whether a slave may stand in for a lost master.
    #[serde(deserialize_with = "json::boolean")]
    pub enable_acting_master: bool,
    /// The zone, where brokers have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_name: Option<String>,
}

/// Where a topic lives (code 105).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TopicRoute {
    /// The brokers.
    pub broker_datas: Vec<BrokerData>,
    /// Filter servers by broker address; historic.
    pub filter_server_table: BTreeMap<String, Vec<String>>,
    /// Queues per broker of an ordered topic, `broker-a:4;broker-b:4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_topic_conf: Option<String>,
    /// The topic's queues on each broker.
    pub queue_datas: Vec<QueueData>,
    /// Static topics, passed through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_queue_mapping_by_broker: Option<Value>,
}

/// All brokers by name and by cluster (code 106).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterInfo {
    /// Brokers by name.
    pub broker_addr_table: BTreeMap<String, BrokerData>,
    /// Broker names by cluster.
    pub cluster_addr_table: BTreeMap<String, Vec<String>>,
}

/// The addresses behind one broker name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BrokerMemberGroup {
    /// Address by broker id.
    pub broker_addrs: BTreeMap<i64, String>,
    /// The name.
    #[serde(deserialize_with = "json::string")]
    pub broker_name: String,
    /// The cluster.
    #[serde(deserialize_with = "json::string")]
    pub cluster: String,
}

/// Reply of code 901.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BrokerMemberGroupBody {
    /// The group.
    pub broker_member_group: BrokerMemberGroup,
}

super::json_body!(TopicRoute, ClusterInfo, BrokerMemberGroupBody);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_route_is_written_as_every_client_reads_it() {
        let route = TopicRoute {
            broker_datas: vec![BrokerData {
                broker_addrs: [
                    (0, "10.0.0.1:10911".to_owned()),
                    (1, "10.0.0.2:10911".to_owned()),
                ]
                .into(),
                broker_name: "broker-a".to_owned(),
                cluster: "DefaultCluster".to_owned(),
                ..BrokerData::default()
            }],
            queue_datas: vec![QueueData {
                broker_name: "broker-a".to_owned(),
                perm: 6,
                read_queue_nums: 8,
                topic_sys_flag: 0,
                write_queue_nums: 8,
            }],
            ..TopicRoute::default()
        };
        let text = r#"{"brokerDatas":[{"brokerAddrs":{"0":"10.0.0.1:10911","1":"10.0.0.2:10911"},"brokerName":"broker-a","cluster":"DefaultCluster","enableActingMaster":false}],"filterServerTable":{},"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":8,"topicSysFlag":0,"writeQueueNums":8}]}"#;
        assert_eq!(String::from_utf8(route.to_json()).unwrap(), text);
        assert_eq!(TopicRoute::from_json(text.as_bytes()).unwrap(), route);
        let bare = text.replace("\"0\":", "0:").replace("\"1\":", "1:");
        assert_eq!(TopicRoute::from_json(bare.as_bytes()).unwrap(), route);
    }
}
