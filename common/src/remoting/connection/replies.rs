//! Answering a request from within its handler: the reply is written straight into the connection's outgoing bytes,
//! leaves with everything else of this wake-up, or is held until the log is durable up to a position.

use super::Connection;
use super::deferred::Deferred;
use super::held::Held;
use super::outgoing::{Mark, Outgoing};
use super::transfer::Transfer;
use crate::remoting::code::response;
use crate::remoting::head::HeadWriter;
use bytes::Bytes;
use std::sync::Arc;

/// The way to answer the request at hand: once, or by deferring. A request that wants an answer and gets neither is
/// answered with SYSTEM_ERROR, so that no peer waits for its timeout.
#[derive(Debug)]
pub struct Replies<'a> {
    pub(super) connection: &'a Arc<Connection>,
    pub(super) out: &'a mut Outgoing,
    pub(super) held: &'a mut Held,
    /// How far the log was durable at the start of this wake-up; `None` when the service has no watermark.
    pub(super) durable: Option<u64>,
    pub(super) opaque: i32,
    pub(super) one_way: bool,
    /// Where the outgoing bytes end without this request's reply.
    pub(super) before: Mark,
    pub(super) answered: bool,
}

impl<'a> Replies<'a> {
    /// The connection that the request came in on.
    pub fn connection(&self) -> &Arc<Connection> {
        self.connection
    }

    /// Begins the reply; [`ReplyWriter::send`] or [`ReplyWriter::send_when_durable`] ends it. A writer that is dropped
    /// leaves no trace. For one-way requests everything works and nothing is written.
    pub fn reply(&mut self, code: i32) -> ReplyWriter<'_> {
        debug_assert!(!self.answered, "a request is answered once");
        self.out.cut(self.before);
        let head = HeadWriter::begin(self.out.inline(), code, self.opaque);
        ReplyWriter {
            out: self.out,
            held: self.held,
            durable: self.durable,
            before: self.before,
            muted: self.one_way || self.answered,
            answered: &mut self.answered,
            opaque: self.opaque,
            head,
            rest: Rest::default(),
        }
    }

    /// Takes the answer out of the handler's hands: another task gives it later. Until then the request counts as in
    /// flight on its connection.
    pub fn defer(&mut self) -> Deferred {
        debug_assert!(!self.answered, "a request is answered once");
        self.answered = true;
        Deferred::new(Arc::clone(self.connection), self.opaque, self.one_way)
    }

    /// Cuts off what a dropped writer left, and answers for a handler that did not.
    pub(super) fn finish(&mut self) {
        if !self.answered {
            if !self.one_way {
                self.reply(response::SYSTEM_ERROR)
                    .remark("not set any response code")
                    .send();
            } else {
                self.out.cut(self.before);
            }
        }
    }
}

/// One reply being written.
#[derive(Debug)]
#[must_use = "a reply leaves with `send` or `send_when_durable`"]
pub struct ReplyWriter<'r> {
    out: &'r mut Outgoing,
    held: &'r mut Held,
    durable: Option<u64>,
    before: Mark,
    muted: bool,
    answered: &'r mut bool,
    opaque: i32,
    head: HeadWriter,
    rest: Rest<'r>,
}

impl<'r> ReplyWriter<'r> {
    /// Adds a text field to the ext fields.
    #[inline]
    pub fn ext(mut self, name: &str, value: &str) -> Self {
        self.head.text(self.out.inline(), name, value);
        self
    }

    /// Adds an integer field to the ext fields; it goes out as text.
    #[inline]
    pub fn ext_int(mut self, name: &str, value: i64) -> Self {
        self.head.int(self.out.inline(), name, value);
        self
    }

    /// Adds a boolean field to the ext fields; it goes out as text.
    pub fn ext_bool(self, name: &str, value: bool) -> Self {
        self.ext(name, if value { "true" } else { "false" })
    }

    /// Adds the present fields of a typed header, or an empty map if there are none.
    pub fn header<'h>(mut self, header: &impl crate::remoting::ExtFields<'h>) -> Self {
        self.head.empty_ext();
        write_header(header, &mut self.head, self.out);
        self
    }

    /// Sends the ext fields as `{}` if none is added; clients tell that from their absence.
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

    /// Sets the body to a copy of `body`.
    pub fn body_copy(mut self, body: &'r [u8]) -> Self {
        self.rest.body = Body::Copy(body);
        self
    }

    /// Sets the body to the concatenation of `chunks`, which are sent from where they are.
    pub fn body_chunks(mut self, chunks: Vec<Bytes>) -> Self {
        self.rest.body = Body::Chunks(chunks);
        self
    }

    /// Ends the reply; it leaves with this wake-up's write.
    #[inline]
    pub fn send(self) {
        if self.muted {
            self.out.cut(self.before);
        } else {
            self.rest.finish(self.head, self.out);
        }
        *self.answered = true;
    }

    /// Ends the reply with the concatenation of `parts` as its body.
    pub fn send_parts<P: AsRef<[u8]> + Send + 'static>(
        self,
        parts: Vec<P>,
        transfer: &Transfer<P>,
    ) {
        debug_assert!(matches!(self.rest.body, Body::None), "a reply has one body");
        *self.answered = true;
        if self.muted {
            self.out.cut(self.before);
            return;
        }
        let length = parts.iter().map(|part| part.as_ref().len()).sum();
        self.head
            .finish(self.out.inline(), self.rest.remark.as_deref(), length);
        self.out.push_parts(parts, transfer);
    }

    /// Ends the reply; it leaves once the service's watermark has reached `position`, overtaken by replies that wait
    /// for nothing.
    pub fn send_when_durable(self, position: u64) {
        *self.answered = true;
        if self.muted {
            self.out.cut(self.before);
            return;
        }
        if self.durable.is_some_and(|durable| durable >= position) {
            self.rest.finish(self.head, self.out);
            return;
        }
        self.rest.inline(self.head, self.out);
        self.held
            .push(position, self.opaque, self.out.inline_since(self.before));
        self.out.cut(self.before);
    }
}

pub(super) fn write_header<'h>(
    header: &impl crate::remoting::ExtFields<'h>,
    head: &mut HeadWriter,
    out: &mut Outgoing,
) {
    use crate::remoting::headers::Value;
    header.encode(&mut |name, value| match value {
        Value::Text(text) => head.text(out.inline(), name, text),
        Value::Int(number) => head.int(out.inline(), name, number),
        Value::Bool(value) => head.text(out.inline(), name, if value { "true" } else { "false" }),
    });
}

/// What comes behind the ext fields of a reply.
#[derive(Debug, Default)]
pub(super) struct Rest<'b> {
    pub(super) remark: Option<String>,
    pub(super) body: Body<'b>,
}

#[derive(Debug, Default)]
pub(super) enum Body<'b> {
    #[default]
    None,
    Copy(&'b [u8]),
    Whole(Bytes),
    Chunks(Vec<Bytes>),
}

impl Rest<'_> {
    /// Ends a reply that goes to the socket.
    #[inline]
    pub(super) fn finish(self, head: HeadWriter, out: &mut Outgoing) {
        let remark = self.remark.as_deref();
        match self.body {
            Body::None => {
                head.finish(out.inline(), remark, 0);
            }
            Body::Copy(body) => {
                head.finish(out.inline(), remark, body.len());
                out.inline().extend_from_slice(body);
            }
            Body::Whole(body) => {
                head.finish(out.inline(), remark, body.len());
                out.push_body(body);
            }
            Body::Chunks(chunks) => {
                head.finish(out.inline(), remark, chunks.iter().map(Bytes::len).sum());
                for chunk in chunks {
                    out.push_body(chunk);
                }
            }
        }
    }

    /// Ends a reply that is held back: the whole frame is one piece.
    pub(super) fn inline(self, head: HeadWriter, out: &mut Outgoing) {
        match self.body {
            Body::Whole(body) => Rest {
                remark: self.remark,
                body: Body::Copy(&body),
            }
            .finish(head, out),
            Body::Chunks(chunks) => {
                let body = chunks.concat();
                Rest {
                    remark: self.remark,
                    body: Body::Copy(&body),
                }
                .finish(head, out);
            }
            Body::None | Body::Copy(_) => self.finish(head, out),
        }
    }
}
