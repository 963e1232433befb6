//! What every storage layout must do to be compared: append a batch to a partition, say when it is durable, read on
//! from an offset. Owns the trait and the choice of engines; promises the workload nothing but this.

use std::io;
use std::path::Path;

use super::engines;
use crate::group_flush::Ticket;

/// When an append counts as done.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In the page cache; the cell ends with a sync of everything.
    Async,
    /// On disk, by a group commit.
    Durable,
}

impl Mode {
    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Async => "async",
            Self::Durable => "durable",
        }
    }
}

/// The contestants.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// This project's store: one mapped log, consume queues, key index
    Mainstem,
    /// Kafka's layout, a group commit by parallel fdatasync of the dirty partitions
    Kafka,
    /// Kafka's layout, a group commit by syncfs
    KafkaSyncfs,
    /// Control: one log, written by pwrite
    ControlOne,
    /// Control: the same records by pwrite into a log per partition
    ControlMany,
}

impl EngineKind {
    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mainstem => "mainstem",
            Self::Kafka => "kafka",
            Self::KafkaSyncfs => "kafka-syncfs",
            Self::ControlOne => "control-one",
            Self::ControlMany => "control-many",
        }
    }

    /// Opens a fresh engine of this kind in `dir`.
    pub fn open(self, dir: &Path, options: &EngineOptions) -> io::Result<Box<dyn Engine>> {
        engines::open(self, dir, options)
    }
}

/// What an engine is built for.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    /// Topics.
    pub topics: u32,
    /// Partitions (queues) of each topic.
    pub partitions: u32,
    /// When an append is done.
    pub mode: Mode,
    /// Syncs at the same time, for layouts of many files.
    pub parallel_syncs: usize,
    /// Most files kept open.
    pub open_files: usize,
    /// Size of a log or segment file; also what is preallocated where a layout preallocates.
    pub file_bytes: u64,
}

impl EngineOptions {
    /// Partitions of all topics.
    pub fn all_partitions(&self) -> u32 {
        self.topics * self.partitions
    }
}

/// What one read brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadBack {
    /// Messages whose bodies were copied into the buffer.
    pub messages: u64,
    /// Offset to go on from.
    pub next_offset: u64,
}

/// A storage layout.
pub trait Engine: Send + Sync {
    /// Appends `bodies` as one batch to `partition`, counted over all topics.
    fn append(&self, partition: u32, bodies: &[&[u8]]) -> io::Result<Ticket>;
    /// Waits until that append is done in the engine's mode.
    fn wait(&self, ticket: Ticket) -> io::Result<()>;
    /// Whether it is done already.
    fn is_done(&self, ticket: Ticket) -> bool;
    /// Copies readable messages from `offset` on into `buffer`, which it fills with at most about `max_bytes`; no
    /// messages means that none is there. The workload asks only for what it was told is done.
    fn read(
        &self,
        partition: u32,
        offset: u64,
        max_bytes: usize,
        buffer: &mut Vec<u8>,
    ) -> io::Result<ReadBack>;
    /// Makes everything durable, and returns only when everything can be read.
    fn settle(&self) -> io::Result<()>;
    /// Removes a topic's messages with what disk space the layout can give back for it now.
    fn delete_topic(&self, topic: u32) -> io::Result<()>;
    /// `fdatasync`s and their like so far.
    fn syncs(&self) -> u64;
    /// A clean stop.
    fn close(self: Box<Self>) -> io::Result<()>;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::ValueEnum;

    fn options(mode: Mode) -> EngineOptions {
        EngineOptions {
            topics: 3,
            partitions: 2,
            mode,
            parallel_syncs: 2,
            open_files: 64,
            file_bytes: 1 << 20,
        }
    }

    /// All bodies of a partition, concatenated, and their number.
    fn drain(engine: &dyn Engine, partition: u32) -> (u64, Vec<u8>) {
        let (mut all, mut buffer) = (Vec::new(), Vec::new());
        let (mut offset, mut messages) = (0, 0);
        loop {
            let back = engine.read(partition, offset, 3000, &mut buffer).unwrap();
            if back.messages == 0 {
                return (messages, all);
            }
            assert!(back.next_offset > offset);
            (offset, messages) = (back.next_offset, messages + back.messages);
            all.extend_from_slice(&buffer);
        }
    }

    #[test]
    fn every_engine_gives_back_each_partitions_bytes_in_order() {
        for kind in EngineKind::value_variants() {
            for mode in [Mode::Async, Mode::Durable] {
                let dir = tempfile::tempdir().unwrap();
                let engine = kind.open(dir.path(), &options(mode)).unwrap();
                let mut expected = vec![Vec::new(); 6];
                for i in 0..120u32 {
                    let partition = i % 6;
                    let bodies: Vec<Vec<u8>> = (0..3)
                        .map(|k| format!("{i}:{k};").into_bytes().repeat(20))
                        .collect();
                    let slices: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
                    let ticket = engine.append(partition, &slices).unwrap();
                    engine.wait(ticket).unwrap();
                    bodies
                        .iter()
                        .for_each(|b| expected[partition as usize].extend_from_slice(b));
                }
                engine.settle().unwrap();
                for (partition, expected) in expected.iter().enumerate() {
                    let (messages, bytes) = drain(&*engine, partition as u32);
                    // Kafka's reads copy whole batches; every engine's buffer holds the bodies alone.
                    assert_eq!(messages, 60, "{kind:?} {mode:?}");
                    assert!(
                        bytes == *expected,
                        "{kind:?} {mode:?} partition {partition}"
                    );
                }
                engine.close().unwrap();
            }
        }
    }
}
