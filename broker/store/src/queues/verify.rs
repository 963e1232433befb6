//! Comparing queues with the log, record by record in the log's order, without opening either: each
//! message's offset must follow the one before it, and its unit must be where the snapshot or the
//! queue's file is bound to have it. Promises to read every file once and to hold a bounded buffer a
//! queue; changes nothing.

use std::collections::HashMap;
use std::io;

use mainstem_record::{RecordView, sys_flag};

use super::files::directory_of;
use super::unit::{QueueUnit, UNIT_BYTES};
use crate::disk::{Disk, OpenMode};
use crate::dispatch::{DispatchRecord, Marks, messages_of};
use crate::index::tags_code;
use crate::inspect::{Findings, Severity, Step, messages};
use crate::options::StoreOptions;
use crate::snapshot::QueueState;

/// Units read at once of one queue; with very many queues fewer.
const BUFFER_UNITS: u64 = 128;
const FEW_UNITS: u64 = 16;
const MANY_QUEUES: usize = 10_000;

/// Where units below a log position are bound to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certain {
    /// A snapshot tells: below its position, in the file or in its tails.
    Snapshot(u64),
    /// Files alone: all that point below this position.
    Files(u64),
}

/// What was seen of one queue.
#[derive(Debug, Default)]
struct Seen {
    /// Offset that the log gives next; `None` before its first record.
    next: Option<u64>,
    /// Offset of its first record.
    first: u64,
    /// Offset after the last message below the certain position.
    next_certain: u64,
    state: Option<QueueState>,
    buffer_from: u64,
    buffer: Vec<QueueUnit>,
    /// Units of one file that do not fit: file start, first offset, count, and what the first is.
    wrong: Option<(u64, u64, u64, String)>,
}

/// The comparison.
#[derive(Debug)]
pub(crate) struct QueueVerifier<'a> {
    disk: &'a dyn Disk,
    options: &'a StoreOptions,
    certain: Certain,
    deletions: &'a HashMap<String, u64>,
    queues: HashMap<String, HashMap<i32, Seen>>,
    count: usize,
    /// Units compared.
    pub(crate) units: u64,
}

impl<'a> QueueVerifier<'a> {
    pub(crate) fn new(
        disk: &'a dyn Disk,
        options: &'a StoreOptions,
        certain: Certain,
        deletions: &'a HashMap<String, u64>,
        states: Vec<QueueState>,
    ) -> Self {
        let mut verifier = Self {
            disk,
            options,
            certain,
            deletions,
            queues: HashMap::new(),
            count: 0,
            units: 0,
        };
        let position = verifier.certain_position();
        for state in states {
            if deletions
                .get(&state.topic)
                .is_some_and(|deleted| *deleted >= position)
            {
                continue;
            }
            verifier.count += 1;
            let queues = verifier.queues.entry(state.topic.clone()).or_default();
            let seen = queues.entry(state.queue_id).or_default();
            seen.state = Some(state);
        }
        verifier
    }

    fn certain_position(&self) -> u64 {
        match self.certain {
            Certain::Snapshot(position) | Certain::Files(position) => position,
        }
    }

    /// Queues whose messages were seen.
    pub(crate) fn queues(&self) -> u64 {
        let seen = self.queues.values().flat_map(HashMap::values);
        seen.filter(|seen| seen.next.is_some()).count() as u64
    }

    /// Whether a record's offset follows the one before it in its queue; else what was expected.
    pub(crate) fn follows(&self, position: u64, record: &RecordView<'_>) -> Result<(), u64> {
        if !has_unit(record) || self.is_deleted(record.topic(), position) {
            return Ok(());
        }
        let seen = self
            .queues
            .get(record.topic())
            .and_then(|queues| queues.get(&record.queue_id()));
        let Some(expected) = seen.and_then(|seen| seen.next) else {
            return Ok(());
        };
        let found = record.queue_offset().cast_unsigned();
        if found == expected || found == 0 {
            Ok(())
        } else {
            Err(expected)
        }
    }

    fn is_deleted(&self, topic: &str, position: u64) -> bool {
        self.deletions
            .get(topic)
            .is_some_and(|deleted| position < *deleted)
    }

    /// Takes the next record of the log and compares its units.
    ///
    /// # Errors
    /// When a queue file cannot be read.
    pub(crate) fn record(
        &mut self,
        position: u64,
        record: &RecordView<'_>,
        findings: &mut Findings,
    ) -> io::Result<()> {
        if !has_unit(record) || self.is_deleted(record.topic(), position) {
            return Ok(());
        }
        let dispatched = DispatchRecord::of(position, record);
        let marks = Marks::of(dispatched.properties);
        let unit = QueueUnit {
            physical_offset: position,
            size: dispatched.size,
            tags_code: self.code_of(&dispatched, &marks),
        };
        let is_certain = position < self.certain_position();
        let from_files = matches!(self.certain, Certain::Files(_));
        let count = messages_of(&dispatched, &marks);
        let units = if self.count > MANY_QUEUES {
            FEW_UNITS
        } else {
            BUFFER_UNITS
        };
        if !self.queues.contains_key(record.topic()) {
            self.queues
                .insert(record.topic().to_owned(), HashMap::new());
        }
        let Some(queues) = self.queues.get_mut(record.topic()) else {
            return Ok(());
        };
        let seen = queues.entry(record.queue_id()).or_insert_with(|| {
            self.count += 1;
            Seen::default()
        });
        let first = dispatched.queue_offset;
        if seen.next.is_none() {
            seen.first = first;
        } else if first == 0 {
            // A topic made anew, whose deletion is not known any more: the units are those of this one.
            let state = seen.state.take();
            *seen = Seen {
                state,
                ..Seen::default()
            };
        }
        seen.next = Some(first.saturating_add(count));
        if !is_certain {
            return Ok(());
        }
        seen.next_certain = first.saturating_add(count);
        for offset in first..first.saturating_add(count) {
            let found = match &seen.state {
                Some(state) if offset >= state.tail_start => tail_unit(state, offset),
                None if !from_files => Some(QueueUnit {
                    physical_offset: 0,
                    size: 0,
                    tags_code: 0,
                }),
                _ => {
                    let file = self.options.queue_file_units;
                    let place = (record.topic(), record.queue_id());
                    Some(file_unit(self.disk, seen, place, offset, file, units)?)
                }
            };
            self.units += 1;
            if found == Some(unit) {
                continue;
            }
            let place = (record.topic(), record.queue_id());
            note(
                seen,
                place,
                offset,
                found,
                &unit,
                self.options.queue_file_units,
                findings,
            );
        }
        Ok(())
    }

    fn code_of(&self, record: &DispatchRecord<'_>, marks: &Marks<'_>) -> i64 {
        let level = usize::try_from(record.queue_id).ok();
        let delay = level
            .filter(|_| record.topic == self.options.schedule_topic)
            .and_then(|level| self.options.schedule_levels_ms.get(level));
        match delay {
            Some(delay_ms) => record.store_timestamp_ms.saturating_add(*delay_ms),
            None => marks.tags.map_or(0, tags_code),
        }
    }

    /// Tells what is left to tell when the log is at its end.
    /// `closed` says that the store was closed at the log's end: then the snapshot's minima are exact.
    pub(crate) fn finish(mut self, closed: bool, findings: &mut Findings) -> io::Result<()> {
        let (disk, certain) = (self.disk, self.certain);
        let file_units = self.options.queue_file_units;
        for (topic, queues) in &mut self.queues {
            for (queue_id, seen) in queues {
                let place = (topic.as_str(), *queue_id);
                tell_wrong(seen, place, file_units, findings);
                match (certain, &seen.state) {
                    (Certain::Snapshot(_), Some(state)) => {
                        if closed && seen.next.is_some() && state.min < seen.first {
                            findings.add(
                                Severity::Lost,
                                "commitlog",
                                None,
                                format!(
                                    "there when the store was closed, of queue {queue_id} of topic {topic}: {}; the log does not go back to them any more",
                                    messages(state.min, seen.first)
                                ),
                                "log files are missing at its beginning; the queue begins later now",
                            );
                        }
                        let next = state.tail_start + (state.tail.len() / UNIT_BYTES) as u64;
                        if seen.next_certain > 0 && seen.next_certain < next {
                            findings.add(
                                Severity::Lost,
                                "commitlog",
                                None,
                                format!(
                                    "counted by the snapshot, of queue {queue_id} of topic {topic}: {}; but the log does not hold them",
                                    messages(seen.next_certain, next)
                                ),
                                "they are lost; what is damaged in the log is told for itself",
                            );
                        }
                    }
                    (Certain::Files(certain), _) if seen.next.is_some() => {
                        let next = seen.next_certain;
                        let unit = file_unit(disk, seen, place, next, file_units, 1)?;
                        if next > 0 && unit.is_record() && unit.physical_offset < certain {
                            findings.add(
                                Severity::Rebuilt,
                                &path(place, next, file_units),
                                Some(next % file_units * UNIT_BYTES as u64),
                                format!("unit {next} points to {}, where the log has no message {next} of the queue", unit.physical_offset),
                                "the next start notices and builds all queues anew from the log",
                            );
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn has_unit(record: &RecordView<'_>) -> bool {
    let kind = sys_flag::transaction_type(record.sys_flag());
    kind != sys_flag::TRANSACTION_PREPARED && kind != sys_flag::TRANSACTION_ROLLBACK
}

fn tail_unit(state: &QueueState, offset: u64) -> Option<QueueUnit> {
    let at = usize::try_from(offset.checked_sub(state.tail_start)?).ok()?;
    let units = state.tail.as_chunks::<UNIT_BYTES>().0;
    units.get(at).map(QueueUnit::decode)
}

fn path(place: (&str, i32), offset: u64, file_units: u64) -> String {
    let start = offset / file_units * file_units;
    format!(
        "{}/{:020}",
        directory_of(place.0, place.1),
        start * UNIT_BYTES as u64
    )
}

/// A unit of the queue's file; zeros where there is none.
fn file_unit(
    disk: &dyn Disk,
    seen: &mut Seen,
    place: (&str, i32),
    offset: u64,
    file_units: u64,
    units: u64,
) -> io::Result<QueueUnit> {
    let index = |from: u64| usize::try_from(offset.wrapping_sub(from)).unwrap_or(usize::MAX);
    if let Some(unit) = seen.buffer.get(index(seen.buffer_from)) {
        return Ok(*unit);
    }
    let within = offset % file_units;
    let count = units.min(file_units - within);
    let mut bytes = vec![0; usize::try_from(count).unwrap_or(0) * UNIT_BYTES];
    match disk.open(&path(place, offset, file_units), OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => {
            let read = other?.read_at(&mut bytes, within * UNIT_BYTES as u64)?;
            bytes[read..].fill(0);
        }
    }
    seen.buffer_from = offset;
    seen.buffer = super::unit::decode_all(&bytes).collect();
    Ok(seen.buffer.first().copied().unwrap_or(QueueUnit::FILLER))
}

fn note(
    seen: &mut Seen,
    place: (&str, i32),
    offset: u64,
    found: Option<QueueUnit>,
    expected: &QueueUnit,
    file_units: u64,
    findings: &mut Findings,
) {
    let start = offset / file_units * file_units;
    if let Some((file, _, count, _)) = &mut seen.wrong {
        if *file == start {
            *count += 1;
            return;
        }
        tell_wrong(seen, place, file_units, findings);
    }
    let is = match found {
        Some(unit) if unit.is_record() => format!(
            "points to {} bytes at {} with tags code {}",
            unit.size, unit.physical_offset, unit.tags_code
        ),
        Some(unit) if unit.is_filler() => "is a filler".to_owned(),
        Some(QueueUnit {
            physical_offset: 0,
            size: 0,
            tags_code: 0,
        })
        | None => "is not there".to_owned(),
        Some(_) => "is no unit".to_owned(),
    };
    let is = format!(
        "{is}; the message is {} bytes at {} with tags code {}",
        expected.size, expected.physical_offset, expected.tags_code
    );
    seen.wrong = Some((start, offset, 1, is));
}

fn tell_wrong(seen: &mut Seen, place: (&str, i32), file_units: u64, findings: &mut Findings) {
    let Some((_, first, count, is)) = seen.wrong.take() else {
        return;
    };
    let (topic, queue_id) = place;
    let more = if count > 1 {
        format!(", and {} more of this file do not fit", count - 1)
    } else {
        String::new()
    };
    findings.add_with(
        Severity::Repairable,
        &path(place, first, file_units),
        Some(first % file_units * UNIT_BYTES as u64),
        format!("unit {first} of queue {queue_id} of topic {topic} {is}{more}"),
        "readers pass over such messages until the queues are built anew; the log has them",
        &[Step::RebuildQueues],
    );
}
