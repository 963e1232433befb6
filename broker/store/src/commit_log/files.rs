//! The files of the log, oldest first, contiguous and of one size. It promises that a position is
//! found without a search and that readers never wait for the disk; removal unlinks a file at
//! once, while leases keep its memory.

use std::collections::VecDeque;
use std::io;

use super::file::{DIRECTORY, LogFile};
use crate::disk::Disk;
use crate::sync::{Arc, RwLock};

/// All files that exist under their log names.
#[derive(Debug)]
pub(crate) struct LogFiles {
    file_bytes: u64,
    files: RwLock<VecDeque<Arc<LogFile>>>,
}

impl LogFiles {
    /// `files` are contiguous, oldest first.
    pub(crate) fn new(file_bytes: u64, files: VecDeque<Arc<LogFile>>) -> Self {
        for (a, b) in files.iter().zip(files.iter().skip(1)) {
            assert_eq!(a.end(), b.base(), "log files must be contiguous");
        }
        Self {
            file_bytes,
            files: RwLock::new(files),
        }
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// The file that holds `position`.
    pub(crate) fn find(&self, position: u64) -> Option<Arc<LogFile>> {
        let files = self.files.read();
        let first = files.front()?.base();
        let index = position.checked_sub(first)? / self.file_bytes;
        files.get(usize::try_from(index).ok()?).cloned()
    }

    /// Position of the oldest byte; `None` without files.
    pub(crate) fn first_position(&self) -> Option<u64> {
        self.files.read().front().map(|file| file.base())
    }

    /// Adds the file behind the newest.
    pub(crate) fn push(&self, file: Arc<LogFile>) {
        let mut files = self.files.write();
        if let Some(last) = files.back() {
            assert_eq!(last.end(), file.base(), "log files must be contiguous");
        }
        files.push_back(file);
    }

    /// Forgets and unlinks the oldest file if it ends at or before `position`; readers that hold
    /// leases keep them. The removal is durable when this returns.
    pub(crate) fn remove_first_below(
        &self,
        position: u64,
        disk: &dyn Disk,
    ) -> io::Result<Option<Arc<LogFile>>> {
        let first = {
            let mut files = self.files.write();
            match files.front() {
                // The newest file always stays: it says where the log goes on.
                Some(first) if first.end() <= position && files.len() > 1 => files.pop_front(),
                _ => None,
            }
        };
        if let Some(file) = &first {
            disk.remove(file.path())?;
            disk.sync_dir(DIRECTORY)?;
        }
        Ok(first)
    }
}
