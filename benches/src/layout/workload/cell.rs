//! A cell's parameters: how many topics, how large, who reads. Owns the base point of the sweep and what a cell needs of
//! the disk; promises that two equal cells are the same experiment.

use crate::layout::engine::{EngineOptions, Mode};

/// Where consumers read.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Consumers {
    /// Nobody reads
    None,
    /// Each message soon after it is done
    Tail,
    /// At the tail, and one more reads from the start what was written before the clock started and has left memory
    Behind,
}

/// The parameters of a cell.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Cell {
    /// Topics.
    pub topics: u32,
    /// Partitions of each.
    pub partitions: u32,
    /// Body bytes.
    pub size: usize,
    /// Messages in one append.
    pub batch: usize,
    /// When an append is done.
    pub mode: Mode,
    /// Producing threads.
    pub producers: u32,
    /// Appends that a producer has under way.
    pub window: usize,
    /// Who reads.
    pub consumers: Consumers,
    /// Consuming threads at the tail.
    pub consumer_threads: u32,
    /// Body bytes to write in all.
    pub bytes: u64,
    /// Messages a second over all producers, open loop; 0: closed loop.
    pub rate: u64,
    /// Most memory that the process may use, page cache included, MiB; 0: all there is.
    pub memory_mib: u64,
}

impl Default for Cell {
    /// The base point of the sweep.
    fn default() -> Self {
        Self {
            topics: 64,
            partitions: 1,
            size: 1024,
            batch: 1,
            mode: Mode::Async,
            producers: 2,
            window: 64,
            consumers: Consumers::Tail,
            consumer_threads: 1,
            bytes: 256 << 20,
            rate: 0,
            memory_mib: 0,
        }
    }
}

/// Room for a record's frame, its index entries and a partition's first block.
const OVERHEAD_BYTES_PER_MESSAGE: u64 = 160;
const BYTES_PER_PARTITION: u64 = 96 << 10;

impl Cell {
    /// Messages to write in all.
    pub fn messages(&self) -> u64 {
        (self.bytes / self.size.max(1) as u64).max(1)
    }

    /// Partitions of all topics.
    pub fn all_partitions(&self) -> u32 {
        self.topics * self.partitions
    }

    /// Disk space that any engine needs for it at most.
    pub fn disk_bytes(&self, options: &EngineOptions) -> u64 {
        let written = self.bytes + self.messages() * OVERHEAD_BYTES_PER_MESSAGE;
        let copies = if self.consumers == Consumers::Behind {
            2
        } else {
            1
        };
        // A preallocated file that is hardly used, and its successor from half of it on.
        let ahead = options.file_bytes
            + if written * copies > options.file_bytes / 2 {
                options.file_bytes
            } else {
                0
            };
        written * copies + ahead + u64::from(self.all_partitions()) * BYTES_PER_PARTITION
    }
}
