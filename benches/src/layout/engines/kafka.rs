//! Kafka's layout behind the trait: each append is one record batch, each read a run of whole batches copied out of the
//! segment file and unpacked as a consumer would.

use std::cell::RefCell;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::group_flush::Ticket;
use crate::kafka::batch;
use crate::kafka::log_dir::{FlushPolicy, LogDir};
use crate::kafka::partition::PartitionConfig;
use crate::layout::engine::{Engine, EngineOptions, Mode, ReadBack};

pub(super) struct KafkaEngine {
    log: LogDir,
    partitions: u32,
}

thread_local! {
    /// One buffer a thread: encoding and reading allocate nothing in steady state.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl KafkaEngine {
    pub(super) fn open(dir: &Path, options: &EngineOptions, syncfs: bool) -> io::Result<Self> {
        let policy = match options.mode {
            Mode::Async => FlushPolicy::Never,
            Mode::Durable if syncfs => FlushPolicy::SyncFs,
            Mode::Durable => FlushPolicy::Group {
                parallel: options.parallel_syncs,
            },
        };
        let config = PartitionConfig {
            segment_bytes: options.file_bytes,
            ..PartitionConfig::default()
        };
        let log = LogDir::open(
            dir,
            options.topics,
            options.partitions,
            &config,
            policy,
            options.open_files,
        )?;
        Ok(Self {
            log,
            partitions: options.partitions,
        })
    }
}

impl Engine for KafkaEngine {
    fn append(&self, partition: u32, bodies: &[&[u8]]) -> io::Result<Ticket> {
        let now_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_millis() as i64);
        SCRATCH.with_borrow_mut(|bytes| {
            bytes.clear();
            batch::encode(0, now_ms, bodies, bytes);
            self.log
                .append(partition, bytes, bodies.len() as u64)
                .map(|(_, ticket)| ticket)
        })
    }

    fn wait(&self, ticket: Ticket) -> io::Result<()> {
        self.log.wait_durable(ticket)
    }

    fn is_done(&self, ticket: Ticket) -> bool {
        self.log.is_durable(ticket)
    }

    fn read(
        &self,
        partition: u32,
        offset: u64,
        max_bytes: usize,
        buffer: &mut Vec<u8>,
    ) -> io::Result<ReadBack> {
        buffer.clear();
        let mut back = ReadBack {
            messages: 0,
            next_offset: offset,
        };
        let Some(run) = self
            .log
            .partition(partition)?
            .read(offset as i64, max_bytes)?
        else {
            return Ok(back);
        };
        SCRATCH.with_borrow_mut(|bytes| {
            bytes.resize(run.len, 0);
            run.file.read_exact_at(bytes, run.position)?;
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let head = batch::head(rest).map_err(io::Error::other)?;
                for record in batch::records(rest).map_err(io::Error::other)? {
                    if record.offset >= offset as i64 {
                        buffer.extend_from_slice(record.value.unwrap_or_default());
                        back.messages += 1;
                    }
                }
                rest = &rest[head.total_bytes..];
            }
            back.next_offset = run.next_offset as u64;
            Ok(back)
        })
    }

    fn settle(&self) -> io::Result<()> {
        self.log.sync_all()
    }

    fn delete_topic(&self, topic: u32) -> io::Result<()> {
        (topic * self.partitions..(topic + 1) * self.partitions)
            .try_for_each(|partition| self.log.partition(partition)?.remove())
    }

    fn syncs(&self) -> u64 {
        self.log.syncs()
    }

    fn close(self: Box<Self>) -> io::Result<()> {
        self.log.close()
    }
}
