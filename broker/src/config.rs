//! What a broker is told before it starts. Every field names the RocketMQ key that sets it, so that the reader of
//! config files has one table to follow; nothing here reads files or checks the machine.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mainstem_common::config::{Change, Role, Settings};
use mainstem_store::{Retention, StoreOptions};

use crate::delay::DelayLevels;

/// The second port of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FastPort {
    /// None.
    Off,
    /// The main port minus two.
    Auto,
    /// This one; 0 asks the system for a free one.
    Port(u16),
}

/// `transfer`: how pulled messages that memory has come to the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferMode {
    /// Large ones from the mapped log, small ones copied behind the head.
    Mmap,
    /// By the kernel, from the file; neighbours in the log in one call.
    Sendfile,
    /// All copied.
    Heap,
}

/// What is called when a request has changed a setting.
#[derive(Clone)]
pub struct OnChange(Arc<dyn Fn(&Change) + Send + Sync>);

impl OnChange {
    /// From a function, which must be quick: the request waits for it.
    pub fn new(call: impl Fn(&Change) + Send + Sync + 'static) -> OnChange {
        OnChange(Arc::new(call))
    }

    pub(crate) fn call(&self, change: &Change) {
        (self.0)(change);
    }
}

impl fmt::Debug for OnChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnChange")
    }
}

/// Settings of one broker. `BrokerConfig::default()` is a broker on loopback with RocketMQ's defaults, except that an
/// acknowledged message is on disk (`flushDiskType=SYNC_FLUSH`).
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// `brokerClusterName`: the cluster this broker registers under.
    pub cluster_name: String,
    /// `brokerName`: name of the broker; masters and slaves of one name share it.
    pub broker_name: String,
    /// `brokerId`: 0 is the master, the only id that this broker can be.
    pub broker_id: i64,
    /// `bindAddress`: the address both ports listen on.
    pub listen_ip: IpAddr,
    /// `listenPort`: the main port; 0 asks the system for a free one.
    pub listen_port: u16,
    /// `fastPort`: the second port, which serves everything but pulls and pops.
    pub fast_port: FastPort,
    /// `brokerIP1`: the address told to name servers and written into message ids; `None` is the listen address.
    pub advertised_ip: Option<IpAddr>,
    /// `namesrvAddr`: `host:port` of every name server; may be empty.
    pub name_servers: Vec<String>,
    /// `storePathRootDir`: the data directory.
    pub data_dir: PathBuf,
    /// Settings of the storage engine.
    pub store: StoreOptions,
    /// `deleteWhen`: the hours of the day, in the machine's time zone, in which expired messages are removed. How long they
    /// are kept stands in `store.retention`.
    pub delete_hours: Vec<u8>,
    /// Every configuration key with its value, as GET_BROKER_CONFIG shows and UPDATE_BROKER_CONFIG changes them. The fields
    /// of this struct are what the broker acts on; whoever fills them from a file puts the file's settings here.
    pub settings: Settings,

    /// `brokerPermission`: bits 4 read, 2 write of the whole broker.
    pub broker_permission: i32,
    /// `autoCreateTopicEnable`: a send to an unknown topic creates it.
    pub auto_create_topic: bool,
    /// `autoCreateSubscriptionGroup`: a heartbeat or pull of an unknown group creates it.
    pub auto_create_group: bool,
    /// Most topics that the broker holds, `%RETRY%` topics included.
    pub max_topics: usize,
    /// Most consumer groups that requests create by themselves.
    pub max_groups: usize,
    /// `defaultTopicQueueNums`: queues of `TBW102`, the upper bound of what an automatic creation may ask for.
    pub default_topic_queue_nums: i32,
    /// `maxMessageSize`: greatest body of a message, in bytes.
    pub max_message_bytes: usize,
    /// `messageDelayLevel`: the delays of levels 1, 2, ...
    pub delay_levels: DelayLevels,
    /// `regionId`: told to clients in `MSG_REGION`.
    pub region_id: String,
    /// `traceOn`: told to clients in `TRACE_ON`.
    pub trace_on: bool,
    /// `traceTopicEnable`: creates the trace topic at start.
    pub trace_topic: bool,

    /// `longPollingEnable`: hold a pull that finds nothing until a message arrives.
    pub long_polling: bool,
    /// `shortPollingTimeMills`: how long such a pull is held when long polling is off.
    pub short_polling_ms: u64,
    /// `maxTransferBytesOnMessageInMemory`: upper bound of a pull reply from memory.
    pub max_transfer_bytes_in_memory: usize,
    /// `maxTransferCountOnMessageInMemory`: upper bound of messages in a pull reply from memory.
    pub max_transfer_count_in_memory: usize,
    /// `maxTransferBytesOnMessageInDisk`: the same for messages that must come from disk.
    pub max_transfer_bytes_on_disk: usize,
    /// `maxTransferCountOnMessageInDisk`: the same for messages that must come from disk.
    pub max_transfer_count_on_disk: usize,
    /// `transfer`: how pulled messages come to the socket.
    pub transfer: TransferMode,
    /// Greatest number of pulls held at a time; later ones are answered at once.
    pub max_parked_pulls: usize,
    /// Greatest number of reads from disk that run at a time; as many pulls as may be parked may wait for their turn.
    pub max_cold_reads: usize,

    /// `flushConsumerOffsetInterval`: how often committed offsets go to the journal.
    pub offset_journal_interval: Duration,
    /// `flushDelayOffsetInterval`: how often the progress of delayed messages goes to the journal.
    pub delay_journal_interval: Duration,
    /// How often the JSON files under `config/` are written. They are copies for people and for the way back to RocketMQ;
    /// every write syncs files and a directory, which the log's own syncs have to wait for.
    pub export_interval: Duration,
    /// How often it is looked whether it is time to remove expired messages.
    pub clean_interval: Duration,
    /// The hour of the day, 0 to 23, that [`delete_hours`](Self::delete_hours) are compared with.
    pub hour_of_day: fn() -> i8,
    /// `registerNameServerPeriod`: interval of the full registration.
    pub register_interval: Duration,
    /// `registerBrokerTimeoutMills`: how long one registration may take.
    pub register_timeout: Duration,
    /// `channelExpiredTimeout`: a client without heartbeat for so long is forgotten and its connection closed.
    pub client_expiry: Duration,
    /// `serverChannelMaxIdleTimeSeconds`: a connection without any traffic for so long is closed.
    pub idle_timeout: Duration,
    /// `notifyConsumerIdsChangedEnable`: tell the members of a group when one joins or leaves.
    pub notify_members_changed: bool,
    /// `useServerSideResetOffset`: a reset is kept by the broker until the consumer has used it.
    pub server_side_reset: bool,

    /// Greatest number of connections per port.
    pub max_connections: usize,
    /// Greatest number of requests of one connection that may wait for their reply.
    pub max_in_flight_per_connection: usize,
    /// How far the disk may be behind the log's end, in bytes; a send beyond it is refused with code 2 and the cause.
    pub max_unflushed_bytes: u64,
    /// `maxFrameBytes`: the longest request.
    pub max_frame_bytes: usize,
    /// `maxUnsentBytesPerConnection`: most bytes of replies that a client may leave unread.
    pub max_unsent_bytes_per_connection: usize,
    /// `maxBufferedBytes`: bytes of unfinished requests, and again of unread replies, that the connections of a port hold.
    pub max_buffered_bytes: usize,
    /// `slowReaderTimeoutMs`: how long a client may leave its replies unread.
    pub slow_reader_timeout: Duration,
    /// `maxMsgsNumBatch`: most messages of a query by key.
    pub max_query_messages: usize,
    /// Where Prometheus metrics are served over HTTP; `None` leaves them out.
    pub metrics_listen: Option<SocketAddr>,
    /// `shutdownWaitTimeSeconds`: how long a clean stop waits for running requests.
    pub shutdown_grace: Duration,
    /// Called with each setting that a request has changed, for those that the process around the broker acts on (`logLevel`).
    pub on_change: Option<OnChange>,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        BrokerConfig {
            cluster_name: "DefaultCluster".to_owned(),
            broker_name: "broker-a".to_owned(),
            broker_id: 0,
            listen_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            listen_port: 10911,
            fast_port: FastPort::Auto,
            advertised_ip: None,
            name_servers: Vec::new(),
            data_dir: PathBuf::from("./mainstem-data"),
            store: StoreOptions {
                retention: Retention {
                    max_age: Some(Duration::from_secs(72 * 3600)),
                    ..Retention::default()
                },
                ..StoreOptions::default()
            },
            delete_hours: vec![4],
            settings: Settings::defaults(Role::Broker),
            broker_permission: 6,
            auto_create_topic: true,
            auto_create_group: true,
            max_topics: 200_000,
            max_groups: 100_000,
            default_topic_queue_nums: 8,
            max_message_bytes: 4 * 1024 * 1024,
            delay_levels: DelayLevels::default(),
            region_id: "DefaultRegion".to_owned(),
            trace_on: true,
            trace_topic: false,
            long_polling: true,
            short_polling_ms: 1000,
            max_transfer_bytes_in_memory: 256 * 1024,
            max_transfer_count_in_memory: 32,
            max_transfer_bytes_on_disk: 64 * 1024,
            max_transfer_count_on_disk: 8,
            transfer: TransferMode::Mmap,
            max_parked_pulls: 100_000,
            max_cold_reads: 16,
            offset_journal_interval: Duration::from_secs(5),
            delay_journal_interval: Duration::from_secs(10),
            export_interval: Duration::from_secs(60),
            clean_interval: Duration::from_secs(10),
            hour_of_day: crate::clock::hour_of_day,
            register_interval: Duration::from_secs(30),
            register_timeout: Duration::from_secs(24),
            client_expiry: Duration::from_secs(120),
            idle_timeout: Duration::from_secs(120),
            notify_members_changed: true,
            server_side_reset: true,
            max_connections: 65_536,
            max_in_flight_per_connection: 4096,
            max_unflushed_bytes: 256 * 1024 * 1024,
            max_frame_bytes: 16 * 1024 * 1024,
            max_unsent_bytes_per_connection: 32 * 1024 * 1024,
            max_buffered_bytes: 1 << 30,
            slow_reader_timeout: Duration::from_secs(30),
            max_query_messages: 64,
            metrics_listen: None,
            shutdown_grace: Duration::from_secs(10),
            on_change: None,
        }
    }
}
