//! What can go wrong, one type per kind of operation. Each separates what was never sent from what may have
//! happened and from what a server refused, says whether trying again can help, and names the next step.

mod admin;
mod consume;
mod refusal;
mod request;
mod route;
mod send;

pub use admin::AdminError;
pub use consume::ConsumeError;
pub use refusal::Refusal;
pub use request::RequestError;
pub use route::RouteError;
pub use send::{NotSentCause, SendError};

use mainstem_record::topic::NameError;

/// A producer, consumer or admin client cannot be built from what its builder was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The group's name is not one that a broker takes.
    #[error("group of the client: {0}")]
    Group(#[source] NameError),
    /// A topic to subscribe to.
    #[error("topic to subscribe to: {0}")]
    Topic(#[source] NameError),
    /// No usable name server address.
    #[error(
        "{given:?} names no name server; give one or more as `host:port`, separated by `;`, such as 127.0.0.1:9876"
    )]
    NameServers {
        /// The text given.
        given: String,
    },
    /// A number outside what it may be.
    #[error("{name} is {value}, but must be {allowed}")]
    Value {
        /// The builder's method.
        name: &'static str,
        /// What was given.
        value: String,
        /// What may be given.
        allowed: &'static str,
    },
    /// Something that must be given was not.
    #[error("{what} is missing; call {method} on the builder")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// The builder's method that gives it.
        method: &'static str,
    },
    /// A subscription's filter.
    #[error("filter {filter:?} of topic {topic}: {reason}")]
    Filter {
        /// The topic.
        topic: String,
        /// The filter's text.
        filter: String,
        /// What is wrong with it, and how to mend it.
        reason: &'static str,
    },
    /// The file of a broadcast consumer's offsets cannot be used.
    #[error(
        "offsets file {path}: {cause}; make it readable and writable, or give another place by local_offsets_dir"
    )]
    LocalOffsets {
        /// The file.
        path: String,
        /// What the system said.
        cause: String,
    },
}
