//! The commit log: one sequence of records over files of one size. It owns the files, the append
//! lock, the flushing and the durable floor; it promises that records are contiguous, that behind
//! the end there are only zeros, and that nothing past `readable` is given out. It knows nothing
//! of queues but the counters it is handed.

mod ahead;
mod append;
mod failure;
mod file;
mod files;
mod flush;
mod maker;
mod next_file;
mod open;
mod read;
mod recover;
mod sabotage;
mod staged;
mod stats;
#[cfg(test)]
mod tests;
mod walk;

use self::ahead::Ahead;
use self::append::Tail;
use self::failure::Failure;
use self::files::LogFiles;
use self::flush::FloorKeeper;
use self::maker::Maker;
use self::next_file::NextFile;
use self::stats::Counters;
use crate::disk::Disk;
use crate::sync::{Arc, AtomicBool, ChosenLock, Duration, Mutex, Sleeper};
use crate::watermarks::Watermarks;

pub(crate) use append::Part;
pub(crate) use file::{DIRECTORY, LogFile, base_of, path_of};
pub(crate) use open::{KnownQueues, OpenedLog};
pub(crate) use recover::{look_behind, next_candidate};
#[cfg(test)]
pub(crate) use sabotage::break_on_this_thread;
pub(crate) use sabotage::{Sabotage, is_broken};
pub(crate) use staged::MAX_STAGED_BYTES;
pub use stats::StoreStats;
pub(crate) use walk::{Found, Walker};

/// An open log. Shared by appenders, readers and its threads.
#[derive(Debug)]
pub(crate) struct CommitLog {
    disk: Arc<dyn Disk>,
    files: LogFiles,
    tail: ChosenLock<Tail>,
    marks: Arc<Watermarks>,
    next_file: NextFile,
    ahead: Ahead,
    maker: Maker,
    failure: Failure,
    stats: Counters,
    /// The flushing thread.
    sleeper: Sleeper,
    stop_flushing: AtomicBool,
    flush_interval: Duration,
    floor: Mutex<FloorKeeper>,
    mapped_window_bytes: u64,
    /// The log's end when it was opened: what lies before it need not be in memory, however recent.
    recovered_to: u64,
    /// Whether a clock that went back was reported.
    clock_noted: AtomicBool,
}

impl CommitLog {
    pub(crate) fn watermarks(&self) -> &Arc<Watermarks> {
        &self.marks
    }

    pub(crate) fn stats(&self) -> StoreStats {
        self.stats.snapshot()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.stats
    }

    /// Why the log has failed, if it has.
    pub(crate) fn failure(&self) -> Option<&Arc<str>> {
        self.failure.get()
    }

    /// Reports, once per store, that store times stand still because the clock went back.
    fn note_clock(&self, now_ms: i64) {
        use crate::sync::Ordering;
        if !self.clock_noted.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                now_ms,
                "the system clock went back; store times stand still until it catches up"
            );
        }
    }

    /// Body of the thread that makes log files ahead of their use.
    pub(crate) fn run_maker(&self) {
        self.next_file.run(
            &self.maker,
            || self.missing_file(),
            |position| self.has_reached(position),
            |file| self.install(file),
        );
    }

    /// Where a file is missing ahead of the current one.
    fn missing_file(&self) -> Option<u64> {
        let tail = self.tail.lock();
        tail.next.is_none().then(|| tail.file.end())
    }

    /// Whether appends have come to a position; if not, the next file is asked for again there.
    fn has_reached(&self, position: u64) -> bool {
        let mut tail = self.tail.lock();
        let reached = tail.position >= position;
        if !reached {
            tail.ask_at = position;
        }
        reached
    }

    fn install(&self, file: Arc<LogFile>) {
        // Known to readers first: nobody asks for positions that were not published.
        self.files.push(Arc::clone(&file));
        self.tail.lock().next = Some(file);
    }

    /// One turn of the thread that writes zeros ahead.
    #[cfg(test)]
    pub(crate) fn step_zeros(&self) {
        let _ = self.step_ahead(self.marks.appended().next_multiple_of(64 << 10));
    }

    /// One turn of that thread, asked or not.
    #[cfg(test)]
    pub(crate) fn step_maker(&self) {
        if let Some(base) = self.missing_file()
            && let Ok(file) = self.maker.make(base)
        {
            self.install(file);
        }
    }

    /// Base and end of the oldest file that may be removed, and the bytes of all files. Never the
    /// file that is appended to, nor one with anything in it that is not flushed and readable.
    pub(crate) fn oldest_removable(&self) -> (Option<Arc<LogFile>>, u64) {
        let (oldest, log_bytes) = self.files.oldest();
        let limit = self
            .tail
            .lock()
            .file
            .base()
            .min(self.marks.readable())
            .min(self.marks.flushed());
        (oldest.filter(|file| file.end() <= limit), log_bytes)
    }

    /// Unlinks the oldest file, as [`oldest_removable`](Self::oldest_removable) gave it. Its space
    /// returns with the last lease.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn remove_oldest(&self, oldest: &LogFile) -> std::io::Result<()> {
        assert!(
            oldest.end() <= self.tail.lock().file.base(),
            "the file that is appended to is never removed"
        );
        self.files.remove(oldest, &*self.disk)?;
        self.stats
            .removed_files
            .fetch_add(1, crate::sync::Ordering::Relaxed);
        Ok(())
    }

    /// Whether an appender waits for a log file that the disk has no room for.
    pub(crate) fn is_out_of_files(&self) -> bool {
        self.next_file.is_refused()
    }

    /// Ends the maker's thread.
    pub(crate) fn stop_maker(&self) {
        self.next_file.stop();
    }
}
