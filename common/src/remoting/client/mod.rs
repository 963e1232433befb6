//! The client side: one pipelined connection per address, made when it is needed and made again when it was lost. What
//! is queued for a connection leaves in one write; a send window pushes back on callers instead of growing; requests of
//! the peer go to [`PeerRequests`]. Dropping the client ends every task that it started.

mod config;
mod peer;
mod slot;

pub use config::ClientConfig;
pub use peer::{NoPeerRequests, PeerAnswer, PeerRequests};

use crate::remoting::connection::{Connection, Registry, SweepTimes};
use crate::remoting::{CallCause, CallError, Command};
use parking_lot::Mutex;
use slot::Slot;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Calls servers by address.
#[derive(Debug)]
pub struct RemotingClient {
    shared: Arc<Shared>,
}

/// What the client shares with the tasks it starts.
#[derive(Debug)]
struct Shared {
    config: ClientConfig,
    peer_requests: Arc<dyn PeerRequests>,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    registry: Arc<Registry>,
    tasks: TaskTracker,
    stop: CancellationToken,
    closed: AtomicBool,
}

impl RemotingClient {
    /// A client without connections yet. Must be called within a tokio runtime. Requests that servers send on the
    /// client's connections go to `peer_requests` ([`NoPeerRequests`] refuses them all).
    pub fn new(config: ClientConfig, peer_requests: Arc<dyn PeerRequests>) -> RemotingClient {
        let registry = Arc::new(Registry::new(usize::MAX));
        let stop = CancellationToken::new();
        let times = SweepTimes {
            idle: config.idle_timeout,
            slow_reader: config.slow_reader_timeout,
        };
        let sweep = {
            let (registry, stop) = (Arc::clone(&registry), stop.clone());
            async move {
                stop.run_until_cancelled(registry.sweep(times)).await;
            }
        };
        tokio::spawn(sweep);
        let shared = Shared {
            config,
            peer_requests,
            slots: Mutex::default(),
            registry,
            tasks: TaskTracker::new(),
            stop,
            closed: AtomicBool::new(false),
        };
        RemotingClient {
            shared: Arc::new(shared),
        }
    }

    /// Sends a request to `addr` (`host:port`) and waits for its answer. `timeout` covers everything: the send window,
    /// connecting, the answer. A dropped future leaves nothing behind, though the request may have been sent.
    ///
    /// # Errors
    /// [`CallError::NotSent`] when the request cannot have taken effect, else [`CallError::OutcomeUnknown`].
    pub async fn call(
        &self,
        addr: &str,
        command: Command,
        timeout: Duration,
    ) -> Result<Command, CallError> {
        let started = Instant::now();
        let slot = self.slot(addr, &command)?;
        let connected = match slot.try_enter(&command) {
            Some(entered) => Ok(entered),
            None => {
                self.within(timeout, self.shared.enter(&slot, &command))
                    .await
            }
        };
        let (connection, _permit) = connected.map_err(|cause| not_sent(addr, cause))?;
        let left = timeout.saturating_sub(started.elapsed());
        connection
            .call_pushed_back(command, left)
            .await
            .map_err(|failure| failure.at(addr, timeout))
    }

    /// Sends a request that wants no answer. `Ok` says that it was queued on a connection, not that it arrived.
    ///
    /// # Errors
    /// [`CallError::NotSent`] when there is no connection, or the peer did not read for the connect timeout.
    pub async fn one_way(&self, addr: &str, command: Command) -> Result<(), CallError> {
        let slot = self.slot(addr, &command)?;
        let send = async {
            let (connection, _permit) = self.shared.enter(&slot, &command).await?;
            connection.one_way_pushed_back(command).await
        };
        self.within(self.shared.config.connect_timeout, send)
            .await
            .map_err(|cause| not_sent(addr, cause))
    }

    /// Lets calls that are under way finish for up to the configured grace, then closes every connection and waits
    /// until all tasks have ended. Later calls fail with [`CallCause::ClientClosed`].
    pub async fn close(&self) {
        let shared = &self.shared;
        shared.closed.store(true, Ordering::Release);
        shared.tasks.close();
        shared.registry.drain_all();
        if tokio::time::timeout(shared.config.close_grace, shared.tasks.wait())
            .await
            .is_err()
        {
            shared.stop.cancel();
            shared.registry.close_all();
            shared.tasks.wait().await;
        }
        shared.stop.cancel();
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> usize {
        self.shared.registry.open_connections()
    }

    fn slot(&self, addr: &str, command: &Command) -> Result<Arc<Slot>, CallError> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(not_sent(addr, CallCause::ClientClosed));
        }
        let (bytes, limit) = (command.body.len(), self.shared.config.max_frame_bytes);
        if bytes >= limit {
            return Err(not_sent(addr, CallCause::TooLarge { bytes, limit }));
        }
        let mut slots = self.shared.slots.lock();
        if let Some(slot) = slots.get(addr) {
            return Ok(Arc::clone(slot));
        }
        let slot = Arc::new(Slot::new(addr, &self.shared.config));
        slots.insert(addr.to_owned(), Arc::clone(&slot));
        Ok(slot)
    }

    async fn within<T>(
        &self,
        timeout: Duration,
        work: impl Future<Output = Result<T, CallCause>>,
    ) -> Result<T, CallCause> {
        tokio::time::timeout(timeout, work)
            .await
            .unwrap_or(Err(CallCause::TimedOut(timeout)))
    }
}

impl Drop for RemotingClient {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.stop.cancel();
        self.shared.registry.close_all();
    }
}

fn not_sent(addr: &str, cause: CallCause) -> CallError {
    CallError::NotSent {
        addr: addr.to_owned(),
        cause,
    }
}

/// A place in the send window; given back when dropped.
type Permit<'a> = tokio::sync::SemaphorePermit<'a>;
type Entered<'a> = (Arc<Connection>, Permit<'a>);
