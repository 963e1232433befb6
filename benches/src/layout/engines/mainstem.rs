//! This project's store behind the trait, with all that it does for a broker: consume queues, key index, recovery's
//! floor. A message is done when the store's durable mark has passed it, and then it is readable through its queue.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mainstem_record::RecordView;
use mainstem_store::{Batch, FlushMode, ReadLimits, Store, StoreOptions};
use parking_lot::Mutex;

use crate::group_flush::Ticket;
use crate::layout::engine::{Engine, EngineOptions, Mode, ReadBack};
use crate::record::plain;

/// A flush that takes longer has failed.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);
/// How often the end looks whether every record has reached its queue.
const DISPATCH_POLL: Duration = Duration::from_micros(200);

pub(super) struct MainstemEngine {
    /// Not in use now. A broker keeps one for each connection, so that its buffers are made once. Before the store, which
    /// they keep open.
    batches: Mutex<Vec<Batch>>,
    store: Store,
    dir: PathBuf,
    topics: Vec<String>,
    partitions: u32,
    /// Records appended, to tell whether all of them have reached their queues.
    appended: AtomicU64,
}

impl MainstemEngine {
    pub(super) fn open(dir: &Path, options: &EngineOptions) -> io::Result<Self> {
        let flush = match options.mode {
            Mode::Async => FlushMode::Async,
            Mode::Durable => FlushMode::Sync,
        };
        let store_options = StoreOptions {
            flush,
            commit_log_file_bytes: options.file_bytes,
            ..StoreOptions::default()
        };
        let store = Store::open(dir, store_options).map_err(io::Error::other)?;
        Ok(Self {
            batches: Mutex::default(),
            store,
            dir: dir.to_owned(),
            topics: (0..options.topics).map(|i| format!("topic-{i}")).collect(),
            partitions: options.partitions,
            appended: AtomicU64::new(0),
        })
    }

    fn queue(&self, partition: u32) -> (&str, i32) {
        (
            &self.topics[(partition / self.partitions) as usize],
            (partition % self.partitions) as i32,
        )
    }
}

impl Engine for MainstemEngine {
    fn append(&self, partition: u32, bodies: &[&[u8]]) -> io::Result<Ticket> {
        let (topic, queue_id) = self.queue(partition);
        let record = |body| plain(topic, queue_id, body);
        let kept = self.batches.lock().pop();
        let mut batch = kept.unwrap_or_else(|| self.store.batch());
        let durable_at = match bodies {
            [body] => Some(batch.append(&record(body)).map_err(io::Error::other)?),
            // All of them together, as a broker appends the batch that a client sends.
            bodies => {
                let records: Vec<_> = bodies.iter().map(|body| record(body)).collect();
                let placed = batch.append_group(&records).map_err(io::Error::other)?;
                placed.last().copied()
            }
        }
        .map_or(0, |placed| placed.durable_at);
        batch.kick();
        self.batches.lock().push(batch);
        self.appended
            .fetch_add(bodies.len() as u64, Ordering::Relaxed);
        Ok(Ticket::at(durable_at))
    }

    fn wait(&self, ticket: Ticket) -> io::Result<()> {
        if self.is_done(ticket) || self.store.wait_durable(ticket.position(), FLUSH_TIMEOUT) {
            return Ok(());
        }
        let cause = self.store.failure();
        Err(io::Error::other(cause.map_or_else(
            || "a flush took too long".to_owned(),
            |c| c.to_string(),
        )))
    }

    fn is_done(&self, ticket: Ticket) -> bool {
        self.store.watermarks().durable() >= ticket.position()
    }

    fn read(
        &self,
        partition: u32,
        offset: u64,
        max_bytes: usize,
        buffer: &mut Vec<u8>,
    ) -> io::Result<ReadBack> {
        buffer.clear();
        let (topic, queue_id) = self.queue(partition);
        let limits = ReadLimits {
            max_messages: usize::MAX,
            max_bytes,
            max_scanned: usize::MAX,
            ..ReadLimits::default()
        };
        let outcome = self.store.read(topic, queue_id, offset, &limits, &|_| true);
        for message in &outcome.messages {
            buffer.extend_from_slice(RecordView::parse(message).map_err(io::Error::other)?.body());
        }
        Ok(ReadBack {
            messages: outcome.messages.len() as u64,
            next_offset: offset + outcome.messages.len() as u64,
        })
    }

    fn settle(&self) -> io::Result<()> {
        // Readable through its queue is part of being done.
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        while self.store.stats().dispatched < self.appended.load(Ordering::Relaxed) {
            if Instant::now() > deadline {
                return Err(io::Error::other("the consume queues lag by a minute"));
            }
            std::thread::sleep(DISPATCH_POLL);
        }
        // As the other engines do it; in async mode the store's own flush comes at its interval.
        Ok(rustix::fs::syncfs(File::open(&self.dir)?)?)
    }

    fn delete_topic(&self, topic: u32) -> io::Result<()> {
        let topic = &self.topics[topic as usize];
        self.store.delete_topic(topic).map_err(io::Error::other)
    }

    fn syncs(&self) -> u64 {
        self.store.stats().flushes
    }

    fn close(self: Box<Self>) -> io::Result<()> {
        self.batches.lock().clear();
        self.store.close().map_err(io::Error::other)
    }
}
