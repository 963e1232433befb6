//! The name server's keys. In the file of a standalone process they stand in the table `namesrv` (`namesrv.listenPort`).

use std::net::IpAddr;

use super::keys;
use crate::config::Kind;

keys! {
    GROUP = "Name server";
    BIND_ADDRESS: Option<IpAddr> = "bindAddress", Kind::Ip, "", "", Start,
        "The address to listen on (`--listen`); unless set 127.0.0.1.";
    LISTEN_PORT: u16 = "listenPort", Kind::Port, "9876", "", Start,
        "The port (`--namesrv-port`).";
    SCAN_NOT_ACTIVE_BROKER_INTERVAL: u64 = "scanNotActiveBrokerInterval", Kind::Int { min: 10, max: 600_000 }, "5000", "ms", Start,
        "How often brokers that have fallen silent are looked for.";
    BROKER_TIMEOUT_MS: u64 = "brokerTimeoutMs", Kind::Int { min: 100, max: 3_600_000 }, "120000", "ms", Start,
        "How long a silent broker stays in the routes, unless its registration names a time.";
    KV_CONFIG_PATH: String = "kvConfigPath", Kind::Path, "", "", Start,
        "The file of the key-value configuration. Unless set it is kept in memory, in the standalone process in the data directory.";
    SERVER_CHANNEL_MAX_IDLE_TIME_SECONDS: u64 = "serverChannelMaxIdleTimeSeconds", Kind::Int { min: 1, max: 86_400 }, "120", "s", Start,
        "How long a connection may be silent before it is closed.";
    MAX_CONNECTIONS: usize = "maxConnections", Kind::Int { min: 1, max: 1_000_000 }, "50000", "connections", Start,
        "The most connections; further ones are closed at once.";
    LOG_LEVEL: String = "logLevel", Kind::Choice(&["error", "warn", "info", "debug", "trace"]), "info", "", Live,
        "How much is logged (`--log-level`).";
    LOG_FORMAT: String = "logFormat", Kind::Choice(&["human", "json"]), "human", "", Start,
        "The form of the log on stderr (`--log-format`).";
}
