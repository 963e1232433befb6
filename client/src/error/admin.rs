//! What can go wrong in administration.

use mainstem_record::topic::NameError;

use super::{ConsumeError, RequestError, RouteError};

/// An admin operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// No route.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A server could not be asked or refused.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A topic or group name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No cluster of this name.
    #[error("there is no cluster {name}; the name server knows {known}")]
    UnknownCluster {
        /// The name given.
        name: String,
        /// Those that there are, for a person.
        known: String,
    },
    /// No broker of this name, or none with a master.
    #[error("there is no broker {name} with a master up; the name server knows {known}")]
    UnknownBroker {
        /// The name given.
        name: String,
        /// Those that there are, for a person.
        known: String,
    },
    /// No broker at all.
    #[error(
        "the name servers {name_servers} know no broker; start one with `mainstem broker`, or `mainstem standalone`"
    )]
    NoBroker {
        /// The name servers asked.
        name_servers: String,
    },
    /// A number outside what it may be.
    #[error("{name} is {value}, but must be {allowed}")]
    Value {
        /// What it is.
        name: &'static str,
        /// What was given.
        value: String,
        /// What may be given.
        allowed: &'static str,
    },
    /// A text that is no offset message id.
    #[error(
        "{given:?} is no offset message id (32 or 56 hex characters); a unique key is looked up by topic and key instead"
    )]
    MessageId {
        /// The text.
        given: String,
    },
    /// The change was made, but the name servers do not show it yet.
    #[error(
        "topic {topic} was created, but the name server does not show it after {waited_ms} ms; look at the broker's log for its registration"
    )]
    NotVisible {
        /// The topic.
        topic: String,
        /// How long was waited.
        waited_ms: u128,
    },
}

impl AdminError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn can_retry(&self) -> bool {
        match self {
            Self::Route(error) => error.can_retry(),
            Self::Request(error) => error.can_retry(),
            Self::NoBroker { .. } | Self::UnknownBroker { .. } | Self::NotVisible { .. } => true,
            Self::Name(_)
            | Self::UnknownCluster { .. }
            | Self::Value { .. }
            | Self::MessageId { .. } => false,
        }
    }

    /// The server's response code, if it refused.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Request(error) => error.code(),
            _ => None,
        }
    }
}

impl From<ConsumeError> for AdminError {
    fn from(error: ConsumeError) -> Self {
        match error {
            ConsumeError::Route(error) => Self::Route(error),
            ConsumeError::Request(error) => Self::Request(error),
            other => Self::Value {
                name: "queue",
                value: other.to_string(),
                allowed: "a queue of a known topic",
            },
        }
    }
}
