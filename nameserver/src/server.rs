//! A running name server: its listener, its changing thread and the scan for silent brokers. Owns their start and their
//! end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mainstem_common::remoting::{BindError, Server};
use parking_lot::Mutex;
use thiserror::Error;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::NameServerConfig;
use crate::changes::{Changeable, Changes};
use crate::kv::{KvError, KvStore};
use crate::service::NameService;
use crate::tables::{RouteChanges, RouteTables};

/// How long replies that are under way may take to leave at a shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Why a name server does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The key-value configuration cannot be read.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// The system gives no thread.
    #[error("cannot start the name server's thread: {0}; raise the limit on processes")]
    Thread(io::Error),
}

/// A running name server. Dropping it stops it at once; [`shutdown`](Self::shutdown) is the gentle way.
#[derive(Debug)]
pub struct NameServer {
    server: Server,
    changes: StopOnDrop,
    thread: JoinHandle<()>,
    _scan: DropGuard,
}

impl NameServer {
    /// Starts to serve. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the address is taken or not this machine's, or the key-value file cannot be read.
    pub fn start(config: NameServerConfig) -> Result<Self, StartError> {
        let tables = Arc::new(RouteTables::new());
        let kv = Arc::new(KvStore::open(config.kv_path)?);
        let routes = RouteChanges::new(Arc::clone(&tables), config.broker_timeout_ms);
        let (changes, thread) = Changes::start(Changeable {
            routes,
            kv: Arc::clone(&kv),
        })
        .map_err(StartError::Thread)?;
        let stop_changes = StopOnDrop(changes.clone());
        let service = NameService {
            tables,
            kv,
            changes: changes.clone(),
            settings: Mutex::new(config.settings),
            on_change: config.on_change,
        };
        let server = Server::bind(config.listen, config.server, Arc::new(service))?;
        let stop_scan = CancellationToken::new();
        let interval_ms = config.scan_interval_ms.max(1);
        let stopped = stop_scan.clone();
        tokio::spawn(async move {
            stopped
                .run_until_cancelled(scan_for_silent_brokers(changes, interval_ms))
                .await;
        });
        tracing::info!(addr = %server.local_addr(), "name server listens");
        Ok(Self {
            server,
            changes: stop_changes,
            thread,
            _scan: stop_scan.drop_guard(),
        })
    }

    /// The address it listens on, with the port that was chosen for port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Lets replies that are under way leave, then stops everything.
    pub async fn shutdown(self) {
        self.server.shutdown(SHUTDOWN_GRACE).await;
        drop(self.changes);
        // The thread ends once its queue is empty: moments.
        let thread = self.thread;
        if tokio::task::spawn_blocking(move || thread.join())
            .await
            .is_err()
        {
            tracing::warn!("the name server's thread did not end in order");
        }
    }
}

async fn scan_for_silent_brokers(changes: Changes, interval_ms: u64) {
    let mut ticks = tokio::time::interval(Duration::from_millis(interval_ms));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        changes.submit(move |changeable| changeable.routes.expire(interval_ms));
    }
}

/// Lets the changing thread end with its server, however that ends.
struct StopOnDrop(Changes);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl std::fmt::Debug for StopOnDrop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Changes")
    }
}
