//! Connections, threads and logs of the process.

use std::net::IpAddr;

use super::keys;
use crate::config::Kind;

keys! {
    GROUP = "Connections and process";
    SERVER_CHANNEL_MAX_IDLE_TIME_SECONDS: u64 = "serverChannelMaxIdleTimeSeconds", Kind::Int { min: 1, max: 86_400 }, "120", "s", Start,
        "How long a connection may be silent before it is closed.";
    MAX_CONNECTIONS: usize = "maxConnections", Kind::Int { min: 1, max: 1_000_000 }, "50000", "connections", Start,
        "The most client connections; further ones are closed at once. The descriptor limit of the process may be lower.";
    MAX_FRAME_BYTES: usize = "maxFrameBytes", Kind::Int { min: 1_024, max: 268_435_456 }, "16777216", "bytes", Start,
        "The longest request; a connection that announces a longer one is closed.";
    MAX_IN_FLIGHT_PER_CONNECTION: usize = "maxInFlightPerConnection", Kind::Int { min: 1, max: 1_000_000 }, "4096", "requests", Start,
        "The most requests of one connection that wait for their answers; then its socket is no longer read. Pulls that wait for a message do not count.";
    MAX_UNSENT_BYTES_PER_CONNECTION: usize = "maxUnsentBytesPerConnection", Kind::Int { min: 65_536, max: 1_073_741_824 }, "33554432", "bytes", Start,
        "The most bytes of answers that one connection may leave unread; then its socket is no longer read.";
    MAX_BUFFERED_BYTES: usize = "maxBufferedBytes", Kind::Int { min: 1_048_576, max: 1_099_511_627_776 }, "1073741824", "bytes", Start,
        "The most bytes of unfinished requests that the connections of a port hold together, and as many of unread answers. Beyond it a connection in the middle of a long request is closed, and one with unread answers is not read.";
    SLOW_READER_TIMEOUT_MS: u64 = "slowReaderTimeoutMs", Kind::Int { min: 100, max: 3_600_000 }, "30000", "ms", Start,
        "How long a client may leave its answers unread before its connection is closed.";
    SHUTDOWN_WAIT_TIME_SECONDS: u64 = "shutdownWaitTimeSeconds", Kind::Int { min: 0, max: 600 }, "10", "s", Start,
        "How long a stop waits for requests under way.";
    WORKER_THREADS: usize = "workerThreads", Kind::Int { min: 0, max: 1_024 }, "0", "threads", Start,
        "Threads that serve connections; 0 is one per core.";
    METRICS_EXPORTER_TYPE: String = "metricsExporterType", Kind::Choice(&["DISABLE", "PROM"]), "DISABLE", "", Start,
        "PROM serves metrics in Prometheus' format over HTTP at `/metrics` (`--metrics-listen` sets this, address and port).";
    METRICS_PROM_EXPORTER_PORT: u16 = "metricsPromExporterPort", Kind::Port, "5557", "", Start,
        "The port for metrics.";
    METRICS_PROM_EXPORTER_HOST: Option<IpAddr> = "metricsPromExporterHost", Kind::Ip, "", "", Start,
        "The address for metrics; unless set the listen address.";
    LOG_LEVEL: String = "logLevel", Kind::Choice(&["error", "warn", "info", "debug", "trace"]), "info", "", Live,
        "How much is logged (`--log-level`).";
    LOG_FORMAT: String = "logFormat", Kind::Choice(&["human", "json"]), "human", "", Start,
        "The form of the log on stderr (`--log-format`).";
}
