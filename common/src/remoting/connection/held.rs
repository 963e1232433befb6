//! Replies that are finished but may not leave before the log is durable up to a position. They wait in the order in
//! which they came, their bytes in one buffer, and move to the outgoing bytes when the watermark passes them.

use super::outgoing::Outgoing;
use crate::remoting::head::HeadWriter;
use std::collections::VecDeque;

/// Memory kept when nothing waits.
const KEEP_BYTES: usize = 256 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Held {
    bytes: Vec<u8>,
    /// Start of the first reply that still waits.
    start: usize,
    replies: VecDeque<HeldReply>,
}

#[derive(Clone, Copy, Debug)]
struct HeldReply {
    position: u64,
    length: u32,
    opaque: i32,
}

impl Held {
    pub(crate) fn len(&self) -> usize {
        self.replies.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    pub(crate) fn waiting_bytes(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Holds `frame`, the reply to `opaque`, until `position` is durable.
    pub(crate) fn push(&mut self, position: u64, opaque: i32, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.replies.push_back(HeldReply {
            position,
            length: frame.len() as u32,
            opaque,
        });
    }

    /// Moves the replies that `durable` has reached. One that follows a later position waits for that too: never too
    /// early, and on one connection positions only grow.
    pub(crate) fn release(&mut self, durable: u64, out: &mut Outgoing) {
        let mut end = self.start;
        while let Some(reply) = self.replies.front() {
            if reply.position > durable {
                break;
            }
            end += reply.length as usize;
            self.replies.pop_front();
        }
        if end > self.start {
            out.inline().extend_from_slice(&self.bytes[self.start..end]);
            self.start = end;
            self.forget_released();
        }
    }

    /// Answers every waiting request with an error instead.
    pub(crate) fn fail(&mut self, code: i32, remark: &str, out: &mut Outgoing) {
        for reply in self.replies.drain(..) {
            let out = out.inline();
            HeadWriter::begin(out, code, reply.opaque).finish(out, Some(remark), 0);
        }
        self.start = self.bytes.len();
        self.forget_released();
    }

    /// Gives back memory that is not in use.
    pub(crate) fn trim(&mut self) {
        if self.is_empty() {
            *self = Held::default();
        }
    }

    fn forget_released(&mut self) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
            if self.bytes.capacity() > KEEP_BYTES {
                self.bytes = Vec::new();
            }
        } else if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}
