//! Reading the log while it is written. It promises that nothing at or past `readable` is given
//! out, that recent records come as leases of the map and older ones by `pread` (a cold page must
//! not stall a thread unseen, and a bad sector must be an error), and that every length is checked
//! before it is used. Recent is what this process has written itself and not long ago.

use mainstem_record::{BLANK_MAGIC, BLANK_MIN, RecordView};

use super::CommitLog;
use super::file::LogFile;
use crate::error::ReadError;
use crate::log_reader::{LogReader, ScanVisitor};
use crate::outcome::Patience;
use crate::slice::RecordSlice;
use crate::sync::Arc;

/// How much a scan reads at a time where the log is not mapped.
const SCAN_CHUNK_BYTES: usize = 1 << 20;
/// Bytes in front of a record or blank that say how long it is.
const HEAD_BYTES: usize = BLANK_MIN;

/// What begins at a position.
enum Head {
    Record { len: usize },
    Blank,
}

fn invalid(position: u64, reason: impl Into<String>) -> ReadError {
    ReadError::Invalid {
        position,
        reason: reason.into(),
    }
}

impl CommitLog {
    /// Whether a position is bound to be in memory. What was there before the open is not: a start
    /// that reads it through the map pays a fault and a read of the device for each page.
    fn is_recent(&self, position: u64) -> bool {
        position >= self.recovered_to
            && self.marks.appended().saturating_sub(position) <= self.mapped_window_bytes
    }

    /// Bytes that lie whole below `readable`, through the map or by `pread`.
    fn bytes_at(
        &self,
        file: &Arc<LogFile>,
        position: u64,
        len: usize,
        patience: Patience,
    ) -> Result<RecordSlice, ReadError> {
        if self.is_recent(position)
            && let Some(slice) = file.lease(position, len)
        {
            return Ok(slice);
        }
        file.read(position, len, patience)
            .map_err(|source| ReadError::Io {
                position,
                bytes: len,
                source,
            })
    }

    /// The file that holds a whole range, if the range is readable.
    fn file_of_range(&self, position: u64, len: usize) -> Option<Arc<LogFile>> {
        let end = position.checked_add(len as u64)?;
        if end > self.marks.readable() {
            return None;
        }
        self.files.find(position).filter(|file| end <= file.end())
    }

    fn head(&self, position: u64, bytes: &[u8], file: &LogFile) -> Result<Head, ReadError> {
        let Some((size, magic)) = RecordView::peek_size_and_magic(bytes) else {
            return Err(invalid(position, "fewer than 8 bytes are left in the file"));
        };
        let remaining = file.end() - position;
        if u64::from(size) > remaining {
            return Err(invalid(
                position,
                format!("size {size} is more than the {remaining} bytes left in the file"),
            ));
        }
        if magic == BLANK_MAGIC {
            return Ok(Head::Blank);
        }
        Ok(Head::Record { len: size as usize })
    }

    /// Scans the records of one file that start below `to`; returns where it stopped and whether to
    /// go on.
    fn scan_file(
        &self,
        file: &Arc<LogFile>,
        from: u64,
        to: u64,
        visit: &mut ScanVisitor<'_>,
    ) -> Result<(u64, bool), ReadError> {
        let to = to.min(file.end());
        let readable = self.marks.readable().min(file.end());
        let mut position = from;
        let mut chunk = RecordSlice::owned(Vec::new());
        let mut chunk_at = from;
        while position < to && position + HEAD_BYTES as u64 <= readable {
            // What of the chunk lies at or behind the position.
            let mut ahead = (chunk_at + chunk.len() as u64).saturating_sub(position) as usize;
            let mut wanted = HEAD_BYTES;
            if ahead >= HEAD_BYTES {
                let at = (position - chunk_at) as usize;
                match self.head(position, &chunk[at..], file)? {
                    Head::Blank => return Ok((file.end(), true)),
                    Head::Record { len } => wanted = len,
                }
            }
            if ahead < wanted {
                let len = wanted
                    .max(SCAN_CHUNK_BYTES)
                    .min((readable - position) as usize);
                if len < wanted {
                    return Err(invalid(
                        position,
                        "the record does not end below the readable mark",
                    ));
                }
                chunk = self.bytes_at(file, position, len, Patience::Wait)?;
                chunk_at = position;
                ahead = len;
                if wanted == HEAD_BYTES {
                    continue;
                }
            }
            debug_assert!(ahead >= wanted, "the record is in the chunk");
            let at = (position - chunk_at) as usize;
            let record = RecordView::parse(&chunk[at..at + wanted])
                .map_err(|e| invalid(position, e.to_string()))?;
            let go_on = visit(position, &record);
            position += wanted as u64;
            if !go_on {
                return Ok((position, false));
            }
        }
        Ok((position, true))
    }
}

impl LogReader for CommitLog {
    fn min_position(&self) -> u64 {
        self.files.first_position().unwrap_or(0)
    }

    fn readable(&self) -> u64 {
        self.marks.readable()
    }

    fn record_at(&self, position: u64) -> Result<Option<RecordSlice>, ReadError> {
        let readable = self.marks.readable();
        let Some(file) = self.file_of_range(position, HEAD_BYTES) else {
            return Ok(None);
        };
        let head = self.bytes_at(&file, position, HEAD_BYTES, Patience::Wait)?;
        let Head::Record { len } = self.head(position, &head, &file)? else {
            return Err(invalid(position, "a file's closing blank lies there"));
        };
        if position + len as u64 > readable {
            return Err(invalid(
                position,
                format!("size {len} reaches past the readable log"),
            ));
        }
        let slice = self.bytes_at(&file, position, len, Patience::Wait)?;
        let record = RecordView::parse(&slice).map_err(|e| invalid(position, e.to_string()))?;
        if u64::try_from(record.physical_offset()) != Ok(position) {
            return Err(invalid(
                position,
                format!(
                    "the record there says it lies at {}",
                    record.physical_offset()
                ),
            ));
        }
        Ok(Some(slice))
    }

    fn slice_at(
        &self,
        position: u64,
        len: usize,
        patience: Patience,
    ) -> Result<Option<RecordSlice>, ReadError> {
        match self.file_of_range(position, len) {
            Some(file) => self.bytes_at(&file, position, len, patience).map(Some),
            None => Ok(None),
        }
    }

    fn read_soon(&self, position: u64, len: usize) {
        let end = position
            .saturating_add(len as u64)
            .min(self.marks.readable());
        let mut position = position;
        while position < end {
            let Some(file) = self.files.find(position) else {
                return;
            };
            let to = file.end().min(end);
            // Through a map the kernel reads ahead by itself, which serves readers of all topics better.
            if !(file.is_mapped() && self.is_recent(position)) {
                file.read_soon(position, (to - position) as usize);
            }
            position = to;
        }
    }

    fn scan(&self, from: u64, to: u64, visit: &mut ScanVisitor<'_>) -> Result<u64, ReadError> {
        let to = to.min(self.marks.readable());
        let mut position = from;
        while position < to {
            let Some(file) = self.files.find(position) else {
                return Err(invalid(position, "no log file holds that position"));
            };
            let (reached, go_on) = self.scan_file(&file, position, to, visit)?;
            if !go_on || reached == position {
                return Ok(reached);
            }
            position = reached;
        }
        Ok(position)
    }
}
