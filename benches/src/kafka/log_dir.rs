//! A log directory: all partitions of a broker under one flush policy. Promises that `wait_durable` returns only when
//! the bytes appended before the ticket are on disk as the policy has it; partitions do not know of one another.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::open_files::OpenFiles;
use super::partition::{Partition, PartitionConfig};

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

/// Proof of an append, to wait on.
#[derive(Debug, Clone, Copy)]
pub struct Ticket(u64);

#[derive(Default)]
struct Round {
    dirty: Vec<u32>,
    /// Appends so far; a ticket is its value after the append.
    appended: u64,
    /// Every ticket up to here is durable.
    durable: u64,
    failed: Option<String>,
    stop: bool,
}

struct Shared {
    dir: PathBuf,
    partitions: Vec<Partition>,
    is_dirty: Vec<AtomicBool>,
    unflushed: Vec<AtomicU64>,
    policy: FlushPolicy,
    round: Mutex<Round>,
    wake_flusher: Condvar,
    wake_waiters: Condvar,
    syncs: AtomicU64,
}

/// All partitions and their flusher.
pub struct LogDir {
    shared: Arc<Shared>,
    files: Arc<OpenFiles>,
    flusher: Option<JoinHandle<()>>,
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
            is_dirty: all.iter().map(|_| AtomicBool::new(false)).collect(),
            unflushed: all.iter().map(|_| AtomicU64::new(0)).collect(),
            partitions: all,
            policy,
            round: Mutex::default(),
            wake_flusher: Condvar::new(),
            wake_waiters: Condvar::new(),
            syncs: AtomicU64::new(0),
        });
        let needs_flusher = matches!(
            policy,
            FlushPolicy::Interval(_) | FlushPolicy::Group { .. } | FlushPolicy::SyncFs
        );
        let flusher = needs_flusher
            .then(|| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new()
                    .name("kafka-flush".into())
                    .spawn(move || shared.flush_rounds())
            })
            .transpose()?;
        Ok(Self {
            shared,
            files,
            flusher,
        })
    }

    /// Appends an encoded batch of `messages` records to a partition.
    pub fn append(
        &self,
        partition: u32,
        encoded: &mut [u8],
        messages: u64,
    ) -> io::Result<(i64, Ticket)> {
        let shared = &self.shared;
        let target = self.partition(partition)?;
        let offset = target.append(encoded)?;
        match shared.policy {
            FlushPolicy::Never => Ok((offset, Ticket(0))),
            FlushPolicy::Messages(every) => {
                let unflushed = &shared.unflushed[partition as usize];
                if unflushed.fetch_add(messages, Ordering::Relaxed) + messages >= every {
                    unflushed.store(0, Ordering::Relaxed);
                    target.sync(true)?;
                    shared.syncs.fetch_add(3, Ordering::Relaxed);
                }
                Ok((offset, Ticket(0)))
            }
            FlushPolicy::Interval(_) | FlushPolicy::Group { .. } | FlushPolicy::SyncFs => {
                let first = !shared.is_dirty[partition as usize].swap(true, Ordering::AcqRel);
                let mut round = shared.round.lock();
                if first {
                    round.dirty.push(partition);
                }
                round.appended += 1;
                let ticket = Ticket(round.appended);
                drop(round);
                if !matches!(shared.policy, FlushPolicy::Interval(_)) {
                    shared.wake_flusher.notify_one();
                }
                Ok((offset, ticket))
            }
        }
    }

    /// Waits until the ticket's append is durable by the policy; at once where the policy promises nothing more.
    pub fn wait_durable(&self, ticket: Ticket) -> io::Result<()> {
        if !matches!(
            self.shared.policy,
            FlushPolicy::Group { .. } | FlushPolicy::SyncFs
        ) {
            return Ok(());
        }
        let mut round = self.shared.round.lock();
        while round.durable < ticket.0 {
            if let Some(cause) = &round.failed {
                return Err(io::Error::other(format!(
                    "an earlier flush failed: {cause}"
                )));
            }
            self.shared.wake_waiters.wait(&mut round);
        }
        Ok(())
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

    /// A clean stop.
    pub fn close(mut self) -> io::Result<()> {
        self.stop_flusher();
        self.shared.partitions.iter().try_for_each(Partition::close)
    }

    fn stop_flusher(&mut self) {
        self.shared.round.lock().stop = true;
        self.shared.wake_flusher.notify_all();
        if let Some(flusher) = self.flusher.take() {
            // A panic of the flusher has been printed by its thread; there is nothing to add.
            let _ = flusher.join();
        }
    }
}

impl Drop for LogDir {
    fn drop(&mut self) {
        self.stop_flusher();
    }
}

impl Shared {
    fn flush_rounds(&self) {
        loop {
            let (dirty, upto) = {
                let mut round = self.round.lock();
                if let FlushPolicy::Interval(every) = self.policy {
                    if !round.stop {
                        self.wake_flusher.wait_for(&mut round, every);
                    }
                } else {
                    while round.dirty.is_empty() && !round.stop {
                        self.wake_flusher.wait(&mut round);
                    }
                }
                if round.stop && round.dirty.is_empty() {
                    return;
                }
                (std::mem::take(&mut round.dirty), round.appended)
            };
            for &partition in &dirty {
                self.is_dirty[partition as usize].store(false, Ordering::Release);
            }
            let outcome = self.flush(&dirty);
            let mut round = self.round.lock();
            match outcome {
                Ok(()) => round.durable = upto,
                Err(e) => round.failed = Some(e.to_string()),
            }
            let failed = round.failed.is_some();
            drop(round);
            self.wake_waiters.notify_all();
            if failed {
                return;
            }
        }
    }

    fn flush(&self, dirty: &[u32]) -> io::Result<()> {
        let parallel = match self.policy {
            FlushPolicy::SyncFs => {
                self.syncs.fetch_add(1, Ordering::Relaxed);
                return self.sync_file_system();
            }
            FlushPolicy::Group { parallel } => parallel.max(1),
            _ => 1,
        };
        self.syncs.fetch_add(dirty.len() as u64, Ordering::Relaxed);
        let sync_each = |part: &[u32]| {
            part.iter()
                .try_for_each(|&p| self.partitions[p as usize].sync(false))
        };
        if parallel == 1 || dirty.len() == 1 {
            return sync_each(dirty);
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = dirty
                .chunks(dirty.len().div_ceil(parallel))
                .map(|part| scope.spawn(move || sync_each(part)))
                .collect();
            threads.into_iter().try_for_each(|t| {
                t.join()
                    .unwrap_or_else(|_| Err(io::Error::other("a flush thread panicked")))
            })
        })
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
