//! Why connections end, and how that is told: one log line, rate-limited per kind of cause, for a peer that
//! misbehaves does it often.

use super::Connection;
use super::budget::NoRoom;
use crate::remoting::FrameError;
use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Why a connection's task ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CloseCause {
    #[error("the peer closed it")]
    Peer,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("bad frame: {0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    NoRoom(#[from] NoRoom),
    #[error("it was idle for too long")]
    Idle,
    #[error("the peer took no bytes for too long")]
    SlowReader,
    #[error("a request handler panicked")]
    Panicked,
    #[error("this side asked for it")]
    Asked,
    #[error("this side shuts down")]
    Shutdown,
}

impl CloseCause {
    pub(crate) fn log(&self, connection: &Connection) {
        static FRAME: RateLimit = RateLimit::new();
        static ROOM: RateLimit = RateLimit::new();
        static SLOW: RateLimit = RateLimit::new();
        static PANIC: RateLimit = RateLimit::new();
        let peer = connection.peer();
        match self {
            CloseCause::Frame(_) => {
                FRAME.run(
                    |more| tracing::warn!(%peer, suppressed = more, "connection closed: {self}"),
                );
            }
            CloseCause::NoRoom(_) => {
                ROOM.run(
                    |more| tracing::warn!(%peer, suppressed = more, "connection closed: {self}"),
                );
            }
            CloseCause::SlowReader => {
                SLOW.run(
                    |more| tracing::warn!(%peer, suppressed = more, "connection closed: {self}"),
                );
            }
            CloseCause::Panicked => {
                PANIC.run(
                    |more| tracing::error!(%peer, suppressed = more, "connection closed: {self}"),
                );
            }
            _ => tracing::debug!(%peer, "connection closed: {self}"),
        }
    }
}

/// Lets one log line a second through and counts the others.
#[derive(Debug)]
pub(crate) struct RateLimit {
    /// When the last line went out, in milliseconds of the process's log clock; 0: never.
    last_ms: AtomicU64,
    suppressed: AtomicU64,
}

const LOG_EVERY_MS: u64 = 1000;

impl RateLimit {
    pub(crate) const fn new() -> RateLimit {
        RateLimit {
            last_ms: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
        }
    }

    /// Calls `log` with the number of lines that were held back since the last one, or counts this one as held back.
    pub(crate) fn run(&self, log: impl FnOnce(u64)) {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        let now = START.elapsed().as_millis() as u64 + 1;
        let last = self.last_ms.load(Ordering::Relaxed);
        let due = last == 0 || now >= last + LOG_EVERY_MS;
        if due
            && self
                .last_ms
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            log(self.suppressed.swap(0, Ordering::Relaxed));
        } else {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
