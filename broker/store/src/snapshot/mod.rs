//! The snapshot: numbers and tails of all queues at one log position, in one checksummed file.
//! Promises that a snapshot is found whole or not at all, and that the one before it is kept until
//! the next is durable. Owns the file's form; what the numbers mean is the queues' business.
//!
//! `mainstem/snapshot-0` and `-1` are written in turn: under a temporary name, synced, renamed over
//! the older one, and the directory synced. A file is a magic number, a version, and frames of
//! length, CRC32 and content (bincode): a head, the queues in chunks, an end with their number.

mod frame;
mod read;
mod write;

use bincode::{Decode, Encode};

pub(crate) use read::{load, look};
pub(crate) use write::SnapshotWriter;

const MAGIC: &[u8; 8] = b"MSSNAPS1";
/// Raised whenever the content of frames changes; a snapshot of another version is not read.
const VERSION: u32 = 1;
const TEMPORARY: &str = "mainstem/snapshot.new";
const DIRECTORY: &str = crate::layout::DIRECTORY;

/// The file that a snapshot of that number is written to.
pub(crate) fn path_of(sequence: u64) -> String {
    format!("mainstem/snapshot-{}", sequence % 2)
}

/// The first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Head {
    /// Greater in every later snapshot.
    pub(crate) sequence: u64,
    /// State id of the directory that the snapshot belongs to.
    pub(crate) owner: u64,
    /// Log position: the queues are those of all records below it.
    pub(crate) position: u64,
}

/// One queue.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct QueueState {
    pub(crate) topic: String,
    pub(crate) queue_id: i32,
    /// Offset of the oldest message.
    pub(crate) min: u64,
    /// Offset of the first unit in `tail`.
    pub(crate) tail_start: u64,
    /// Encoded units, up to the queue's next offset.
    pub(crate) tail: Vec<u8>,
}

/// The last frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
struct End {
    queues: u64,
}

/// What a frame holds.
#[derive(Debug, Encode, Decode)]
enum Frame {
    Head(Head),
    Queues(Vec<QueueState>),
    End(End),
}

#[cfg(test)]
mod tests;
