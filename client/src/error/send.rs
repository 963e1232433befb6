//! How a send can fail. Of several attempts the most serious outcome counts: if one of them may have stored the
//! message, the whole send's outcome is unknown, whatever the later ones said.

use std::time::Duration;

use super::{Refusal, RequestError, RouteError};
use crate::message::MessageError;

/// A message was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No broker has the message, certainly.
    #[error("message to topic {topic} was not sent: {cause}")]
    NotSent {
        /// The topic.
        topic: String,
        /// Why.
        cause: NotSentCause,
    },
    /// A broker may have stored the message or not. If it is sent again it must carry the same unique key, or consumers
    /// cannot tell that both are one.
    #[error(
        "message {unique_key} to topic {topic} may or may not be stored after {attempts} attempts: {cause}; \
         look it up by its unique key, or send it again with the same one (MessageBuilder::unique_key)"
    )]
    OutcomeUnknown {
        /// The topic.
        topic: String,
        /// The message's unique key; that of the first message of a batch.
        unique_key: String,
        /// How often it was tried.
        attempts: u32,
        /// What the last attempt met.
        cause: Box<RequestError>,
    },
    /// A broker said no, and none has the message.
    #[error("message to topic {topic} was refused after {attempts} attempts: {refusal}")]
    Refused {
        /// The topic.
        topic: String,
        /// How often it was tried.
        attempts: u32,
        /// The last refusal.
        refusal: Box<Refusal>,
    },
}

/// Why a message never left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSentCause {
    /// The message itself.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A batch of no messages, of several topics, over the size limit, or with a delayed message in it.
    #[error("{0}")]
    Batch(String),
    /// No route.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// No connection to a broker.
    #[error(transparent)]
    Request(Box<RequestError>),
    /// The send window stayed full for the whole time-out.
    #[error(
        "the send window of {in_flight} messages stayed full for {waited:?}: brokers answer too slowly; \
         send slower, or widen it (max_in_flight_messages, max_in_flight_bytes)"
    )]
    WindowFull {
        /// The window, in messages.
        in_flight: usize,
        /// How long the send waited.
        waited: Duration,
    },
    /// An ordered send's turn did not come, because those before it in its line took the whole time-out.
    #[error("earlier ordered sends to {line} took {waited:?}; send it again")]
    NoTurn {
        /// The queue or topic, for a person.
        line: String,
        /// How long the send waited.
        waited: Duration,
    },
    /// An earlier ordered message to the same queue failed while this one waited for its turn; sending it would have changed the
    /// order.
    #[error(
        "an earlier ordered message to {line} failed; send that one again first, then this one"
    )]
    EarlierFailed {
        /// The queue or topic, for a person.
        line: String,
    },
    /// The producer was shut down.
    #[error("the producer is shut down; build another one")]
    ShutDown,
}

impl SendError {
    /// Whether sending the message again can help. After [`OutcomeUnknown`](Self::OutcomeUnknown) it may then be stored twice,
    /// with the same unique key if the caller keeps it.
    #[must_use]
    pub fn can_retry(&self) -> bool {
        match self {
            Self::NotSent { cause, .. } => match cause {
                NotSentCause::Message(_) | NotSentCause::Batch(_) | NotSentCause::ShutDown => false,
                NotSentCause::Route(route) => route.can_retry(),
                NotSentCause::Request(request) => request.can_retry(),
                NotSentCause::WindowFull { .. }
                | NotSentCause::NoTurn { .. }
                | NotSentCause::EarlierFailed { .. } => true,
            },
            Self::OutcomeUnknown { .. } => true,
            Self::Refused { refusal, .. } => refusal.can_retry(),
        }
    }

    /// The broker's response code, if it refused.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal.code),
            _ => None,
        }
    }

    pub(crate) fn not_sent(topic: &str, cause: impl Into<NotSentCause>) -> Self {
        Self::NotSent {
            topic: topic.to_owned(),
            cause: cause.into(),
        }
    }
}
