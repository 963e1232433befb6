//! What a server does with requests, as the transport sees it.

use crate::remoting::code::response;
use crate::remoting::{Connection, Durability, Replies, Request};
use std::sync::Arc;
use tokio::sync::watch;

/// The requests' destination: a broker, a name server, a test. All methods run on a connection's task and must neither
/// block nor take long; what needs time is deferred ([`Replies::defer`]).
pub trait Service: Send + Sync + 'static {
    /// What the service keeps per connection; only that connection's task touches it.
    type Session: Send;

    /// A connection was accepted; nothing has been read from it yet.
    fn connected(&self, connection: &Arc<Connection>) -> Self::Session;

    /// One request. It is answered through `replies`, at once, held back or deferred; one that was not is answered
    /// SYSTEM_ERROR. A panic closes the connection.
    fn request(
        &self,
        session: &mut Self::Session,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    );

    /// All complete frames that had arrived have been handled; the connection is about to write.
    fn batch_end(&self, session: &mut Self::Session) {
        let _ = session;
    }

    /// The watermark that [`ReplyWriter::send_when_durable`](crate::remoting::ReplyWriter::send_when_durable) waits
    /// for. Asked once per connection.
    fn durable(&self) -> Option<watch::Receiver<Durability>> {
        None
    }

    /// The answer to requests whose held reply can never leave, since durability has failed: code and remark.
    fn durability_lost_reply(&self) -> (i32, String) {
        (
            response::SYSTEM_ERROR,
            "the store has failed; whether the message was stored is unknown".to_owned(),
        )
    }

    /// The connection has ended. [`Connection::is_closed`] is true by now.
    fn disconnected(&self, session: Self::Session, connection: &Arc<Connection>) {
        let _ = (session, connection);
    }
}
