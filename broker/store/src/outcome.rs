//! The plain values that go in and out of a store: placements, limits, outcomes of reads, progress
//! and arrivals. They promise nothing but their fields; whoever fills them is the owner.

use crate::queues::Queue;
use crate::retention::DiskStage;
use crate::slice::RecordSlice;
use crate::sync::Arc;

/// How one append differs from the usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct AppendOptions {}

/// Where a message was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Position of the record in the log, in bytes.
    pub physical_offset: u64,
    /// Length of the record in bytes.
    pub size: u32,
    /// Offset in its queue (0 for prepared and rolled-back transaction records).
    pub queue_offset: u64,
    /// When it was stored, ms since the epoch; never less than that of any earlier record.
    pub store_timestamp_ms: i64,
    /// The message is durable, as the flush mode means it, once
    /// [`Watermarks::durable`](crate::Watermarks::durable) is at or past this position.
    pub durable_at: u64,
}

/// What a progress callback is told.
#[derive(Debug, Clone)]
pub struct Progress {
    /// The durable watermark.
    pub durable: u64,
    /// Why nothing will become durable any more, when a flush has failed.
    pub failed: Option<Arc<str>>,
}

/// Bounds on one read of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Most messages returned.
    pub max_messages: usize,
    /// Most bytes returned; the first message is returned whatever its size.
    pub max_bytes: usize,
    /// Most queue units looked at.
    pub max_scanned: usize,
    /// Whether the read may wait for the device.
    pub patience: Patience,
}

/// Whether a read may wait for the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patience {
    /// It reads whatever it needs.
    #[default]
    Wait,
    /// It takes what memory has: the recent part of the log, and what the page cache holds of the rest. For threads
    /// that serve others too.
    InMemoryOnly,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            max_messages: 32,
            max_bytes: 256 << 10,
            max_scanned: 16_000,
            patience: Patience::Wait,
        }
    }
}

/// How a read of a queue went; the names follow RocketMQ's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadStatus {
    /// There are messages.
    Found,
    /// Units were there, but the filter took none; go on at the next offset.
    NoMatch,
    /// The records were expired between the look at the queue and the read; go on at the next offset.
    BeingRemoved,
    /// The queue has no messages.
    QueueEmpty,
    /// There is no such queue.
    NoSuchQueue,
    /// The offset is the one after the newest message: wait.
    OffsetAtEnd,
    /// The offset lies beyond the end.
    OffsetBeyondEnd,
    /// The offset lies before the oldest message.
    OffsetTooSmall,
    /// The next message would have to be read from the device, which [`Patience::InMemoryOnly`] forbids.
    NotInMemory,
}

/// What a read of a queue found.
#[derive(Debug, Clone)]
pub struct ReadOutcome {
    /// How it went.
    pub status: ReadStatus,
    /// Where to read next, whatever the status.
    pub next_offset: u64,
    /// Oldest offset of the queue.
    pub min_offset: u64,
    /// Offset after the newest readable message.
    pub max_offset: u64,
    /// Whole records, oldest first.
    pub messages: Vec<RecordSlice>,
    /// Sum of their lengths.
    pub bytes: usize,
}

impl ReadOutcome {
    /// Ends a read that would have to wait: what was gathered counts.
    pub(crate) fn give_up_waiting(&mut self) {
        if self.messages.is_empty() {
            self.status = ReadStatus::NotInMemory;
        }
    }
}

/// Readable offsets of a queue: `min..max`; both 0 for an unknown queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueBounds {
    /// Oldest offset.
    pub min: u64,
    /// Offset after the newest readable message.
    pub max: u64,
}

impl QueueBounds {
    /// Whether a message with that offset can be read.
    pub fn contains(&self, offset: u64) -> bool {
        (self.min..self.max).contains(&offset)
    }
}

/// Which of several messages of one time a search by time means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// The first message at or after the time.
    Lower,
    /// The last message at or before the time.
    Upper,
}

/// A message that became readable in a watched queue.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Queue of the topic.
    pub queue_id: i32,
    /// Its offset in the queue.
    pub offset: u64,
    /// Hash of its tag; 0 without one.
    pub tags_code: i64,
    /// When it was stored, ms since the epoch.
    pub store_timestamp_ms: i64,
    pub(crate) queue: &'a Queue,
}

impl Arrival<'_> {
    /// Says that nobody waits for the queue any more: later arrivals are not told until somebody
    /// watches it again. To be called under a lock that whoever watches the queue holds too, or
    /// this may undo their mark.
    pub fn unwatch(&self) {
        self.queue.unwatch();
    }
}

/// How full a store is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// Oldest position of the log that still exists.
    pub min_position: u64,
    /// Position after the newest record.
    pub max_position: u64,
    /// Part of the file system in use, 0 to 1.
    pub disk_ratio: f64,
    /// Bytes that can still be written.
    pub available_bytes: u64,
    /// How full the disk is, in words, and what the store does because of it.
    pub stage: DiskStage,
}
