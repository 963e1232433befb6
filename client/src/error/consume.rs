//! What can go wrong while consuming, as far as the caller is told; what mends itself is retried and logged instead.

use super::{BuildError, RequestError, RouteError};

/// A consumer's operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsumeError {
    /// No route.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A broker could not be asked or refused.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A topic or filter.
    #[error(transparent)]
    Subscription(#[from] BuildError),
    /// The queue is not (or no longer) this consumer's.
    #[error(
        "queue {queue_id} of topic {topic} on {broker_name} is not assigned to this consumer; assign it, or look at assignment() after a rebalance"
    )]
    NotAssigned {
        /// The topic.
        topic: String,
        /// The broker's name.
        broker_name: String,
        /// The queue's number.
        queue_id: i32,
    },
    /// Queues are either subscribed to or assigned.
    #[error(
        "this consumer has {has}, which {wanted} would contradict; use one of the two, or another consumer"
    )]
    Mixed {
        /// What it has.
        has: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
    /// The consumer keeps no offsets that could be asked for or committed.
    #[error(
        "a consumer without a group has no committed offsets; build one with a group to resume where it stopped"
    )]
    NoGroup,
    /// A broadcast consumer's offsets file.
    #[error("offsets file {path}: {cause}")]
    LocalOffsets {
        /// The file.
        path: String,
        /// What the system said.
        cause: String,
    },
    /// The consumer was shut down.
    #[error("the consumer is shut down; build another one")]
    ShutDown,
}

impl ConsumeError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn can_retry(&self) -> bool {
        match self {
            Self::Route(error) => error.can_retry(),
            Self::Request(error) => error.can_retry(),
            Self::LocalOffsets { .. } => true,
            Self::Subscription(_)
            | Self::NotAssigned { .. }
            | Self::Mixed { .. }
            | Self::NoGroup
            | Self::ShutDown => false,
        }
    }

    /// The broker's response code, if it refused.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Request(error) => error.code(),
            _ => None,
        }
    }
}
