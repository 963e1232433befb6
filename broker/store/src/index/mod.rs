//! The key index: from `topic#key` to the positions of records, in files that Apache RocketMQ can
//! read and, for what is newest, in memory. Promises that every key handed to [`KeyIndex::add`] is
//! found from then on, that memory stays within a limit, and that after any crash
//! [`KeyIndex::resume`] names a position from which adding the log's keys again makes it whole.
//! It never reads the log.
//!
//! ## What a crash can take
//! Entries are appended to the newest file and synced; a private state (`mainstem/index`) then
//! names their number; only then are the slots written over in place. So every number that a slot
//! may hold on disk is that of a durable entry, and slots that a crash took are written again from
//! the entries between the state's two counts. Entries that were still in memory lie at or behind
//! [`KeyIndex::resume`] and come back from the log.

mod append;
mod dump;
mod file;
mod flush;
mod format;
mod key;
mod name;
mod open;
mod pending;
mod state;
mod verify;

use std::io;

use self::append::Appender;
pub(crate) use self::dump::dump;
use self::file::{DIRECTORY, IndexFile, path_of};
pub(crate) use self::format::Geometry;
pub(crate) use self::key::{KeyPrefix, tags_code};
use self::open::{open_files, take_foreign, take_own};
use self::pending::Pending;
use self::state::{State, StateFile};
pub(crate) use self::verify::IndexVerifier;
use crate::disk::Disk;
use crate::sync::{Arc, Mutex, RwLock};

/// Bytes that one entry takes in memory.
const ENTRY_MEMORY_BYTES: usize = 16;

/// What to believe of index files that no state of ours describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// Their writer stopped cleanly: all of them.
    Whole,
    /// Their writer crashed: those whose last record was stored at or before this time, in ms.
    SealedBy(i64),
}

/// The index holds as many entries in memory as it may; it must be written out first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexFull;

/// The key index of one store.
#[derive(Debug)]
pub(crate) struct KeyIndex {
    disk: Arc<dyn Disk>,
    geometry: Geometry,
    limit_entries: usize,
    pending: Mutex<Intake>,
    /// Oldest first.
    files: RwLock<Vec<Arc<IndexFile>>>,
    writer: Mutex<Writer>,
}

#[derive(Debug)]
struct Intake {
    entries: Pending,
    /// Records below this position are indexed or in `entries`.
    added_to: u64,
}

#[derive(Debug)]
struct Writer {
    appender: Appender,
    state_file: StateFile,
    /// The durable state.
    state: State,
    /// Entries at the front of the oldest batch that the state covers already.
    covered: usize,
    /// A step failed: write the slots again from the state before anything else.
    replay: bool,
}

impl KeyIndex {
    /// Opens the index. `owner` is the state id of the directory; `memory_bytes` bounds the
    /// entries in memory.
    ///
    /// # Errors
    /// When the disk refuses. Files that are no index files of this geometry are left alone.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        geometry: Geometry,
        memory_bytes: usize,
        owner: u64,
        foreign: Foreign,
    ) -> io::Result<Self> {
        let (state_file, loaded) = StateFile::open(&*disk, owner)?;
        let newest = loaded.as_ref().map(|loaded| loaded.state.file.as_str());
        let mut files = open_files(&*disk, geometry, newest)?;
        let mut appender = Appender::default();
        let own = loaded.is_some();
        let state = match loaded {
            Some(loaded) => take_own(&*disk, &files, &mut appender, loaded)?,
            None => take_foreign(&*disk, &mut files, foreign)?,
        };
        // A writer that stopped cleanly has added all keys of the record that it added last.
        let last_is_whole = !own && foreign == Foreign::Whole && !state.file.is_empty();
        let intake = Intake {
            entries: Pending::default(),
            added_to: state.resume + u64::from(last_is_whole),
        };
        Ok(Self {
            disk,
            geometry,
            limit_entries: memory_bytes / ENTRY_MEMORY_BYTES,
            pending: Mutex::new(intake),
            files: RwLock::new(files),
            writer: Mutex::new(Writer {
                appender,
                state_file,
                state,
                covered: 0,
                replay: false,
            }),
        })
    }

    /// Position from which the log's keys must be added; adding earlier ones does nothing.
    pub(crate) fn resume(&self) -> u64 {
        self.writer.lock().state.resume
    }

    /// Store time in ms up to which index files are complete and durable, for the checkpoint.
    pub(crate) fn sealed_ms(&self) -> i64 {
        self.writer.lock().state.sealed_ms
    }

    /// Adds all keys of one record. Records come in the order of the log.
    pub(crate) fn add(
        &self,
        position: u64,
        store_ms: i64,
        hashes: &[u32],
    ) -> Result<(), IndexFull> {
        let intake = &mut *self.pending.lock();
        if position < intake.added_to {
            return Ok(());
        }
        if intake.entries.len() + hashes.len() > self.limit_entries {
            return Err(IndexFull);
        }
        for hash in hashes {
            intake.entries.push(position, store_ms, *hash);
        }
        intake.added_to = position + 1;
        Ok(())
    }

    /// Entries in memory, as a part of what may be there: 0 to 100.
    pub(crate) fn memory_percent(&self) -> usize {
        self.pending.lock().entries.len().saturating_mul(100) / self.limit_entries.max(1)
    }

    /// Hands the positions of records that may have the key of that hash and a store time in the
    /// range to `found`, newest first and each once, until it returns false. Hash and seconds may
    /// deceive, so the caller looks at the record; none that matches is left out.
    ///
    /// # Errors
    /// When an index file cannot be read; what was found before counts.
    pub(crate) fn find(
        &self,
        hash: u32,
        begin_ms: i64,
        end_ms: i64,
        found: &mut dyn FnMut(u64) -> bool,
    ) -> io::Result<()> {
        let mut last = u64::MAX;
        // What moves from memory to a file meanwhile is seen twice; positions only go down.
        let mut found = |position: u64| {
            if position >= last {
                return true;
            }
            last = position;
            found(position)
        };
        let mut newest = Vec::new();
        let batches = {
            let intake = self.pending.lock();
            intake
                .entries
                .current()
                .find(hash, begin_ms, end_ms, &mut |position| {
                    newest.push(position);
                    true
                });
            intake.entries.newest_first()
        };
        let in_memory = newest.into_iter().all(&mut found)
            && batches
                .iter()
                .all(|batch| batch.find(hash, begin_ms, end_ms, &mut found));
        if !in_memory {
            return Ok(());
        }
        let files = self.files.read().clone();
        for file in files
            .iter()
            .rev()
            .filter(|file| file.may_hold(begin_ms, end_ms))
        {
            if !file.find(hash, begin_ms, end_ms, &mut found)? {
                break;
            }
        }
        Ok(())
    }

    /// Removes the files, except the newest, that only point below `min_position`; returns how
    /// many.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn expire(&self, min_position: u64) -> io::Result<usize> {
        let _writer = self.writer.lock();
        let expired: Vec<_> = {
            let files = &mut *self.files.write();
            let keep_from = files
                .iter()
                .position(|file| file.header().end_position >= min_position)
                .unwrap_or(files.len())
                .min(files.len().saturating_sub(1));
            files.drain(..keep_from).collect()
        };
        for file in &expired {
            self.disk.remove(&path_of(file.name()))?;
        }
        if !expired.is_empty() {
            self.disk.sync_dir(DIRECTORY)?;
        }
        Ok(expired.len())
    }
}
