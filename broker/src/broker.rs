//! A running broker: opens the store, restores the tables, listens, registers; and the way back. Several may live in one
//! process.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use mainstem_common::remoting::{
    BindError, ClientConfig, Durability, NoPeerRequests, RemotingClient, Server, ServerConfig,
};
use mainstem_record::id::UniqueKeyGenerator;
use mainstem_record::topic;
use mainstem_store::{CloseError, OpenError, Store};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::background;
use crate::broker_core::BrokerCore;
use crate::clients::{Consumers, Producers};
use crate::config::{BrokerConfig, FastPort};
use crate::delay::{DelayProgress, DelayScheduler};
use crate::door::{Door, FAST_PORT, MAIN_PORT};
use crate::groups::{GroupTable, SYSTEM_GROUPS};
use crate::live::LiveSettings;
use crate::locks::QueueLocks;
use crate::log_limit::LogLimit;
use crate::metrics::{self, BrokerMetrics};
use crate::offsets::OffsetTable;
use crate::persist::{self, LoadError};
use crate::ports::{ReservedPorts, reserve_ports};
use crate::pull::{ColdReads, ParkedPull, ParkedPulls};
use crate::registration::{Identity, Registration};
use crate::stats::{BrokerStats, CounterTable};
use crate::topics::{TopicTable, system_topics};

/// Part of the machine's memory that is taken to hold the newest part of the log, in percent, and what is assumed of a
/// machine that does not say how much it has.
const MEMORY_WINDOW_PERCENT: u64 = 40;
const ASSUMED_MEMORY_BYTES: u64 = 4 << 30;

/// A broker that runs. [`Broker::shutdown`] stops it; dropping it stops it without saving what is not saved yet.
pub struct Broker {
    core: Arc<BrokerCore>,
    door: Arc<Door>,
    servers: Vec<Server>,
    fast_addr: Option<SocketAddr>,
    metrics_addr: Option<SocketAddr>,
    addr: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    delay_thread: Option<std::thread::JoinHandle<()>>,
}

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port cannot be used.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The metrics cannot be served.
    #[error("cannot serve metrics on {addr}: {source}")]
    Metrics {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The fast port does not exist.
    #[error(
        "listenPort {listen_port} leaves no port for the fast port, which is two below: choose another, or fastPort=off"
    )]
    NoFastPort {
        /// The main port.
        listen_port: u16,
    },
    /// The advertised address cannot be reached through the listen address.
    #[error(
        "clients are told {advertised} (brokerIP1), but the broker listens on {listen} (bindAddress) only, which that address does not reach: set bindAddress to {advertised} or 0.0.0.0, or leave brokerIP1 out"
    )]
    Unreachable {
        /// The advertised address.
        advertised: IpAddr,
        /// The listen address.
        listen: IpAddr,
    },
    /// The broker listens on all addresses and none of them is known.
    #[error(
        "the broker listens on {listen}, and no address to tell clients is known: set brokerIP1"
    )]
    NoAdvertisedAddress {
        /// The listen address.
        listen: IpAddr,
    },
    /// The store did not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// Topics, groups or offsets could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The journal refused the first topics.
    #[error("the first topics cannot be saved: {0}")]
    Save(#[from] mainstem_store::JournalError),
    /// A thread could not be started.
    #[error("cannot start the thread for {what}: {source}")]
    Thread {
        /// Its work.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The start was interrupted.
    #[error("the start was interrupted")]
    Interrupted,
}

/// Why a stop was not clean.
#[derive(Debug, thiserror::Error)]
pub enum ShutdownError {
    /// The journal refused the last offsets.
    #[error("the last offsets cannot be saved: {0}")]
    Save(#[from] mainstem_store::JournalError),
    /// The store did not close.
    #[error(transparent)]
    Store(#[from] CloseError),
    /// The stop was interrupted.
    #[error("the stop was interrupted")]
    Interrupted,
}

impl Broker {
    /// Starts a broker and returns when it serves. Needs a runtime.
    pub async fn start(config: BrokerConfig) -> Result<Broker, StartError> {
        let ports = reserve_ports(config.listen_ip, config.listen_port, config.fast_port)?;
        let advertised = advertised_ip(&config)?;
        let client = RemotingClient::new(ClientConfig::default(), Arc::new(NoPeerRequests));
        let address = SocketAddr::new(advertised, ports.main.port());
        let opened = tokio::task::spawn_blocking(move || open(config, address, client));
        let (core, woken) = opened.await.map_err(|_| StartError::Interrupted)??;
        Self::serve(core, woken, ports).await
    }

    async fn serve(
        core: Arc<BrokerCore>,
        woken: mpsc::UnboundedReceiver<ParkedPull>,
        ports: ReservedPorts,
    ) -> Result<Broker, StartError> {
        let durable = follow_store(&core);
        let door = Arc::new(Door::new(core.clone(), durable));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let metrics_addr = match core.config.metrics_listen {
            None => None,
            Some(addr) => {
                let failed = |source| StartError::Metrics { addr, source };
                let listener = metrics::listen(addr).await.map_err(failed)?;
                let local = listener.local_addr().map_err(failed)?;
                let (core, stop) = (core.clone(), stop.clone());
                tasks.spawn(async move {
                    stop.run_until_cancelled(metrics::serve(listener, core))
                        .await;
                });
                Some(local)
            }
        };
        background::start(&core, woken, &stop, &mut tasks);
        let worker = core.delay.worker(core.clone());
        let delay_thread = std::thread::Builder::new()
            .name("delayed-messages".to_owned())
            .spawn(move || worker.run())
            .map_err(|source| StartError::Thread {
                what: "delayed messages",
                source,
            })?;

        let mut servers = vec![Server::bind(
            ports.main,
            server_config(&core.config, MAIN_PORT),
            door.clone(),
        )?];
        if let Some(fast) = ports.fast {
            servers.push(Server::bind(
                fast,
                server_config(&core.config, FAST_PORT),
                door.clone(),
            )?);
        }
        core.registration.start(&core, &stop, &mut tasks);
        tracing::info!(name = %core.config.broker_name, addr = %ports.main, fast = ?ports.fast, advertised = %core.store_host,
            name_servers = ?core.config.name_servers, "the broker serves");
        Ok(Broker {
            addr: ports.main,
            fast_addr: ports.fast,
            metrics_addr,
            core,
            door,
            servers,
            stop,
            tasks,
            delay_thread: Some(delay_thread),
        })
    }

    /// The address of the main port.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address of the fast port, unless it is off.
    pub fn fast_addr(&self) -> Option<SocketAddr> {
        self.fast_addr
    }

    /// The address of the metrics, unless they are off.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    /// The address that clients are told.
    pub fn advertised_addr(&self) -> SocketAddr {
        self.core.store_host
    }

    /// Waits until every name server knows this broker and its topics: before that clients find no route to it. A name server
    /// that is down makes this wait as long.
    pub async fn registered(&self) {
        self.core.registration.all_told().await;
    }

    /// The storage engine.
    pub fn store(&self) -> &Arc<Store> {
        &self.core.store
    }

    /// The broker's functions.
    pub fn core(&self) -> &Arc<BrokerCore> {
        &self.core
    }

    /// Stops the broker: leaves the name servers, answers what is under way, saves everything, closes the store.
    pub async fn shutdown(mut self) -> Result<(), ShutdownError> {
        let grace = self.core.config.shutdown_grace;
        self.core.registration.unregister().await;
        self.core.parked.close();
        self.door.stop();
        for server in self.servers.drain(..) {
            server.shutdown(grace).await;
        }
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.core.delay.stop();
        let (core, delay_thread) = (self.core.clone(), self.delay_thread.take());
        tokio::task::spawn_blocking(move || save_and_close(&core, delay_thread))
            .await
            .map_err(|_| ShutdownError::Interrupted)?
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.door.stop();
        self.stop.cancel();
        self.core.delay.stop();
    }
}

fn server_config(config: &BrokerConfig, listener_tag: u32) -> ServerConfig {
    ServerConfig {
        max_frame_bytes: config.max_frame_bytes,
        max_connections: config.max_connections,
        idle_timeout: config.idle_timeout,
        max_in_flight_per_connection: config.max_in_flight_per_connection,
        max_unsent_bytes_per_connection: config.max_unsent_bytes_per_connection,
        slow_reader_timeout: config.slow_reader_timeout,
        listener_tag,
    }
}

/// The address that clients are told: as set, else the listen address, and for a listener on all addresses that of the
/// default route.
fn advertised_ip(config: &BrokerConfig) -> Result<IpAddr, StartError> {
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
fn open(
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
        cold_reads: ColdReads::new(config.max_cold_reads),
        unique_keys: UniqueKeyGenerator::new(address.ip()),
        store_host: address,
        store,
        topics,
        groups,
        offsets,
        counters,
        parked,
        producers: Producers::default(),
        consumers: Consumers::default(),
        locks: QueueLocks::default(),
        delay: DelayScheduler::new(),
        metrics: BrokerMetrics::new(),
        refusals: LogLimit::new(),
        moved_offsets: LogLimit::new(),
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
fn create_system_entries(core: &BrokerCore) -> Result<(), mainstem_store::JournalError> {
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
fn follow_store(core: &Arc<BrokerCore>) -> watch::Receiver<Durability> {
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
    core.store.on_arrival(Box::new(move |arrival| {
        let Some(core) = weak.upgrade() else { return };
        if arrival.topic == topic::SCHEDULE {
            core.delay.arrived(arrival.tags_code);
        }
        core.parked.arrived(
            arrival.topic,
            arrival.queue_id,
            arrival.offset as i64,
            arrival.tags_code,
        );
    }));
    receiver
}

fn save_and_close(
    core: &BrokerCore,
    delay_thread: Option<std::thread::JoinHandle<()>>,
) -> Result<(), ShutdownError> {
    /// Longest wait for the last deliveries to become durable.
    const SETTLE: Duration = Duration::from_secs(1);
    if let Some(thread) = delay_thread
        && thread.join().is_err()
    {
        tracing::error!("the thread for delayed messages had panicked");
    }
    let marks = core.store.watermarks();
    let end = marks.appended();
    let started = Instant::now();
    while marks.durable() < end && started.elapsed() < SETTLE {
        std::thread::sleep(Duration::from_millis(1));
    }
    core.journal_offsets()?;
    core.export_config();
    core.export_offsets();
    core.export_delay_offsets();
    core.store.close()?;
    Ok(())
}

impl BrokerConfig {
    /// The port of the fast port for a main port, as configured.
    pub(crate) fn fast_port_for(fast: FastPort, main: u16) -> Result<Option<u16>, StartError> {
        match fast {
            FastPort::Off => Ok(None),
            FastPort::Port(port) => Ok(Some(port)),
            FastPort::Auto if main > 2 => Ok(Some(main - 2)),
            FastPort::Auto => Err(StartError::NoFastPort { listen_port: main }),
        }
    }
}
