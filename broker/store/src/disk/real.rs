//! The real backing: files under one directory of the operating system. It promises the system
//! calls that the seam names and nothing clever on top; a map is advised for random access
//! before anyone can fault it. It may not keep state beyond open files.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use memmap2::{Advice, MmapOptions};
use rustix::fs::{FallocateFlags, FlockOperation, SeekFrom};
use rustix::io::{Errno, ReadWriteFlags};

use super::{
    Access, AllocateError, DirectoryLock, Disk, DiskFile, LookLock, OpenMode, Region, Space,
};
use crate::sync::{Arc, LeaseArc};

/// File systems whose `statfs` type says that they copy on write. Overlays report their own
/// type; what lies under them is unknown, so they count too unless allocation shows otherwise.
const COPY_ON_WRITE_TYPES: [u64; 4] = [
    0x9123_683E, // btrfs
    0x2FC1_2FC1, // zfs
    0xCA45_1A4E, // bcachefs
    0x3434,      // nilfs2
];

/// How much of the lock file is read: whatever it is, a text of more than this is not ours.
const LOCK_TEXT_BYTES: usize = 256;

/// The files under one directory.
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// A disk rooted at `root`, which is created (durably) when missing.
    ///
    /// # Errors
    /// When the directory cannot be created or is not a directory.
    pub fn new(root: &Path) -> io::Result<Self> {
        let mut missing = Vec::new();
        let mut at = Some(root);
        while let Some(dir) = at {
            if dir.as_os_str().is_empty() || dir.exists() {
                break;
            }
            missing.push(dir.to_owned());
            at = dir.parent();
        }
        for dir in missing.iter().rev() {
            make_dir(dir)?;
        }
        if !root.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::NotADirectory,
                format!("{} is not a directory", root.display()),
            ));
        }
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() {
            self.root.clone()
        } else {
            self.root.join(path)
        }
    }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => return Ok(()),
        other => other?,
    }
    let parent = match dir.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    File::open(parent)?.sync_all()
}

impl Disk for RealDisk {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::ReadWrite => {
                options.write(true);
            }
            OpenMode::Create => {
                options.write(true).create(true);
            }
        }
        let file = options.open(self.path(path))?;
        Ok(Arc::new(RealFile {
            file: Arc::new(file),
        }))
    }

    fn create_new(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(self.path(path))?;
        Ok(Arc::new(RealFile {
            file: Arc::new(file),
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        fs::remove_dir(self.path(path))
    }

    fn create_dir_all(&self, path: &str) -> io::Result<()> {
        let mut at = self.root.clone();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            at.push(part);
            make_dir(&at)?;
        }
        Ok(())
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        match fs::create_dir(self.path(path)) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && self.path(path).is_dir() => {
                Ok(())
            }
            other => other,
        }
    }

    fn sync_everything(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(&self.root)?)?)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        File::open(self.path(path))?.sync_all()
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(path))? {
            // A name that is no UTF-8 is none that a store could have made.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        self.path(path).try_exists()
    }

    fn space(&self) -> io::Result<Space> {
        let stat = rustix::fs::statfs(&self.root)?;
        let block = u64::try_from(stat.f_bsize).unwrap_or(0);
        #[expect(clippy::cast_sign_loss, reason = "the type is a bit pattern")]
        let kind = (stat.f_type as u64) & 0xFFFF_FFFF;
        Ok(Space {
            total_bytes: block.saturating_mul(stat.f_blocks),
            free_bytes: block.saturating_mul(stat.f_bfree),
            available_bytes: block.saturating_mul(stat.f_bavail),
            copies_on_write: COPY_ON_WRITE_TYPES.contains(&kind),
        })
    }

    fn lock(&self, own: &str, foreign: &str) -> io::Result<Box<dyn DirectoryLock>> {
        let open = |path: &str| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(self.path(path))
        };
        let own = open(own)?;
        match rustix::fs::flock(&own, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Err(io::ErrorKind::WouldBlock.into()),
            other => other?,
        }
        // A record lock belongs to the process and is lost when it closes *any* descriptor of the
        // file, so this file is opened only by whoever holds the first lock.
        let foreign = open(foreign)?;
        match rustix::fs::fcntl_lock(&foreign, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK | Errno::ACCESS) => return Err(io::ErrorKind::WouldBlock.into()),
            other => other?,
        }
        Ok(Box::new(RealLock { foreign, _own: own }))
    }

    fn lock_to_look(&self, own: &str, foreign: &str) -> io::Result<LookLock> {
        let open = |path: &str| match File::open(self.path(path)) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        };
        let own = open(own)?;
        if let Some(own) = &own {
            match rustix::fs::flock(own, FlockOperation::NonBlockingLockShared) {
                Err(Errno::WOULDBLOCK) => return Err(io::ErrorKind::WouldBlock.into()),
                other => other?,
            }
        }
        let foreign = open(foreign)?;
        let mut text = vec![0; LOCK_TEXT_BYTES];
        let mut len = 0;
        if let Some(foreign) = &foreign {
            match rustix::fs::fcntl_lock(foreign, FlockOperation::NonBlockingLockShared) {
                Err(Errno::WOULDBLOCK | Errno::ACCESS) => {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                other => other?,
            }
            len = foreign.read_at(&mut text, 0)?;
        }
        text.truncate(len);
        Ok(LookLock {
            text,
            guard: Box::new((foreign, own)),
        })
    }

    fn display(&self, path: &str) -> String {
        self.path(path).display().to_string()
    }
}

#[derive(Debug)]
struct RealLock {
    // Dropped in this order: the record lock first, then the one that guards it.
    foreign: File,
    _own: File,
}

impl DirectoryLock for RealLock {
    fn text(&self) -> io::Result<Vec<u8>> {
        let mut text = vec![0; LOCK_TEXT_BYTES];
        let len = self.foreign.read_at(&mut text, 0)?;
        text.truncate(len);
        Ok(text)
    }

    fn set_text(&self, text: &[u8]) -> io::Result<()> {
        self.foreign.set_len(0)?;
        self.foreign.write_all_at(text, 0)?;
        self.foreign.sync_data()
    }
}

#[derive(Debug)]
struct RealFile {
    /// Shared with the maps of the file, whose readers may send from it.
    file: Arc<File>,
}

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn allocate(&self, bytes: u64) -> Result<(), AllocateError> {
        loop {
            match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, bytes) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Err(AllocateError::Unsupported),
                Err(Errno::NOSPC | Errno::DQUOT) => return Err(AllocateError::NoSpace { bytes }),
                Err(e) => return Err(AllocateError::Io(e.into())),
            }
        }
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self
                .file
                .read_at(&mut buffer[done..], position + done as u64)
            {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn read_cached_at(&self, buffer: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        let mut parts = [io::IoSliceMut::new(buffer)];
        match rustix::io::preadv2(&self.file, &mut parts, position, ReadWriteFlags::NOWAIT) {
            Ok(n) if n == parts[0].len() => Ok(Some(n)),
            // Part of the range is not in memory, or the file ends; the slow way tells which.
            Ok(_) | Err(Errno::AGAIN | Errno::OPNOTSUPP) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, position)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_range(&self, map: &Region, offset: usize, len: usize) -> io::Result<()> {
        // `msync`, which is an `fdatasync` of a range: pages made ahead of their use stay out of it.
        map.sync(offset, len)
            .unwrap_or_else(|| self.file.sync_data())
    }

    fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        match rustix::fs::seek(&self.file, SeekFrom::Data(position)) {
            Ok(at) => Ok(Some(at)),
            Err(Errno::NXIO) => Ok(None),
            Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some(position)),
            Err(e) => Err(e.into()),
        }
    }

    fn read_soon(&self, position: u64, len: usize) -> io::Result<()> {
        let len = NonZeroU64::new(len as u64);
        rustix::fs::fadvise(&self.file, position, len, rustix::fs::Advice::WillNeed)?;
        Ok(())
    }

    fn forget_cached(&self) -> io::Result<()> {
        rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed)?;
        Ok(())
    }

    fn map(&self, access: Access) -> io::Result<LeaseArc<Region>> {
        let map = MmapOptions::new().map_raw(&self.file)?;
        // Before the first fault: what is in the page cache keeps its size.
        map.advise(match access {
            Access::SmallSynced => Advice::Random,
            Access::Sequential => Advice::Sequential,
        })?;
        Ok(LeaseArc::new(Region::from_map(
            map,
            Arc::clone(&self.file),
        )?))
    }
}
