//! Consume queues.
mod queue;
mod table;
mod tail;
mod topic_hash;
mod unit;

pub use queue::{Queue, QueueBounds};
pub(crate) use queue::Pushed;
pub use table::{CreateQueueError, QueueTable};
pub use unit::{QueueUnit, UNIT_BYTES};
