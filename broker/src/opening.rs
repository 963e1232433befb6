//! Opening a broker's state: the address to tell clients, the store, the tables, and following the store's progress.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Weak};

use mainstem_common::remoting::{Durability, RemotingClient};
use mainstem_record::id::UniqueKeyGenerator;
use mainstem_record::topic;
use mainstem_store::{JournalError, Store};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use crate::broker::StartError;
use crate::broker_core::BrokerCore;
use crate::clients::{Consumers, Producers};
use crate::config::BrokerConfig;
use crate::delay::{DelayProgress, DelayScheduler};
use crate::groups::{GroupTable, SYSTEM_GROUPS};
use crate::live::LiveSettings;
use crate::locks::QueueLocks;
use crate::log_limit::LogLimit;
use crate::metrics::BrokerMetrics;
use crate::offsets::OffsetTable;
use crate::persist;
use crate::pull::{ColdReads, ParkedPull, ParkedPulls};
use crate::registration::{Identity, Registration};
use crate::stats::{BrokerStats, CounterTable};
use crate::topics::{TopicTable, system_topics};

/// Part of the machine's memory that is taken to hold the newest part of the log, in percent, and what is assumed of a
/// machine that does not say how much it has.
const MEMORY_WINDOW_PERCENT: u64 = 40;
const ASSUMED_MEMORY_BYTES: u64 = 4 << 30;

/// The address that clients are told: as set, else the listen address, and for a listener on all addresses that of the
/// default route.
pub(crate) fn advertised_ip(config: &BrokerConfig) -> Result<IpAddr, StartError> {
    let listen = config.listen_ip;
    match config.advertised_ip {
        Some(advertised)
            if !listen.is_unspecified() && listen.is_loopback() && !advertised.is_loopback() =>
        {
            Err(StartError::Unreachable { advertised, listen })
        }
        Some(advertised) => Ok(advertised),
        None if listen.is_unspecified() => {
            default_route_ip().ok_or(StartError::NoAdvertisedAddress { listen })
        }
        None => Ok(listen),
    }
}

/// The local address of the default route. Nothing is sent: a UDP socket is only asked where it would send from.
fn default_route_ip() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // An address of the documentation range; it need not exist.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

fn memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.map_or(ASSUMED_MEMORY_BYTES, |kib| kib * 1024)
}

/// Opens the store and restores the tables. It blocks.
pub(crate) fn open(
    config: BrokerConfig,
    address: SocketAddr,
    client: RemotingClient,
) -> Result<(Arc<BrokerCore>, mpsc::UnboundedReceiver<ParkedPull>), StartError> {
    let mut options = config.store.clone();
    options.schedule_topic = topic::SCHEDULE.to_owned();
    options.schedule_levels_ms = config.delay_levels.delays_ms().to_vec();
    let store = Arc::new(Store::open(&config.data_dir, options)?);
    let counters = Arc::new(CounterTable::default());
    let (topics, groups, offsets) = (
        TopicTable::new(counters.clone()),
        GroupTable::new(),
        OffsetTable::new(counters.clone()),
    );
    let delay_saved = persist::load(&store, &topics, &groups, &offsets)?.delay_offsets;
    let (parked, woken) = ParkedPulls::new(config.max_parked_pulls);
    let identity = Identity {
        cluster_name: config.cluster_name.clone(),
        broker_name: config.broker_name.clone(),
        address,
    };
    let core = Arc::new(BrokerCore {
        registration: Registration::new(
            identity,
            client,
            &config.name_servers,
            config.register_timeout,
        ),
        stats: Arc::new(BrokerStats::new(&counters, &config.cluster_name)),
        live: LiveSettings::new(&config),
        delay_progress: DelayProgress::new(config.delay_levels.delays_ms().len(), &delay_saved),
        saved_delay_progress: Mutex::new(delay_saved),
        cold_reads: ColdReads::new(config.max_cold_reads, config.max_parked_pulls),
        unique_keys: UniqueKeyGenerator::new(address.ip()),
        store_host: address,
        topics,
        groups,
        offsets,
        counters,
        parked,
        producers: Producers::default(),
        consumers: Consumers::default(),
        locks: QueueLocks::default(),
        delay: DelayScheduler::new(),
        metrics: BrokerMetrics::new(&store),
        store,
        refusals: LogLimit::new(),
        moved_offsets: LogLimit::new(),
        delete_hours: Mutex::new(config.delete_hours.clone()),
        next_queue: Default::default(),
        memory_window_bytes: memory_bytes() / 100 * MEMORY_WINDOW_PERCENT,
        config,
    });
    create_system_entries(&core)?;
    if core.store.journal().is_new() {
        let delay_offsets = core.saved_delay_progress.lock().clone();
        core.fill_new_journal(&delay_offsets)?;
    }
    Ok((core, woken))
}

/// Topics and groups that exist from the start; those that depend on settings follow them at every start.
fn create_system_entries(core: &BrokerCore) -> Result<(), JournalError> {
    for config in system_topics(&core.config) {
        let known = core.topics.get(&config.topic_name);
        let follows_settings =
            config.topic_name == topic::TBW102 || config.topic_name == topic::SCHEDULE;
        match known {
            Some(known) if !follows_settings || known.config == config => {}
            _ => core.persist_topic(&core.topics.put(config).0.config),
        }
    }
    for name in SYSTEM_GROUPS {
        let (group, created) = core.groups.put_default_if_absent(name);
        if created {
            core.persist_group(&group);
        }
    }
    core.store.journal().sync()
}

/// Feeds the store's progress to held replies, and its arrivals to parked pulls and delayed messages.
pub(crate) fn follow_store(core: &Arc<BrokerCore>) -> watch::Receiver<Durability> {
    let position = core.store.watermarks().durable();
    let (sender, receiver) = watch::channel(Durability {
        position,
        failed: false,
    });
    core.store.on_progress(Box::new(move |progress| {
        let failed = progress.failed.is_some();
        sender.send_if_modified(|known| {
            let moved = progress.durable > known.position || failed != known.failed;
            known.position = known.position.max(progress.durable);
            known.failed |= failed;
            moved
        });
    }));
    // The store must not keep the broker alive: the broker owns the store.
    let weak: Weak<BrokerCore> = Arc::downgrade(core);
    let holding = weak.clone();
    core.store.on_removal(Box::new(move || {
        holding
            .upgrade()
            .map_or_else(Vec::new, |core| core.needed_messages())
    }));
    core.store.on_arrival(Box::new(move |arrival| {
        let Some(core) = weak.upgrade() else { return };
        // The thread of delayed messages waits for its queues as long as the broker lives.
        let is_schedule = arrival.topic == topic::SCHEDULE;
        if is_schedule {
            core.delay.arrived(arrival.tags_code);
        }
        core.parked.arrived(
            arrival.topic,
            arrival.queue_id,
            arrival.offset as i64,
            arrival.tags_code,
            || {
                if !is_schedule {
                    arrival.unwatch();
                }
            },
        );
    }));
    receiver
}
