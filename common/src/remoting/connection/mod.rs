//! One TCP connection: its shared face ([`Connection`]), through which any task may answer, call or close, and its
//! driver, the one task that reads and writes the socket. Everything that waits on a connection is bounded: unsent
//! bytes, requests in flight, calls.

mod budget;
mod calls;
mod close;
mod deferred;
mod driver;
mod durability;
mod handler;
mod held;
mod inbox;
mod outgoing;
mod reader;
mod registry;
mod replies;
mod transfer;

pub use calls::{CallCause, CallError};
pub use deferred::{Deferred, DeferredReply};
pub use durability::Durability;
pub use replies::{Replies, ReplyWriter};
pub use transfer::{FileRange, Transfer};

pub(crate) use close::{CloseCause, RateLimit};
pub(crate) use driver::{Limits, drive};
pub(crate) use registry::{Registry, SweepTimes};

use crate::remoting::Command;
use crate::remoting::head::FLAG_ONE_WAY;
use calls::{Calls, Failure};
use inbox::Inbox;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// A connection as everybody but its own task sees it.
#[derive(Debug)]
pub struct Connection {
    id: u64,
    peer: SocketAddr,
    local: SocketAddr,
    listener_tag: u32,
    max_unsent_bytes: usize,
    inbox: Inbox,
    calls: Calls,
    /// Requests whose reply is some other task's to give.
    deferred: AtomicUsize,
    /// Those of them that wait for something to happen and do not count as in flight.
    waiting: AtomicUsize,
    /// Times of the registry's coarse clock; 0 in `unsent_since_ms`: nothing is unsent.
    last_activity_ms: AtomicU64,
    unsent_since_ms: AtomicU64,
    trimmed_ms: AtomicU64,
    /// Wakes those who wait until the peer has taken some of what is unsent.
    room: Notify,
    room_wanted: AtomicBool,
}

impl Connection {
    pub(crate) fn new(
        peer: SocketAddr,
        local: SocketAddr,
        listener_tag: u32,
        max_unsent_bytes: usize,
        now_ms: u64,
    ) -> Connection {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        Connection {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            peer,
            local,
            listener_tag,
            max_unsent_bytes,
            inbox: Inbox::default(),
            calls: Calls::default(),
            deferred: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            last_activity_ms: AtomicU64::new(now_ms),
            unsent_since_ms: AtomicU64::new(0),
            trimmed_ms: AtomicU64::new(0),
            room: Notify::new(),
            room_wanted: AtomicBool::new(false),
        }
    }

    /// A number that no other connection of this process has had.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The other end's address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// This end's address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The tag of the listener that accepted it, so that one service can treat two ports differently.
    pub fn listener_tag(&self) -> u32 {
        self.listener_tag
    }

    /// Asks the connection's task to close it; returns at once. Replies that are finished still leave, as far as the
    /// peer takes them at once.
    pub fn close(&self) {
        self.inbox.ask_to_close(CloseCause::Asked);
    }

    /// Asks the connection's task to finish what is under way and then close it.
    pub(crate) fn drain(&self) {
        self.inbox.ask_to_drain();
    }

    /// Whether it is closed; nothing that is sent from then on leaves.
    pub fn is_closed(&self) -> bool {
        self.inbox.is_closed()
    }

    /// Sends a request to the peer and waits for its answer. The command's opaque is set by the connection.
    ///
    /// # Errors
    /// [`CallError::NotSent`] when the connection is closed or the peer does not read, else
    /// [`CallError::OutcomeUnknown`] when no answer comes in time.
    pub async fn call(&self, command: Command, timeout: Duration) -> Result<Command, CallError> {
        let mut call = self.calls.open();
        let pushed = self.push(&numbered(command, call.opaque, 0), Some(call.opaque));
        let answer = match pushed {
            Ok(()) => call.answer(timeout).await,
            Err(cause) => Err(Failure { sent: false, cause }),
        };
        answer.map_err(|failure| failure.at(&self.peer.to_string(), timeout))
    }

    /// Sends a request that wants no answer. `Ok` says that it was queued, not that it arrived.
    ///
    /// # Errors
    /// [`CallError::NotSent`] when the connection is closed or the peer does not read.
    pub fn one_way(&self, command: Command) -> Result<(), CallError> {
        let command = numbered(command, self.calls.opaque_of_one_way(), FLAG_ONE_WAY);
        self.push(&command, None)
            .map_err(|cause| CallError::NotSent {
                addr: self.peer.to_string(),
                cause,
            })
    }

    /// As [`call`](Self::call), but waits while the peer does not read.
    pub(crate) async fn call_pushed_back(
        &self,
        command: Command,
        timeout: Duration,
    ) -> Result<Command, Failure> {
        let mut call = self.calls.open();
        let command = numbered(command, call.opaque, 0);
        match self.push(&command, Some(call.opaque)) {
            Err(CallCause::PeerNotReading { .. }) => {
                let pushed = self.push_when_there_is_room(&command, Some(call.opaque));
                tokio::time::timeout(timeout, pushed)
                    .await
                    .unwrap_or(Err(CallCause::TimedOut(timeout)))
            }
            pushed => pushed,
        }
        .map_err(|cause| Failure { sent: false, cause })?;
        call.answer(timeout).await
    }

    /// As [`one_way`](Self::one_way), but waits while the peer does not read.
    pub(crate) async fn one_way_pushed_back(&self, command: Command) -> Result<(), CallCause> {
        let command = numbered(command, self.calls.opaque_of_one_way(), FLAG_ONE_WAY);
        self.push_when_there_is_room(&command, None).await
    }

    async fn push_when_there_is_room(
        &self,
        command: &Command,
        call: Option<i32>,
    ) -> Result<(), CallCause> {
        loop {
            let mut room = pin!(self.room.notified());
            room.as_mut().enable();
            // Said before the attempt, so that room that comes up after it is announced.
            self.room_wanted.store(true, Ordering::SeqCst);
            match self.push(command, call) {
                Err(CallCause::PeerNotReading { .. }) => room.await,
                pushed => return pushed,
            }
        }
    }

    fn push(&self, command: &Command, call: Option<i32>) -> Result<(), CallCause> {
        self.inbox
            .push_command(command, call, self.max_unsent_bytes)
    }

    /// Tells those who wait for room that there may be some.
    fn announce_room(&self) {
        if self.room_wanted.load(Ordering::SeqCst) && self.room_wanted.swap(false, Ordering::SeqCst)
        {
            self.room.notify_waiters();
        }
    }
}

fn numbered(command: Command, opaque: i32, one_way: i32) -> Command {
    Command {
        opaque,
        flag: command.flag & !FLAG_ONE_WAY | one_way,
        ..command
    }
}
