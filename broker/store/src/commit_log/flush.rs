//! Flushing: one sync for every append that arrived while the last one ran. It promises
//! that the flushed mark is a contiguous prefix (of two files the first is synced first), that a
//! failed sync ends the log's life as a writer, and that the durable floor follows within a
//! second. It never takes the append lock while it syncs.

use std::io;

use super::CommitLog;
use super::sabotage::{Sabotage, is_broken};
use super::staged::Staged;
use mainstem_record::BLANK_MIN;

use crate::error::AppendError;
use crate::floor::{Floor, FloorFile};
use crate::options::FlushMode;
use crate::sync::{Arc, Duration, Instant, Ordering};

/// Longest age of the durable floor while the flushed mark moves.
const FLOOR_INTERVAL: Duration = Duration::from_secs(1);
/// How far behind the log's end the floor lets appends go before it is written again. After a crash
/// so much is looked through for what the crash left there, instead of all that is allocated.
const TOUCH_LEAD_BYTES: u64 = 256 << 20;
/// How long the flusher sleeps when there is nothing to do.
const IDLE: Duration = Duration::from_secs(10);
/// The floor file and what was written to it last. Its lock is the flush lock: one sync runs at a
/// time.
#[derive(Debug)]
pub(crate) struct FloorKeeper {
    pub(super) file: FloorFile,
    pub(super) position: u64,
    pub(super) written: Instant,
    /// Messages appended up to the last flush.
    pub(super) messages: u64,
    pub(super) state_id: u64,
    /// The group being written; empty between flushes.
    pub(super) group: Staged,
    /// Behind this position nothing is appended before the floor names a later one.
    pub(super) touched: u64,
}

/// An asynchronous log does not wait for the flush interval with more than this.
const MOST_UNFLUSHED_BYTES: u64 = 64 << 20;

/// The lead in a log of small files: less than a file, so that it takes part in every test.
pub(super) fn touch_lead(file_bytes: u64) -> u64 {
    TOUCH_LEAD_BYTES.min(file_bytes / 4)
}

impl CommitLog {
    /// Asks for a flush of everything appended so far; costs a fence unless the flusher sleeps.
    #[inline]
    pub(crate) fn ask_for_flush(&self) {
        self.sleeper.wake();
    }

    /// Whether an asynchronous flush should not wait for its interval: with much behind it, it would
    /// take long, and appends that reach the touch limit meanwhile would wait for its end.
    fn has_much_unflushed(&self) -> bool {
        self.marks.appended() - self.marks.flushed().min(self.marks.appended())
            >= MOST_UNFLUSHED_BYTES
    }

    /// Has much that is unflushed flushed before the interval is over.
    pub(super) fn flush_early(&self) {
        if self.has_much_unflushed() {
            self.sleeper.wake();
        }
    }

    /// Body of the flushing thread. `flushed` is called whenever the flushed mark has moved (true)
    /// and after the log failed (false). The mark may have been moved by another thread's
    /// [`flush`](Self::flush): those who wait are told of that move here too.
    pub(crate) fn run_flusher(&self, flushed: impl Fn(bool)) {
        let group_commit = self.marks.flush_mode() == FlushMode::Sync;
        // Not the mark of this moment: another thread may have moved it before this one ran.
        let mut told = 0;
        loop {
            let stopping = self.stop_flushing.load(Ordering::Acquire);
            if self.flush().is_err() {
                flushed(false);
                return;
            }
            let now = self.marks.flushed();
            if now != told {
                told = now;
                flushed(true);
            }
            if stopping {
                return;
            }
            let pending = || {
                let flushed = self.marks.flushed();
                self.marks.appended() > flushed || flushed != told
            };
            if group_commit && pending() {
                continue;
            }
            let until_floor = self.write_due_floor();
            let rest = if group_commit {
                until_floor
            } else {
                until_floor.min(self.flush_interval)
            };
            self.sleeper.sleep(rest, || {
                self.stop_flushing.load(Ordering::Acquire)
                    || (group_commit && pending())
                    || self.has_much_unflushed()
            });
        }
    }

    /// Ends the flushing thread after one last flush.
    pub(crate) fn stop_flusher(&self) {
        self.stop_flushing.store(true, Ordering::Release);
        self.sleeper.wake();
    }

    /// Syncs everything appended until now; whether there was anything.
    ///
    /// # Errors
    /// The failure that ended the log.
    pub(crate) fn flush(&self) -> Result<bool, Arc<str>> {
        let mut floor = self.floor.lock();
        if let Some(cause) = self.failure.get() {
            return Err(Arc::clone(cause));
        }
        let from = self.marks.flushed();
        let to = self.take_group(&mut floor.group);
        if from == to {
            return Ok(false);
        }
        // At least those below `to`; what came meanwhile is not counted again with its own group.
        let messages = self.stats.appended.load(Ordering::Relaxed);
        let began = Instant::now();
        self.write_group(&mut floor.group, to)
            .and_then(|()| self.sync_range(from, to))
            .map_err(|cause| self.fail(&cause))?;
        self.stats.note_flush(
            from,
            to,
            messages.saturating_sub(floor.messages),
            began.elapsed(),
        );
        floor.messages = messages;
        self.marks.set_flushed(to);
        let rolled = from / self.files.file_bytes() != to / self.files.file_bytes();
        let lead = floor.touched.saturating_sub(to);
        let narrow = lead < touch_lead(self.files.file_bytes()) / 2;
        if rolled || narrow || floor.written.elapsed() >= FLOOR_INTERVAL {
            self.write_floor(&mut floor, to)
                .map_err(|e| self.fail(&format!("the durable floor cannot be written: {e}")))?;
        }
        Ok(true)
    }

    /// Takes what is staged, and says up to where the log is to be flushed.
    fn take_group(&self, group: &mut Staged) -> u64 {
        if self.marks.appended() == self.marks.flushed() {
            return self.marks.flushed();
        }
        let mut tail = self.tail.lock();
        match &mut tail.staged {
            Some(staged) => {
                staged.take(group);
                tail.position
            }
            None => self.marks.appended(),
        }
    }

    /// Writes a group that ends at `to` to its files.
    fn write_group(&self, group: &mut Staged, to: u64) -> Result<(), String> {
        let mut rest = group.bytes();
        let mut position = to - rest.len() as u64;
        while !rest.is_empty() {
            let Some(file) = self.files.find(position) else {
                return Err(format!(
                    "no log file holds position {position}, which is to be written"
                ));
            };
            let (here, behind) = rest.split_at(rest.len().min((file.end() - position) as usize));
            file.write(position, here).map_err(|e| {
                format!(
                    "the write to {} failed: {e}",
                    self.disk.display(file.path())
                )
            })?;
            position += here.len() as u64;
            rest = behind;
        }
        group.clear();
        Ok(())
    }

    /// Syncs the files that hold `from..to`, oldest first.
    fn sync_range(&self, from: u64, to: u64) -> Result<(), String> {
        if is_broken(Sabotage::Flush) {
            return Ok(());
        }
        let mut position = from;
        while position < to {
            let Some(file) = self.files.find(position) else {
                return Err(format!(
                    "no log file holds position {position}, which is to be flushed"
                ));
            };
            let end = to.min(file.end());
            if self.marks.flush_mode() == FlushMode::Async {
                file.take_from_map(position, end);
            }
            file.sync(position, end).map_err(|e| {
                format!("the sync of {} failed: {e}", self.disk.display(file.path()))
            })?;
            position = file.end();
        }
        Ok(())
    }

    fn fail(&self, cause: &str) -> Arc<str> {
        let cause = self.failure.set(cause);
        self.stop_appends();
        tracing::error!(%cause, "the store stops accepting messages; restart it to recover");
        cause
    }

    /// Writes the floor if it is old; returns when it will be due.
    fn write_due_floor(&self) -> Duration {
        let mut floor = self.floor.lock();
        let flushed = self.marks.flushed();
        if floor.position == flushed || self.failure.get().is_some() {
            return IDLE;
        }
        let due = FLOOR_INTERVAL.saturating_sub(floor.written.elapsed());
        if due > Duration::ZERO {
            return due;
        }
        if let Err(e) = self.write_floor(&mut floor, flushed) {
            self.fail(&format!("the durable floor cannot be written: {e}"));
        }
        IDLE
    }

    /// Writes the floor whatever its age, as the flusher would a second later.
    #[cfg(test)]
    pub(crate) fn step_floor(&self) {
        let mut floor = self.floor.lock();
        let flushed = self.marks.flushed();
        if floor.position != flushed
            && self.failure.get().is_none()
            && let Err(e) = self.write_floor(&mut floor, flushed)
        {
            self.fail(&format!("the durable floor cannot be written: {e}"));
        }
    }

    fn write_floor(&self, keeper: &mut FloorKeeper, position: u64) -> io::Result<()> {
        let reached = self.marks.appended();
        self.write_floor_beyond(keeper, position, reached)
    }

    /// Writes the floor, and with it that appends may go on for the lead behind `reached`.
    fn write_floor_beyond(
        &self,
        keeper: &mut FloorKeeper,
        position: u64,
        reached: u64,
    ) -> io::Result<()> {
        let state_id = keeper.state_id;
        let touched = (reached + touch_lead(self.files.file_bytes())).max(keeper.touched);
        debug_assert!(
            position <= self.marks.flushed(),
            "a floor names only what was synced"
        );
        keeper.file.write(&Floor {
            position,
            clean: false,
            state_id,
            timestamp_ms: self.last_timestamp_ms(),
            touched,
        })?;
        keeper.position = position;
        keeper.touched = touched;
        keeper.written = Instant::now();
        self.stats.floors.fetch_add(1, Ordering::Relaxed);
        self.tail.lock().touch_limit = touched;
        Ok(())
    }

    /// Lets appends of `len` bytes go on that came to the limit before a flush raised it. Called
    /// without the append lock.
    pub(super) fn raise_touch_limit(&self, len: usize) -> Result<(), AppendError> {
        let mut floor = self.floor.lock();
        if self.failure.get().is_some() {
            return Err(self.stopped_error());
        }
        let position = self.marks.flushed();
        let wanted = self.marks.appended() + (len + BLANK_MIN) as u64;
        if wanted <= floor.touched {
            return Ok(());
        }
        self.write_floor_beyond(&mut floor, position, wanted)
            .map_err(|e| {
                AppendError::Failed(self.fail(&format!("the durable floor cannot be written: {e}")))
            })
    }

    /// Writes the mark of a clean stop: the last thing that touches the log.
    pub(crate) fn write_clean_floor(&self) -> io::Result<()> {
        let mut keeper = self.floor.lock();
        let (position, state_id) = (self.marks.flushed(), keeper.state_id);
        let touched = keeper.touched;
        assert_eq!(
            position,
            self.marks.appended(),
            "a clean stop leaves nothing unflushed"
        );
        keeper.file.write(&Floor {
            position,
            clean: true,
            state_id,
            timestamp_ms: self.last_timestamp_ms(),
            touched,
        })?;
        keeper.position = position;
        Ok(())
    }

    /// Store time of the newest record, ms.
    pub(crate) fn last_timestamp_ms(&self) -> i64 {
        self.tail.lock().last_timestamp_ms
    }
}
