//! Reading a journal file. Promises to apply every whole record in order: up to the first damage
//! everything, and behind it what is still whole, so that each key has its last good value; tells
//! what it passed over.

use std::io;

use super::record::{self, Change, HEAD_BYTES};
use crate::disk::DiskFile;

/// Bytes read at once while the next record behind damage is looked for.
const SEARCH_BYTES: usize = 64 << 10;

/// What a journal file held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ReadUp {
    /// Records applied.
    pub(super) records: u64,
    /// Sequence number of the last one.
    pub(super) sequence: u64,
    /// Position behind the last whole record.
    pub(super) end: u64,
    /// Damaged bytes with whole records behind them.
    pub(super) damaged_bytes: u64,
    /// Where the first of them lies.
    pub(super) damaged_at: u64,
    /// The head does not name the journal's owner.
    pub(super) damaged_head: bool,
    /// Bytes behind the last whole record that are not zero: a torn end.
    pub(super) torn_bytes: u64,
}

/// Reads records from `from` to the end of the file.
pub(super) fn read(
    file: &dyn DiskFile,
    from: u64,
    mut apply: impl FnMut(&Change<'_>),
) -> io::Result<ReadUp> {
    let len = file.len()?;
    let mut up = ReadUp {
        end: from,
        ..ReadUp::default()
    };
    let mut buffer = Vec::new();
    let mut at = from;
    while at < len {
        if let Some((sequence, changes)) = record_at(file, at, len, &mut buffer)? {
            // An older record would be a leftover; there are none in a file written in order.
            if up.records == 0 || sequence > up.sequence {
                changes.iter().for_each(&mut apply);
                if up.damaged_bytes == 0 {
                    up.damaged_at = up.end;
                }
                up.damaged_bytes += at - up.end;
                up.records += 1;
                up.sequence = sequence;
                at += (HEAD_BYTES + buffer.len()) as u64;
                up.end = at;
                continue;
            }
        }
        match next_magic(file, at + 1, len)? {
            Some(next) => at = next,
            None => break,
        }
    }
    up.torn_bytes = last_used(file, up.end, len)?.saturating_sub(up.end);
    Ok(up)
}

fn record_at<'a>(
    file: &dyn DiskFile,
    at: u64,
    len: u64,
    buffer: &'a mut Vec<u8>,
) -> io::Result<Option<(u64, Vec<Change<'a>>)>> {
    let mut head = [0; HEAD_BYTES];
    if len - at < HEAD_BYTES as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut head, at)?;
    let Some((content_len, crc)) = record::head(&head) else {
        return Ok(None);
    };
    if content_len as u64 > len - at - HEAD_BYTES as u64 {
        return Ok(None);
    }
    buffer.resize(content_len, 0);
    file.read_exact_at(buffer, at + HEAD_BYTES as u64)?;
    Ok(record::content(buffer, crc))
}

fn next_magic(file: &dyn DiskFile, from: u64, len: u64) -> io::Result<Option<u64>> {
    let mut buffer = vec![0; SEARCH_BYTES];
    let mut at = from;
    while at < len {
        let read = file.read_at(&mut buffer, at)?;
        let found = buffer[..read]
            .windows(record::MAGIC.len())
            .position(|bytes| bytes == record::MAGIC);
        if let Some(found) = found {
            return Ok(Some(at + found as u64));
        }
        if read <= record::MAGIC.len() {
            break;
        }
        at += (read - record::MAGIC.len() + 1) as u64;
    }
    Ok(None)
}

/// Position behind the last byte that is not zero.
fn last_used(file: &dyn DiskFile, from: u64, len: u64) -> io::Result<u64> {
    let mut buffer = vec![0; SEARCH_BYTES];
    let (mut at, mut used) = (from, from);
    while at < len {
        let read = file.read_at(&mut buffer, at)?;
        if read == 0 {
            break;
        }
        if let Some(last) = buffer[..read].iter().rposition(|byte| *byte != 0) {
            used = at + last as u64 + 1;
        }
        at += read as u64;
    }
    Ok(used)
}
