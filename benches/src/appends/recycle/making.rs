//! Making the next log file in the ways that are compared. Promises that each ends with a file of full size under its log
//! name, durably, and that an expired file stands there before, whole, under its old one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FallocateFlags};

use super::Flush;
use super::filling::Records;

/// Where the next file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The expired one is removed; another is allocated and filled with zeros, as the store does.
    New,
    /// The same without the zeros: what the store does when an appender stands still for it.
    NewWithoutZeros,
    /// The expired one under a new name, with its pages in the page cache.
    RecycledCached,
    /// The expired one under a new name, with its bytes on the device only.
    RecycledCold,
    /// The expired one, filled with zeros before it takes the new name.
    RecycledZeroed,
}

/// As in the store: zeros are written in pieces, and synced in steps.
const STEP_BYTES: u64 = 4 << 20;
static ZEROS: [u8; 128 << 10] = [0; 128 << 10];

const LOG: &str = "commitlog";
const MAKING: &str = "mainstem";

/// The two directories of a store that have to do with it.
pub(super) struct Place {
    dir: PathBuf,
    file_bytes: u64,
    flush: Flush,
}

impl Place {
    /// Below `dir`, with an expired file of old records.
    pub(super) fn new(dir: &Path, file_bytes: u64, flush: Flush) -> io::Result<Self> {
        let place = Self {
            dir: dir.to_owned(),
            file_bytes,
            flush,
        };
        for name in [LOG, MAKING] {
            fs::create_dir_all(dir.join(name))?;
        }
        let expired = File::create(place.named(0))?;
        let mut records = Records::from(0)?;
        let mut bytes = Vec::new();
        while records.position() < file_bytes {
            bytes.clear();
            let at = records.position();
            let wanted = (file_bytes - at).min(1 << 20) as usize;
            while bytes.len() < wanted {
                records.next_into(&mut bytes);
            }
            bytes.truncate((file_bytes - at) as usize);
            // The page cache keeps what one write brought in one piece: as large as the store's are.
            for (number, piece) in bytes.chunks(place.piece_bytes()).enumerate() {
                expired.write_all_at(piece, at + (number * place.piece_bytes()) as u64)?;
            }
        }
        expired.sync_all()?;
        rustix::fs::syncfs(&expired)?;
        Ok(place)
    }

    fn piece_bytes(&self) -> usize {
        match self.flush {
            Flush::Async => ZEROS.len(),
            Flush::Sync => 16 << 10,
        }
    }

    /// Position of the first byte of the next file.
    pub(super) fn base(&self) -> u64 {
        10 * self.file_bytes
    }

    fn named(&self, base: u64) -> PathBuf {
        self.dir.join(format!("{LOG}/{base:020}"))
    }

    fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
    }

    /// What is no part of making it, and comes before: the page cache as the way wants it.
    pub(super) fn prepare(&self, next: Next) -> io::Result<()> {
        if next != Next::RecycledCached {
            let expired = Self::open(&self.named(0))?;
            rustix::fs::fadvise(&expired, 0, None::<NonZeroU64>, Advice::DontNeed)?;
        }
        Ok(())
    }

    /// Makes the next file out of or instead of the expired one.
    pub(super) fn make(&self, next: Next) -> io::Result<File> {
        let (expired, named) = (self.named(0), self.named(self.base()));
        let making = self.dir.join(format!("{MAKING}/next-{}", self.base()));
        match next {
            Next::New | Next::NewWithoutZeros => {
                fs::remove_file(expired)?;
                self.sync(LOG)?;
                let file = OpenOptions::new()
                    .read(true)
                    .write(true)
                    .create_new(true)
                    .open(&making)?;
                rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, self.file_bytes)?;
                if next == Next::New {
                    self.write_zeros(&file)?;
                }
                file.sync_data()?;
                self.name(&making, &named)?;
                Ok(file)
            }
            Next::RecycledCached | Next::RecycledCold => {
                fs::rename(expired, &named)?;
                self.sync(LOG)?;
                Self::open(&named)
            }
            Next::RecycledZeroed => {
                // Durably out of the log before its bytes go: else a crash would show a log file of zeros.
                self.name(&expired, &making)?;
                let file = Self::open(&making)?;
                self.write_zeros(&file)?;
                self.name(&making, &named)?;
                Ok(file)
            }
        }
    }

    fn name(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        self.sync(LOG)?;
        self.sync(MAKING)
    }

    fn sync(&self, directory: &str) -> io::Result<()> {
        File::open(self.dir.join(directory))?.sync_all()
    }

    /// Without the store's rests, which leave half of the device's time to others.
    fn write_zeros(&self, file: &File) -> io::Result<()> {
        // The store's maker writes small pieces in both modes.
        let zeros = &ZEROS[..16 << 10];
        let mut offset = 0;
        while offset < self.file_bytes {
            let end = (offset + STEP_BYTES).min(self.file_bytes);
            while offset < end {
                let len = zeros.len().min((end - offset) as usize);
                file.write_all_at(&zeros[..len], offset)?;
                offset += len as u64;
            }
            file.sync_data()?;
        }
        Ok(())
    }

    /// Zeros ahead of the records, as the store's thread for it writes them.
    pub(super) fn write_ahead(&self, file: &File, from: u64, to: u64) -> io::Result<()> {
        let mut offset = from;
        while offset < to {
            let len = self.piece_bytes().min((to - offset) as usize);
            file.write_all_at(&ZEROS[..len], offset)?;
            offset += len as u64;
        }
        Ok(())
    }
}
