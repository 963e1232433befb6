//! Consume queues: for each queue of each topic, where its messages lie in the log. Owns the table
//! of queues, their tails in memory and their files; promises that 100,000 queues need neither
//! maps nor descriptors nor much memory, and that every unit below a queue's maximum can be read.
//! Never reads the log, save through the reader that a caller hands in.
//!
//! ## Where a unit is
//! A new unit goes into its queue's tail, in memory. It leaves memory only after it was written to
//! the queue's file *and that file was synced* ([`settle`]). So at any moment memory holds exactly
//! the units that are not certain to be in a file; a snapshot takes the tails and the numbers of
//! all queues at one log position, and with it the log from that position on gives everything
//! back, whatever the crash did to units that were written but not synced. Behind a queue's last
//! unit its files may hold anything: only numbers from snapshot, journal and log count.

mod capture;
mod discover;
mod expire;
mod files;
mod open_files;
mod queue;
mod read;
mod search;
mod settle;
mod slots;
mod table;
mod tail;
mod topic_hash;
mod unit;
mod verify;

use std::collections::HashMap;

use self::files::QueueFiles;
use crate::disk::Disk;
use crate::sync::{Arc, Mutex};

pub(crate) use capture::Captured;
pub(crate) use queue::Pushed;
pub(crate) use queue::Queue;
pub(crate) use settle::Which;
pub use slots::QueueSlots;
pub(crate) use table::QueueTable;
pub use table::{CreateQueueError, MAX_QUEUE_ID, MAX_QUEUES};
pub(crate) use tail::Tail;
#[cfg(all(test, loom))]
pub(crate) use tail::TailMemory;
pub use unit::QueueUnit;
pub(crate) use unit::UNIT_BYTES;
pub(crate) use verify::{Certain, QueueVerifier};

/// All queues of a store: the table, and the files behind it.
#[derive(Debug)]
pub(crate) struct ConsumeQueues {
    table: QueueTable,
    files: QueueFiles,
    /// Held by whoever creates, writes or removes queue files.
    writer: Mutex<FileWriter>,
}

#[derive(Debug)]
struct FileWriter {
    /// Files may have been created whose names no sync covers yet.
    names_uncertain: bool,
}

impl ConsumeQueues {
    /// An empty table over a directory. `deletions` are deleted topics with the log position of
    /// their deletion; `after_crash` says that the last run did not stop cleanly.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        file_units: u64,
        deletions: HashMap<String, u64>,
        after_crash: bool,
    ) -> Self {
        Self {
            table: QueueTable::new(deletions),
            files: QueueFiles::new(disk, file_units),
            writer: Mutex::new(FileWriter {
                names_uncertain: after_crash,
            }),
        }
    }

    pub(crate) fn table(&self) -> &QueueTable {
        &self.table
    }

    /// Removes the files of a deleted topic. Between the two halves of the removal in the table.
    pub(crate) fn remove_files(&self, topic: &str, queues: &[Arc<Queue>]) -> std::io::Result<()> {
        let _writer = self.writer.lock();
        self.files.forget(queues);
        self.files.remove_topic(topic)
    }
}
