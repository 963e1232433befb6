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
mod file;
mod format;
mod key;
mod name;
mod pending;
mod state;

use std::io;

use self::append::{Appender, ROUND_ENTRIES};
use self::file::{DIRECTORY, IndexFile, path_of};
pub(crate) use self::format::Geometry;
pub(crate) use self::key::{KeyPrefix, tags_code};
use self::pending::Pending;
use self::state::{State, StateFile};
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
            Some(loaded) => take_own(&*disk, &mut files, &mut appender, loaded)?,
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

    /// Writes everything added so far into files and makes it durable. `dispatched` tells the
    /// position up to which the log's keys were added.
    ///
    /// # Errors
    /// When the disk refuses. Nothing is lost; the next call goes on.
    pub(crate) fn flush(&self, now_ms: i64, dispatched: impl FnOnce() -> u64) -> io::Result<()> {
        let writer = &mut *self.writer.lock();
        // Before the entries are taken: every record below it is among them.
        let upto = dispatched();
        self.pending.lock().entries.seal();
        loop {
            let result = self.round(writer, now_ms, upto);
            if result.is_err() {
                writer.replay = true;
            }
            if !result? {
                return Ok(());
            }
        }
    }

    /// One round; false when nothing is left to write.
    fn round(&self, writer: &mut Writer, now_ms: i64, upto: u64) -> io::Result<bool> {
        self.repair(writer)?;
        let batches = self.pending.lock().entries.oldest(ROUND_ENTRIES);
        let waiting: usize = batches.iter().map(|batch| batch.entries().len()).sum();
        if waiting == writer.covered {
            self.drop_covered(writer);
            if writer.state.resume < upto {
                writer.state.resume = upto;
                writer.state_file.write(&writer.state)?;
            }
            writer.appender.shrink();
            return Ok(false);
        }
        let file = self.writable_file(writer, now_ms)?;
        let appended = writer.appender.append(&file, &batches, writer.covered)?;
        let next = State {
            // The newest record may have more keys, in the next round: it counts as not done.
            resume: appended.header.end_position.max(writer.state.resume),
            file: file.name().to_owned(),
            header: appended.header,
            slots_through: appended.first,
            sealed_ms: writer.state.sealed_ms,
        };
        writer.state_file.write(&next)?;
        writer.state = next;
        writer.covered += writer.appender.len();
        writer.appender.publish(&file, &appended)?;
        self.drop_covered(writer);
        Ok(true)
    }

    /// After an error: whatever the slots are, the state and the entries that it names hold.
    fn repair(&self, writer: &mut Writer) -> io::Result<()> {
        if !writer.replay {
            return Ok(());
        }
        let file = self.files.read().last().cloned();
        if let Some(file) = file.filter(|file| file.name() == writer.state.file) {
            file.assume_header(writer.state.header);
            writer
                .appender
                .replay(&file, writer.state.slots_through.max(1))?;
        }
        self.drop_covered(writer);
        writer.replay = false;
        Ok(())
    }

    /// Takes the batches that are in files, slots and all, out of memory.
    fn drop_covered(&self, writer: &mut Writer) {
        let intake = &mut *self.pending.lock();
        while let Some(oldest) = intake.entries.oldest(1).first() {
            let Some(rest) = writer.covered.checked_sub(oldest.entries().len()) else {
                break;
            };
            writer.covered = rest;
            intake.entries.written(1);
        }
    }

    /// The newest file, or a new one when it is full.
    fn writable_file(&self, writer: &mut Writer, now_ms: i64) -> io::Result<Arc<IndexFile>> {
        let newest = self.files.read().last().cloned();
        if let Some(newest) = &newest {
            if !newest.is_full() {
                return Ok(Arc::clone(newest));
            }
            self.seal(writer, newest)?;
        }
        let mut last = newest.as_ref().map(|file| file.name().to_owned());
        let (name, file) = loop {
            let name = name::next_name(now_ms, last.as_deref());
            match IndexFile::create(&*self.disk, &name, self.geometry) {
                Ok(file) => break (name, Arc::new(file)),
                // One that was left alone has the name.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = Some(name),
                Err(error) => return Err(error),
            }
        };
        self.files.write().push(Arc::clone(&file));
        tracing::debug!(file = %self.disk.display(&path_of(&name)), "new index file");
        Ok(file)
    }

    /// Makes a file's slots durable and says so.
    fn seal(&self, writer: &mut Writer, file: &IndexFile) -> io::Result<()> {
        file.file().sync_data()?;
        let mut state = writer.state.clone();
        if state.file == file.name() {
            state.slots_through = state.header.next_entry;
        }
        if file.is_full() {
            state.sealed_ms = state.sealed_ms.max(file.header().end_ms);
        }
        writer.state_file.write(&state)?;
        writer.state = state;
        Ok(())
    }

    /// Flushes and leaves the newest file complete, as at a clean stop.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn close(&self, now_ms: i64, dispatched: impl FnOnce() -> u64) -> io::Result<()> {
        self.flush(now_ms, dispatched)?;
        let writer = &mut *self.writer.lock();
        let newest = self.files.read().last().cloned();
        newest.map_or(Ok(()), |newest| self.seal(writer, &newest))
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

    /// Number of index files.
    pub(crate) fn file_count(&self) -> usize {
        self.files.read().len()
    }
}

/// Opens all index files of the geometry, oldest first. Files behind the newest that our state
/// knows never got an entry that counts and are removed.
fn open_files(
    disk: &dyn Disk,
    geometry: Geometry,
    newest: Option<&str>,
) -> io::Result<Vec<Arc<IndexFile>>> {
    let names = match disk.list(DIRECTORY) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for name in names {
        if !name::is_name(&name) {
            continue;
        }
        if newest.is_some_and(|newest| name.as_str() > newest) {
            disk.remove(&path_of(&name))?;
            continue;
        }
        match IndexFile::open(disk, &name, geometry) {
            Ok(file) => files.push(Arc::new(file)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                tracing::error!(
                    file = %disk.display(&path_of(&name)), %error,
                    "not an index file of the configured size (maxHashSlotNum, maxIndexNum): left alone, its keys cannot be queried"
                );
            }
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// Brings files into the state that we left.
fn take_own(
    disk: &dyn Disk,
    files: &mut Vec<Arc<IndexFile>>,
    appender: &mut Appender,
    loaded: state::Loaded,
) -> io::Result<State> {
    let mut state = loaded.state;
    if state.file.is_empty() {
        return Ok(state);
    }
    let Some(newest) = files.last().filter(|file| file.name() == state.file) else {
        let left = describe(files);
        tracing::error!(
            file = %disk.display(&path_of(&state.file)), from = left.resume,
            "the newest index file is missing: keys are indexed again from the log, from where the files that are left end"
        );
        return Ok(left);
    };
    newest.assume_header(state.header);
    if loaded.doubtful {
        // A slot may point to an entry that only the lost state knew.
        Appender::clear_slots(newest)?;
        appender.replay(newest, 1)?;
        state.slots_through = 1;
    } else if state.slots_through < state.header.next_entry {
        appender.replay(newest, state.slots_through.max(1))?;
    }
    appender.shrink();
    Ok(state)
}

/// Takes over files that no state of ours describes.
fn take_foreign(
    disk: &dyn Disk,
    files: &mut Vec<Arc<IndexFile>>,
    foreign: Foreign,
) -> io::Result<State> {
    if let Foreign::SealedBy(sealed_ms) = foreign {
        for file in files.extract_if(.., |file| {
            file.header().end_ms > sealed_ms || !file.is_full()
        }) {
            tracing::warn!(
                file = %disk.display(&path_of(file.name())),
                "index file was in use when its writer crashed: removed, its keys are indexed again from the log"
            );
            disk.remove(&path_of(file.name()))?;
        }
    }
    Ok(describe(files))
}

/// The state that intact files tell themselves.
fn describe(files: &[Arc<IndexFile>]) -> State {
    let header = files
        .last()
        .map_or_else(format::Header::default, |file| file.header());
    let full = files.iter().filter(|file| file.is_full());
    State {
        resume: header.end_position,
        file: files
            .last()
            .map_or_else(String::new, |file| file.name().to_owned()),
        header,
        slots_through: header.next_entry,
        sealed_ms: full.map(|file| file.header().end_ms).max().unwrap_or(0),
    }
}
