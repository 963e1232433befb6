//! Making a log file: created under a name of its own, given its blocks, filled with zeros step by
//! step, synced, and only then named as a log file. It promises that a log name only ever belongs to
//! a file of full size whose name is durable, and that a file that does not get there is removed. When
//! the steps are taken is its caller's affair.

use std::io;

use super::file::{self, LogFile, ZEROS_PIECE_BYTES};
use crate::disk::{Access, AllocateError, Disk, DiskFile, PAGE_BYTES};
use crate::sync::Arc;

/// Directory for files that have no log name yet.
const MAKING_DIRECTORY: &str = crate::layout::DIRECTORY;
/// Prefix of their names; what is left of them is removed when the store opens.
const MAKING_PREFIX: &str = "next-";
/// Most zeros of one step, which ends with a sync: no flush of the current file finds the device
/// busy for long.
const ZEROS_STEP_BYTES: u64 = 4 << 20;
/// Least number of steps, so that small files are filled evenly, too.
const MIN_STEPS: u64 = 16;

/// How log files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// Through a map of a file whose blocks are all allocated.
    Mapped,
    /// By `pwrite`, because the file system cannot promise the blocks of a map.
    Positioned,
}

/// Why a log file could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeError {
    #[error("no space for {bytes} bytes ({available_bytes} available)")]
    Full { bytes: u64, available_bytes: u64 },
    #[error("cannot {action} {path}: {source}")]
    Io {
        action: &'static str,
        path: String,
        source: io::Error,
    },
}

/// Makes log files.
#[derive(Debug)]
pub(crate) struct Maker {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) file_bytes: u64,
    pub(crate) writing: Writing,
    pub(crate) access: Access,
    /// Whether zeros are written ahead.
    pub(crate) zeros: bool,
}

/// A file that has its blocks but no log name; dropped without one it is removed.
pub(super) struct Unfinished<'a> {
    maker: &'a Maker,
    making: Making<'a>,
    file: LogFile,
    /// So much of it is filled with zeros, in bytes.
    filled_bytes: u64,
}

/// The name of a file that is being made. While it has it, the file goes with this.
struct Making<'a> {
    disk: &'a dyn Disk,
    path: String,
    named: bool,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        if !self.named {
            // Gives back what a full disk gave in part; nothing depends on the removal.
            let _ = self.disk.remove(&self.path);
        }
    }
}

impl Maker {
    /// Makes the file that begins at `base`, with a durable name and without zeros written ahead.
    pub(super) fn make(&self, base: u64) -> Result<Arc<LogFile>, MakeError> {
        self.begin(base)?.finish()
    }

    /// Creates the file that begins at `base` and gives it its blocks: a disk without room for it is
    /// told of here.
    pub(super) fn begin(&self, base: u64) -> Result<Unfinished<'_>, MakeError> {
        let path = format!("{MAKING_DIRECTORY}/{MAKING_PREFIX}{base}");
        match self.disk.remove(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(|e| self.refused("remove the leftover", &path, e))?,
        }
        let file = self
            .disk
            .create_new(&path)
            .map_err(|e| self.refused("create", &path, e))?;
        let making = Making {
            disk: &*self.disk,
            path,
            named: false,
        };
        self.give_blocks(&file, &making.path)?;
        let file = match self.writing {
            Writing::Mapped => LogFile::mapped(base, self.file_bytes, file, self.access)
                .map_err(|e| self.refused("map", &making.path, e))?,
            Writing::Positioned => LogFile::unmapped(base, self.file_bytes, file),
        };
        Ok(Unfinished {
            maker: self,
            making,
            file,
            filled_bytes: 0,
        })
    }

    fn give_blocks(&self, file: &Arc<dyn DiskFile>, path: &str) -> Result<(), MakeError> {
        match self.writing {
            Writing::Mapped => file.allocate(self.file_bytes).map_err(|e| match e {
                AllocateError::NoSpace { bytes } => MakeError::Full {
                    bytes,
                    available_bytes: self.available(),
                },
                AllocateError::Unsupported => {
                    self.refused("allocate", path, io::ErrorKind::Unsupported.into())
                }
                AllocateError::Io(e) => self.refused("allocate", path, e),
            }),
            Writing::Positioned => {
                // Blocks cannot be set aside, but a disk that is full now can be told from one
                // that has room.
                let available_bytes = self.available();
                if available_bytes < self.file_bytes {
                    return Err(MakeError::Full {
                        bytes: self.file_bytes,
                        available_bytes,
                    });
                }
                file.set_len(self.file_bytes)
                    .map_err(|e| self.refused("set the length of", path, e))
            }
        }
    }

    fn available(&self) -> u64 {
        self.disk.space().map_or(0, |space| space.available_bytes)
    }

    fn refused(&self, action: &'static str, path: &str, source: io::Error) -> MakeError {
        if matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            return MakeError::Full {
                bytes: self.file_bytes,
                available_bytes: self.available(),
            };
        }
        MakeError::Io {
            action,
            path: self.disk.display(path),
            source,
        }
    }
}

impl Unfinished<'_> {
    /// Where in the file the next step of zeros begins; `None` when it is to have no more of them.
    pub(super) fn next_step(&self) -> Option<u64> {
        let fills = self.maker.zeros && self.file.is_mapped();
        (fills && self.filled_bytes < self.maker.file_bytes).then_some(self.filled_bytes)
    }

    /// Writes that step, and syncs it.
    pub(super) fn fill_step(&mut self) -> Result<(), MakeError> {
        let file_bytes = self.maker.file_bytes;
        let step_bytes = (file_bytes / MIN_STEPS)
            .clamp(PAGE_BYTES as u64, ZEROS_STEP_BYTES)
            .next_multiple_of(PAGE_BYTES as u64)
            .min(file_bytes - self.filled_bytes);
        let position = self.file.base() + self.filled_bytes;
        self.file
            .write_zeros(position, step_bytes as usize, ZEROS_PIECE_BYTES)
            .and_then(|()| self.file.file().sync_data())
            .map_err(|e| self.maker.refused("write zeros to", &self.making.path, e))?;
        self.filled_bytes += step_bytes;
        Ok(())
    }

    /// Gives the file its log name, durably, however many zeros it has.
    pub(super) fn finish(mut self) -> Result<Arc<LogFile>, MakeError> {
        let (maker, path) = (self.maker, &self.making.path);
        // The size before the name: a log name never stands for a short file.
        self.file
            .file()
            .sync_data()
            .map_err(|e| maker.refused("sync", path, e))?;
        maker
            .disk
            .rename(path, self.file.path())
            .map_err(|e| maker.refused("rename", path, e))?;
        self.making.named = true;
        for directory in [file::DIRECTORY, MAKING_DIRECTORY] {
            maker
                .disk
                .sync_dir(directory)
                .map_err(|e| maker.refused("sync the directory of", &self.making.path, e))?;
        }
        Ok(Arc::new(self.file))
    }
}

/// Removes what a kill in the middle of making a file left.
pub(crate) fn remove_leftovers(disk: &dyn Disk) -> io::Result<()> {
    for name in disk.list(MAKING_DIRECTORY)? {
        if name.starts_with(MAKING_PREFIX) {
            disk.remove(&format!("{MAKING_DIRECTORY}/{name}"))?;
        }
    }
    Ok(())
}
