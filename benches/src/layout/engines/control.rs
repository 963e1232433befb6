//! The control: the same record bytes, the same `pwrite`, the same preallocation and the same index in memory, in one
//! log or in a log per partition. What differs in its figures is the layout alone.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mainstem_record::RecordView;
use parking_lot::Mutex;

use crate::group_flush::{GroupFlush, Pace, Ticket, sync_in_parallel};
use crate::kafka::open_files::OpenFiles;
use crate::layout::engine::{Engine, EngineOptions, Mode, ReadBack};
use crate::record::plain;

/// Where a partition's records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placement {
    One,
    PerPartition,
}

/// Disk space reserved ahead, over all logs together: in one step for one log, in a share of it for each of many.
const ALLOCATE_BYTES: u64 = 64 << 20;
/// The least share.
const ALLOCATE_BYTES_LEAST: u64 = 64 << 10;

/// A log file that grows.
struct Log {
    path: PathBuf,
    end: Mutex<End>,
}

#[derive(Default)]
struct End {
    position: u64,
    allocated: u64,
}

struct Shared {
    logs: Vec<Log>,
    files: OpenFiles,
    dir: PathBuf,
    syncs: AtomicU64,
    parallel_syncs: usize,
}

pub(super) struct ControlEngine {
    flusher: Option<GroupFlush>,
    shared: Arc<Shared>,
    placement: Placement,
    /// Per partition the place of each message: log position and record length.
    index: Vec<Mutex<Vec<(u64, u32)>>>,
    topics: Vec<String>,
    partitions: u32,
    allocate_bytes: u64,
}

thread_local! {
    static SCRATCH: RefCell<(Vec<u8>, Vec<u32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

impl ControlEngine {
    pub(super) fn open(
        dir: &Path,
        options: &EngineOptions,
        placement: Placement,
    ) -> io::Result<Self> {
        let count = match placement {
            Placement::One => 1,
            Placement::PerPartition => options.all_partitions(),
        };
        let logs = (0..count)
            .map(|i| Log {
                path: dir.join(format!("{i}.log")),
                end: Mutex::default(),
            })
            .collect();
        let shared = Arc::new(Shared {
            logs,
            files: OpenFiles::new(options.open_files),
            dir: dir.to_owned(),
            syncs: AtomicU64::new(0),
            parallel_syncs: options.parallel_syncs,
        });
        for log in &shared.logs {
            shared.files.get(&log.path)?;
        }
        File::open(dir)?.sync_all()?;
        let theirs = Arc::clone(&shared);
        let flusher = (options.mode == Mode::Durable)
            .then(|| {
                GroupFlush::start(count as usize, Pace::AtOnce, move |dirty| {
                    theirs.sync(dirty)
                })
            })
            .transpose()?;
        Ok(Self {
            flusher,
            shared,
            placement,
            index: (0..options.all_partitions())
                .map(|_| Mutex::default())
                .collect(),
            topics: (0..options.topics).map(|i| format!("topic-{i}")).collect(),
            partitions: options.partitions,
            allocate_bytes: (ALLOCATE_BYTES / u64::from(count).max(1))
                .max(ALLOCATE_BYTES_LEAST)
                .next_multiple_of(4096),
        })
    }

    fn encode(
        &self,
        partition: u32,
        bodies: &[&[u8]],
        bytes: &mut Vec<u8>,
        lens: &mut Vec<u32>,
    ) -> io::Result<()> {
        bytes.clear();
        lens.clear();
        for body in bodies {
            let record = plain(
                &self.topics[(partition / self.partitions) as usize],
                (partition % self.partitions) as i32,
                body,
            );
            lens.push(record.encode_into(bytes).map_err(io::Error::other)? as u32);
        }
        Ok(())
    }
}

impl Engine for ControlEngine {
    fn append(&self, partition: u32, bodies: &[&[u8]]) -> io::Result<Ticket> {
        let number = if self.placement == Placement::One {
            0
        } else {
            partition
        };
        let log = &self.shared.logs[number as usize];
        SCRATCH.with_borrow_mut(|(bytes, lens)| {
            self.encode(partition, bodies, bytes, lens)?;
            let file = self.shared.files.get(&log.path)?;
            let mut end = log.end.lock();
            let mut position = end.position;
            let after = position + bytes.len() as u64;
            while after > end.allocated {
                let flags = rustix::fs::FallocateFlags::KEEP_SIZE;
                rustix::fs::fallocate(&*file, flags, end.allocated, self.allocate_bytes)?;
                end.allocated += self.allocate_bytes;
            }
            file.write_all_at(bytes, position)?;
            end.position = after;
            // The index in the order of the log, so under its lock.
            let mut index = self.index[partition as usize].lock();
            for len in lens.iter() {
                index.push((position, *len));
                position += u64::from(*len);
            }
            drop(index);
            drop(end);
            Ok(self
                .flusher
                .as_ref()
                .map_or(Ticket::DURABLE_AS_IT_IS, |f| f.appended(number)))
        })
    }

    fn wait(&self, ticket: Ticket) -> io::Result<()> {
        self.flusher.as_ref().map_or(Ok(()), |f| f.wait(ticket))
    }

    fn is_done(&self, ticket: Ticket) -> bool {
        self.flusher.as_ref().is_none_or(|f| f.is_durable(ticket))
    }

    fn read(
        &self,
        partition: u32,
        offset: u64,
        max_bytes: usize,
        buffer: &mut Vec<u8>,
    ) -> io::Result<ReadBack> {
        buffer.clear();
        let places: Vec<(u64, u32)> = {
            let index = self.index[partition as usize].lock();
            let mut total = 0;
            let from = index.get(offset as usize..).unwrap_or_default();
            from.iter()
                .take_while(|(_, len)| {
                    total += *len as usize;
                    total == *len as usize || total <= max_bytes
                })
                .copied()
                .collect()
        };
        let number = if self.placement == Placement::One {
            0
        } else {
            partition
        };
        let file = self
            .shared
            .files
            .get(&self.shared.logs[number as usize].path)?;
        SCRATCH.with_borrow_mut(|(bytes, _)| {
            for run in places.chunk_by(|a, b| a.0 + u64::from(a.1) == b.0) {
                let len: usize = run.iter().map(|(_, len)| *len as usize).sum();
                bytes.resize(len, 0);
                file.read_exact_at(bytes, run[0].0)?;
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let record = RecordView::parse(rest).map_err(io::Error::other)?;
                    buffer.extend_from_slice(record.body());
                    rest = &rest[record.total_size()..];
                }
            }
            Ok(ReadBack {
                messages: places.len() as u64,
                next_offset: offset + places.len() as u64,
            })
        })
    }

    fn settle(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(&self.shared.dir)?)?)
    }

    fn delete_topic(&self, topic: u32) -> io::Result<()> {
        let partitions = topic * self.partitions..(topic + 1) * self.partitions;
        for partition in partitions {
            self.index[partition as usize].lock().clear();
            // In one log the bytes lie between those of others and stay.
            if self.placement == Placement::PerPartition {
                let path = &self.shared.logs[partition as usize].path;
                self.shared.files.forget(path);
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }

    fn close(mut self: Box<Self>) -> io::Result<()> {
        self.flusher.take();
        self.settle()
    }
}

impl Shared {
    fn sync(&self, dirty: &[u32]) -> io::Result<()> {
        self.syncs.fetch_add(dirty.len() as u64, Ordering::Relaxed);
        sync_in_parallel(dirty, self.parallel_syncs, |number| {
            self.files
                .get(&self.logs[number as usize].path)?
                .sync_data()
        })
    }
}
