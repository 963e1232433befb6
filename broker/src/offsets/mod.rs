//! Offsets: what a group has consumed, where a new group starts, and moving a group to another place.

mod query;
mod reset;
mod table;

pub use query::{CommitOffsetError, OffsetNotFound};
pub use reset::{CloneOffsetsError, OffsetResetRequest, ResetOffsetError};
pub(crate) use table::{GroupTopicOffsets, PulledAmount};
pub use table::{OffsetTable, QueueOffsets};
