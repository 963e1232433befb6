//! Calls that wait for their answer: requests that this side sent, by opaque. Each is answered once, by the peer or by
//! the connection's end, or not at all when its caller has gone.

use crate::remoting::Command;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// Why a call brought no answer. What matters to the caller is whether the request may have taken effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The peer has not seen the request; sending it again, or elsewhere, cannot repeat it.
    #[error("the request to {addr} was not sent: {cause}")]
    NotSent {
        /// The peer.
        addr: String,
        /// What stood in the way.
        cause: CallCause,
    },
    /// The request was handed to the connection but no answer came; the peer may have carried it out.
    #[error("the request to {addr} was sent, its outcome is unknown: {cause}")]
    OutcomeUnknown {
        /// The peer.
        addr: String,
        /// Why no answer came.
        cause: CallCause,
    },
}

impl CallError {
    /// Whether the peer may have seen the request.
    pub fn was_sent(&self) -> bool {
        matches!(self, CallError::OutcomeUnknown { .. })
    }

    /// What went wrong.
    pub fn cause(&self) -> &CallCause {
        match self {
            CallError::NotSent { cause, .. } | CallError::OutcomeUnknown { cause, .. } => cause,
        }
    }
}

/// What kept a call from being answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallCause {
    /// No connection could be made.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The connection ended.
    #[error("the connection was closed")]
    Closed,
    /// Time ran out.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// Too much is waiting for the peer already.
    #[error("{unsent_bytes} bytes already wait for the peer to read, {limit} are allowed")]
    PeerNotReading {
        /// Bytes that wait.
        unsent_bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The frame would be longer than a peer accepts.
    #[error("the body of {bytes} bytes is over the limit of {limit}; send less at once")]
    TooLarge {
        /// Length of the body.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The client was closed.
    #[error("the client is closed")]
    ClientClosed,
}

/// How a call ended, as its waiter learns it.
#[derive(Debug)]
pub(crate) enum Answer {
    Reply(Command),
    /// The connection ended; `sent` tells whether the request had left the inbox.
    Closed {
        sent: bool,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Calls {
    next_opaque: AtomicI32,
    waiting: Mutex<HashMap<i32, oneshot::Sender<Answer>>>,
}

impl Calls {
    /// Opens a call. Dropping the returned [`Call`] forgets it.
    pub(crate) fn open(&self) -> Call<'_> {
        let (sender, receiver) = oneshot::channel();
        // Opaques wrap around after 2^32 calls; one as old as that has long timed out.
        let opaque = self.next_opaque.fetch_add(1, Ordering::Relaxed);
        self.waiting.lock().insert(opaque, sender);
        Call {
            calls: self,
            opaque,
            receiver,
        }
    }

    /// A number for a request that expects no answer.
    pub(crate) fn opaque_of_one_way(&self) -> i32 {
        self.next_opaque.fetch_add(1, Ordering::Relaxed)
    }

    /// The waiter for `opaque`, if somebody still waits; only then is an answer worth copying.
    pub(crate) fn take(&self, opaque: i32) -> Option<oneshot::Sender<Answer>> {
        self.waiting.lock().remove(&opaque)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.lock().is_empty()
    }

    /// Ends every call; those in `unsent` never left.
    pub(crate) fn close(&self, mut unsent: Vec<i32>) {
        unsent.sort_unstable();
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for (opaque, sender) in waiting {
            let _ = sender.send(Answer::Closed {
                sent: unsent.binary_search(&opaque).is_err(),
            });
        }
    }
}

/// One open call.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    calls: &'a Calls,
    pub(crate) opaque: i32,
    receiver: oneshot::Receiver<Answer>,
}

impl Call<'_> {
    /// Waits for the answer to a request that was pushed.
    pub(crate) async fn answer(&mut self, timeout: Duration) -> Result<Command, Failure> {
        match tokio::time::timeout(timeout, &mut self.receiver).await {
            Ok(Ok(Answer::Reply(reply))) => Ok(reply),
            Ok(Ok(Answer::Closed { sent })) => Err(Failure {
                sent,
                cause: CallCause::Closed,
            }),
            // The sender is dropped unused only with the whole table, and then the connection is gone.
            Ok(Err(_)) => Err(Failure {
                sent: true,
                cause: CallCause::Closed,
            }),
            Err(_) => Err(Failure {
                sent: true,
                cause: CallCause::TimedOut(timeout),
            }),
        }
    }
}

/// A call that failed, before it is known under which address the caller knows the peer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) sent: bool,
    pub(crate) cause: CallCause,
}

impl Failure {
    /// The error for the caller, who allowed `timeout` in all.
    pub(crate) fn at(self, addr: &str, timeout: Duration) -> CallError {
        let addr = addr.to_owned();
        let cause = match self.cause {
            CallCause::TimedOut(_) => CallCause::TimedOut(timeout),
            cause => cause,
        };
        if self.sent {
            CallError::OutcomeUnknown { addr, cause }
        } else {
            CallError::NotSent { addr, cause }
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.calls.take(self.opaque);
    }
}
