//! The listener: accepts connections, bounds their number, starts their tasks, and ends them all at shutdown.

use super::{BindError, ServerConfig, Service};
use crate::remoting::connection::{Connection, Limits, RateLimit, Registry, SweepTimes, drive};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: i32 = 4096;
/// Pause after a failed accept: it is mostly want of descriptors, which does not pass in microseconds.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listening server. Dropping it closes the listener and all its connections at once; [`shutdown`](Self::shutdown)
/// is the gentle way.
#[derive(Debug)]
pub struct Server {
    local_addr: SocketAddr,
    registry: Arc<Registry>,
    tasks: TaskTracker,
    stop_accepting: CancellationToken,
    stop_sweeping: CancellationToken,
}

impl Server {
    /// Listens on `addr` (port 0: a free one) and serves `service` from then on. Must be called within a tokio
    /// runtime. Several servers may share one service.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn bind<S: Service>(
        addr: SocketAddr,
        config: ServerConfig,
        service: Arc<S>,
    ) -> Result<Server, BindError> {
        let listener = listen(addr).map_err(|source| BindError { addr, source })?;
        let local_addr = listener
            .local_addr()
            .map_err(|source| BindError { addr, source })?;
        let registry = Arc::new(Registry::new(config.max_buffered_bytes));
        let tasks = TaskTracker::new();
        let stop_accepting = CancellationToken::new();
        let stop_sweeping = CancellationToken::new();
        let times = SweepTimes {
            idle: config.idle_timeout,
            slow_reader: config.slow_reader_timeout,
        };
        let sweep = {
            let (registry, stop) = (Arc::clone(&registry), stop_sweeping.clone());
            async move {
                stop.run_until_cancelled(registry.sweep(times)).await;
            }
        };
        tokio::spawn(sweep);
        let acceptor = Acceptor {
            config,
            service,
            registry: Arc::clone(&registry),
            tasks: tasks.clone(),
        };
        let stop = stop_accepting.clone();
        tasks.spawn(async move {
            stop.run_until_cancelled(acceptor.accept_all(listener))
                .await;
        });
        Ok(Server {
            local_addr,
            registry,
            tasks,
            stop_accepting,
            stop_sweeping,
        })
    }

    /// The address it listens on, with the port that was chosen for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> usize {
        self.registry.open_connections()
    }

    /// Stops accepting, lets replies that are under way leave for up to `grace` (new requests are answered
    /// SERVICE_NOT_AVAILABLE), then closes every connection and waits until their tasks have ended.
    pub async fn shutdown(self, grace: Duration) {
        self.stop_accepting.cancel();
        self.tasks.close();
        self.registry.drain_all();
        if tokio::time::timeout(grace, self.tasks.wait())
            .await
            .is_err()
        {
            let open = self.open_connections();
            tracing::info!(addr = %self.local_addr, open, "closing connections that did not finish in time");
            self.registry.close_all();
            self.tasks.wait().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop_accepting.cancel();
        self.stop_sweeping.cancel();
        self.registry.close_all();
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

struct Acceptor<S> {
    config: ServerConfig,
    service: Arc<S>,
    registry: Arc<Registry>,
    tasks: TaskTracker,
}

impl<S: Service> Acceptor<S> {
    async fn accept_all(self, listener: TcpListener) {
        static REFUSED: RateLimit = RateLimit::new();
        static FAILED: RateLimit = RateLimit::new();
        loop {
            match listener.accept().await {
                Ok((_, peer))
                    if self.registry.open_connections() >= self.config.max_connections =>
                {
                    let limit = self.config.max_connections;
                    REFUSED.run(|more| {
                        tracing::warn!(%peer, limit, suppressed = more, "refused: too many connections");
                    });
                }
                Ok((stream, peer)) => {
                    if let Err(error) = self.start(stream, peer) {
                        tracing::debug!(%peer, %error, "connection was gone before it was served");
                    }
                }
                Err(error) => {
                    FAILED.run(|more| tracing::warn!(%error, suppressed = more, "cannot accept a connection"));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn start(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let config = &self.config;
        let connection = Arc::new(Connection::new(
            peer,
            stream.local_addr()?,
            config.listener_tag,
            config.max_unsent_bytes_per_connection,
            self.registry.now_ms(),
        ));
        self.registry.add(&connection);
        let limits = Limits {
            max_frame_bytes: config.max_frame_bytes,
            max_in_flight: config.max_in_flight_per_connection,
            max_unsent_bytes: config.max_unsent_bytes_per_connection,
        };
        let (service, registry) = (Arc::clone(&self.service), Arc::clone(&self.registry));
        self.tasks
            .spawn(drive(stream, connection, service, registry, limits));
        Ok(())
    }
}
