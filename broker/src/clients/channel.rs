//! What the broker may ask of a connected client, whatever protocol it speaks. A front door implements it; the rest of
//! the broker sees only this.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

/// A way back to a client. Calls never block; what cannot be delivered is dropped, for every notice is repeated by the
/// clients' own timers.
pub trait ClientChannel: Send + Sync {
    /// Distinguishes channels for the life of the broker.
    fn id(&self) -> u64;
    /// The client's address.
    fn remote(&self) -> SocketAddr;
    /// Cuts the client off, for it has not been heard of for too long.
    fn close(&self);
    /// Tells the client that the members of its group have changed.
    fn notify_members_changed(&self, group: &str);
    /// Tells the client to go on at other offsets.
    fn reset_offsets(&self, reset: &OffsetReset);
    /// Asks the client a question on behalf of an operator.
    fn ask(
        &self,
        question: ClientQuestion,
    ) -> Pin<Box<dyn Future<Output = Result<ClientAnswer, AskError>> + Send>>;
}

/// A shared way back to a client.
pub type SharedChannel = Arc<dyn ClientChannel>;

/// New offsets that a consumer is told to use.
#[derive(Debug, Clone)]
pub struct OffsetReset {
    /// Consumer group.
    pub group: String,
    /// Topic.
    pub topic: String,
    /// Time the operator asked for, milliseconds since 1970; -1 for the end of the queue.
    pub timestamp_ms: i64,
    /// Queue and its new offset.
    pub offsets: Vec<(i32, i64)>,
}

/// A question relayed to a client.
#[derive(Debug, Clone)]
pub enum ClientQuestion {
    /// What it consumes at the moment.
    RunningInfo {
        /// Consumer group.
        group: String,
        /// The client asked.
        client_id: String,
        /// Whether the stacks of its threads are wanted.
        with_stacks: bool,
    },
    /// What becomes of one message.
    ConsumeDirectly {
        /// Consumer group.
        group: String,
        /// The client asked.
        client_id: String,
        /// Message id as the operator gave it.
        message_id: String,
        /// Topic of the message.
        topic: String,
        /// The stored record.
        record: Bytes,
    },
    /// Its offset table of a topic.
    OffsetTable {
        /// Consumer group.
        group: String,
        /// Topic.
        topic: String,
    },
}

/// A client's answer; its body passes through the broker as it is.
#[derive(Debug, Clone)]
pub struct ClientAnswer {
    /// The client's own response code.
    pub code: i32,
    /// The client's own remark.
    pub remark: Option<String>,
    /// The client's own body.
    pub body: Bytes,
}

/// Why a client gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AskError {
    /// The client did not answer in time.
    #[error("consumer {client} did not answer within {limit_ms} ms")]
    TimedOut {
        /// The client's address.
        client: SocketAddr,
        /// How long was waited.
        limit_ms: u64,
    },
    /// The connection broke.
    #[error("consumer {client} could not be asked: {cause}")]
    Unreachable {
        /// The client's address.
        client: SocketAddr,
        /// What went wrong.
        cause: String,
    },
}
