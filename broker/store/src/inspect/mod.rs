//! Looking at a data directory, and mending it, while no broker has it: check, dump and repair. Owns
//! the view of a directory that nobody opened; promises that check and dump change nothing in it,
//! not even by creating a lock file, and that a repair saves whatever it removes. It may not start
//! anything that an open store would.

mod check;
mod dump;
mod files;
mod finding;
mod padded;
mod repair;
mod sizes;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

use crate::disk::{Disk, LookLock};
use crate::layout;
use crate::options::StoreOptions;
use crate::owner::{LastWriter, last_writer};
use crate::sync::Arc;

pub use check::{CheckOptions, Progress as CheckProgress};
pub use dump::{
    FloorDump, IndexEntryDump, IndexFileDump, JournalEntryDump, QueueEntryDump, RecordDump,
    RecordFilter, SnapshotDump, SnapshotQueueDump, Stop,
};
pub(crate) use finding::Findings;
pub(crate) use finding::messages;
pub use finding::{Finding, LogExtent, Report, Severity};
pub use repair::{Done, RepairError, Step, repair, repair_on};
pub use sizes::FileSizes;

use self::files::LogFilesFound;

/// Why a directory cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// A broker has it.
    #[error("data directory {directory} is in use by a running broker; stop it first")]
    InUse {
        /// The directory.
        directory: String,
    },
    /// There is no such directory, or nothing in it that a store would have made.
    #[error(
        "{directory} is no data directory: it has no commitlog/; give the directory that storePathRootDir names"
    )]
    NoStore {
        /// The directory.
        directory: String,
    },
    /// The size of its files cannot be told.
    #[error("{what} of {directory}: {reason}; say it by --set {key}=... or --config")]
    Sizes {
        /// The directory.
        directory: String,
        /// What cannot be told.
        what: &'static str,
        /// Why.
        reason: String,
        /// The key that says it.
        key: &'static str,
    },
    /// The disk refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// The disk's answer.
        #[source]
        source: io::Error,
    },
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
}

impl InspectError {
    fn io(action: &'static str, path: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// A data directory that is only looked at. Brokers are kept out as long as it lives.
#[derive(Debug)]
pub struct Inspection {
    disk: Arc<dyn Disk>,
    _lock: LookLock,
    last: LastWriter,
    /// Sizes and the schedule topic; nothing else of it counts here.
    options: StoreOptions,
    log: LogFilesFound,
}

impl Inspection {
    /// Looks at a directory. Sizes that are not given are told from the files.
    ///
    /// # Errors
    /// See [`InspectError`].
    pub fn open(dir: &Path, sizes: &FileSizes) -> Result<Self, InspectError> {
        let directory = dir.display().to_string();
        if !dir.is_dir() {
            return Err(InspectError::NoStore { directory });
        }
        let disk = crate::store::real_disk(dir).map_err(InspectError::io("open", directory))?;
        Self::open_on(disk, sizes)
    }

    /// Looks at a directory on any disk.
    ///
    /// # Errors
    /// See [`InspectError`].
    pub fn open_on(disk: Arc<dyn Disk>, sizes: &FileSizes) -> Result<Self, InspectError> {
        let lock = disk
            .lock_to_look(layout::OWN_LOCK, layout::LOCK)
            .map_err(|error| locked_or(&*disk, error))?;
        if !disk.exists("commitlog").unwrap_or(false) {
            return Err(InspectError::NoStore {
                directory: disk.display(""),
            });
        }
        let last = last_writer(&*disk, &lock.text)
            .map_err(InspectError::io("read", disk.display(layout::LOCK)))?;
        let options = sizes.complete(&*disk)?;
        let log = LogFilesFound::find(&*disk, options.commit_log_file_bytes)
            .map_err(InspectError::io("read", disk.display("commitlog")))?;
        Ok(Self {
            disk,
            _lock: lock,
            last,
            options,
            log,
        })
    }

    fn clean(&self) -> bool {
        is_clean(self.last)
    }

    /// The state id that private files of this directory's present life carry.
    fn state_id(&self) -> Option<u64> {
        match self.last {
            LastWriter::Mainstem { state_id, .. } => Some(state_id),
            LastWriter::Fresh | LastWriter::Apache { .. } => None,
        }
    }
}

fn is_clean(last: LastWriter) -> bool {
    matches!(
        last,
        LastWriter::Fresh
            | LastWriter::Mainstem { clean: true, .. }
            | LastWriter::Apache { clean: true }
    )
}

fn locked_or(disk: &dyn Disk, error: io::Error) -> InspectError {
    let directory = disk.display("");
    if error.kind() == io::ErrorKind::WouldBlock {
        InspectError::InUse { directory }
    } else {
        InspectError::io("lock", directory)(error)
    }
}
