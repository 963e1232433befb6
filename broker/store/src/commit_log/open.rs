//! Opening a log: the files as they are found, then the end, then the open log. It promises that
//! nothing is changed on disk before damage is ruled out, and that the log it returns may be
//! appended to at once.

use std::collections::VecDeque;
use std::io;

use super::CommitLog;
use super::ahead::{Ahead, NO_FENCE};
use super::append::{Tail, ask_at};
use super::failure::Failure;
use super::file::{self, LogFile};
use super::files::LogFiles;
use super::flush::{FloorKeeper, touch_lead};
use super::maker::{self, MakeError, Maker, Writing};
use super::next_file::NextFile;
use super::recover::{self, End};
use super::staged::Staged;
use super::stats::Counters;
use crate::disk::{Access, AllocateError, Disk, OpenMode};
use crate::error::OpenError;
use crate::floor::{Floor, FloorFile};
use crate::options::{FlushMode, LockKind, StoreOptions};
use crate::owner::LastWriter;
use crate::sync::{Arc, AtomicBool, ChosenLock, Instant, Mutex, Sleeper};
use crate::watermarks::Watermarks;

/// What the parts derived from the log know about queues before the log is walked.
pub(crate) trait KnownQueues {
    /// Next offset of a queue at the position from which the log is walked.
    fn next_offset(&self, topic: &str, queue_id: i32) -> Option<u64>;
    /// Log position at which the topic was deleted last.
    fn deleted_at(&self, topic: &str) -> Option<u64>;
}

/// Files found, floor read; nothing changed yet but the floor file's existence.
pub(crate) struct OpenedLog {
    disk: Arc<dyn Disk>,
    files: Vec<Arc<LogFile>>,
    floor_file: FloorFile,
    floor: Option<Floor>,
    last: LastWriter,
    state_id: u64,
    writing: Writing,
}

impl OpenedLog {
    /// Lists and opens the files. `last` wrote the directory last; a floor counts only if that
    /// was this program, in the state with `state_id`.
    pub(crate) fn find(
        disk: &Arc<dyn Disk>,
        options: &StoreOptions,
        last: LastWriter,
        state_id: u64,
    ) -> Result<Self, OpenError> {
        disk.create_dir_all(file::DIRECTORY).map_err(OpenError::io(
            "create the directory",
            disk.display(file::DIRECTORY),
        ))?;
        maker::remove_leftovers(&**disk).map_err(OpenError::io(
            "remove leftovers in",
            disk.display(crate::layout::DIRECTORY),
        ))?;
        let (floor_file, floor) = FloorFile::open(&**disk)
            .map_err(OpenError::io("open", disk.display(crate::layout::FLOOR)))?;
        let floor = floor.filter(|floor| {
            matches!(last, LastWriter::Mainstem { .. }) && floor.state_id == state_id
        });
        let files = find_files(&**disk, options.commit_log_file_bytes, floor)?;
        if floor.is_none() && matches!(last, LastWriter::Mainstem { .. }) && !files.is_empty() {
            tracing::warn!(
                file = %disk.display(crate::layout::FLOOR),
                "the durable floor is missing or damaged: damage behind the newest snapshot cannot be told from a torn tail this once"
            );
        }
        let space = disk
            .space()
            .map_err(OpenError::io("ask for the space of", disk.display("")))?;
        let writing = if space.copies_on_write {
            Writing::Positioned
        } else {
            Writing::Mapped
        };
        Ok(Self {
            disk: Arc::clone(disk),
            files,
            floor_file,
            floor,
            last,
            state_id,
            writing,
        })
    }

    /// Position of the oldest byte.
    pub(crate) fn min_position(&self) -> u64 {
        self.files.first().map_or(0, |file| file.base())
    }

    /// Finds the end, walking from `from` (the start of a record up to which everything is known),
    /// makes the disk agree and returns the open log. `durable` is a position that something else
    /// proves to be flushed, such as a snapshot.
    pub(crate) fn recover(
        mut self,
        options: &StoreOptions,
        from: u64,
        durable: u64,
        known: &dyn KnownQueues,
    ) -> Result<Arc<CommitLog>, OpenError> {
        let disk = Arc::clone(&self.disk);
        let min = self.min_position();
        // Without an intact floor of its own, a directory of this program has the one that
        // something else proves; one that a Java broker wrote has none.
        let floor = matches!(self.last, LastWriter::Mainstem { .. })
            .then(|| self.floor.map_or(0, |floor| floor.position).max(durable));
        let from = from.max(min);
        let began = Instant::now();
        let end = recover::find_end(&*disk, &self.files, from, floor, known)?;
        let closed = matches!(self.last, LastWriter::Mainstem { clean: true, .. })
            && self
                .floor
                .is_some_and(|floor| floor.clean && floor.position == end.position);
        if !closed && !self.files.is_empty() {
            // Nothing but zeros can lie behind what the floor let appends touch.
            let touched = self.floor.map_or(0, |floor| floor.touched);
            let look_to = if touched > 0 { touched } else { u64::MAX };
            recover::clear_behind(&*disk, &mut self.files, &end, look_to)?;
            if !matches!(self.last, LastWriter::Apache { clean: true }) {
                let from = floor.unwrap_or_else(|| self.last_two_files());
                recover::rewrite(&*disk, &self.files, from.max(min), end.position)?;
            }
            tracing::info!(
                end = end.position, floor, walked_from = from, records = end.records, ms = began.elapsed().as_millis() as u64, reason = %end.reason,
                "the end of the log was looked for, since no clean stop of this program says where it is"
            );
        }
        self.build(options, &end)
    }

    /// What a Java broker that died may have left unwritten: it flushes every ten seconds at the
    /// latest, which is taken to be less than two files.
    fn last_two_files(&self) -> u64 {
        self.files
            .iter()
            .rev()
            .nth(1)
            .or(self.files.last())
            .map_or(0, |file| file.base())
    }

    fn build(mut self, options: &StoreOptions, end: &End) -> Result<Arc<CommitLog>, OpenError> {
        let disk = Arc::clone(&self.disk);
        let file_bytes = options.commit_log_file_bytes;
        self.prepare_for_appends(file_bytes, end.position, access(options.flush))?;
        let mut maker = Maker {
            disk: Arc::clone(&disk),
            file_bytes,
            writing: self.writing,
            access: access(options.flush),
            // Only a flush that somebody waits for gains by blocks that were written before.
            zeros: options.populate_next_file && options.flush == FlushMode::Sync,
        };
        if self
            .files
            .last()
            .is_none_or(|last| last.end() <= end.position)
        {
            self.files.push(make_first(&mut maker, end.position)?);
        }
        if maker.writing == Writing::Positioned {
            tracing::warn!(
                "the file system copies on write or cannot allocate ahead: the log is written by pwrite, which is slower; everything else holds"
            );
        }
        // After a clean stop the file made ahead may be there already.
        let mut ahead = self
            .files
            .iter()
            .filter(|file| file.end() > end.position)
            .cloned();
        let Some(current) = ahead.next() else {
            return Err(OpenError::Part {
                part: "commit log",
                reason: "there is no file to append to".to_owned(),
            });
        };
        let next = ahead.next();
        drop(ahead);
        let last_timestamp_ms = self
            .floor
            .map_or(0, |floor| floor.timestamp_ms)
            .max(end.last_timestamp_ms);
        let touched = end.position + touch_lead(file_bytes);
        let staged =
            (options.flush == FlushMode::Sync && current.is_mapped()).then(Staged::default);
        let tail = Tail {
            position: end.position,
            staged,
            ask_at: ask_at(&current),
            ahead_at: u64::MAX,
            fence: NO_FENCE,
            steps: 0,
            file: current,
            next,
            last_timestamp_ms,
            touch_limit: touched,
            stopped: false,
        };
        let floor = Floor {
            position: end.position,
            clean: false,
            state_id: self.state_id,
            timestamp_ms: last_timestamp_ms,
            touched,
        };
        self.floor_file
            .write(&floor)
            .map_err(OpenError::io("write", disk.display(crate::layout::FLOOR)))?;
        Ok(Arc::new(CommitLog {
            files: LogFiles::new(file_bytes, VecDeque::from(self.files)),
            tail: ChosenLock::new(options.lock_kind() == LockKind::Spin, tail),
            marks: Arc::new(Watermarks::new(options.flush, end.position)),
            next_file: NextFile::new(file_bytes, options.next_file_wait),
            ahead: Ahead::default(),
            maker,
            failure: Failure::default(),
            stats: Counters::default(),
            sleeper: Sleeper::default(),
            stop_flushing: AtomicBool::new(false),
            flush_interval: options.flush_interval,
            floor: Mutex::new(FloorKeeper {
                file: self.floor_file,
                position: end.position,
                written: Instant::now(),
                messages: 0,
                group: Staged::default(),
                state_id: self.state_id,
                touched,
            }),
            mapped_window_bytes: options.mapped_window_bytes,
            recovered_to: end.position,
            clock_noted: AtomicBool::new(false),
            disk,
        }))
    }

    /// Maps the files that will be appended to, after all their blocks are certain: a Java broker
    /// leaves sparse files.
    fn prepare_for_appends(
        &mut self,
        file_bytes: u64,
        end: u64,
        access: Access,
    ) -> Result<(), OpenError> {
        for index in 0..self.files.len() {
            let file = Arc::clone(&self.files[index]);
            if file.end() <= end || self.writing == Writing::Positioned {
                continue;
            }
            let path = self.disk.display(file.path());
            match file.file().allocate(file_bytes) {
                Ok(()) => {}
                Err(AllocateError::Unsupported) => {
                    self.writing = Writing::Positioned;
                    continue;
                }
                Err(AllocateError::NoSpace { bytes }) => {
                    return Err(OpenError::NoSpace { path, bytes });
                }
                Err(AllocateError::Io(e)) => {
                    return Err(OpenError::io("allocate the blocks of", path)(e));
                }
            }
            // What recovery read or wrote lies in large pieces in the page cache.
            let mapped = file
                .file()
                .sync_data()
                .and_then(|()| file.file().forget_cached())
                .and_then(|()| {
                    LogFile::mapped(file.base(), file_bytes, Arc::clone(file.file()), access)
                })
                .map_err(OpenError::io("map", path))?;
            self.files[index] = Arc::new(mapped);
        }
        Ok(())
    }
}

/// How files are mapped under a flush mode.
fn access(flush: FlushMode) -> Access {
    match flush {
        FlushMode::Sync => Access::SmallSynced,
        FlushMode::Async => Access::Sequential,
    }
}

/// Makes the file that a log needs before its first append; the file system shows here whether it
/// can allocate.
fn make_first(maker: &mut Maker, base: u64) -> Result<Arc<LogFile>, OpenError> {
    // Without zeros ahead: a start should not take as long as writing a whole file.
    let mut made = maker.make(base);
    if matches!(&made, Err(MakeError::Io { source, .. }) if source.kind() == io::ErrorKind::Unsupported)
    {
        maker.writing = Writing::Positioned;
        made = maker.make(base);
    }
    made.map_err(|e| match e {
        MakeError::Full { bytes, .. } => OpenError::NoSpace {
            path: maker.disk.display(&file::path_of(base)),
            bytes,
        },
        MakeError::Io {
            action,
            path,
            source,
        } => OpenError::Io {
            action,
            path,
            source,
        },
    })
}

/// Opens the log files of a directory, oldest first, checking names, sizes and contiguity.
fn find_files(
    disk: &dyn Disk,
    file_bytes: u64,
    floor: Option<Floor>,
) -> Result<Vec<Arc<LogFile>>, OpenError> {
    let names = disk
        .list(file::DIRECTORY)
        .map_err(OpenError::io("list", disk.display(file::DIRECTORY)))?;
    let mut files: Vec<Arc<LogFile>> = Vec::new();
    let bases: Vec<u64> = names
        .iter()
        .filter_map(|name| file::base_of(name))
        .collect();
    for (index, base) in bases.iter().copied().enumerate() {
        let path = file::path_of(base);
        let shown = disk.display(&path);
        let open = disk
            .open(&path, OpenMode::ReadWrite)
            .map_err(OpenError::io("open", shown.clone()))?;
        let found = open
            .len()
            .map_err(OpenError::io("ask for the length of", shown.clone()))?;
        if let Some(expected) = files
            .last()
            .map(|last| last.end())
            .filter(|expected| *expected != base)
        {
            return Err(if expected < base {
                OpenError::MissingFile {
                    path: disk.display(&file::path_of(expected)),
                    position: expected,
                    directory: disk.display(""),
                }
            } else {
                OpenError::FileSize {
                    path: shown,
                    found: base - files.last().map_or(0, |last| last.base()),
                    configured: file_bytes,
                }
            });
        }
        if found != file_bytes {
            // A Java broker that dies while it makes the file ahead leaves a short one behind.
            let unused = index + 1 == bases.len()
                && index > 0
                && floor.is_none_or(|floor| floor.position <= base);
            if unused && found < file_bytes {
                tracing::warn!(path = %shown, bytes = found, "the newest log file is shorter than a log file and unused; it is removed");
                disk.remove(&path).map_err(OpenError::io("remove", shown))?;
                disk.sync_dir(file::DIRECTORY).map_err(OpenError::io(
                    "sync the directory",
                    disk.display(file::DIRECTORY),
                ))?;
                continue;
            }
            return Err(OpenError::FileSize {
                path: shown,
                found,
                configured: file_bytes,
            });
        }
        files.push(Arc::new(LogFile::unmapped(base, file_bytes, open)));
    }
    Ok(files)
}
