//! The disk as a file of a FUSE file system: every write, discard and flush that the loop driver sends is applied to the image and
//! put on record, in one order. One thread serves it, so a flush covers exactly what stands before it in the record.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};
use parking_lot::Mutex;
use rustix::fs::FallocateFlags;

use crate::image::Image;

/// Name of the one file.
const FILE: &str = "disk";
const FILE_INODE: u64 = 2;
const TTL: Duration = Duration::from_secs(3600);

/// What reached the disk.
#[derive(Clone)]
pub enum Event {
    /// Bytes at an offset, in the disk's cache from now on.
    Write {
        /// Where, in bytes.
        offset: u64,
        /// What.
        bytes: Arc<[u8]>,
    },
    /// A range that was discarded or zeroed.
    Zero {
        /// Where, in bytes.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
    /// Everything before it is on the medium.
    Flush,
}

/// A disk's first contents and all that reached it since.
#[derive(Clone)]
pub struct Recording {
    base: Image,
    events: Vec<Event>,
}

impl Recording {
    /// A recording made by hand.
    pub fn of(base: Image, events: Vec<Event>) -> Recording {
        Recording { base, events }
    }

    /// The disk before the first event.
    pub fn base(&self) -> &Image {
        &self.base
    }

    /// What came, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }
}

struct State {
    image: Image,
    events: Vec<Event>,
}

/// The disk, mounted as a file until it is dropped.
pub struct RecordedDisk {
    base: Image,
    state: Arc<Mutex<State>>,
    directory: tempfile::TempDir,
    session: Option<BackgroundSession>,
}

impl RecordedDisk {
    /// Puts a disk with these contents into a FUSE file system of its own.
    ///
    /// # Errors
    /// Where FUSE is not there or this user may not mount.
    pub fn with(image: Image) -> io::Result<RecordedDisk> {
        let state = Arc::new(Mutex::new(State {
            image: image.clone(),
            events: Vec::new(),
        }));
        let directory = tempfile::Builder::new().prefix("recorded-").tempdir()?;
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("recorded".to_owned())];
        let served = Served {
            state: Arc::clone(&state),
            len: image.len(),
        };
        let session = fuser::spawn_mount(served, directory.path(), &config)?;
        Ok(RecordedDisk {
            base: image,
            state,
            directory,
            session: Some(session),
        })
    }

    /// The file that is the disk.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join(FILE)
    }

    /// How many events there are by now: what a client learnt before has happened before this place in the record.
    pub fn position(&self) -> usize {
        self.state.lock().events.len()
    }

    /// What was recorded so far.
    pub fn recording(&self) -> Recording {
        Recording {
            base: self.base.clone(),
            events: self.state.lock().events.clone(),
        }
    }
}

impl Drop for RecordedDisk {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            let _ = session.umount_and_join();
        }
    }
}

/// What the kernel talks to.
struct Served {
    state: Arc<Mutex<State>>,
    len: u64,
}

impl Served {
    fn attributes(&self, inode: u64) -> FileAttr {
        let is_file = inode == FILE_INODE;
        FileAttr {
            ino: INodeNo(inode),
            size: if is_file { self.len } else { 0 },
            blocks: if is_file { self.len / 512 } else { 0 },
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if is_file {
                FileType::RegularFile
            } else {
                FileType::Directory
            },
            perm: if is_file { 0o600 } else { 0o700 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for Served {
    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if parent == INodeNo::ROOT && name == FILE {
            reply.entry(&TTL, &self.attributes(FILE_INODE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &self.attributes(ino.0));
    }

    fn open(&self, _req: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let len = u64::from(size).min(self.len.saturating_sub(offset));
        let mut bytes = vec![0; len as usize];
        self.state.lock().image.read(offset, &mut bytes);
        reply.data(&bytes);
    }

    fn write(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut state = self.state.lock();
        state.image.write(offset, data);
        state.events.push(Event::Write {
            offset,
            bytes: data.into(),
        });
        drop(state);
        reply.written(data.len() as u32);
    }

    fn flush(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        // A descriptor was closed; that makes nothing durable.
        reply.ok();
    }

    fn fsync(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        self.state.lock().events.push(Event::Flush);
        reply.ok();
    }

    fn fallocate(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let mode = FallocateFlags::from_bits_retain(mode as u32);
        if mode.intersects(FallocateFlags::PUNCH_HOLE | FallocateFlags::ZERO_RANGE) {
            let mut state = self.state.lock();
            state.image.zero(offset, length);
            state.events.push(Event::Zero {
                offset,
                len: length,
            });
        }
        reply.ok();
    }
}
