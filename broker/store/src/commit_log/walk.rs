//! Walking over log files that nobody vouches for, by `pread` only. It promises to check
//! everything that makes a record valid in itself (magic, sizes, position, CRC of the body, topic
//! and properties) and to believe no length before it is checked; whether the queue offset fits is
//! asked of the caller.

use std::io;

use mainstem_record::{BLANK_MAGIC, BLANK_MIN, PHYSICAL_OFFSET_POSITION, RecordView};

use super::file::LogFile;
use super::sabotage::{Sabotage, is_broken};
use crate::sync::Arc;

/// How much is read at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes that tell size, magic and position, which are checked before the rest is read.
const HEAD_BYTES: usize = PHYSICAL_OFFSET_POSITION + 8;

/// What lies at a position.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// A record that is valid in itself.
    Record(RecordView<'a>),
    /// The closing blank of a file; the next record begins with the next file.
    Blank,
    /// Zeros: nothing was written there, or it was lost.
    Zeros,
    /// Something else, and why it is no record.
    Invalid(String),
    /// There is no file for the position.
    NoFile,
}

/// A position moving over files.
pub(crate) struct Walker<'a> {
    files: &'a [Arc<LogFile>],
    buffer: Vec<u8>,
    /// Position of the buffer's first byte.
    buffer_at: u64,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(files: &'a [Arc<LogFile>]) -> Self {
        Self {
            files,
            buffer: Vec::new(),
            buffer_at: 0,
        }
    }

    pub(crate) fn file_of(&self, position: u64) -> Option<&'a Arc<LogFile>> {
        let index = self.files.partition_point(|file| file.end() <= position);
        self.files.get(index).filter(|file| file.base() <= position)
    }

    /// Makes `len` bytes at `position`, which lie in `file`, present and returns them.
    fn bytes(&mut self, file: &LogFile, position: u64, len: usize) -> io::Result<&[u8]> {
        let held = self.buffer_at..self.buffer_at + self.buffer.len() as u64;
        if !(held.contains(&position) && position + len as u64 <= held.end) {
            let rest = (file.end() - position) as usize;
            self.buffer.resize(len.max(CHUNK_BYTES).min(rest), 0);
            self.buffer_at = position;
            if let Err(e) = file.read_into(position, &mut self.buffer) {
                self.buffer.clear();
                return Err(e);
            }
        }
        let at = (position - self.buffer_at) as usize;
        Ok(&self.buffer[at..at + len])
    }

    /// Looks at one position.
    pub(crate) fn look(&mut self, position: u64) -> io::Result<Found<'_>> {
        let Some(file) = self.file_of(position) else {
            return Ok(Found::NoFile);
        };
        let remaining = file.end() - position;
        if remaining < BLANK_MIN as u64 {
            return Ok(Found::Invalid(format!(
                "only {remaining} bytes are left in the file, and no blank ended it"
            )));
        }
        let head_len = HEAD_BYTES.min(remaining as usize);
        let head = self.bytes(file, position, head_len)?;
        let Some((size, magic)) = RecordView::peek_size_and_magic(head) else {
            return Ok(Found::Invalid(
                "no room for a size and a magic number".to_owned(),
            ));
        };
        if magic == BLANK_MAGIC {
            return Ok(if u64::from(size) == remaining {
                Found::Blank
            } else {
                Found::Invalid(format!(
                    "a closing blank of {size} bytes where {remaining} are left"
                ))
            });
        }
        if head.iter().all(|b| *b == 0) {
            return Ok(Found::Zeros);
        }
        if u64::from(size) > remaining || head_len < HEAD_BYTES {
            return Ok(Found::Invalid(format!(
                "size {size} with {remaining} bytes left in the file"
            )));
        }
        let mut claimed = [0; 8];
        claimed.copy_from_slice(&head[PHYSICAL_OFFSET_POSITION..HEAD_BYTES]);
        let claimed = u64::from_be_bytes(claimed);
        if claimed != position {
            return Ok(Found::Invalid(format!(
                "magic {magic:#010X}, and a position of {claimed} inside the record"
            )));
        }
        let record = self.bytes(file, position, size as usize)?;
        Ok(match RecordView::parse(record) {
            Err(e) => Found::Invalid(e.to_string()),
            Ok(record) if !record.body_crc_matches() && !is_broken(Sabotage::BodyCheck) => {
                Found::Invalid("the CRC of the body does not match".to_owned())
            }
            Ok(record) => Found::Record(record),
        })
    }
}
