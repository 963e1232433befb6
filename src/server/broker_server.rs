//! From settings to what a broker is started with, and from a started broker to the lines of the banner.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstem_broker::{Broker, BrokerConfig, DelayLevels, FastPort, OnChange, TransferMode};
use mainstem_common::config::Settings;
use mainstem_common::config::keys::broker as key;
use mainstem_store::{FlushMode, LockKind, StoreOptions};

use super::addresses::{Addresses, resolve};
use super::banner::{Banner, durability};
use crate::failure::Failure;
use crate::log::Log;

/// The addresses that the settings give; ones that clients could not reach stop the start.
pub(crate) fn addresses(settings: &Settings) -> Result<Addresses, Failure> {
    resolve(
        settings.get(&key::BIND_ADDRESS),
        settings.get(&key::BROKER_IP1),
    )
    .map_err(|error| Failure::Usage(error.to_string()))
}

/// The configuration that the settings give.
pub(crate) fn config(mut settings: Settings, addresses: &Addresses, log: &Log) -> BrokerConfig {
    settings.derive(
        &key::BIND_ADDRESS,
        &addresses.listen.to_string(),
        "nothing is given",
    );
    settings.derive(
        &key::BROKER_IP1,
        &addresses.advertised.to_string(),
        addresses.how,
    );
    let ms = Duration::from_millis;
    let log = log.clone();
    let on_change = OnChange::new(move |change| {
        if change.key == key::LOG_LEVEL.info.name {
            log.set_level(&change.to);
        }
    });
    BrokerConfig {
        on_change: Some(on_change),
        cluster_name: settings.get(&key::BROKER_CLUSTER_NAME),
        broker_name: settings.get(&key::BROKER_NAME),
        listen_ip: addresses.listen,
        listen_port: settings.get(&key::LISTEN_PORT),
        fast_port: fast_port(&settings.get(&key::FAST_PORT)),
        advertised_ip: Some(addresses.advertised),
        name_servers: settings.get(&key::NAMESRV_ADDR),
        data_dir: PathBuf::from(settings.get(&key::STORE_PATH_ROOT_DIR)),
        store: store(&settings),
        delete_hours: mainstem_broker::delete_hours(&settings),
        broker_permission: i32::try_from(settings.get(&key::BROKER_PERMISSION)).unwrap_or(6),
        auto_create_topic: settings.get(&key::AUTO_CREATE_TOPIC_ENABLE),
        auto_create_group: settings.get(&key::AUTO_CREATE_SUBSCRIPTION_GROUP),
        default_topic_queue_nums: i32::try_from(settings.get(&key::DEFAULT_TOPIC_QUEUE_NUMS))
            .unwrap_or(i32::MAX),
        max_message_bytes: settings.get(&key::MAX_MESSAGE_SIZE) as usize,
        delay_levels: DelayLevels::parse(&settings.get(&key::MESSAGE_DELAY_LEVEL))
            .unwrap_or_default(),
        region_id: settings.get(&key::REGION_ID),
        trace_on: settings.get(&key::TRACE_ON),
        trace_topic: settings.get(&key::TRACE_TOPIC_ENABLE),
        long_polling: settings.get(&key::LONG_POLLING_ENABLE),
        short_polling_ms: settings.get(&key::SHORT_POLLING_TIME_MILLS),
        max_transfer_bytes_in_memory: settings.get(&key::MAX_TRANSFER_BYTES_ON_MESSAGE_IN_MEMORY)
            as usize,
        max_transfer_count_in_memory: settings.get(&key::MAX_TRANSFER_COUNT_ON_MESSAGE_IN_MEMORY)
            as usize,
        max_transfer_bytes_on_disk: settings.get(&key::MAX_TRANSFER_BYTES_ON_MESSAGE_IN_DISK)
            as usize,
        max_transfer_count_on_disk: settings.get(&key::MAX_TRANSFER_COUNT_ON_MESSAGE_IN_DISK)
            as usize,
        transfer: match settings.get(&key::TRANSFER).as_str() {
            "sendfile" => TransferMode::Sendfile,
            "heap" => TransferMode::Heap,
            _ => TransferMode::Mmap,
        },
        offset_journal_interval: ms(settings.get(&key::FLUSH_CONSUMER_OFFSET_INTERVAL)),
        delay_journal_interval: ms(settings.get(&key::FLUSH_DELAY_OFFSET_INTERVAL)),
        register_interval: ms(settings.get(&key::REGISTER_NAME_SERVER_PERIOD)),
        register_timeout: ms(settings.get(&key::REGISTER_BROKER_TIMEOUT_MILLS)),
        client_expiry: ms(settings.get(&key::CHANNEL_EXPIRED_TIMEOUT)),
        idle_timeout: Duration::from_secs(settings.get(&key::SERVER_CHANNEL_MAX_IDLE_TIME_SECONDS)),
        notify_members_changed: settings.get(&key::NOTIFY_CONSUMER_IDS_CHANGED_ENABLE),
        max_connections: settings.get(&key::MAX_CONNECTIONS),
        max_frame_bytes: settings.get(&key::MAX_FRAME_BYTES),
        max_in_flight_per_connection: settings.get(&key::MAX_IN_FLIGHT_PER_CONNECTION),
        max_unsent_bytes_per_connection: settings.get(&key::MAX_UNSENT_BYTES_PER_CONNECTION),
        max_buffered_bytes: settings.get(&key::MAX_BUFFERED_BYTES),
        slow_reader_timeout: ms(settings.get(&key::SLOW_READER_TIMEOUT_MS)),
        max_query_messages: settings.get(&key::MAX_MSGS_NUM_BATCH) as usize,
        shutdown_grace: Duration::from_secs(settings.get(&key::SHUTDOWN_WAIT_TIME_SECONDS)),
        metrics_listen: metrics_address(&settings, addresses),
        settings,
        ..BrokerConfig::default()
    }
}

fn metrics_address(settings: &Settings, addresses: &Addresses) -> Option<SocketAddr> {
    let host = settings
        .get(&key::METRICS_PROM_EXPORTER_HOST)
        .unwrap_or(addresses.listen);
    (settings.get(&key::METRICS_EXPORTER_TYPE) == "PROM")
        .then(|| SocketAddr::new(host, settings.get(&key::METRICS_PROM_EXPORTER_PORT)))
}

fn fast_port(value: &str) -> FastPort {
    match value.parse() {
        Ok(port) => FastPort::Port(port),
        Err(_) if value == "off" => FastPort::Off,
        Err(_) => FastPort::Auto,
    }
}

fn store(settings: &Settings) -> StoreOptions {
    let body_bytes = settings.get(&key::MAX_MESSAGE_SIZE);
    let defaults = StoreOptions::default();
    StoreOptions {
        commit_log_file_bytes: settings.get(&key::MAPPED_FILE_SIZE_COMMIT_LOG),
        queue_file_units: settings.get(&key::MAPPED_FILE_SIZE_CONSUME_QUEUE) / QUEUE_UNIT_BYTES,
        index_slots: settings.get(&key::MAX_HASH_SLOT_NUM),
        index_entries: settings.get(&key::MAX_INDEX_NUM),
        flush: if settings.get(&key::FLUSH_DISK_TYPE) == "ASYNC_FLUSH" {
            FlushMode::Async
        } else {
            FlushMode::Sync
        },
        append_lock: match settings
            .get(&key::USE_REENTRANT_LOCK_WHEN_PUT_MESSAGE)
            .as_str()
        {
            "true" => Some(LockKind::Reentrant),
            "false" => Some(LockKind::Spin),
            _ => None,
        },
        // The body, its topic and its properties.
        max_message_bytes: body_bytes.saturating_add(RECORD_OVERHEAD_BYTES),
        flush_interval: Duration::from_millis(settings.get(&key::FLUSH_INTERVAL_COMMIT_LOG)),
        checkpoint_interval: Duration::from_millis(
            settings.get(&key::FLUSH_CONSUME_QUEUE_THOROUGH_INTERVAL),
        ),
        retention: mainstem_broker::retention(settings),
        ..defaults
    }
}

const QUEUE_UNIT_BYTES: u64 = 20;
const RECORD_OVERHEAD_BYTES: u32 = 64 * 1024;

/// How long `ready` waits for name servers; a broker serves without one that is down.
const REGISTRATION_WAIT: Duration = Duration::from_secs(2);

/// Waits until clients find the broker, so that `ready` means what it says to whoever waits for it.
pub(crate) async fn await_registration(broker: &Broker) {
    if tokio::time::timeout(REGISTRATION_WAIT, broker.registered())
        .await
        .is_err()
    {
        tracing::warn!(
            "not every name server could be told of this broker yet; registration is tried again and again"
        );
    }
}

/// The broker's lines of the banner.
pub(crate) fn describe(
    banner: &mut Banner,
    settings: &Settings,
    addresses: &Addresses,
    broker: &Broker,
) {
    let name = settings.get(&key::BROKER_NAME);
    let cluster = settings.get(&key::BROKER_CLUSTER_NAME);
    let fast = broker
        .fast_addr()
        .map_or_else(|| "off".to_owned(), |fast| fast.port().to_string());
    let advertised = SocketAddr::new(addresses.advertised, broker.addr().port());
    banner.fact(
        "broker",
        format!("{} ({name} of {cluster}; fast port {fast})", broker.addr()),
    );
    banner.fact("for clients", format!("{advertised} ({})", addresses.how));
    banner.fact(
        "data",
        absolute(Path::new(&settings.get(&key::STORE_PATH_ROOT_DIR))),
    );
    banner.fact("memory", broker.memory_limit().to_string());
    if let Some(metrics) = broker.metrics_addr() {
        banner.fact("metrics", format!("http://{metrics}/metrics"));
    }
    banner.fact(
        "durability",
        durability(&settings.get(&key::FLUSH_DISK_TYPE)),
    );
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}
