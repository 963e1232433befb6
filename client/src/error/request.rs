//! How one request to one server can fail. Every other error of this crate is built from it.

use mainstem_common::remoting::CallError;

use super::Refusal;

/// A request to a server failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Nothing reached the server, so nothing has happened.
    #[error(
        "{request} was not sent to {server}: {cause}; check the address and that the server runs"
    )]
    NotSent {
        /// Address of the server.
        server: String,
        /// Name of the request.
        request: &'static str,
        /// Why.
        cause: String,
    },
    /// The request left, but no answer came: the server may have acted on it or not.
    #[error("no answer from {server} to {request}: {cause}; whether it was carried out is unknown")]
    OutcomeUnknown {
        /// Address of the server.
        server: String,
        /// Name of the request.
        request: &'static str,
        /// Why.
        cause: String,
    },
    /// The server said no.
    #[error("{0}")]
    Refused(Refusal),
    /// The server answered with something that is no valid answer.
    #[error(
        "{server} answered {request} with something unreadable: {cause}; is it a RocketMQ server of a known version?"
    )]
    BadReply {
        /// Address of the server.
        server: String,
        /// Name of the request.
        request: &'static str,
        /// What is wrong with it.
        cause: String,
    },
}

impl RequestError {
    /// Whether the same request may succeed later. After [`OutcomeUnknown`](Self::OutcomeUnknown) a retry may do a thing twice.
    #[must_use]
    pub fn can_retry(&self) -> bool {
        match self {
            Self::NotSent { .. } | Self::OutcomeUnknown { .. } => true,
            Self::Refused(refusal) => refusal.can_retry(),
            Self::BadReply { .. } => false,
        }
    }

    /// The response code, if the server refused.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }

    pub(crate) fn from_call(request: &'static str, error: CallError) -> Self {
        match error {
            CallError::NotSent { addr, cause } => Self::NotSent {
                server: addr,
                request,
                cause: cause.to_string(),
            },
            CallError::OutcomeUnknown { addr, cause } => Self::OutcomeUnknown {
                server: addr,
                request,
                cause: cause.to_string(),
            },
        }
    }
}
