//! Requests that travel against the usual direction: a broker asks its client something, on the client's connection.

use crate::remoting::code::{request_name, response};
use crate::remoting::{Command, Connection, Replies, Request, Service};
use bytes::Bytes;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The answer to a peer's request, when it is ready.
pub type PeerAnswer = Pin<Box<dyn Future<Output = Command> + Send>>;

/// Handles the requests that servers send to their clients.
pub trait PeerRequests: Debug + Send + Sync + 'static {
    /// One request of the server at `from`, the address that the client called. `None` refuses it with
    /// REQUEST_CODE_NOT_SUPPORTED. The future runs as a task of its own, also for one-way requests, whose answer is
    /// dropped. The call itself must not block.
    fn request(&self, from: &str, command: Command) -> Option<PeerAnswer>;
}

/// Refuses every request.
#[derive(Clone, Copy, Debug)]
pub struct NoPeerRequests;

impl PeerRequests for NoPeerRequests {
    fn request(&self, _from: &str, _command: Command) -> Option<PeerAnswer> {
        None
    }
}

/// The service at the client's end of a connection.
pub(super) struct PeerService {
    pub(super) addr: Arc<str>,
    pub(super) peer_requests: Arc<dyn PeerRequests>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Service for PeerService {
    type Session = ();

    fn connected(&self, _connection: &Arc<Connection>) {}

    fn request(&self, (): &mut (), request: &Request<'_>, replies: &mut Replies<'_>) {
        let command = Command::from_request(request, Bytes::copy_from_slice(request.body));
        let deferred = replies.defer();
        match self.peer_requests.request(&self.addr, command) {
            Some(answer) => {
                let stop = self.stop.clone();
                self.tasks.spawn(async move {
                    if let Some(command) = stop.run_until_cancelled(answer).await {
                        deferred.send_command(&command);
                    }
                });
            }
            None => {
                let (code, name) = (request.code, request_name(request.code));
                let remark = format!("request code {code} ({name}) is not handled by this client");
                deferred
                    .reply(response::REQUEST_CODE_NOT_SUPPORTED)
                    .remark(&remark)
                    .send();
            }
        }
    }
}
