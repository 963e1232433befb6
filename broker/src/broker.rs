//! A running broker: opens the store, restores the tables, listens, registers; and the way back. Several may live in one
//! process.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mainstem_common::remoting::{
    BindError, ClientConfig, NoPeerRequests, RemotingClient, Server, ServerConfig,
};
use mainstem_store::{CloseError, JournalError, OpenError, Store};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::background;
use crate::broker_core::BrokerCore;
use crate::config::BrokerConfig;
use crate::door::{Door, FAST_PORT, MAIN_PORT};
use crate::memory::MemoryLimit;
use crate::metrics;
use crate::opening::{advertised_ip, follow_store, open};
use crate::persist::LoadError;
use crate::ports::{ReservedPorts, reserve_ports};
use crate::pull::ParkedPull;

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
    Save(#[from] JournalError),
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
    Save(#[from] JournalError),
    /// The store did not close.
    #[error(transparent)]
    Store(#[from] CloseError),
    /// The stop was interrupted.
    #[error("the stop was interrupted")]
    Interrupted,
}

impl Broker {
    /// What it may take of memory at most.
    pub fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::of(&self.core.config)
    }

    /// Starts a broker and returns when it serves. Needs a runtime.
    pub async fn start(config: BrokerConfig) -> Result<Broker, StartError> {
        tracing::info!("anonymous memory: {}", MemoryLimit::of(&config));
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
        max_buffered_bytes: config.max_buffered_bytes,
        slow_reader_timeout: config.slow_reader_timeout,
        listener_tag,
    }
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
    let end = core.store.watermarks().appended();
    core.store.wait_durable(end, SETTLE);
    core.journal_offsets()?;
    core.journal_delay_progress()?;
    core.export_all();
    core.store.close()?;
    Ok(())
}
