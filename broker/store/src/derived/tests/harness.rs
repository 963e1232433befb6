//! A log in memory, a derived part on a simulated disk, and a model of what both must hold.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use mainstem_record::{NewRecord, Placement, RecordView, hash, place, sys_flag};

use super::super::{Derived, MemoryLimits};
use crate::disk::Disk;
use crate::disk::sim::{Random, SimDisk};
use crate::dispatch::{DispatchError, DispatchRecord, Dispatcher};
use crate::error::{OpenError, ReadError};
use crate::log_reader::{LogReader, ScanVisitor};
use crate::options::StoreOptions;
use crate::outcome::{Patience, ReadLimits, ReadStatus};
use crate::owner::LastWriter;
use crate::slice::RecordSlice;
use crate::sync::{Arc, AtomicU64, Duration, Mutex, Ordering};

pub(super) const OWNER: u64 = 42;

/// A log of bytes. Everything in it is readable.
#[derive(Debug, Default)]
pub(super) struct MemoryLog {
    bytes: Mutex<Vec<u8>>,
    min: AtomicU64,
    pub(super) flushed: AtomicU64,
}

impl MemoryLog {
    pub(super) fn expire_to(&self, position: u64) {
        self.min.store(position, Ordering::Relaxed);
    }
}

impl LogReader for MemoryLog {
    fn min_position(&self) -> u64 {
        self.min.load(Ordering::Relaxed)
    }

    fn readable(&self) -> u64 {
        self.bytes.lock().len() as u64
    }

    fn record_at(&self, position: u64) -> Result<Option<RecordSlice>, ReadError> {
        let bytes = self.bytes.lock();
        if position < self.min_position() || position >= bytes.len() as u64 {
            return Ok(None);
        }
        let rest = &bytes[usize::try_from(position).unwrap()..];
        let view = RecordView::parse(rest).map_err(|error| ReadError::Invalid {
            position,
            reason: error.to_string(),
        })?;
        Ok(Some(RecordSlice::owned(&rest[..view.total_size()])))
    }

    fn slice_at(
        &self,
        position: u64,
        len: usize,
        _patience: Patience,
    ) -> Result<Option<RecordSlice>, ReadError> {
        let bytes = self.bytes.lock();
        if position < self.min_position() {
            return Ok(None);
        }
        let at = usize::try_from(position).unwrap();
        Ok(bytes.get(at..at + len).map(RecordSlice::owned))
    }

    fn scan(&self, from: u64, to: u64, visit: &mut ScanVisitor<'_>) -> Result<u64, ReadError> {
        let bytes = self.bytes.lock().clone();
        let mut at = from.max(self.min_position());
        while at < to.min(bytes.len() as u64) {
            let view =
                RecordView::parse(&bytes[usize::try_from(at).unwrap()..]).map_err(|error| {
                    ReadError::Invalid {
                        position: at,
                        reason: error.to_string(),
                    }
                })?;
            if !visit(at, &view) {
                return Ok(at);
            }
            at += view.total_size() as u64;
        }
        Ok(at)
    }
}

/// One message of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) position: u64,
    size: usize,
    tag: String,
    key: String,
}

/// Log, derived part and model.
pub(super) struct World {
    pub(super) disk: SimDisk,
    pub(super) log: MemoryLog,
    pub(super) derived: Derived,
    pub(super) dispatcher: Dispatcher,
    pub(super) model: BTreeMap<(String, i32), Vec<Kept>>,
    pub(super) limits: MemoryLimits,
    pub(super) random: Random,
    count: u64,
}

pub(super) fn options() -> StoreOptions {
    StoreOptions {
        queue_file_units: 16,
        index_slots: 50,
        index_entries: 120,
        checkpoint_interval: Duration::ZERO,
        ..StoreOptions::default()
    }
}

pub(super) fn crashed() -> LastWriter {
    LastWriter::Mainstem {
        state_id: OWNER,
        clean: false,
    }
}

pub(super) fn stopped() -> LastWriter {
    LastWriter::Mainstem {
        state_id: OWNER,
        clean: true,
    }
}

fn open(
    disk: &SimDisk,
    limits: MemoryLimits,
    last: LastWriter,
    log: &MemoryLog,
) -> Result<(Derived, Dispatcher), OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    disk.create_dir_all("mainstem")
        .map_err(OpenError::io("create", "mainstem"))?;
    let (derived, mut dispatcher) =
        Derived::open_with(&disk, &options(), limits, OWNER, last, log.min_position())?;
    let end = derived.catch_up(&mut dispatcher, log)?;
    assert_eq!(end, log.readable());
    Ok((derived, dispatcher))
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        // Small enough that tails and index entries are written out all the time.
        Self::with_limits(
            seed,
            MemoryLimits {
                tail_bytes: 4000,
                index_bytes: 2000,
            },
        )
    }

    pub(super) fn with_limits(seed: u64, limits: MemoryLimits) -> Self {
        let (disk, log) = (SimDisk::new(), MemoryLog::default());
        let (derived, dispatcher) = open(&disk, limits, LastWriter::Fresh, &log).unwrap();
        Self {
            disk,
            log,
            derived,
            dispatcher,
            model: BTreeMap::new(),
            limits,
            random: Random::new(seed),
            count: 0,
        }
    }

    /// Appends a message, not yet dispatched.
    pub(super) fn append(&mut self, topic: &str, queue_id: i32) {
        self.count += 1;
        let (tag, key) = (
            format!("tag{}", self.count % 3),
            format!("key-{}", self.count),
        );
        let properties = format!(
            "KEYS\x01{key} shared\x02UNIQ_KEY\x01U{}\x02TAGS\x01{tag}\x02",
            self.count
        );
        let host: SocketAddr = ([127, 0, 0, 1], 10911).into();
        let record = NewRecord {
            topic,
            queue_id,
            flag: 0,
            sys_flag: sys_flag::TRANSACTION_NONE,
            born_timestamp_ms: 1,
            born_host: host,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"body",
            properties: properties.as_bytes(),
        };
        let queue = self
            .derived
            .queues()
            .table()
            .get_or_create(topic, queue_id)
            .unwrap();
        let offset = queue.counter().take();
        let bytes = &mut *self.log.bytes.lock();
        let start = bytes.len();
        let size = record.encode_into(bytes).unwrap();
        let placement = Placement {
            queue_offset: i64::try_from(offset).unwrap(),
            physical_offset: i64::try_from(start).unwrap(),
            store_timestamp_ms: self.time_ms(),
        };
        place(&mut bytes[start..], &placement);
        let messages = self.model.entry((topic.to_owned(), queue_id)).or_default();
        assert_eq!(messages.len() as u64, offset, "{topic} {queue_id}");
        messages.push(Kept {
            position: start as u64,
            size,
            tag,
            key,
        });
    }

    /// Store time of the newest message: 700 ms apart.
    pub(super) fn time_ms(&self) -> i64 {
        1_700_000_000_000 + i64::try_from(self.count).unwrap() * 700
    }

    pub(super) fn append_some(&mut self, count: u64) {
        for _ in 0..count {
            let topic = format!("T{}", self.random.below(4));
            let queue_id = i32::try_from(self.random.below(3)).unwrap();
            self.append(&topic, queue_id);
        }
    }

    /// Dispatches what is readable; false when memory is full.
    pub(super) fn dispatch(&mut self) -> bool {
        let (from, to) = (self.derived.dispatched(), self.log.readable());
        let mut paused = None;
        let reached = self
            .log
            .scan(from, to, &mut |position, record| match self
                .dispatcher
                .dispatch(&DispatchRecord::of(position, record))
            {
                Ok(()) => true,
                Err(DispatchError::Paused { .. }) => {
                    paused = Some(position);
                    false
                }
                Err(error) => panic!("{error}"),
            })
            .unwrap();
        self.dispatcher.reached(paused.unwrap_or(reached));
        paused.is_none()
    }

    pub(super) fn flush(&self) -> u64 {
        self.log
            .flushed
            .fetch_max(self.log.readable(), Ordering::Relaxed);
        self.log.readable()
    }

    pub(super) fn tick(&self) {
        self.derived.tick(&self.log, &|| Ok(self.flush()));
    }

    /// Dispatches everything, ticking where memory is full.
    pub(super) fn run(&mut self) {
        for _ in 0..100 {
            if self.dispatch() {
                return;
            }
            self.tick();
        }
        panic!("memory is never written out");
    }

    pub(super) fn close(&self) {
        self.derived.close(&self.log, self.flush()).unwrap();
    }

    /// Opens again over what a power cut leaves. Of the log, everything stays that was flushed,
    /// and a random part of the rest.
    pub(super) fn power_cut(&mut self) {
        let disk = self.disk.crash(self.random.below(u64::MAX));
        self.cut_log();
        self.reopen_on(disk, crashed());
    }

    fn cut_log(&mut self) {
        let flushed = self.log.flushed.load(Ordering::Relaxed);
        let mut ends: Vec<u64> = self
            .model
            .values()
            .flatten()
            .map(|kept| kept.position + kept.size as u64)
            .filter(|end| *end >= flushed)
            .collect();
        ends.push(flushed);
        let end = ends[usize::try_from(self.random.below(ends.len() as u64)).unwrap()];
        self.log
            .bytes
            .lock()
            .truncate(usize::try_from(end).unwrap());
        self.log.flushed.store(end, Ordering::Relaxed);
        for messages in self.model.values_mut() {
            messages.retain(|kept| kept.position < end);
        }
    }

    /// Opens again, with power cuts while opening.
    pub(super) fn reopen_on(&mut self, disk: SimDisk, last: LastWriter) {
        self.disk = disk;
        let (derived, dispatcher) = open(&self.disk, self.limits, last, &self.log).unwrap();
        (self.derived, self.dispatcher) = (derived, dispatcher);
    }

    pub(super) fn reopen(&mut self, last: LastWriter) {
        self.reopen_on(self.disk.clone(), last);
    }

    /// Opens over the disk with the power cut after some operations; the disk after that cut.
    pub(super) fn open_and_cut(&mut self, operations: u64) {
        self.disk = self.disk.crash(self.random.below(u64::MAX));
        self.cut_log();
        self.disk.faults().cut_power_after(operations);
        let _ = open(&self.disk, self.limits, crashed(), &self.log);
        let disk = self.disk.crash(self.random.below(u64::MAX));
        self.reopen_on(disk, crashed());
    }

    /// Checks queues, units, reads and keys against the model.
    pub(super) fn check(&self) {
        let min_position = self.log.min_position();
        for ((topic, queue_id), messages) in &self.model {
            let queue = self.derived.queues().table().get(topic, *queue_id);
            let Some(queue) = queue else {
                assert!(messages.is_empty(), "{topic} {queue_id} is missing");
                continue;
            };
            let bounds = self.derived.queues().bounds(&queue, &self.log).unwrap();
            let min = messages
                .iter()
                .position(|kept| kept.position >= min_position)
                .unwrap_or(messages.len());
            assert_eq!(
                (bounds.min, bounds.max),
                (min as u64, messages.len() as u64),
                "{topic} {queue_id}"
            );
            assert_eq!(queue.counter().next(), bounds.max);
            for (offset, kept) in messages.iter().enumerate().skip(min) {
                let unit = self.derived.queues().unit(&queue, offset as u64).unwrap();
                let unit = unit.unwrap_or_else(|| panic!("{topic} {queue_id} {offset}"));
                assert_eq!(
                    (unit.physical_offset, unit.size as usize, unit.tags_code),
                    (kept.position, kept.size, hash::tags_code(&kept.tag)),
                    "{topic} {queue_id} {offset}"
                );
                let hits = self
                    .derived
                    .query_key(topic, &kept.key, 10, 0, i64::MAX, &self.log)
                    .unwrap();
                assert_eq!(hits.len(), 1, "{topic} {}", kept.key);
            }
            let limits = ReadLimits {
                max_messages: usize::MAX,
                max_bytes: usize::MAX,
                max_scanned: usize::MAX,
                patience: Patience::Wait,
            };
            if min < messages.len() {
                let outcome = self
                    .derived
                    .queues()
                    .read(&queue, min as u64, &limits, &|_| true, &self.log)
                    .unwrap();
                assert_eq!(
                    (outcome.status, outcome.messages.len()),
                    (ReadStatus::Found, messages.len() - min)
                );
            }
        }
        for topic in 0..4 {
            let topic = format!("T{topic}");
            let alive = self
                .model
                .iter()
                .filter(|((of, _), _)| *of == topic)
                .flat_map(|(_, messages)| messages);
            let mut positions: Vec<_> = alive
                .map(|kept| kept.position)
                .filter(|position| *position >= min_position)
                .collect();
            positions.sort_unstable_by_key(|position| std::cmp::Reverse(*position));
            let hits = self
                .derived
                .query_key(&topic, "shared", 10_000, 0, i64::MAX, &self.log)
                .unwrap();
            let found: Vec<_> = hits
                .iter()
                .map(|hit| {
                    RecordView::parse(hit)
                        .unwrap()
                        .physical_offset()
                        .cast_unsigned()
                })
                .collect();
            assert_eq!(found, positions, "{topic}: newest first, each once");
        }
    }
}
