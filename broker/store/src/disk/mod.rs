//! The seam between the store and everything that survives it: files, directories, space and the
//! lock on a directory. It promises that the rest of the crate reaches the file system only
//! through [`Disk`] and [`DiskFile`], so that one engine runs on a real directory and on the
//! simulated disk of the power-loss tests. It knows nothing of logs, queues or records.
//!
//! Paths are relative to the root of the store, separated by `/`, and never contain `..`.

mod real;
mod region;
pub mod sim;
#[cfg(loom)]
mod watch;

use std::fmt;
use std::io;

use crate::sync::{Arc, LeaseArc};

pub use real::RealDisk;
pub use region::{HeapMemory, MappedSlice, Region};
#[cfg(all(test, loom))]
pub(crate) use watch::GRANULE_BYTES;

/// Bytes in a page of the page cache, the unit in which a power cut keeps or loses data.
pub const PAGE_BYTES: usize = 4096;

/// How an existing file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading only; the file must exist.
    Read,
    /// For reading and writing; the file must exist.
    ReadWrite,
    /// For reading and writing; an empty file is created when there is none.
    Create,
}

/// How a mapped file will be written, which decides in what pieces the kernel caches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Small pieces, each synced soon: single pages. Otherwise sequential faults make the kernel
    /// use pieces of up to 2 MiB, and each sync of a 4 KiB group then writes 2 MiB.
    SmallSynced,
    /// Front to back, synced seldom: large pieces, which need a tenth of the time in page faults.
    Sequential,
}

/// What the file system under a store offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Size of the file system, in bytes.
    pub total_bytes: u64,
    /// Bytes that nobody uses; some may be set aside for the system's administrator.
    pub free_bytes: u64,
    /// Bytes that this process can still write.
    pub available_bytes: u64,
    /// Whether overwriting a block needs a new one (btrfs, zfs, some overlays): then a block that
    /// was allocated is no promise that a write through a map will succeed.
    pub copies_on_write: bool,
}

impl Space {
    /// The used part of what this process could have at most, 0 to 1, as `df` counts it: what is
    /// set aside for the administrator is neither used nor available.
    pub fn used_ratio(&self) -> f64 {
        let used = self.total_bytes.saturating_sub(self.free_bytes);
        let all = used.saturating_add(self.available_bytes);
        if all == 0 {
            0.0
        } else {
            used as f64 / all as f64
        }
    }

    /// The same in whole percent, rounded up.
    pub fn used_percent(&self) -> u8 {
        let used = u128::from(self.total_bytes.saturating_sub(self.free_bytes));
        let all = used + u128::from(self.available_bytes);
        // Never more than 100.
        u8::try_from((used * 100).div_ceil(all.max(1))).unwrap_or(100)
    }
}

/// Why blocks could not be set aside for a file.
#[derive(Debug, thiserror::Error)]
pub enum AllocateError {
    /// The file system cannot allocate ahead; the log must be written by `pwrite`.
    #[error("the file system cannot allocate blocks ahead of writing")]
    Unsupported,
    /// No space (or quota) for the whole length. The file may have grown in part.
    #[error("no space left for {bytes} bytes")]
    NoSpace {
        /// Length that was asked for.
        bytes: u64,
    },
    /// Anything else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A directory tree that can be told apart from its last durable state.
pub trait Disk: Send + Sync + fmt::Debug + 'static {
    /// Opens a file. A name created by [`OpenMode::Create`] is durable only after
    /// [`sync_dir`](Disk::sync_dir).
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Creates an empty file, failing when the name is taken.
    fn create_new(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames a file, replacing whatever had the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Unlinks a file. Open files and maps of it stay usable.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &str) -> io::Result<()>;
    /// Creates a directory and its parents. Unlike files, created directories are durable when
    /// this returns.
    fn create_dir_all(&self, path: &str) -> io::Result<()>;
    /// Creates one directory whose parent exists; fine when it is there already. Unlike
    /// [`create_dir_all`](Disk::create_dir_all) it does not sync: for callers that make very many.
    fn create_dir(&self, path: &str) -> io::Result<()>;
    /// Makes durable every creation, removal and renaming in one directory (`""` is the root).
    fn sync_dir(&self, path: &str) -> io::Result<()>;
    /// Makes durable everything written so far to any file or directory (`syncfs`). For callers
    /// with so many files that a sync of each would take longer.
    fn sync_everything(&self) -> io::Result<()>;
    /// Names in a directory, sorted; `NotFound` when there is no such directory.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;
    /// Whether a file or directory of that name exists.
    fn exists(&self, path: &str) -> io::Result<bool>;
    /// Space of the file system.
    fn space(&self) -> io::Result<Space>;
    /// Takes the operating system's exclusive lock on the directory: on `own`, a private file that
    /// only stores of this project open, and then on `foreign`, the file on which a Java broker
    /// takes its record lock; both are created when missing. `WouldBlock` when another process, or
    /// another store of this one, holds either. The lock ends with the returned guard or with the
    /// process, however it ends.
    fn lock(&self, own: &str, foreign: &str) -> io::Result<Box<dyn DirectoryLock>>;
    /// Keeps brokers out of the directory without changing anything in it: a shared lock on those of
    /// the two files that exist. Several holders may look at a time; `WouldBlock` when a broker
    /// holds the directory.
    fn lock_to_look(&self, own: &str, foreign: &str) -> io::Result<LookLock>;
    /// The path as a person should see it in a message.
    fn display(&self, path: &str) -> String;
}

/// A held directory lock; dropping it releases the lock.
///
/// The content of the `foreign` file is reached through the lock only: on Linux a process that
/// closes any other descriptor of it would lose the record lock.
pub trait DirectoryLock: Send + Sync + fmt::Debug {
    /// The content of the `foreign` file.
    fn text(&self) -> io::Result<Vec<u8>>;
    /// Replaces that content, durably but for the file's name.
    fn set_text(&self, text: &[u8]) -> io::Result<()>;
}

/// What is held while a directory is only looked at.
#[derive(Debug)]
pub struct LookLock {
    /// Content of the `foreign` file; empty when there is none.
    pub text: Vec<u8>,
    /// Released when it is dropped.
    pub guard: Box<dyn fmt::Debug + Send + Sync>,
}

/// An open file. All positions and lengths are in bytes.
pub trait DiskFile: Send + Sync + fmt::Debug + 'static {
    /// Current length.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Sets the length; growing leaves a hole. Never called on a mapped file.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Sets blocks aside for the first `bytes` and makes the file at least that long.
    fn allocate(&self, bytes: u64) -> Result<(), AllocateError>;
    /// Reads up to `buffer.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Reads like [`read_at`](DiskFile::read_at), but only what needs no waiting for the device;
    /// `None` when it does.
    fn read_cached_at(&self, buffer: &mut [u8], position: u64) -> io::Result<Option<usize>>;
    /// Fills the buffer or fails with `UnexpectedEof`.
    fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        let read = self.read_at(buffer, position)?;
        if read < buffer.len() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!(
                    "{} bytes wanted at {position}, the file has {read} of them",
                    buffer.len()
                ),
            ));
        }
        Ok(())
    }
    /// Writes all of `bytes`, growing the file when needed.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;
    /// Makes durable all bytes of the file and the length needed to read them (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
    /// Makes a range of the file durable that was written through `map`, a map of this whole file,
    /// and perhaps more of it. Length and blocks must be durable before.
    fn sync_range(&self, map: &Region, offset: usize, len: usize) -> io::Result<()>;
    /// The first position at or after `position` that may hold anything but zeros, or `None`.
    /// A hint to skip holes: the bytes there may be zeros all the same.
    fn next_data(&self, position: u64) -> io::Result<Option<u64>>;
    /// Has the device begin to read a range into the page cache, without waiting for it. Only a hint.
    fn read_soon(&self, _position: u64, _len: usize) -> io::Result<()> {
        Ok(())
    }
    /// Tells the page cache that the file's pages will not be wanted soon. Only a hint.
    fn forget_cached(&self) -> io::Result<()>;
    /// Maps the whole file, shared and writable.
    fn map(&self, access: Access) -> io::Result<LeaseArc<Region>>;
}
