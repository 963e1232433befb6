//! Who is connected: producers and consumers by group, each known by the channel its heartbeat came on. It owns the
//! registry and the compiled subscriptions; it sends nothing itself and returns what has changed to its callers.

mod channel;
mod consumers;
mod filter;
mod heartbeat;
mod producers;

use std::sync::Arc;
use std::time::Instant;

use mainstem_common::remoting::Language;

pub use channel::{
    AskError, ClientAnswer, ClientChannel, ClientQuestion, OffsetReset, SharedChannel,
};
pub use consumers::{ConsumerGroupView, Consumers, Subscription};
pub use filter::{FilterError, MAX_TAGS, TagFilter};
pub use heartbeat::{HeartbeatOutcome, UnregisterRequest};
pub use producers::Producers;

/// A client as its heartbeats describe it.
#[derive(Clone)]
pub struct Member {
    /// The id the client gave itself.
    pub client_id: Arc<str>,
    /// Its implementation language.
    pub language: Language,
    /// Its protocol version.
    pub version: i32,
    /// The way back to it.
    pub channel: SharedChannel,
    /// When it was last heard of.
    pub last_heartbeat: Instant,
    /// The same as wall-clock time, milliseconds since 1970.
    pub last_heartbeat_ms: i64,
}
