//! Tests of the log alone, over the simulated disk: a log with its threads, counters and a way to
//! check every record against what was appended.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod append;
mod faults;
mod flush;
#[cfg(loom)]
mod model;
mod pace;
mod power;
mod recovery;
mod staged;

use std::collections::HashMap;
use std::net::SocketAddr;

use mainstem_record::NewRecord;

use super::{CommitLog, KnownQueues, OpenedLog, Part};
use crate::disk::sim::SimDisk;
use crate::disk::{DirectoryLock, Disk};
use crate::error::{AppendError, OpenError};
use crate::log_reader::LogReader;
use crate::options::{FlushMode, StoreOptions};
use crate::outcome::Appended;
use crate::queue_counter::QueueCounter;
use crate::sync::{Arc, Duration, Instant, JoinHandle, Mutex, spawn};
use crate::{layout, owner};

/// The smallest file, so that rolls come often.
pub(super) const FILE_BYTES: u64 = 64 << 10;

struct NothingKnown;

impl KnownQueues for NothingKnown {
    fn next_offset(&self, _topic: &str, _queue_id: i32) -> Option<u64> {
        None
    }
    fn deleted_at(&self, _topic: &str) -> Option<u64> {
        None
    }
}

fn options(flush: FlushMode) -> StoreOptions {
    StoreOptions {
        commit_log_file_bytes: FILE_BYTES,
        flush,
        next_file_wait: Duration::from_secs(20),
        flush_interval: Duration::from_millis(20),
        ..StoreOptions::default()
    }
}

/// A log as a store opens it, without threads.
fn open_log(
    disk: &SimDisk,
    options: &StoreOptions,
) -> Result<(Box<dyn DirectoryLock>, Arc<CommitLog>), OpenError> {
    disk.create_dir_all(layout::DIRECTORY)
        .map_err(OpenError::io("create", "mainstem"))?;
    let owned = disk
        .lock(layout::OWN_LOCK, layout::LOCK)
        .and_then(|lock| owner::take_over(disk, lock))
        .map_err(OpenError::io("lock", "the directory"))?;
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let log = OpenedLog::find(&shared, options, owned.last, owned.state_id)?.recover(
        options,
        0,
        0,
        &NothingKnown,
    )?;
    owner::mark_running(disk).map_err(OpenError::io("mark", "the directory"))?;
    Ok((owned.lock, log))
}

/// A log with its two threads. Dropping it is a kill: nothing is closed.
pub(super) struct TestLog {
    disk: SimDisk,
    _lock: Box<dyn DirectoryLock>,
    pub(super) log: Arc<CommitLog>,
    threads: Vec<JoinHandle<()>>,
    counters: Mutex<HashMap<(String, i32), Arc<QueueCounter>>>,
}

impl TestLog {
    pub(super) fn open(disk: &SimDisk, flush: FlushMode) -> Result<Self, OpenError> {
        Self::open_with(disk, &options(flush))
    }

    fn open_with(disk: &SimDisk, options: &StoreOptions) -> Result<Self, OpenError> {
        let mut opened = Self::open_stepped(disk, options)?;
        opened.threads = vec![
            spawn("maker", {
                let log = Arc::clone(&opened.log);
                move || log.run_maker()
            })
            .unwrap(),
            spawn("flusher", {
                let log = Arc::clone(&opened.log);
                move || log.run_flusher(|_| {})
            })
            .unwrap(),
        ];
        Ok(opened)
    }

    /// A log without its threads: the test takes their steps.
    fn open_stepped(disk: &SimDisk, options: &StoreOptions) -> Result<Self, OpenError> {
        let (lock, log) = open_log(disk, options)?;
        // Counters go on where the log ends.
        let mut counters = HashMap::new();
        log.scan(log.min_position(), u64::MAX, &mut |_, record| {
            let key = (record.topic().to_owned(), record.queue_id());
            counters.insert(
                key,
                Arc::new(QueueCounter::new(record.queue_offset() as u64 + 1)),
            );
            true
        })
        .expect("a recovered log can be scanned");
        Ok(Self {
            disk: disk.clone(),
            _lock: lock,
            log,
            threads: Vec::new(),
            counters: Mutex::new(counters),
        })
    }

    fn counter(&self, topic: &str, queue_id: i32) -> Arc<QueueCounter> {
        let mut counters = self.counters.lock();
        Arc::clone(
            counters
                .entry((topic.to_owned(), queue_id))
                .or_insert_with(|| Arc::new(QueueCounter::new(0))),
        )
    }

    fn append_at(
        &self,
        topic: &str,
        queue_id: i32,
        body: &[u8],
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        Ok(self.append_group(topic, queue_id, &[body], now_ms)?[0])
    }

    pub(super) fn append(
        &self,
        topic: &str,
        queue_id: i32,
        body: &[u8],
    ) -> Result<Appended, AppendError> {
        self.append_at(topic, queue_id, body, 1_000)
    }

    fn append_group(
        &self,
        topic: &str,
        queue_id: i32,
        bodies: &[&[u8]],
        now_ms: i64,
    ) -> Result<Vec<Appended>, AppendError> {
        let mut bytes = Vec::new();
        let lens: Vec<usize> = bodies
            .iter()
            .map(|body| {
                record(topic, queue_id, body)
                    .encode_into(&mut bytes)
                    .unwrap()
            })
            .collect();
        let counter = self.counter(topic, queue_id);
        let mut placed = Vec::with_capacity(lens.len());
        let parts = lens.iter().map(|len| Part {
            len: *len,
            counter: Some(&counter),
        });
        self.log
            .append(&mut bytes, parts, now_ms, &mut placed, None)?;
        self.log.ask_for_flush();
        Ok(placed)
    }

    /// Waits until a position is flushed.
    fn await_flushed(&self, position: u64) {
        await_that("the flushed mark moves", || {
            self.log.watermarks().flushed() >= position
        });
    }

    /// Everything readable: position, queue offset, topic, body.
    fn records(&self) -> Vec<(u64, i64, String, Vec<u8>)> {
        let mut all = Vec::new();
        self.log
            .scan(
                self.log.min_position(),
                u64::MAX,
                &mut |position, record| {
                    assert!(record.body_crc_matches());
                    assert_eq!(record.physical_offset() as u64, position);
                    all.push((
                        position,
                        record.queue_offset(),
                        record.topic().to_owned(),
                        record.body().to_vec(),
                    ));
                    true
                },
            )
            .unwrap();
        all
    }

    /// Stops as a clean close of the store would.
    fn close(mut self) {
        self.log.stop_appends();
        self.stop_threads();
        self.log.write_clean_floor().unwrap();
        owner::mark_stopped(&self.disk).unwrap();
    }

    fn stop_threads(&mut self) {
        self.log.stop_maker();
        self.log.stop_flusher();
        for thread in self.threads.drain(..) {
            let joined = thread.join();
            assert!(
                joined.is_ok() || std::thread::panicking(),
                "a thread of the log panicked"
            );
        }
    }
}

impl Drop for TestLog {
    fn drop(&mut self) {
        self.stop_threads();
    }
}

fn record<'a>(topic: &'a str, queue_id: i32, body: &'a [u8]) -> NewRecord<'a> {
    let host: SocketAddr = ([127, 0, 0, 1], 10911).into();
    NewRecord {
        topic,
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: 1,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: b"",
    }
}

fn await_that(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited 30 s until {what}");
        crate::sync::sleep(Duration::from_micros(200));
    }
}
