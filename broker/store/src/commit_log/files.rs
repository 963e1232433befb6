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

    /// The oldest file, unless it is the only one, and the bytes of all.
    pub(crate) fn oldest(&self) -> (Option<Arc<LogFile>>, u64) {
        let files = self.files.read();
        let oldest = (files.len() > 1).then(|| files.front().cloned()).flatten();
        (oldest, files.len() as u64 * self.file_bytes)
    }

    /// Unlinks the oldest file and forgets it; readers that hold leases keep them. The removal is
    /// durable when this returns. Only one thread at a time removes files.
    ///
    /// # Errors
    /// When the disk refuses. A file that could not be unlinked stays known, or the next start
    /// would find a hole behind it.
    pub(crate) fn remove(&self, oldest: &LogFile, disk: &dyn Disk) -> io::Result<()> {
        // What an earlier call unlinked without getting it durable must not come back alone
        // after a file behind it is gone.
        disk.sync_dir(DIRECTORY)?;
        disk.remove(oldest.path())?;
        let gone = self.files.write().pop_front();
        debug_assert_eq!(
            gone.map(|file| file.base()),
            Some(oldest.base()),
            "the file that is removed is the oldest"
        );
        disk.sync_dir(DIRECTORY)
    }
}
