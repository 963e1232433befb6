//! Mainstem's storage engine: many topics, one log. Every message is appended to a single
//! commit log; small per-queue files point back into it. The crate has no sockets and no async
//! runtime and can be used alone: open a directory, append, read, flush, close.
//!
//! ```
//! use std::time::Duration;
//!
//! use mainstem_record::{NewRecord, RecordView};
//! use mainstem_store::{AppendOptions, ReadLimits, Store, StoreOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let dir = directory.path();
//! let options = StoreOptions {
//!     commit_log_file_bytes: 1 << 20,
//!     ..StoreOptions::default()
//! };
//! let store = Store::open(dir, options)?;
//! let appended = store.append(
//!     &NewRecord {
//!         topic: "orders",
//!         queue_id: 0,
//!         flag: 0,
//!         sys_flag: 0,
//!         born_timestamp_ms: 0,
//!         born_host: ([127, 0, 0, 1], 0).into(),
//!         store_host: ([127, 0, 0, 1], 0).into(),
//!         reconsume_times: 0,
//!         prepared_transaction_offset: 0,
//!         body: b"hello",
//!         properties: b"KEYS\x01order-1\x02",
//!     },
//!     AppendOptions::default(),
//! )?;
//! // The append lies in memory that outlives the process; now it is on the device, too.
//! assert!(store.wait_durable(appended.durable_at, Duration::from_secs(10)));
//! // Queues and index follow the log; whoever has to be told of a message has `on_arrival`.
//! while store.queue_bounds("orders", 0).max <= appended.queue_offset {
//!     std::thread::yield_now();
//! }
//! let limits = ReadLimits::default();
//! let found = store.read("orders", 0, appended.queue_offset, &limits, &|_| true);
//! assert_eq!(RecordView::parse(&found.messages[0])?.body(), b"hello");
//! assert_eq!(store.query_key("orders", "order-1", 10, 0, i64::MAX).len(), 1);
//! store.close()?;
//! # Ok(())
//! # }
//! ```
//!
//! What an acknowledgement means is a choice ([`FlushMode`]) and visible at any time
//! ([`Watermarks`]): *appended* survives the process, *flushed* survives the machine, and nothing
//! past *readable* is given to a reader. One thread's appends go through a [`Batch`], which encodes
//! outside of the append lock. A store that was not closed recovers when it is opened; damage below
//! what was known to be durable is an error of its own ([`OpenError::Damage`]) and changes nothing.
//! [`inspect`] checks, prints and repairs a directory that no store has open. The byte layout of
//! every file, which is Apache RocketMQ's where it has one, and the rules of recovery are in
//! `docs/storage.md`. Disks are behind a trait ([`disk::Disk`]); [`disk::sim`] is one in memory that
//! loses what was not synced.
//!
//! Runnable: `cargo run -p mainstem-store --example embedded` does the above over two lives of a
//! store; `alone` and `many_queues` measure it.

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
mod long_walk;
mod metrics;
mod options;
mod outcome;
mod owner;
mod queue_counter;
mod queues;
mod retention;
#[cfg(test)]
mod said;
mod slice;
mod snapshot;
mod store;
mod sync;
mod watermarks;

pub use apache::{ConfigFileError, ConfigFiles};
pub use commit_log::StoreStats;
pub use error::{AppendError, CloseError, DeleteTopicError, OpenError, ReadError};
pub use journal::{Journal, JournalError, Table};
/// Bytes of anonymous memory that a store takes at most beside its queues: tails, which grow by doubling, key index, the group
/// that gathers for its flush and the one on its way to the disk, and the buffers of its threads.
pub const MEMORY_BYTES: u64 = (2 * derived::TAIL_MEMORY_BYTES
    + derived::INDEX_MEMORY_BYTES
    + 2 * commit_log::MAX_STAGED_BYTES
    + (16 << 20)) as u64;
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
pub use queues::{CreateQueueError, MAX_QUEUE_ID, MAX_QUEUES, QueueSlots, QueueUnit};
pub use retention::{DiskStage, Hold, Retention};
pub use slice::RecordSlice;
pub use store::{Batch, Store};
pub use watermarks::Watermarks;
