//! Who the broker is and where it is reached.

use std::net::IpAddr;

use super::keys;
use crate::config::Kind;

keys! {
    GROUP = "Name and addresses";
    BROKER_CLUSTER_NAME: String = "brokerClusterName", Kind::Name, "DefaultCluster", "", Start,
        "The cluster that the broker registers itself in.";
    BROKER_NAME: String = "brokerName", Kind::Name, "", "", Start,
        "The broker's name in routes. Unless set it is the host's name, in the standalone process `broker-a`.";
    BIND_ADDRESS: Option<IpAddr> = "bindAddress", Kind::Ip, "", "", Start,
        "The address to listen on (`--listen`). Unless set it is `brokerIP1` where that is set, else 127.0.0.1; 0.0.0.0 means all addresses.";
    BROKER_IP1: Option<IpAddr> = "brokerIP1", Kind::Ip, "", "", Start,
        "The address that clients are told (`--advertise`). Unless set it is the listen address, for 0.0.0.0 that of the default route.";
    LISTEN_PORT: u16 = "listenPort", Kind::Port, "10911", "", Start,
        "The port for clients (`--broker-port`).";
    FAST_PORT: String = "fastPort", Kind::FastPort, "auto", "", Start,
        "The second port, which the dashboard and clients set to it use (`--fast-port`): auto is `listenPort` - 2, off leaves it out.";
    NAMESRV_ADDR: Vec<String> = "namesrvAddr", Kind::Addresses, "", "", Start,
        "The name servers to register with, all of them (`--namesrv`, else the environment's NAMESRV_ADDR).";
    REGISTER_NAME_SERVER_PERIOD: u64 = "registerNameServerPeriod", Kind::Int { min: 10_000, max: 60_000 }, "30000", "ms", Start,
        "How often the broker registers with each name server; changes of topics are registered at once.";
    REGISTER_BROKER_TIMEOUT_MILLS: u64 = "registerBrokerTimeoutMills", Kind::Int { min: 100, max: 120_000 }, "24000", "ms", Start,
        "How long a name server may take to answer a registration.";
    BROKER_PERMISSION: u32 = "brokerPermission", Kind::Int { min: 0, max: 6 }, "6", "", Live,
        "What clients may do with the broker: 4 read, 2 write, 6 both. Taking away 2 drains it.";
    REGION_ID: String = "regionId", Kind::Name, "DefaultRegion", "", Start,
        "The region that send replies name and traces carry.";
    TRACE_ON: bool = "traceOn", Kind::Bool, "true", "", Live,
        "Whether send replies leave message traces switched on in clients that trace.";
}
