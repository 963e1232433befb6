//! Reading a queue: units from memory and files, and the records behind them. Promises that
//! nothing past the queue's maximum is returned and that every outcome says where to go on. Takes
//! records from the log reader as they are; the door decides how they travel.

use std::io;

use mainstem_record::{PHYSICAL_OFFSET_POSITION, RecordView};

use super::ConsumeQueues;
use super::queue::Queue;
use super::unit::{self, QueueUnit, UNIT_BYTES};
use crate::error::ReadError;
use crate::log_reader::LogReader;
use crate::outcome::{Patience, QueueBounds, ReadLimits, ReadOutcome, ReadStatus};
use crate::slice::RecordSlice;

/// Units read at once; a usual pull needs one such chunk.
const CHUNK_UNITS: u64 = 64;

/// What a read does with one unit.
enum Step {
    Took(RecordSlice),
    Filtered,
    Gone,
    Full,
    /// It would have to be read from the device, and the reader does not wait.
    NotInMemory,
}

impl ConsumeQueues {
    /// Appends the encoded units `from .. to` to `out`. The caller keeps within the queue's bounds.
    pub(super) fn encoded_units(
        &self,
        queue: &Queue,
        from: u64,
        to: u64,
        out: &mut Vec<u8>,
        patience: Patience,
    ) -> io::Result<()> {
        let before = out.len();
        let in_file = {
            let tail = queue.tail.lock();
            if from >= tail.start() {
                out.extend_from_slice(tail.bytes(from, to));
                return Ok(());
            }
            // What leaves the tail after this moment is in the file by then.
            let in_file = tail.start().min(to) - from;
            let bytes = usize::try_from(in_file).unwrap_or(usize::MAX) * UNIT_BYTES;
            out.resize(before + bytes, 0);
            if to > tail.start() {
                out.extend_from_slice(tail.bytes(tail.start(), to));
            }
            bytes
        };
        self.files
            .read(queue, from, &mut out[before..before + in_file], patience)
    }

    /// The unit at `offset`; `None` outside of the queue's bounds, or when it is a filler.
    pub(crate) fn unit(&self, queue: &Queue, offset: u64) -> io::Result<Option<QueueUnit>> {
        if offset >= queue.max() {
            return Ok(None);
        }
        if let Some(unit) = queue.tail.lock().get(offset) {
            return Ok(Some(unit));
        }
        let mut bytes = Vec::with_capacity(UNIT_BYTES);
        self.encoded_units(queue, offset, offset + 1, &mut bytes, Patience::Wait)?;
        let unit = unit::decode_all(&bytes).next();
        Ok(unit.filter(QueueUnit::is_record))
    }

    /// The queue's bounds, the minimum corrected to the log's oldest record.
    ///
    /// # Errors
    /// When the queue's file cannot be read.
    pub(crate) fn bounds(&self, queue: &Queue, log: &dyn LogReader) -> io::Result<QueueBounds> {
        self.correct_min(queue, log.min_position())?;
        Ok(queue.bounds())
    }

    /// Reads messages from `offset` on whose tags code passes `filter`.
    ///
    /// # Errors
    /// When queue file or log cannot be read.
    pub(crate) fn read(
        &self,
        queue: &Queue,
        offset: u64,
        limits: &ReadLimits,
        filter: &dyn Fn(i64) -> bool,
        log: &dyn LogReader,
    ) -> Result<ReadOutcome, ReadError> {
        let bounds = self.bounds(queue, log).map_err(unreadable(queue, offset))?;
        let mut outcome = ReadOutcome {
            status: ReadStatus::NoMatch,
            next_offset: offset,
            min_offset: bounds.min,
            max_offset: bounds.max,
            messages: Vec::new(),
            bytes: 0,
        };
        let (status, next_offset) = match offset {
            _ if bounds.max == 0 => (ReadStatus::QueueEmpty, 0),
            _ if offset < bounds.min => (ReadStatus::OffsetTooSmall, bounds.min),
            _ if offset == bounds.max => (ReadStatus::OffsetAtEnd, offset),
            _ if offset > bounds.max => (ReadStatus::OffsetBeyondEnd, bounds.max),
            _ => {
                self.gather(queue, limits, filter, log, &mut outcome)?;
                return Ok(outcome);
            }
        };
        outcome.status = status;
        outcome.next_offset = next_offset;
        Ok(outcome)
    }

    fn gather(
        &self,
        queue: &Queue,
        limits: &ReadLimits,
        filter: &dyn Fn(i64) -> bool,
        log: &dyn LogReader,
        outcome: &mut ReadOutcome,
    ) -> Result<(), ReadError> {
        let scanned_to = outcome
            .next_offset
            .saturating_add(limits.max_scanned.max(1) as u64);
        let end = outcome.max_offset.min(scanned_to);
        let mut chunk = Vec::new();
        while outcome.next_offset < end {
            let to = end.min(outcome.next_offset + CHUNK_UNITS);
            chunk.clear();
            match self.encoded_units(queue, outcome.next_offset, to, &mut chunk, limits.patience) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    outcome.give_up_waiting();
                    return Ok(());
                }
                other => other.map_err(unreadable(queue, outcome.next_offset))?,
            }
            if limits.patience == Patience::Wait {
                announce(unit::decode_all(&chunk), limits, filter, log, outcome);
            }
            for unit in unit::decode_all(&chunk) {
                match take(queue, unit, limits, filter, log, outcome)? {
                    Step::Took(record) => {
                        outcome.bytes += record.len();
                        outcome.messages.push(record);
                        outcome.status = ReadStatus::Found;
                    }
                    Step::Gone if outcome.messages.is_empty() => {
                        outcome.status = ReadStatus::BeingRemoved
                    }
                    Step::Gone | Step::Filtered => {}
                    Step::Full => return Ok(()),
                    Step::NotInMemory => {
                        outcome.give_up_waiting();
                        return Ok(());
                    }
                }
                outcome.next_offset += 1;
            }
            if outcome.messages.len() >= limits.max_messages {
                break;
            }
        }
        Ok(())
    }

    /// Store time in ms of the message at `offset`; `None` when it does not exist.
    ///
    /// # Errors
    /// When queue file or log cannot be read.
    pub(crate) fn store_time(
        &self,
        queue: &Queue,
        offset: u64,
        log: &dyn LogReader,
    ) -> Result<Option<i64>, ReadError> {
        let Some(unit) = self
            .unit(queue, offset)
            .map_err(unreadable(queue, offset))?
        else {
            return Ok(None);
        };
        let record = log.slice_at(unit.physical_offset, unit.size as usize, Patience::Wait)?;
        Ok(record.and_then(|record| {
            RecordView::parse(&record)
                .ok()
                .map(|view| view.store_timestamp_ms())
        }))
    }
}

/// Records with less than this between them are read from the device in one piece.
const NEAR_BYTES: u64 = 16 << 10;
/// So much is announced even if the read takes less: whoever reads old messages goes on, and the
/// next read finds them in memory.
const ANNOUNCED_MESSAGES: usize = CHUNK_UNITS as usize;
const ANNOUNCED_BYTES: usize = 256 << 10;

/// Tells the log which ranges a read that may wait is about to ask for, so that the device reads
/// them side by side: the records of one queue among many lie scattered, and one after the other
/// each would cost the device's whole latency.
fn announce(
    units: impl Iterator<Item = QueueUnit>,
    limits: &ReadLimits,
    filter: &dyn Fn(i64) -> bool,
    log: &dyn LogReader,
    outcome: &ReadOutcome,
) {
    let (mut messages, mut bytes) = (outcome.messages.len(), outcome.bytes);
    let max_messages = limits.max_messages.max(ANNOUNCED_MESSAGES);
    let max_bytes = limits.max_bytes.max(ANNOUNCED_BYTES);
    let mut range: Option<(u64, u64)> = None;
    for unit in units.filter(|unit| unit.is_record() && filter(unit.tags_code)) {
        let (start, len) = (unit.physical_offset, u64::from(unit.size));
        bytes = bytes.saturating_add(unit.size as usize);
        if messages >= max_messages || (messages > 0 && bytes > max_bytes) {
            break;
        }
        messages += 1;
        let Some(end) = start.checked_add(len) else {
            break;
        };
        range = match range {
            // A damaged unit may point backwards; the read finds out.
            Some((from, to)) if start >= to && start - to < NEAR_BYTES => Some((from, end)),
            Some((from, to)) => {
                log.read_soon(from, (to - from) as usize);
                Some((start, end))
            }
            None => Some((start, end)),
        };
    }
    if let Some((from, to)) = range {
        log.read_soon(from, (to - from) as usize);
    }
}

fn take(
    queue: &Queue,
    unit: QueueUnit,
    limits: &ReadLimits,
    filter: &dyn Fn(i64) -> bool,
    log: &dyn LogReader,
    outcome: &ReadOutcome,
) -> Result<Step, ReadError> {
    if outcome.messages.len() >= limits.max_messages {
        return Ok(Step::Full);
    }
    if !unit.is_record() {
        if !unit.is_filler() {
            damaged(queue, outcome.next_offset, &unit);
        }
        return Ok(Step::Gone);
    }
    if !filter(unit.tags_code) {
        return Ok(Step::Filtered);
    }
    let len = unit.size as usize;
    if !outcome.messages.is_empty() && outcome.bytes.saturating_add(len) > limits.max_bytes {
        return Ok(Step::Full);
    }
    match log.slice_at(unit.physical_offset, len, limits.patience) {
        Err(error) if error.would_wait() => Ok(Step::NotInMemory),
        Err(error) => Err(error),
        Ok(None) => Ok(Step::Gone),
        Ok(Some(record)) if points_to(&record, &unit) => Ok(Step::Took(record)),
        Ok(Some(_)) => {
            damaged(queue, outcome.next_offset, &unit);
            Ok(Step::Gone)
        }
    }
}

/// Whether the bytes that a unit names are a record at that place: its size and its own position.
fn points_to(record: &[u8], unit: &QueueUnit) -> bool {
    let size = record
        .first_chunk::<4>()
        .map(|bytes| u32::from_be_bytes(*bytes));
    let position = record
        .get(PHYSICAL_OFFSET_POSITION..)
        .and_then(|bytes| bytes.first_chunk::<8>())
        .map(|bytes| u64::from_be_bytes(*bytes));
    size == Some(unit.size) && position == Some(unit.physical_offset)
}

#[cold]
fn damaged(queue: &Queue, offset: u64, unit: &QueueUnit) {
    tracing::error!(
        topic = queue.topic(),
        queue_id = queue.queue_id(),
        offset,
        position = unit.physical_offset,
        size = unit.size,
        "consume-queue unit points to no record and is passed over: the queue file is damaged; stop the broker and build it anew with `mainstem store repair DIR --rebuild-queues`"
    );
}

/// Wraps an error of a queue file, whose place is best told by the queue.
fn unreadable(queue: &Queue, offset: u64) -> impl FnOnce(io::Error) -> ReadError {
    let what = format!(
        "unit {offset} of queue {} of topic {}",
        queue.queue_id(),
        queue.topic()
    );
    move |source| ReadError::Io {
        position: 0,
        bytes: UNIT_BYTES,
        source: io::Error::new(source.kind(), format!("{what}: {source}")),
    }
}
