//! The one task of a connection. Each wake-up it takes what other tasks left, lets replies go that the watermark has
//! reached, writes, and reads and handles every complete frame that has arrived, until there is nothing more to do.
//! It never stops reading because replies wait, only because too many do; it never blocks and never awaits a handler.

use super::close::CloseCause;
use super::durability::DurableWatch;
use super::handler::Handler;
use super::held::Held;
use super::outgoing::Outgoing;
use super::reader::{Lent, Partial};
use super::registry::Registry;
use super::{Connection, RateLimit};
use crate::remoting::Service;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use tokio::net::TcpStream;

/// Reads per turn before other tasks of the thread get theirs.
const READS_PER_TURN: usize = 8;
/// Unsent replies of one connection that do not count against the budget of all: counting is for what is much.
const UNCOUNTED_BYTES: usize = 16 * 1024;

/// What one connection may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_frame_bytes: usize,
    pub(crate) max_in_flight: usize,
    pub(crate) max_unsent_bytes: usize,
}

/// Serves a connection until it ends, then tells the service.
pub(crate) async fn drive<S: Service>(
    stream: TcpStream,
    connection: Arc<Connection>,
    service: Arc<S>,
    registry: Arc<Registry>,
    limits: Limits,
) {
    let session = service.connected(&connection);
    let mut driver = Driver {
        stream,
        connection: Arc::clone(&connection),
        service: Arc::clone(&service),
        registry,
        limits,
        session: Some(session),
        partial: Partial::default(),
        out: Outgoing::default(),
        held: Held::default(),
        durable: service.durable().map(DurableWatch::new),
        waker: None,
        draining: false,
        unsent_share: 0,
    };
    let cause = std::future::poll_fn(|context| driver.poll(context)).await;
    cause.log(&connection);
    driver.end(&cause);
}

struct Driver<S: Service> {
    stream: TcpStream,
    connection: Arc<Connection>,
    service: Arc<S>,
    registry: Arc<Registry>,
    limits: Limits,
    /// Present until the end.
    session: Option<S::Session>,
    partial: Partial,
    out: Outgoing,
    held: Held,
    durable: Option<DurableWatch>,
    waker: Option<Waker>,
    draining: bool,
    /// What it holds of the budget of unsent replies.
    unsent_share: usize,
}

impl<S: Service> Driver<S> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<CloseCause> {
        if !self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(context.waker()))
        {
            self.waker = Some(context.waker().clone());
            self.connection.inbox.register(context.waker());
        }
        let mut lent = Lent::take();
        if self.out.is_empty() {
            std::mem::swap(&mut self.out, &mut lent.out);
        }
        // A handler's panic ends its connection, not the process. What was lent may be half done then.
        let turn = catch_unwind(AssertUnwindSafe(|| self.turn(context, &mut lent)));
        let Ok(turn) = turn else {
            return Poll::Ready(CloseCause::Panicked);
        };
        self.note_unsent();
        if self.out.is_empty() {
            std::mem::swap(&mut self.out, &mut lent.out);
            lent.give_back();
        }
        match turn {
            Poll::Ready(Ok(())) => Poll::Ready(CloseCause::Shutdown),
            Poll::Ready(Err(cause)) => Poll::Ready(cause),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Ready when the connection is to be closed: with a cause, or because it is drained.
    fn turn(&mut self, context: &mut Context<'_>, lent: &mut Lent) -> Poll<Result<(), CloseCause>> {
        for _ in 0..READS_PER_TURN {
            if self.connection.inbox.take_signal()
                && let Err(cause) = self.take_mail()
            {
                // A handler may answer and then close: its last word still goes out, as far as the socket takes it.
                let _ = self.write(context);
                return Poll::Ready(Err(cause));
            }
            self.release(context);
            self.write(context)?;
            if self.draining && self.is_drained() {
                return Poll::Ready(Ok(()));
            }
            if !self.may_read() {
                // Something that is over its bound has the task woken: the socket, the watermark or the inbox.
                return Poll::Pending;
            }
            match self.read(context, lent) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(CloseCause::Peer)),
                Poll::Ready(Ok(_)) => self.touch(),
                Poll::Ready(Err(cause)) => {
                    // Good requests that came before the bad bytes still get their answers.
                    let _ = self.write(context);
                    return Poll::Ready(Err(cause));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn take_mail(&mut self) -> Result<(), CloseCause> {
        let Driver {
            connection,
            out,
            held,
            partial,
            draining,
            ..
        } = self;
        connection.inbox.look(|mail| {
            if mail.replies > 0 {
                connection
                    .deferred
                    .fetch_sub(mail.replies, Ordering::Relaxed);
                mail.replies = 0;
            }
            out.append(&mut mail.out);
            mail.calls.clear();
            for (position, opaque, frame) in mail.held.drain(..) {
                held.push(position, opaque, &frame);
            }
            *draining |= mail.drain;
            if std::mem::take(&mut mail.trim) {
                held.trim();
                partial.trim();
                mail.out = Outgoing::default();
                mail.calls = Vec::new();
                mail.held = Vec::new();
            }
            mail.close.take().map_or(Ok(()), Err)
        })
    }

    /// Lets go what the watermark has reached, and sees to it that its next move wakes this task.
    fn release(&mut self, context: &mut Context<'_>) {
        while !self.held.is_empty() {
            let Some(durable) = &mut self.durable else {
                static MISUSE: RateLimit = RateLimit::new();
                MISUSE.run(|_| {
                    tracing::error!(
                        "a reply waits for a position, but the service has no watermark"
                    )
                });
                return self.fail_held();
            };
            let now = durable.now();
            self.held.release(now.position, &mut self.out);
            if now.failed {
                return self.fail_held();
            }
            if self.held.is_empty() || durable.poll_moved(context).is_pending() {
                return;
            }
        }
    }

    fn fail_held(&mut self) {
        if !self.held.is_empty() {
            let (code, remark) = self.service.durability_lost_reply();
            self.held.fail(code, &remark, &mut self.out);
        }
    }

    fn write(&mut self, context: &mut Context<'_>) -> Result<(), CloseCause> {
        if self.out.is_empty() {
            return Ok(());
        }
        let mut taken = 0;
        let written = self.out.poll_write(&mut self.stream, context, &mut taken);
        if taken > 0 {
            self.touch();
            // Restarts the slow reader's time; `note_unsent` sets it again if something is left.
            self.connection.unsent_since_ms.store(0, Ordering::Relaxed);
        }
        match written {
            Poll::Ready(Err(error)) => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn may_read(&self) -> bool {
        let deferred = self.connection.deferred.load(Ordering::Relaxed);
        let waiting = self.connection.waiting.load(Ordering::Relaxed);
        let in_flight = self.held.len() + deferred.saturating_sub(waiting);
        let unsent_bytes = self.out.unsent_bytes() + self.held.waiting_bytes();
        in_flight < self.limits.max_in_flight
            && unsent_bytes < self.limits.max_unsent_bytes
            // Its own replies leaving wake it; with none it is not what holds the memory.
            && (unsent_bytes < UNCOUNTED_BYTES || !self.registry.unsent.is_used_up())
    }

    fn is_drained(&self) -> bool {
        self.out.is_empty()
            && self.held.is_empty()
            && self.connection.deferred.load(Ordering::Relaxed) == 0
            && self.connection.calls.is_empty()
    }

    fn read(
        &mut self,
        context: &mut Context<'_>,
        lent: &mut Lent,
    ) -> Poll<Result<usize, CloseCause>> {
        let Some(session) = &mut self.session else {
            return Poll::Ready(Ok(0));
        };
        let (read, scratch) = lent.for_reading();
        let mut handler = Handler {
            connection: &self.connection,
            service: &*self.service,
            session,
            out: &mut self.out,
            held: &mut self.held,
            durable: self.durable.as_ref().map(|durable| durable.now().position),
            draining: self.draining,
            max_frame_bytes: self.limits.max_frame_bytes,
        };
        self.partial.poll_read(
            &mut self.stream,
            context,
            read,
            self.limits.max_frame_bytes,
            &self.registry.unfinished,
            |bytes| handler.handle_all(bytes, scratch),
        )
    }

    fn touch(&self) {
        self.connection
            .last_activity_ms
            .store(self.registry.now_ms(), Ordering::Relaxed);
    }

    fn note_unsent(&mut self) {
        let unsent_bytes = self.out.unsent_bytes();
        let counted = unsent_bytes + self.held.waiting_bytes();
        let counted = if counted < UNCOUNTED_BYTES {
            0
        } else {
            counted
        };
        if counted != self.unsent_share {
            self.registry.unsent.note(&mut self.unsent_share, counted);
        }
        self.connection.inbox.set_unsent_bytes(unsent_bytes);
        let since = &self.connection.unsent_since_ms;
        if unsent_bytes > 0 && since.load(Ordering::Relaxed) == 0 {
            since.store(self.registry.now_ms(), Ordering::Relaxed);
        }
        if unsent_bytes < self.limits.max_unsent_bytes {
            self.connection.announce_room();
        }
    }

    fn end(mut self, cause: &CloseCause) {
        self.partial.end(&self.registry.unfinished);
        self.registry.unsent.note(&mut self.unsent_share, 0);
        let unsent_calls = self.connection.inbox.close();
        self.connection.calls.close(unsent_calls);
        self.connection.announce_room();
        self.registry.remove(&self.connection);
        if let Some(session) = self.session.take() {
            self.service.disconnected(session, &self.connection);
        }
        tracing::trace!(id = self.connection.id(), %cause, "connection ended");
    }
}
