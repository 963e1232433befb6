//! Mainstem's storage engine: many topics, one log. Every message is appended to a single
//! commit log; small per-queue files point back into it. The crate has no sockets and no async
//! runtime and can be used alone: open a directory, append, read, flush, close.

mod apache;
mod checkpoint;
mod commit_log;
mod derived;
pub mod disk;
mod dispatch;
mod error;
mod floor;
mod index;
pub mod inspect;
mod journal;
mod layout;
mod log_reader;
mod metrics;
mod options;
mod outcome;
mod owner;
mod queue_counter;
mod queues;
mod retention;
mod slice;
mod snapshot;
mod store;
mod sync;
mod watermarks;

pub use apache::{ConfigFileError, ConfigFiles};
pub use commit_log::StoreStats;
pub use error::{AppendError, CloseError, DeleteTopicError, OpenError, ReadError};
pub use journal::{Journal, JournalError, Table};
/// Bytes of anonymous memory that a store takes at most beside its queues: tails, which grow by doubling, key index, and the
/// buffers of its threads.
pub const MEMORY_BYTES: u64 =
    (2 * derived::TAIL_MEMORY_BYTES + derived::INDEX_MEMORY_BYTES + (16 << 20)) as u64;
/// Bytes of a queue without its tail, with its place in the table.
pub const QUEUE_BYTES: u64 = 256;

pub use log_reader::{LogReader, ScanVisitor};
pub use metrics::{HistogramSnapshot, StoreHistograms};
pub use options::{FlushMode, LockKind, StoreOptions};
pub use outcome::{
    AppendOptions, Appended, Arrival, Boundary, Patience, Progress, QueueBounds, ReadLimits,
    ReadOutcome, ReadStatus, Usage,
};
pub use queue_counter::QueueCounter;
pub use queues::{CreateQueueError, MAX_QUEUE_ID, MAX_QUEUES, QueueUnit};
pub use retention::{DiskStage, Hold, Retention};
pub use slice::RecordSlice;
pub use store::{Batch, Store};
pub use watermarks::Watermarks;
