//! What can go wrong, per operation. Each error names the thing, the value and the remedy; none
//! of them hides an earlier failure behind a later one.

use std::io;

use crate::sync::Arc;

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An option is out of range.
    #[error("store option {option} is {value}; allowed is {allowed}")]
    Option {
        /// Name of the field of [`StoreOptions`](crate::StoreOptions).
        option: &'static str,
        /// Its value.
        value: u64,
        /// What it may be.
        allowed: &'static str,
    },
    /// Another process, or another store of this one, has the directory.
    #[error(
        "data directory {directory} is in use by another process (lock on {lock}); stop it or use another directory"
    )]
    InUse {
        /// The directory.
        directory: String,
        /// The lock file.
        lock: String,
    },
    /// The disk refused something.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file.
        path: String,
        /// The disk's answer.
        #[source]
        source: io::Error,
    },
    /// The disk has no room for the first log file.
    #[error(
        "no space for commit-log file {path} of {bytes} bytes: free space, or set a smaller mappedFileSizeCommitLog for a new directory"
    )]
    NoSpace {
        /// The file.
        path: String,
        /// Its size.
        bytes: u64,
    },
    /// A log file has another size than the options say.
    #[error(
        "commit-log file {path} has {found} bytes, but mappedFileSizeCommitLog is {configured}: open the directory with the size it was written with"
    )]
    FileSize {
        /// The file.
        path: String,
        /// Its size.
        found: u64,
        /// The configured size.
        configured: u64,
    },
    /// A file that the log must have is not there.
    #[error(
        "commit-log file {path} (log position {position}) is missing, though the log goes on or is known to be durable behind it. Nothing was changed. Restore the file, or \
         give up what lies behind it with `{}`; `mainstem store check` tells what is lost", crate::inspect::Step::CutLogAt(*position).command(directory)
    )]
    MissingFile {
        /// The file that should be there.
        path: String,
        /// The log position of its first byte.
        position: u64,
        /// The data directory.
        directory: String,
    },
    /// A record below the durable floor is not valid: damage, not a torn tail.
    #[error(
        "commit-log file {path} is damaged at byte {offset} (log position {position}): {reason}. The log is known to be durable up to \
         {floor}, so this is no torn tail and nothing was changed. Restore the file, give up the damage alone with `{}`, or everything from there on with `{}`; `mainstem store check` tells what else can be done",
        crate::inspect::Step::BuryAt(*position).command(directory),
        crate::inspect::Step::CutLogAt(*position).command(directory)
    )]
    Damage {
        /// The file.
        path: String,
        /// Byte within the file.
        offset: u64,
        /// Position in the log.
        position: u64,
        /// What is wrong.
        reason: String,
        /// The durable floor.
        floor: u64,
        /// The data directory.
        directory: String,
    },
    /// A part of the store that is derived from the log or journalled did not open.
    #[error("cannot open the {part} of the store: {reason}")]
    Part {
        /// Which part.
        part: &'static str,
        /// Why, with the remedy.
        reason: String,
    },
}

impl OpenError {
    /// Wraps the disk's answer.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<String>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// Why a message was not appended. Nothing of it is in the log, unless the error says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The next log file could not be allocated.
    #[error(
        "disk full: no space for the next commit-log file of {needed_bytes} bytes ({available_bytes} available); free space, appends resume by themselves"
    )]
    DiskFull {
        /// Size of the file.
        needed_bytes: u64,
        /// What the file system had left.
        available_bytes: u64,
    },
    /// The disk is filled to the limit that the store was given.
    #[error(
        "disk full: {used_percent} % of it is used and {available_bytes} bytes are left, so messages are no longer taken; remove what is not needed, or let the broker keep less; appends resume by themselves"
    )]
    DiskOverLimit {
        /// Used part of the disk.
        used_percent: u8,
        /// What is left.
        available_bytes: u64,
    },
    /// The next log file was not ready within the configured wait.
    #[error(
        "the next commit-log file was not allocated within {waited_ms} ms: the disk is slow or failing; retry"
    )]
    NextFileLate {
        /// How long this append waited.
        waited_ms: u64,
    },
    /// An earlier write or `fdatasync` failed; what the page cache holds may be lost.
    #[error("the store stopped accepting messages: {0}; restart it to recover")]
    Failed(Arc<str>),
    /// The record is longer than allowed.
    #[error("record of {bytes} bytes is over the limit of {limit_bytes}")]
    TooLarge {
        /// Size of the record.
        bytes: usize,
        /// Greatest size allowed.
        limit_bytes: usize,
    },
    /// The store is closing or closed.
    #[error("the store is closed")]
    Closed,
    /// There cannot be such a queue: a bad name, an id out of range, too many queues, or a topic in
    /// the middle of its deletion.
    #[error("{0}")]
    NoQueue(Arc<str>),
    /// The topic was deleted while the message was on its way.
    #[error("the topic was deleted while the message was on its way; send it again")]
    QueueRemoved,
    /// The fields do not make a record.
    #[error("message cannot be encoded: {0}")]
    Encode(Arc<str>),
}

/// Why a record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk refused; the rest of the log may be fine.
    #[error("cannot read {bytes} bytes at log position {position}: {source}")]
    Io {
        /// Log position.
        position: u64,
        /// Bytes wanted.
        bytes: usize,
        /// The disk's answer.
        #[source]
        source: io::Error,
    },
    /// There is no valid record at that position.
    #[error("no valid record at log position {position}: {reason}")]
    Invalid {
        /// Log position.
        position: u64,
        /// What is wrong.
        reason: String,
    },
}

impl ReadError {
    /// Whether the bytes are only not in memory, and the reader did not want to wait.
    pub(crate) fn would_wait(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::WouldBlock)
    }
}

/// Why closing was not clean. The directory is as after a crash: nothing flushed is lost.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// The store had failed before.
    #[error("the store had failed: {0}")]
    Failed(Arc<str>),
    /// The disk refused something.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The disk's answer.
        #[source]
        source: io::Error,
    },
    /// A derived part could not be written.
    #[error("cannot close the {part} of the store: {reason}")]
    Part {
        /// Which part.
        part: &'static str,
        /// Why.
        reason: String,
    },
}

/// Why a topic was not deleted. It is as before.
#[derive(Debug, thiserror::Error)]
pub enum DeleteTopicError {
    /// The disk refused.
    #[error("topic {topic} cannot be deleted: {reason}")]
    Refused {
        /// The topic.
        topic: String,
        /// Why.
        reason: String,
    },
}
