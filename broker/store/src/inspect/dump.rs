//! Dumps: what the files of a directory hold, as values that can be printed. Promises to show what is
//! there, damage included, and to hold one record or entry at a time where there may be many.

use std::io;

use mainstem_record::RecordView;
use serde::Serialize;

use super::{InspectError, Inspection};
use crate::commit_log::{Found, Walker};
use crate::disk::OpenMode;
use crate::floor::{self, Slot};
use crate::index::{self, Geometry};
use crate::queues::{QueueUnit, UNIT_BYTES};
use crate::{journal, snapshot};

/// Which records a dump shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Log position to begin at: the start of a record or of a file. The log's start unless given.
    pub from: Option<u64>,
    /// Most records shown.
    pub count: Option<u64>,
    /// Only of this topic.
    pub topic: Option<String>,
    /// Only of this queue.
    pub queue_id: Option<i32>,
}

/// A record of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordDump {
    /// Log position.
    pub position: u64,
    /// Size in bytes.
    pub size: u64,
    /// Topic.
    pub topic: String,
    /// Queue.
    pub queue_id: i32,
    /// Offset in the queue.
    pub queue_offset: i64,
    /// The sender's flag.
    pub flag: i32,
    /// Bits: compression, transaction, addresses; see docs/storage.md.
    pub sys_flag: i32,
    /// When it was stored, ms since the epoch.
    pub store_timestamp_ms: i64,
    /// When it was sent, ms since the epoch.
    pub born_timestamp_ms: i64,
    /// Who stored it.
    pub store_host: String,
    /// Who sent it.
    pub born_host: String,
    /// How often it came back to a consumer.
    pub reconsume_times: i32,
    /// Position of the half message that a transaction record belongs to.
    pub prepared_transaction_offset: i64,
    /// CRC32 of the stored body.
    pub body_crc: u32,
    /// Length of the stored body.
    pub body_bytes: usize,
    /// The stored body as text, where it is UTF-8 and not compressed.
    pub body: Option<String>,
    /// Properties, in their order.
    pub properties: Vec<(String, String)>,
}

/// An entry of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueEntryDump {
    /// Offset in the queue.
    pub offset: u64,
    /// `file`, or `snapshot` for one that is not settled in its file yet.
    pub held_by: &'static str,
    /// Log position of the record.
    pub position: u64,
    /// Size of the record in bytes.
    pub size: u32,
    /// Hash of the tag; in the schedule topic the delivery time in ms.
    pub tags_code: i64,
    /// `record`, or `filler` in front of a queue's first message.
    pub kind: &'static str,
}

/// A slot of the durable floor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FloorDump {
    /// Which slot.
    pub slot: usize,
    /// `empty`, `damaged`, or `whole`.
    pub state: &'static str,
    /// Sequence number; the greatest counts.
    pub sequence: Option<u64>,
    /// Everything below this log position is on the disk.
    pub position: Option<u64>,
    /// The store was closed there.
    pub clean: Option<bool>,
    /// Life of the directory that it belongs to.
    pub state_id: Option<String>,
    /// Store time of the newest record, ms.
    pub timestamp_ms: Option<i64>,
}

/// A snapshot of the queues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotDump {
    /// The file.
    pub file: String,
    /// Sequence number; the greatest counts.
    pub sequence: u64,
    /// Life of the directory that it belongs to.
    pub state_id: String,
    /// Log position that it describes.
    pub position: u64,
    /// Its queues.
    pub queues: Vec<SnapshotQueueDump>,
}

/// A queue of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SnapshotQueueDump {
    /// Topic.
    pub topic: String,
    /// Queue.
    pub queue_id: i32,
    /// Offset of the oldest message.
    pub min: u64,
    /// Offset from which on units are held by the snapshot.
    pub tail_start: u64,
    /// Offset that the next message gets.
    pub next: u64,
}

/// A change in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalEntryDump {
    /// Table.
    pub table: String,
    /// Key.
    pub key: String,
    /// The value as text, or in hexadecimal; `None` where the key is removed.
    pub value: Option<String>,
}

/// An index file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexFileDump {
    /// The file.
    pub file: String,
    /// Store times of its first and last record, ms.
    pub begin_ms: i64,
    /// See `begin_ms`.
    pub end_ms: i64,
    /// Log positions of its first and last record.
    pub begin_position: u64,
    /// See `begin_position`.
    pub end_position: u64,
    /// Slots in use.
    pub slots_used: u32,
    /// Number of the next entry; entries are numbered from 1.
    pub next_entry: u32,
}

/// An entry of an index file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexEntryDump {
    /// Its number.
    pub number: u32,
    /// Hash of topic and key.
    pub hash: u32,
    /// Log position of the record.
    pub position: u64,
    /// Seconds since the file's first record.
    pub seconds: u32,
    /// The entry before it in its chain, 0 at the end.
    pub previous: u32,
}

fn state_text(state_id: u64) -> String {
    format!("{state_id:016x}")
}

impl RecordDump {
    fn of(position: u64, record: &RecordView<'_>) -> Self {
        const COMPRESSED: i32 = mainstem_record::sys_flag::COMPRESSED;
        let readable = record.sys_flag() & COMPRESSED == 0;
        let body = readable.then(|| std::str::from_utf8(record.body()).ok());
        Self {
            position,
            size: record.total_size() as u64,
            topic: record.topic().to_owned(),
            queue_id: record.queue_id(),
            queue_offset: record.queue_offset(),
            flag: record.flag(),
            sys_flag: record.sys_flag(),
            store_timestamp_ms: record.store_timestamp_ms(),
            born_timestamp_ms: record.born_timestamp_ms(),
            store_host: record.store_host().to_string(),
            born_host: record.born_host().to_string(),
            reconsume_times: record.reconsume_times(),
            prepared_transaction_offset: record.prepared_transaction_offset(),
            body_crc: record.body_crc(),
            body_bytes: record.body().len(),
            body: body.flatten().map(str::to_owned),
            properties: record
                .properties()
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }
}

/// What a dump of records does at a place without a valid record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// Where the dump ended.
    pub position: u64,
    /// Why.
    pub reason: String,
}

impl Inspection {
    /// Hands records to `visit`, in the log's order, until it returns false; says where it stopped.
    ///
    /// # Errors
    /// When the disk refuses, or there is no log at `filter.from`.
    pub fn dump_records(
        &self,
        filter: &RecordFilter,
        mut visit: impl FnMut(&RecordDump) -> bool,
    ) -> Result<Stop, InspectError> {
        let mut walker = Walker::new(&self.log.files);
        let mut position = filter.from.unwrap_or(self.log.start());
        if position < self.log.start() || position > self.log.end() {
            return Err(InspectError::NotFound(format!(
                "log position {position} does not exist; the log has files for positions {} to {}",
                self.log.start(),
                self.log.end().saturating_sub(1)
            )));
        }
        let mut left = filter.count.unwrap_or(u64::MAX);
        let stop = |position, reason: &str| {
            Ok(Stop {
                position,
                reason: reason.to_owned(),
            })
        };
        while left > 0 {
            let found = walker
                .look(position)
                .map_err(InspectError::io("read", self.disk.display("commitlog")))?;
            match found {
                Found::Record(record) => {
                    let wanted = filter
                        .topic
                        .as_deref()
                        .is_none_or(|topic| topic == record.topic())
                        && filter
                            .queue_id
                            .is_none_or(|queue_id| queue_id == record.queue_id());
                    if wanted {
                        left -= 1;
                        if !visit(&RecordDump::of(position, &record)) {
                            return stop(position, "told to");
                        }
                    }
                    position += record.total_size() as u64;
                }
                Found::Blank => {
                    position = walker.file_of(position).map_or(position, |file| file.end());
                }
                Found::Zeros => return stop(position, "there are only zeros"),
                Found::NoFile => return stop(position, "there is no further file"),
                Found::Invalid(reason) => return stop(position, &reason),
            }
        }
        stop(position, "as many as asked for")
    }

    /// Hands the entries of a queue from offset `from` on to `visit`, up to the end that the snapshot
    /// tells, or the first unused unit of the files.
    ///
    /// # Errors
    /// When the disk refuses, or there is no such queue.
    pub fn dump_queue(
        &self,
        topic: &str,
        queue_id: i32,
        from: u64,
        mut visit: impl FnMut(&QueueEntryDump) -> bool,
    ) -> Result<(), InspectError> {
        let state = self
            .newest_snapshot(|state| state.topic == topic && state.queue_id == queue_id)?
            .and_then(|(_, states)| states.into_iter().next());
        let directory = format!("consumequeue/{topic}/{queue_id}");
        let names = match self.disk.list(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(InspectError::io("list", self.disk.display(&directory)))?,
        };
        if names.is_empty() && state.is_none() {
            return Err(InspectError::NotFound(format!(
                "there is no queue {queue_id} of topic {topic}"
            )));
        }
        let full = self.options.queue_file_units;
        let settled = state.as_ref().map_or(u64::MAX, |state| state.tail_start);
        let entry = |offset, unit: QueueUnit, held_by| QueueEntryDump {
            offset,
            held_by,
            position: unit.physical_offset,
            size: unit.size,
            tags_code: unit.tags_code,
            kind: if unit.is_filler() { "filler" } else { "record" },
        };
        'files: for name in &names {
            let Ok(start) = name.parse::<u64>().map(|bytes| bytes / UNIT_BYTES as u64) else {
                continue;
            };
            if start + full <= from {
                continue;
            }
            let path = format!("{directory}/{name}");
            let io = |source| InspectError::io("read", self.disk.display(&path))(source);
            let file = self.disk.open(&path, OpenMode::Read).map_err(io)?;
            let mut bytes = vec![0; usize::try_from(full).unwrap_or(0) * UNIT_BYTES];
            let read = file.read_at(&mut bytes, 0).map_err(io)?;
            bytes.truncate(read);
            for (offset, unit) in (start..).zip(
                bytes
                    .as_chunks::<UNIT_BYTES>()
                    .0
                    .iter()
                    .map(QueueUnit::decode),
            ) {
                if offset >= settled || !(unit.is_record() || unit.is_filler()) {
                    break 'files;
                }
                if offset >= from && !visit(&entry(offset, unit, "file")) {
                    return Ok(());
                }
            }
        }
        if let Some(state) = state {
            let units = state.tail.as_chunks::<UNIT_BYTES>().0;
            for (offset, unit) in (state.tail_start..).zip(units.iter().map(QueueUnit::decode)) {
                if offset >= from && !visit(&entry(offset, unit, "snapshot")) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Both slots of the durable floor.
    ///
    /// # Errors
    /// When the disk refuses, or there is no floor.
    pub fn dump_floor(&self) -> Result<Vec<FloorDump>, InspectError> {
        let path = self.disk.display(crate::layout::FLOOR);
        let slots = floor::look(&*self.disk)
            .map_err(InspectError::io("read", path.clone()))?
            .ok_or_else(|| InspectError::NotFound(format!("there is no {path}")))?;
        let dump = |(slot, found): (usize, &Slot)| {
            let (state, whole) = match found {
                Slot::Empty => ("empty", None),
                Slot::Damaged => ("damaged", None),
                Slot::Whole(sequence, floor) => ("whole", Some((*sequence, *floor))),
            };
            FloorDump {
                slot,
                state,
                sequence: whole.map(|(sequence, _)| sequence),
                position: whole.map(|(_, floor)| floor.position),
                clean: whole.map(|(_, floor)| floor.clean),
                state_id: whole.map(|(_, floor)| state_text(floor.state_id)),
                timestamp_ms: whole.map(|(_, floor)| floor.timestamp_ms),
            }
        };
        Ok(slots.iter().enumerate().map(dump).collect())
    }

    fn newest_snapshot(
        &self,
        wanted: impl Fn(&snapshot::QueueState) -> bool,
    ) -> Result<Option<(snapshot::Head, Vec<snapshot::QueueState>)>, InspectError> {
        let mut newest: Option<(snapshot::Head, Vec<snapshot::QueueState>)> = None;
        for slot in 0..2 {
            let mut states = Vec::new();
            let look = snapshot::look(&*self.disk, slot, &mut |state| {
                if wanted(&state) {
                    states.push(state);
                }
            });
            if let Ok(Some(head)) = look
                && Some(head.owner) == self.state_id()
                && newest
                    .as_ref()
                    .is_none_or(|(known, _)| known.sequence < head.sequence)
            {
                newest = Some((head, states));
            }
        }
        Ok(newest)
    }

    /// The snapshot that the next start will load.
    ///
    /// # Errors
    /// When there is none that can be used.
    pub fn dump_snapshot(&self) -> Result<SnapshotDump, InspectError> {
        let (head, states) = self.newest_snapshot(|_| true)?.ok_or_else(|| {
            InspectError::NotFound(
                "there is no snapshot of this directory's present life".to_owned(),
            )
        })?;
        let queue = |state: snapshot::QueueState| SnapshotQueueDump {
            next: state.tail_start + (state.tail.len() / UNIT_BYTES) as u64,
            topic: state.topic,
            queue_id: state.queue_id,
            min: state.min,
            tail_start: state.tail_start,
        };
        Ok(SnapshotDump {
            file: snapshot::path_of(head.sequence),
            sequence: head.sequence,
            state_id: state_text(head.owner),
            position: head.position,
            queues: states.into_iter().map(queue).collect(),
        })
    }

    /// Hands every change in the journal to `visit`, in order.
    ///
    /// # Errors
    /// When the disk refuses, or there is no journal.
    pub fn dump_journal(
        &self,
        mut visit: impl FnMut(&JournalEntryDump),
    ) -> Result<(), InspectError> {
        let path = self.disk.display("mainstem/journal");
        journal::look(&*self.disk, |table, key, value| {
            visit(&JournalEntryDump {
                table: journal::table_name(table),
                key: key.to_owned(),
                value: value.map(|value| journal::value_text(table, value)),
            });
        })
        .map_err(InspectError::io("read", path.clone()))?
        .map(|_| ())
        .ok_or_else(|| InspectError::NotFound(format!("there is no {path}")))
    }

    /// Hands every index file, oldest first, with its entries to the callbacks.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn dump_index(
        &self,
        mut file: impl FnMut(&IndexFileDump),
        mut entry: Option<&mut dyn FnMut(&IndexEntryDump)>,
    ) -> Result<(), InspectError> {
        let geometry = Geometry {
            slots: self.options.index_slots,
            entries: self.options.index_entries,
        };
        index::dump(&*self.disk, geometry, &mut file, &mut entry)
            .map_err(InspectError::io("read", self.disk.display("index")))
    }
}
