//! What other tasks leave for a connection's own task: deferred replies, requests to the peer, and the wish to close.
//! A push appends to one buffer and wakes the task at most once until it has looked, so that many replies of many
//! tasks become one write. What is in here is bounded by the requests in flight and the limit on unsent bytes.

use super::calls::CallCause;
use super::close::CloseCause;
use super::outgoing::Outgoing;
use crate::remoting::Command;
use crate::remoting::head::HeadType;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Set by whoever leaves something, cleared by the task when it looks.
    signal: AtomicBool,
    closed: AtomicBool,
    /// Unsent bytes that the task has already taken out of here.
    unsent_bytes: AtomicUsize,
    waker: Mutex<Option<Waker>>,
    mail: Mutex<Mail>,
}

/// Everything that was left since the last look.
#[derive(Debug, Default)]
pub(crate) struct Mail {
    pub(crate) out: Outgoing,
    /// Replies that must wait for a position: position, opaque, frame.
    pub(crate) held: Vec<(u64, i32, Vec<u8>)>,
    /// Number of deferred replies in `out` and `held`.
    pub(crate) replies: usize,
    /// Opaques of the calls in `out`.
    pub(crate) calls: Vec<i32>,
    pub(crate) close: Option<CloseCause>,
    /// Finish what is in flight, then close.
    pub(crate) drain: bool,
    /// Give back memory that is not in use.
    pub(crate) trim: bool,
    /// The task has ended; nothing is taken any more.
    closed: bool,
}

impl Inbox {
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn register(&self, waker: &Waker) {
        *self.waker.lock() = Some(waker.clone());
    }

    /// Whether something was left since the last call.
    #[inline]
    pub(crate) fn take_signal(&self) -> bool {
        self.signal.load(Ordering::Relaxed) && self.signal.swap(false, Ordering::AcqRel)
    }

    /// Lets the task look at what was left; `look` must take it all.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut Mail) -> T) -> T {
        look(&mut self.mail.lock())
    }

    pub(crate) fn set_unsent_bytes(&self, bytes: usize) {
        self.unsent_bytes.store(bytes, Ordering::SeqCst);
    }

    pub(crate) fn push_reply(&self, reply: &mut Outgoing) {
        self.leave(|mail| {
            mail.out.append(reply);
            mail.replies += 1;
        });
    }

    pub(crate) fn push_held_reply(&self, position: u64, opaque: i32, frame: Vec<u8>) {
        self.leave(|mail| {
            mail.held.push((position, opaque, frame));
            mail.replies += 1;
        });
    }

    /// Queues a request to the peer.
    pub(crate) fn push_command(
        &self,
        command: &Command,
        call: Option<i32>,
        limit: usize,
    ) -> Result<(), CallCause> {
        let taken = self.unsent_bytes.load(Ordering::SeqCst);
        let mut outcome = Err(CallCause::Closed);
        self.leave(|mail| {
            let unsent_bytes = taken + mail.out.unsent_bytes();
            if unsent_bytes > limit {
                outcome = Err(CallCause::PeerNotReading {
                    unsent_bytes,
                    limit,
                });
                return;
            }
            command.encode_head(HeadType::Json, mail.out.inline());
            mail.out.push_body(command.body.clone());
            mail.calls.extend(call);
            outcome = Ok(());
        });
        outcome
    }

    pub(crate) fn ask_to_close(&self, cause: CloseCause) {
        self.leave(|mail| {
            mail.close.get_or_insert(cause);
        });
    }

    pub(crate) fn ask_to_drain(&self) {
        self.leave(|mail| mail.drain = true);
    }

    pub(crate) fn ask_to_trim(&self) {
        self.leave(|mail| mail.trim = true);
    }

    /// Ends the inbox. Returns the opaques of calls that never left it.
    pub(crate) fn close(&self) -> Vec<i32> {
        let last = {
            let mut mail = self.mail.lock();
            std::mem::replace(
                &mut *mail,
                Mail {
                    closed: true,
                    ..Mail::default()
                },
            )
        };
        self.closed.store(true, Ordering::Release);
        *self.waker.lock() = None;
        last.calls
    }

    fn leave(&self, leave: impl FnOnce(&mut Mail)) {
        {
            let mut mail = self.mail.lock();
            if mail.closed {
                return;
            }
            leave(&mut mail);
        }
        if !self.signal.swap(true, Ordering::AcqRel)
            && let Some(waker) = &*self.waker.lock()
        {
            waker.wake_by_ref();
        }
    }
}
