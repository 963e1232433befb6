//! The log files of a directory that nobody opened, as they are: with gaps, and with files of a wrong
//! length that read as if they had the right one.

use std::io;

use super::padded::Padded;
use crate::commit_log::{DIRECTORY, LogFile, base_of, path_of};
use crate::disk::{Disk, OpenMode};
use crate::sync::Arc;

/// A log file whose length is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OddLength {
    pub(super) base: u64,
    pub(super) found: u64,
}

/// The log files, oldest first.
#[derive(Debug)]
pub(super) struct LogFilesFound {
    pub(super) files: Vec<Arc<LogFile>>,
    pub(super) odd: Vec<OddLength>,
    /// Files whose name does not fit between the others: their position is no multiple of a length.
    pub(super) misplaced: Vec<u64>,
    pub(super) file_bytes: u64,
}

impl LogFilesFound {
    pub(super) fn find(disk: &dyn Disk, file_bytes: u64) -> io::Result<Self> {
        let mut found = Self {
            files: Vec::new(),
            odd: Vec::new(),
            misplaced: Vec::new(),
            file_bytes,
        };
        for base in disk
            .list(DIRECTORY)?
            .iter()
            .filter_map(|name| base_of(name))
        {
            let end = found.files.last().map_or(0, |last| last.end());
            let first = found.files.first().map_or(base, |first| first.base());
            if base < end || !(base - first).is_multiple_of(file_bytes) {
                found.misplaced.push(base);
                continue;
            }
            let file = disk.open(&path_of(base), OpenMode::Read)?;
            let len = file.len()?;
            if len == file_bytes {
                found
                    .files
                    .push(Arc::new(LogFile::unmapped(base, file_bytes, file)));
                continue;
            }
            found.odd.push(OddLength { base, found: len });
            let padded = Arc::new(Padded {
                file,
                len: file_bytes,
            });
            found
                .files
                .push(Arc::new(LogFile::unmapped(base, file_bytes, padded)));
        }
        Ok(found)
    }

    pub(super) fn start(&self) -> u64 {
        self.files.first().map_or(0, |file| file.base())
    }

    pub(super) fn end(&self) -> u64 {
        self.files.last().map_or(0, |file| file.end())
    }

    /// The wrong length of the file that begins at `base`, if it has one.
    pub(super) fn odd_length(&self, base: u64) -> Option<u64> {
        let odd = self.odd.iter().find(|odd| odd.base == base);
        odd.map(|odd| odd.found)
    }
}
