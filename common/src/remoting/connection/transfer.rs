//! How the parts of a large body come to the socket. It only names the ways: `outgoing` goes them.

use std::fs::File;
use std::sync::Arc;

/// Where bytes lie in a file. They are final, so that sending them later sends the same.
#[derive(Clone, Debug)]
pub struct FileRange {
    /// The file, kept open until it is sent.
    pub file: Arc<File>,
    /// Of the first byte.
    pub offset: u64,
}

impl FileRange {
    /// Whether this begins where `bytes` of `other` end.
    pub(super) fn follows(&self, other: &FileRange, bytes: usize) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && self.offset == other.offset + bytes as u64
    }
}

/// The way of a body's parts.
#[derive(Debug)]
pub enum Transfer<P> {
    /// Large parts are sent from where they are, by a vectored write; small ones are copied behind the head.
    Memory,
    /// Every part is copied behind the head.
    Copy,
    /// Parts that lie in files are sent by the kernel (`sendfile`), neighbours in one call; others as `Memory`.
    File(fn(&P) -> Option<FileRange>),
}
