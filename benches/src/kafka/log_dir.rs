//! A log directory: all partitions of a broker under one flush policy. Promises that `wait_durable` returns only when
//! the bytes appended before the ticket are on disk as the policy has it; partitions do not know of one another.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::open_files::OpenFiles;
use super::partition::{Partition, PartitionConfig};
use crate::group_flush::{GroupFlush, Pace, Ticket, sync_in_parallel};

/// When bytes are made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushPolicy {
    /// Left to the kernel, Kafka's default.
    Never,
    /// Every so many messages of a partition, inside the append (`flush.messages`).
    Messages(u64),
    /// All dirty partitions, every so often (`flush.ms`).
    Interval(Duration),
    /// A group commit over the dirty partitions, better than Kafka's own: rounds of `fdatasync`, so many at a time.
    Group {
        /// syncs at the same time
        parallel: usize,
    },
    /// A group commit by one `syncfs` a round.
    SyncFs,
}

struct Shared {
    dir: PathBuf,
    partitions: Vec<Partition>,
    unflushed: Vec<AtomicU64>,
    policy: FlushPolicy,
    syncs: AtomicU64,
}

/// All partitions and their flusher.
pub struct LogDir {
    flusher: Option<GroupFlush>,
    shared: Arc<Shared>,
    files: Arc<OpenFiles>,
}

impl LogDir {
    /// Opens `topics` x `partitions` directories named `topic-N-P` under `dir`; at most `open_files` stay open.
    pub fn open(
        dir: &Path,
        topics: u32,
        partitions: u32,
        config: &PartitionConfig,
        policy: FlushPolicy,
        open_files: usize,
    ) -> io::Result<Self> {
        let files = Arc::new(OpenFiles::new(open_files));
        let mut all = Vec::with_capacity((topics * partitions) as usize);
        for topic in 0..topics {
            for partition in 0..partitions {
                let path = dir.join(format!("topic-{topic}-{partition}"));
                all.push(Partition::open(path, config.clone(), Arc::clone(&files))?.0);
            }
        }
        let shared = Arc::new(Shared {
            dir: dir.to_owned(),
            unflushed: all.iter().map(|_| AtomicU64::new(0)).collect(),
            partitions: all,
            policy,
            syncs: AtomicU64::new(0),
        });
        let pace = match policy {
            FlushPolicy::Never | FlushPolicy::Messages(_) => None,
            FlushPolicy::Interval(interval) => Some(Pace::Every(interval)),
            FlushPolicy::Group { .. } | FlushPolicy::SyncFs => Some(Pace::AtOnce),
        };
        let start = |pace| {
            let theirs = Arc::clone(&shared);
            GroupFlush::start(shared.partitions.len(), pace, move |dirty| {
                theirs.sync(dirty)
            })
        };
        Ok(Self {
            flusher: pace.map(start).transpose()?,
            shared,
            files,
        })
    }

    /// Appends an encoded batch of `messages` records to a partition.
    pub fn append(
        &self,
        partition: u32,
        encoded: &mut [u8],
        messages: u64,
    ) -> io::Result<(i64, Ticket)> {
        let target = self.partition(partition)?;
        let offset = target.append(encoded)?;
        if let Some(flusher) = &self.flusher {
            return Ok((offset, flusher.appended(partition)));
        }
        if let FlushPolicy::Messages(every) = self.shared.policy {
            let unflushed = &self.shared.unflushed[partition as usize];
            if unflushed.fetch_add(messages, Ordering::Relaxed) + messages >= every {
                unflushed.store(0, Ordering::Relaxed);
                target.sync(true)?;
                // The log and both indexes.
                self.shared.syncs.fetch_add(3, Ordering::Relaxed);
            }
        }
        Ok((offset, Ticket::DURABLE_AS_IT_IS))
    }

    /// Waits until the ticket's append is durable by the policy; at once where the policy promises nothing more.
    pub fn wait_durable(&self, ticket: Ticket) -> io::Result<()> {
        self.flusher
            .as_ref()
            .map_or(Ok(()), |flusher| flusher.wait(ticket))
    }

    /// Whether a wait for the ticket would return at once.
    pub fn is_durable(&self, ticket: Ticket) -> bool {
        self.flusher
            .as_ref()
            .is_none_or(|flusher| flusher.is_durable(ticket))
    }

    /// A partition by its number (topic x partitions + partition).
    pub fn partition(&self, number: u32) -> io::Result<&Partition> {
        self.shared.partitions.get(number as usize).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("partition {number} of {}", self.shared.partitions.len()),
            )
        })
    }

    /// Syncs so far, as the policy caused them.
    pub fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }

    /// File opens so far: how hard the descriptor limit is felt.
    pub fn file_opens(&self) -> u64 {
        self.files.opens()
    }

    /// Makes every partition durable, whatever the policy.
    pub fn sync_all(&self) -> io::Result<()> {
        self.shared.sync_file_system()
    }

    /// A clean stop: every index complete, then one sync for all partitions.
    pub fn close(mut self) -> io::Result<()> {
        self.flusher.take();
        self.shared
            .partitions
            .iter()
            .try_for_each(Partition::seal)?;
        self.shared.sync_file_system()
    }
}

impl Shared {
    fn sync(&self, dirty: &[u32]) -> io::Result<()> {
        let parallel = match self.policy {
            FlushPolicy::SyncFs => {
                self.syncs.fetch_add(1, Ordering::Relaxed);
                return self.sync_file_system();
            }
            FlushPolicy::Group { parallel } => parallel,
            _ => 1,
        };
        self.syncs.fetch_add(dirty.len() as u64, Ordering::Relaxed);
        sync_in_parallel(dirty, parallel, |p| self.partitions[p as usize].sync(false))
    }

    fn sync_file_system(&self) -> io::Result<()> {
        let dir = std::fs::File::open(&self.dir)?;
        Ok(rustix::fs::syncfs(dir)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::kafka::batch;

    #[test]
    fn every_policy_keeps_every_batch_of_many_writers() {
        for policy in [
            FlushPolicy::Never,
            FlushPolicy::Messages(1),
            FlushPolicy::Interval(Duration::from_millis(5)),
            FlushPolicy::Group { parallel: 3 },
            FlushPolicy::SyncFs,
        ] {
            let dir = tempfile::tempdir().unwrap();
            let log =
                LogDir::open(dir.path(), 5, 2, &PartitionConfig::default(), policy, 7).unwrap();
            std::thread::scope(|scope| {
                for writer in 0..4u32 {
                    let log = &log;
                    scope.spawn(move || {
                        for i in 0..20 {
                            let mut bytes = Vec::new();
                            batch::encode(0, 1, &[b"v"], &mut bytes);
                            let (_, ticket) = log.append((writer + i) % 10, &mut bytes, 1).unwrap();
                            log.wait_durable(ticket).unwrap();
                        }
                    });
                }
            });
            let total: i64 = (0..10)
                .map(|p| log.partition(p).unwrap().end_offset())
                .sum();
            assert_eq!(total, 80, "{policy:?}");
            log.close().unwrap();
            let again =
                LogDir::open(dir.path(), 5, 2, &PartitionConfig::default(), policy, 7).unwrap();
            assert_eq!(
                (0..10)
                    .map(|p| again.partition(p).unwrap().end_offset())
                    .sum::<i64>(),
                80
            );
        }
    }
}
