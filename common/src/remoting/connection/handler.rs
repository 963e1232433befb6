//! Handling what one read brought: every complete frame is decoded and goes to the service if it is a request, or to
//! whoever waits for it if it is an answer.

use super::Connection;
use super::calls::Answer;
use super::close::CloseCause;
use super::held::Held;
use super::outgoing::Outgoing;
use super::replies::Replies;
use crate::remoting::code::response;
use crate::remoting::head::{self, Scratch};
use crate::remoting::{Command, Request, Service, frame};
use bytes::Bytes;
use std::sync::Arc;

/// The handling of what one read brought.
pub(super) struct Handler<'d, S: Service> {
    pub(super) connection: &'d Arc<Connection>,
    pub(super) service: &'d S,
    pub(super) session: &'d mut S::Session,
    pub(super) out: &'d mut Outgoing,
    pub(super) held: &'d mut Held,
    pub(super) durable: Option<u64>,
    pub(super) draining: bool,
    pub(super) max_frame_bytes: usize,
}

impl<S: Service> Handler<'_, S> {
    /// Handles every complete frame of `bytes` and returns their length.
    pub(super) fn handle_all(
        &mut self,
        bytes: &[u8],
        scratch: &mut Scratch,
    ) -> Result<usize, CloseCause> {
        let mut used = 0;
        let outcome = loop {
            match self.handle_next(&bytes[used..], scratch) {
                Ok(0) => break Ok(used),
                Ok(length) => used += length,
                Err(error) => break Err(CloseCause::Frame(error)),
            }
        };
        if used > 0 {
            self.service.batch_end(self.session);
        }
        outcome
    }

    /// Handles the first frame of `bytes` and returns its length, 0 when it is not complete.
    fn handle_next(
        &mut self,
        bytes: &[u8],
        scratch: &mut Scratch,
    ) -> Result<usize, frame::FrameError> {
        let Some(parts) = frame::split(bytes, self.max_frame_bytes)? else {
            return Ok(0);
        };
        let request = head::decode(parts.head_type, parts.header, parts.body, scratch)?;
        if request.is_response() {
            self.hand_to_caller(&request);
            return Ok(parts.length);
        }
        let mut replies = Replies {
            connection: self.connection,
            before: self.out.mark(),
            out: self.out,
            held: self.held,
            durable: self.durable,
            opaque: request.opaque,
            one_way: request.is_one_way(),
            answered: false,
        };
        if self.draining {
            replies
                .reply(response::SERVICE_NOT_AVAILABLE)
                .remark("this server is shutting down")
                .send();
        } else {
            self.service.request(self.session, &request, &mut replies);
        }
        replies.finish();
        Ok(parts.length)
    }

    fn hand_to_caller(&self, answer: &Request<'_>) {
        if let Some(caller) = self.connection.calls.take(answer.opaque) {
            let command = Command::from_request(answer, Bytes::copy_from_slice(answer.body));
            let _ = caller.send(Answer::Reply(command));
        } else {
            tracing::trace!(opaque = answer.opaque, "an answer that nobody waits for");
        }
    }
}
