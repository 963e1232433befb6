//! Messages on both sides of a broker: [`Message`] is what a producer sends, [`ReceivedMessage`] what a consumer
//! is given. Both are plain values; nothing here talks to a server.

mod outgoing;
mod received;

pub use outgoing::{DELAY_LEVELS, Message, MessageBuilder, MessageError};
pub use received::ReceivedMessage;
