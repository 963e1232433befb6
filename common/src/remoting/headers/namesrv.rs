//! Headers of the name server: broker registration and liveness, write permission, key-value config.

use super::headers;

headers! {
    /// Request header of REGISTER_BROKER (103).
    RegisterBroker<'a> {
        broker_name: &'a str = "brokerName",
        broker_addr: &'a str = "brokerAddr",
        cluster_name: &'a str = "clusterName",
        ha_server_addr: &'a str = "haServerAddr",
        broker_id: i64 = "brokerId",
        heartbeat_timeout_ms: Option<i64> = "heartbeatTimeoutMillis",
        enable_acting_master: Option<bool> = "enableActingMaster",
        compressed: Option<bool> = "compressed",
        /// CRC32 of the body as sent, top bit cleared; 0: not checked.
        body_crc32: Option<i32> = "bodyCrc32",
    }

    /// Response header of REGISTER_BROKER (103).
    RegisterBrokerReply<'a> {
        ha_server_addr: Option<&'a str> = "haServerAddr",
        master_addr: Option<&'a str> = "masterAddr",
    }

    /// Request header that names one broker: UNREGISTER_BROKER (104), QUERY_DATA_VERSION (322).
    BrokerIdentity<'a> {
        broker_name: &'a str = "brokerName",
        broker_addr: &'a str = "brokerAddr",
        cluster_name: &'a str = "clusterName",
        broker_id: i64 = "brokerId",
    }

    /// Response header of QUERY_DATA_VERSION (322).
    DataVersionReply {
        changed: bool = "changed",
    }

    /// Request header of BROKER_HEARTBEAT (904).
    BrokerHeartbeat<'a> {
        cluster_name: &'a str = "clusterName",
        broker_addr: &'a str = "brokerAddr",
        broker_name: &'a str = "brokerName",
        broker_id: Option<i64> = "brokerId",
        heartbeat_timeout_ms: Option<i64> = "heartbeatTimeoutMills",
        epoch: Option<i32> = "epoch",
        max_offset: Option<i64> = "maxOffset",
        confirm_offset: Option<i64> = "confirmOffset",
        election_priority: Option<i32> = "electionPriority",
    }

    /// Request header that names a broker: WIPE_WRITE_PERM_OF_BROKER (205), ADD_WRITE_PERM_OF_BROKER (327).
    BrokerName<'a> {
        broker_name: &'a str = "brokerName",
    }

    /// Response header of WIPE_WRITE_PERM_OF_BROKER (205).
    WipeWritePermReply {
        wipe_topic_count: i32 = "wipeTopicCount",
    }

    /// Response header of ADD_WRITE_PERM_OF_BROKER (327).
    AddWritePermReply {
        add_topic_count: i32 = "addTopicCount",
    }

    /// Request header of GET_BROKER_MEMBER_GROUP (901).
    BrokerMemberGroup<'a> {
        cluster_name: &'a str = "clusterName",
        broker_name: &'a str = "brokerName",
    }

    /// Request header of PUT_KV_CONFIG (100).
    PutKvConfig<'a> {
        namespace: &'a str = "namespace",
        key: &'a str = "key",
        value: &'a str = "value",
    }

    /// Request header of GET_KV_CONFIG (101) and DELETE_KV_CONFIG (102).
    KvKey<'a> {
        namespace: &'a str = "namespace",
        key: &'a str = "key",
    }

    /// Response header of GET_KV_CONFIG (101).
    KvValueReply<'a> {
        value: Option<&'a str> = "value",
    }

    /// Request header of GET_KVLIST_BY_NAMESPACE (219).
    KvNamespace<'a> {
        namespace: &'a str = "namespace",
    }
}
