//! Everything that is derived from the log, and what the log cannot give: queues, key index,
//! dispatcher, snapshot, checkpoint, journal, as one part that the store opens, drives and closes.
//! Promises that after any crash the log from [`Resume::walk_from`] on makes it whole again. Owns
//! no log and no thread; the log is lent to it.

mod delete;
mod maintain;
mod open;
mod query;
mod rebuild;
#[cfg(test)]
mod tests;

use self::maintain::Maintenance;
use crate::commit_log::KnownQueues;
use crate::disk::Disk;
use crate::dispatch::{DispatchState, OnArrival};
use crate::index::KeyIndex;
use crate::journal::Journal;
use crate::queues::ConsumeQueues;
use crate::sync::{Arc, AtomicU64, Mutex, Ordering};

pub(crate) use open::{INDEX_MEMORY_BYTES, MemoryLimits, TAIL_MEMORY_BYTES};

/// The derived part of one store.
#[derive(Debug)]
pub(crate) struct Derived {
    disk: Arc<dyn Disk>,
    /// State id that private files carry.
    owner: u64,
    limits: MemoryLimits,
    /// Where the log takes over from what was found.
    resume: Resume,
    queues: Arc<ConsumeQueues>,
    index: Option<Arc<KeyIndex>>,
    journal: Journal,
    state: Arc<DispatchState>,
    /// Position of the newest snapshot that is durable; 0 without one.
    snapshot_position: AtomicU64,
    maintenance: Mutex<Maintenance>,
}

/// How the queues were found when the store was opened, and how far they reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Resume {
    /// The queues are those of all records below this position, which is the start of a record or
    /// the log's end.
    position: u64,
    /// A snapshot told so: every queue's numbers are exact. Else a queue may go on behind a gap,
    /// where messages expired.
    is_exact: bool,
}

impl Derived {
    /// Position from which the log must be walked at the latest.
    pub(crate) fn resume_from(&self) -> u64 {
        self.resume.position
    }

    /// A position that is known to be durable in the log; 0 when nothing tells.
    pub(crate) fn durable_position(&self) -> u64 {
        if self.resume.is_exact {
            self.resume.position
        } else {
            0
        }
    }

    pub(crate) fn queues(&self) -> &ConsumeQueues {
        &self.queues
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Sets the callback for messages in watched queues; only the first one counts.
    pub(crate) fn set_on_arrival(&self, callback: OnArrival) -> bool {
        self.state.set_on_arrival(callback)
    }

    /// Position up to which a durable snapshot tells all queues: the log before it is no longer
    /// needed to know where queues go on.
    pub(crate) fn snapshot_position(&self) -> u64 {
        self.snapshot_position.load(Ordering::Acquire)
    }

    /// Position up to which everything is dispatched.
    fn dispatched(&self) -> u64 {
        self.state.position()
    }
}

impl KnownQueues for Derived {
    fn next_offset(&self, topic: &str, queue_id: i32) -> Option<u64> {
        let queue = self.queues.table().get(topic, queue_id)?;
        // Of an empty queue only a snapshot knows where it goes on.
        let bounds = queue.bounds();
        (self.resume.is_exact || bounds.min < bounds.max).then_some(bounds.max)
    }

    fn deleted_at(&self, topic: &str) -> Option<u64> {
        self.queues.table().deleted_at(topic)
    }
}
