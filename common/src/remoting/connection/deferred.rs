//! Answering a request later and from another task: a parked pull, a relayed call. The reply is built where the caller
//! is and left in the connection's inbox; many that are ready together leave in one write.

use super::Connection;
use super::outgoing::{Mark, Outgoing};
use super::replies::{Body, Rest, write_header};
use super::transfer::Transfer;
use crate::remoting::code::response;
use crate::remoting::head::HeadWriter;
use crate::remoting::{Command, ExtFields};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A promise to answer one request. Dropped unanswered, it answers SYSTEM_ERROR. If the connection has closed by then,
/// the reply is dropped silently.
#[derive(Debug)]
pub struct Deferred {
    connection: Arc<Connection>,
    opaque: i32,
    one_way: bool,
    answered: bool,
    waits: bool,
}

impl Deferred {
    pub(super) fn new(connection: Arc<Connection>, opaque: i32, one_way: bool) -> Deferred {
        if !one_way {
            connection.deferred.fetch_add(1, Ordering::Relaxed);
        }
        Deferred {
            connection,
            opaque,
            one_way,
            answered: false,
            waits: false,
        }
    }

    /// Takes the request out of the connection's limit of requests in flight: it waits for something to happen, as the pulls
    /// of a consumer do on each of its queues, and must not keep the connection from being read. Whoever holds it bounds how
    /// many there are.
    #[must_use]
    pub fn waiting(mut self) -> Deferred {
        if !self.one_way && !self.waits {
            self.waits = true;
            self.connection.waiting.fetch_add(1, Ordering::Relaxed);
        }
        self
    }

    /// The connection that the request came in on.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Whether the asker wants no answer.
    pub fn is_one_way(&self) -> bool {
        self.one_way
    }

    /// Begins the reply; [`DeferredReply::send`] or [`DeferredReply::send_when_durable`] ends it.
    pub fn reply(self, code: i32) -> DeferredReply {
        let mut out = Outgoing::default();
        out.inline().reserve(256);
        let head = HeadWriter::begin(out.inline(), code, self.opaque);
        DeferredReply {
            deferred: self,
            out,
            head,
            rest: Rest::default(),
        }
    }

    /// Answers with an owned command; its opaque, flag, language and version are the connection's to set.
    pub fn send_command(self, command: &Command) {
        let mut reply = self.reply(command.code);
        for (name, value) in &command.ext {
            reply = reply.ext(name, value);
        }
        if let Some(remark) = &command.remark {
            reply = reply.remark(remark);
        }
        reply.body(command.body.clone()).send();
    }
}

impl Drop for Deferred {
    fn drop(&mut self) {
        if self.waits {
            self.connection.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        if self.answered || self.one_way {
            return;
        }
        let mut out = Outgoing::default();
        let head = HeadWriter::begin(out.inline(), response::SYSTEM_ERROR, self.opaque);
        head.finish(
            out.inline(),
            Some("the request was dropped without an answer"),
            0,
        );
        self.connection.inbox.push_reply(&mut out);
    }
}

/// One deferred reply being written.
#[derive(Debug)]
#[must_use = "a reply leaves with `send` or `send_when_durable`"]
pub struct DeferredReply {
    deferred: Deferred,
    out: Outgoing,
    head: HeadWriter,
    rest: Rest<'static>,
}

impl DeferredReply {
    /// Adds a text field to the ext fields.
    pub fn ext(mut self, name: &str, value: &str) -> Self {
        self.head.text(self.out.inline(), name, value);
        self
    }

    /// Adds an integer field to the ext fields; it goes out as text.
    pub fn ext_int(mut self, name: &str, value: i64) -> Self {
        self.head.int(self.out.inline(), name, value);
        self
    }

    /// Adds a boolean field to the ext fields; it goes out as text.
    pub fn ext_bool(self, name: &str, value: bool) -> Self {
        self.ext(name, if value { "true" } else { "false" })
    }

    /// Adds the present fields of a typed header, or an empty map if there are none.
    pub fn header<'h>(mut self, header: &impl ExtFields<'h>) -> Self {
        self.head.empty_ext();
        write_header(header, &mut self.head, &mut self.out);
        self
    }

    /// Sends the ext fields as `{}` if none is added.
    pub fn empty_ext(mut self) -> Self {
        self.head.empty_ext();
        self
    }

    /// Sets the remark.
    pub fn remark(mut self, remark: &str) -> Self {
        self.rest.remark = Some(remark.to_owned());
        self
    }

    /// Sets the body; a large one is sent from where it is.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.rest.body = Body::Whole(body.into());
        self
    }

    /// Sets the body to the concatenation of `chunks`, which are sent from where they are.
    pub fn body_chunks(mut self, chunks: Vec<Bytes>) -> Self {
        self.rest.body = Body::Chunks(chunks);
        self
    }

    /// Ends the reply with the concatenation of `parts` as its body.
    pub fn send_parts<P: AsRef<[u8]> + Send + 'static>(
        self,
        parts: Vec<P>,
        transfer: &Transfer<P>,
    ) {
        let DeferredReply {
            mut deferred,
            mut out,
            head,
            rest,
        } = self;
        debug_assert!(matches!(rest.body, Body::None), "a reply has one body");
        deferred.answered = true;
        if !deferred.one_way {
            let length = parts.iter().map(|part| part.as_ref().len()).sum();
            head.finish(out.inline(), rest.remark.as_deref(), length);
            out.push_parts(parts, transfer);
            deferred.connection.inbox.push_reply(&mut out);
        }
    }

    /// Ends the reply and leaves it for the connection's task.
    pub fn send(self) {
        let DeferredReply {
            mut deferred,
            mut out,
            head,
            rest,
        } = self;
        deferred.answered = true;
        if !deferred.one_way {
            rest.finish(head, &mut out);
            deferred.connection.inbox.push_reply(&mut out);
        }
    }

    /// Ends the reply; it leaves once the service's watermark has reached `position`.
    pub fn send_when_durable(self, position: u64) {
        let DeferredReply {
            mut deferred,
            mut out,
            head,
            rest,
        } = self;
        deferred.answered = true;
        if !deferred.one_way {
            rest.inline(head, &mut out);
            let frame = out.inline_since(Mark::default()).to_vec();
            deferred
                .connection
                .inbox
                .push_held_reply(position, deferred.opaque, frame);
        }
    }
}
