//! One address of the client: its connection in whatever state it is, and its send window. Connecting happens in a
//! task of its own that all waiting callers share, so that none of them holds it up by going away.

use super::peer::PeerService;
use super::{ClientConfig, Entered, Permit, Shared};
use crate::remoting::connection::{Connection, Limits, drive};
use crate::remoting::{CallCause, Command};
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

/// Bytes that one permit of the window stands for.
const WINDOW_UNIT_BYTES: usize = 1024;

#[derive(Debug)]
pub(super) struct Slot {
    addr: Arc<str>,
    window: Semaphore,
    window_permits: u32,
    state: Mutex<State>,
}

/// What became of a connect; `None` while it is under way.
type Outcome = Option<Result<Arc<Connection>, String>>;

#[derive(Debug)]
enum State {
    /// Not connected: after a failure, not to be tried again before `retry_at`.
    Down {
        failures: u32,
        retry_at: Option<Instant>,
        error: String,
    },
    Connecting {
        outcome: watch::Receiver<Outcome>,
        failures: u32,
    },
    Up(Arc<Connection>),
}

impl Slot {
    pub(super) fn new(addr: &str, config: &ClientConfig) -> Slot {
        let permits =
            (config.window_bytes / WINDOW_UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS >> 1);
        let window_permits = u32::try_from(permits).unwrap_or(u32::MAX >> 1);
        Slot {
            addr: addr.into(),
            window: Semaphore::new(window_permits as usize),
            window_permits,
            state: Mutex::new(State::Down {
                failures: 0,
                retry_at: None,
                error: String::new(),
            }),
        }
    }

    /// The connection and a place in its window, if both are there without waiting.
    pub(super) fn try_enter(&self, command: &Command) -> Option<Entered<'_>> {
        let permit = self.window.try_acquire_many(self.permits(command)).ok()?;
        match &*self.state.lock() {
            State::Up(connection) if !connection.is_closed() => {
                Some((Arc::clone(connection), permit))
            }
            _ => None,
        }
    }

    async fn wait_for_window(&self, command: &Command) -> Result<Permit<'_>, CallCause> {
        self.window
            .acquire_many(self.permits(command))
            .await
            .map_err(|_| CallCause::ClientClosed)
    }

    /// A request larger than the window takes it whole.
    fn permits(&self, command: &Command) -> u32 {
        let units = 1 + command.body.len() / WINDOW_UNIT_BYTES;
        u32::try_from(units)
            .unwrap_or(u32::MAX)
            .min(self.window_permits)
    }
}

impl Shared {
    /// The connection of `slot`, made if there is none, and a place in its window.
    pub(super) async fn enter<'s>(
        self: &Arc<Self>,
        slot: &'s Arc<Slot>,
        command: &Command,
    ) -> Result<Entered<'s>, CallCause> {
        let permit = slot.wait_for_window(command).await?;
        let mut outcome = match self.connection_or_connect(slot)? {
            Ok(connection) => return Ok((connection, permit)),
            Err(outcome) => outcome,
        };
        let outcome = outcome
            .wait_for(Option::is_some)
            .await
            .map_err(|_| CallCause::ClientClosed)?
            .clone();
        match outcome {
            Some(Ok(connection)) => Ok((connection, permit)),
            Some(Err(error)) => Err(CallCause::Connect(error)),
            None => Err(CallCause::ClientClosed),
        }
    }

    /// The live connection, or the outcome of the connect that is under way, started if need be.
    fn connection_or_connect(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
    ) -> Result<Result<Arc<Connection>, watch::Receiver<Outcome>>, CallCause> {
        let mut state = slot.state.lock();
        let failures = match &*state {
            State::Up(connection) if !connection.is_closed() => {
                return Ok(Ok(Arc::clone(connection)));
            }
            State::Up(_) => 0,
            State::Connecting { outcome, failures } => {
                // A connect that was cancelled with its runtime leaves no outcome.
                if outcome.has_changed().is_ok() || outcome.borrow().is_some() {
                    return Ok(Err(outcome.clone()));
                }
                *failures
            }
            State::Down {
                retry_at: Some(at),
                error,
                ..
            } if *at > Instant::now() => {
                return Err(CallCause::Connect(error.clone()));
            }
            State::Down { failures, .. } => *failures,
        };
        let (sender, receiver) = watch::channel(None);
        *state = State::Connecting {
            outcome: receiver.clone(),
            failures,
        };
        drop(state);
        let (shared, slot) = (Arc::clone(self), Arc::clone(slot));
        self.tasks.spawn(async move {
            let stop = shared.stop.clone();
            let connect = shared.connect(&slot, failures);
            if let Some(outcome) = stop.run_until_cancelled(connect).await {
                sender.send_replace(Some(outcome));
            }
        });
        Ok(Err(receiver))
    }

    async fn connect(
        self: &Arc<Self>,
        slot: &Slot,
        failures: u32,
    ) -> Result<Arc<Connection>, String> {
        let timeout = self.config.connect_timeout;
        let connected = match tokio::time::timeout(timeout, TcpStream::connect(&*slot.addr)).await {
            Ok(connected) => connected.and_then(|stream| self.start(slot, stream)),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no connection within {} ms", timeout.as_millis()),
            )),
        };
        match connected {
            Ok(connection) => {
                *slot.state.lock() = State::Up(Arc::clone(&connection));
                // Whoever closed the client meanwhile has not seen this connection.
                if self.closed.load(Ordering::Acquire) {
                    connection.drain();
                }
                Ok(connection)
            }
            Err(error) => {
                let error = error.to_string();
                let pause = self.backoff(failures);
                tracing::debug!(addr = %slot.addr, %error, pause_ms = pause.as_millis() as u64, "cannot connect");
                *slot.state.lock() = State::Down {
                    failures: failures.saturating_add(1),
                    retry_at: Some(Instant::now() + pause),
                    error: error.clone(),
                };
                Err(error)
            }
        }
    }

    fn backoff(&self, failures: u32) -> Duration {
        let doubled = self
            .config
            .min_backoff
            .saturating_mul(1 << failures.min(16));
        doubled.min(self.config.max_backoff)
    }

    fn start(&self, slot: &Slot, stream: TcpStream) -> io::Result<Arc<Connection>> {
        stream.set_nodelay(true)?;
        let config = &self.config;
        let connection = Arc::new(Connection::new(
            stream.peer_addr()?,
            stream.local_addr()?,
            0,
            config.max_unsent_bytes_per_connection,
            self.registry.now_ms(),
        ));
        self.registry.add(&connection);
        let limits = Limits {
            max_frame_bytes: config.max_frame_bytes,
            max_in_flight: config.max_peer_requests_per_connection,
            max_unsent_bytes: config.max_unsent_bytes_per_connection,
        };
        let service = Arc::new(PeerService {
            addr: Arc::clone(&slot.addr),
            peer_requests: Arc::clone(&self.peer_requests),
            tasks: self.tasks.clone(),
            stop: self.stop.clone(),
        });
        let registry = Arc::clone(&self.registry);
        self.tasks.spawn(drive(
            stream,
            Arc::clone(&connection),
            service,
            registry,
            limits,
        ));
        Ok(connection)
    }
}
