//! Finding the end of a log and making the disk agree with it. It promises to refuse damage below
//! the durable floor and to change nothing then; above it, to keep the longest valid prefix, save
//! what is cut if it holds valid records, leave only zeros behind the end, and write the range
//! above the floor again, since what the page cache shows after an unclean stop need not be on the
//! device. It may not hand anything to readers.

use std::collections::HashMap;
use std::io;

use mainstem_record::{RecordView, sys_flag};

use super::file::{DIRECTORY, LogFile};
use super::open::KnownQueues;
use super::sabotage::{Sabotage, is_broken};
use super::walk::{Found, Walker};
use crate::disk::Disk;
use crate::error::OpenError;
use crate::layout;
use crate::long_walk::LongWalk;
use crate::sync::Arc;

const CHUNK_BYTES: usize = 1 << 20;
/// The most that is saved of a cut tail; an asynchronous log may lose more, and says so.
const MAX_SAVED_BYTES: u64 = 256 << 20;

/// Where a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// Position after the last valid record (or blank).
    pub(super) position: u64,
    /// Store time of the last record seen, 0 without one.
    pub(super) last_timestamp_ms: i64,
    /// Records seen.
    pub(super) records: u64,
    /// Why the log does not go on.
    pub(super) reason: String,
}

/// Checks that queue offsets follow each other.
struct QueueOffsets<'a> {
    known: &'a dyn KnownQueues,
    next: HashMap<String, HashMap<i32, i64>>,
}

impl QueueOffsets<'_> {
    fn check(&mut self, position: u64, record: &RecordView<'_>) -> Result<(), String> {
        let kind = record.sys_flag() & sys_flag::TRANSACTION_MASK;
        if kind == sys_flag::TRANSACTION_PREPARED || kind == sys_flag::TRANSACTION_ROLLBACK {
            return Ok(());
        }
        let (topic, queue_id, offset) = (record.topic(), record.queue_id(), record.queue_offset());
        if !self.next.contains_key(topic) {
            self.next.insert(topic.to_owned(), HashMap::new());
        }
        let Some(queues) = self.next.get_mut(topic) else {
            return Ok(());
        };
        let expected = queues.get(&queue_id).copied().or_else(|| {
            self.known
                .next_offset(topic, queue_id)
                .and_then(|n| i64::try_from(n).ok())
        });
        // A topic that was deleted and made again starts at 0.
        let deleted = self
            .known
            .deleted_at(topic)
            .is_some_and(|at| position <= at);
        if let Some(expected) = expected
            && offset != expected
            && offset != 0
            && !deleted
        {
            return Err(format!(
                "queue offset {offset} where queue {queue_id} of {topic} goes on at {expected}"
            ));
        }
        queues.insert(queue_id, offset.saturating_add(inner_messages(record)));
        Ok(())
    }
}

/// How many queue offsets a record takes: more than one for a batch that is stored as one record.
fn inner_messages(record: &RecordView<'_>) -> i64 {
    const INNER_BATCH: i32 = 0x80;
    if record.sys_flag() & INNER_BATCH == 0 {
        return 1;
    }
    record
        .properties()
        .get("INNER_NUM")
        .and_then(|n| n.parse().ok())
        .unwrap_or(1)
}

/// Walks from `from`, the start of a record, to the end of the valid log. Below `floor`
/// everything must be valid.
pub(super) fn find_end(
    disk: &dyn Disk,
    files: &[Arc<LogFile>],
    from: u64,
    floor: Option<u64>,
    known: &dyn KnownQueues,
) -> Result<End, OpenError> {
    let mut walker = Walker::new(files);
    let mut offsets = QueueOffsets {
        known,
        next: HashMap::new(),
    };
    let mut end = End {
        position: from,
        last_timestamp_ms: 0,
        records: 0,
        reason: String::new(),
    };
    let mut progress = LongWalk::new("verifying the records of the log", from, floor.unwrap_or(0));
    loop {
        let position = end.position;
        progress.tell(position);
        let file = walker.file_of(position);
        let path = file.map_or_else(
            || super::file::path_of(position),
            |file| file.path().to_owned(),
        );
        let found = match walker.look(position) {
            Ok(found) => found,
            Err(e) if floor.is_some_and(|floor| position < floor) => {
                Found::Invalid(format!("it cannot be read: {e}"))
            }
            Err(source) => return Err(OpenError::io("read", disk.display(&path))(source)),
        };
        end.reason = match found {
            Found::Record(record) => {
                match floor.map_or(Ok(()), |_| offsets.check(position, &record)) {
                    Ok(()) => {
                        end.position += record.total_size() as u64;
                        end.last_timestamp_ms = record.store_timestamp_ms();
                        end.records += 1;
                        continue;
                    }
                    Err(reason) => reason,
                }
            }
            Found::Blank => {
                end.position = file.map_or(position, |file| file.end());
                continue;
            }
            Found::Zeros => "there are only zeros".to_owned(),
            Found::NoFile if position == files.last().map_or(0, |last| last.end()) => {
                "the log has no further file".to_owned()
            }
            // Something knows of a log that goes further than the files do.
            Found::NoFile => {
                return Err(OpenError::MissingFile {
                    path: disk.display(&path),
                    position,
                    directory: disk.display(""),
                });
            }
            Found::Invalid(reason) => reason,
        };
        if let Some(floor) = floor.filter(|floor| position < *floor) {
            return Err(OpenError::Damage {
                offset: file.map_or(0, |file| position - file.base()),
                path: disk.display(&path),
                position,
                reason: end.reason,
                floor,
                directory: disk.display(""),
            });
        }
        return Ok(end);
    }
}

/// Bytes behind the end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Remains {
    /// Records among them that are valid in themselves.
    pub(crate) records: u64,
    /// Position after the last byte that is not zero.
    pub(crate) end: u64,
}

/// Looks for anything but zeros behind `end`, up to `look_to`.
pub(crate) fn look_behind(files: &[Arc<LogFile>], end: u64, look_to: u64) -> io::Result<Remains> {
    let mut remains = Remains { records: 0, end };
    let may_hold = |file: &&Arc<LogFile>| file.end() > end && file.base() < look_to;
    for file in files.iter().filter(may_hold) {
        let mut offset = end.saturating_sub(file.base());
        let mut buffer = Vec::new();
        while let Some(data) = file.file().next_data(offset)? {
            let position = file.base() + data;
            if position >= file.end().min(look_to) {
                break;
            }
            buffer.resize(CHUNK_BYTES.min((file.end() - position) as usize), 0);
            file.read_into(position, &mut buffer)?;
            if !is_zero(&buffer)
                && let Some(last) = buffer.iter().rposition(|b| *b != 0)
            {
                remains.end = position + last as u64 + 1;
            }
            offset = data + buffer.len() as u64;
        }
    }
    if remains.end > end {
        remains.records = count_records(files, end, remains.end)?;
    }
    Ok(remains)
}

/// Whether there are only zeros; fast, for it may look at the rest of a whole file.
fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<64>();
    words
        .iter()
        .all(|word| word.iter().fold(0, |sum, byte| sum | byte) == 0)
        && rest.iter().all(|byte| *byte == 0)
}

/// Counts records that are valid in themselves anywhere in a range, wherever they begin.
fn count_records(files: &[Arc<LogFile>], from: u64, to: u64) -> io::Result<u64> {
    let mut walker = Walker::new(files);
    let mut records = 0;
    let mut position = from;
    while position < to {
        match walker.look(position)? {
            Found::Record(record) => {
                records += 1;
                position += record.total_size() as u64;
            }
            Found::Blank | Found::NoFile => {
                position = walker.file_of(position).map_or(to, |file| file.end())
            }
            Found::Zeros | Found::Invalid(_) => position = next_candidate(files, position + 1, to)?,
        }
    }
    Ok(records)
}

/// The next position whose bytes could begin a record: one that a magic number follows.
pub(crate) fn next_candidate(files: &[Arc<LogFile>], from: u64, to: u64) -> io::Result<u64> {
    const OVERLAP: usize = 8;
    let mut position = from;
    let mut buffer = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.end() > from && file.base() < to)
    {
        position = position.max(file.base());
        while position + (OVERLAP as u64) < file.end().min(to) {
            let len = CHUNK_BYTES.min((file.end() - position) as usize);
            buffer.resize(len, 0);
            file.read_into(position, &mut buffer)?;
            if is_zero(&buffer) {
                position += (len - OVERLAP + 1) as u64;
                continue;
            }
            for (at, head) in buffer.windows(OVERLAP).enumerate() {
                let magic = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
                if magic == mainstem_record::MAGIC_V1 || magic == mainstem_record::MAGIC_V2 {
                    return Ok((position + at as u64).min(to));
                }
            }
            position += (len - OVERLAP + 1) as u64;
        }
        position = file.end();
    }
    Ok(to)
}

/// Copies `from..to` into a file of its own and returns its name.
fn save(disk: &dyn Disk, files: &[Arc<LogFile>], from: u64, to: u64) -> io::Result<String> {
    disk.create_dir_all(layout::CUT_DIRECTORY)?;
    let mut number = 0;
    let path = loop {
        let path = format!("{}/{from:020}-{number}", layout::CUT_DIRECTORY);
        if !disk.exists(&path)? {
            break path;
        }
        number += 1;
    };
    let target = disk.create_new(&path)?;
    let mut buffer = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.end() > from && file.base() < to)
    {
        let mut position = from.max(file.base());
        let stop = to.min(file.end());
        while position < stop {
            buffer.resize(CHUNK_BYTES.min((stop - position) as usize), 0);
            file.read_into(position, &mut buffer)?;
            target.write_at(&buffer, position - from)?;
            position += buffer.len() as u64;
        }
    }
    target.sync_data()?;
    disk.sync_dir(layout::CUT_DIRECTORY)?;
    Ok(path)
}

/// Makes everything behind `end` zeros or nothing, durably. `files` loses the files that are
/// removed.
pub(super) fn clear_behind(
    disk: &dyn Disk,
    files: &mut Vec<Arc<LogFile>>,
    end: &End,
    look_to: u64,
) -> Result<(), OpenError> {
    let at = disk.display(&super::file::path_of(end.position));
    let remains = look_behind(files, end.position, look_to).map_err(OpenError::io(
        "look behind the end of the log in",
        at.clone(),
    ))?;
    if remains.end > end.position {
        let bytes = remains.end - end.position;
        if remains.records > 0 {
            let to = remains.end.min(end.position + MAX_SAVED_BYTES);
            let saved = save(disk, files, end.position, to)
                .map_err(OpenError::io("save what is cut from", at.clone()))?;
            tracing::warn!(
                from = end.position, to = remains.end, bytes, records = remains.records, saved = %disk.display(&saved), reason = %end.reason,
                "the log's tail was torn by the stop and is cut; its records were not durable and are saved aside"
            );
        } else {
            tracing::info!(from = end.position, to = remains.end, bytes, reason = %end.reason, "the log's torn tail is cut; it holds no whole record");
        }
    }
    // Newest first, each removal durable before the next: a cut must not leave a gap.
    while let Some(file) = files
        .last()
        .filter(|file| file.base() >= end.position && file.base() > 0 && files.len() > 1)
    {
        disk.remove(file.path())
            .map_err(OpenError::io("remove", disk.display(file.path())))?;
        disk.sync_dir(DIRECTORY)
            .map_err(OpenError::io("sync the directory", disk.display(DIRECTORY)))?;
        files.pop();
    }
    if let Some(file) = files
        .last()
        .filter(|file| end.position < file.end() && remains.end > end.position)
    {
        if is_broken(Sabotage::Zeroing) {
            return Ok(());
        }
        zero(file, end.position, remains.end.min(file.end())).map_err(OpenError::io(
            "write zeros behind the end of",
            disk.display(file.path()),
        ))?;
    }
    Ok(())
}

fn zero(file: &LogFile, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; CHUNK_BYTES.min((to - from) as usize)];
    let mut position = from;
    while position < to {
        let len = zeros.len().min((to - position) as usize);
        file.file()
            .write_at(&zeros[..len], position - file.base())?;
        position += len as u64;
    }
    file.file().sync_data()
}

/// Writes `from..to` again with the same bytes and syncs it, oldest file first.
pub(super) fn rewrite(
    disk: &dyn Disk,
    files: &[Arc<LogFile>],
    from: u64,
    to: u64,
) -> Result<(), OpenError> {
    if is_broken(Sabotage::Rewrite) {
        return Ok(());
    }
    let mut buffer = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.end() > from && file.base() < to)
    {
        let mut position = from.max(file.base());
        let stop = to.min(file.end());
        let mut again = || {
            while position < stop {
                buffer.resize(CHUNK_BYTES.min((stop - position) as usize), 0);
                file.read_into(position, &mut buffer)?;
                file.file().write_at(&buffer, position - file.base())?;
                position += buffer.len() as u64;
            }
            file.file().sync_data()
        };
        again().map_err(OpenError::io(
            "write the recovered end of the log again to",
            disk.display(file.path()),
        ))?;
    }
    Ok(())
}
