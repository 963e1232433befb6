//! Appending: everything that happens under the append lock. It promises consecutive positions
//! and queue offsets, that a published record lies whole in its file, and that under the lock
//! there is no system call (but the `pwrite` of a log that cannot be mapped), no allocation (but
//! the growth of what is staged, until it is as large as a group) and no log line.

use mainstem_record::{BLANK_MAGIC, BLANK_MIN, Placement, place};

use super::CommitLog;
use super::file::LogFile;
use super::next_file::due_at;
use super::sabotage::{Sabotage, is_broken};
use super::staged::Staged;
use crate::error::AppendError;
use crate::metrics::nanoseconds;
use crate::outcome::Appended;
use crate::queue_counter::QueueCounter;
use crate::sync::{Arc, Instant, Ordering};

/// What the append lock guards.
#[derive(Debug)]
pub(crate) struct Tail {
    /// Position of the next record.
    pub(super) position: u64,
    /// The file that holds it.
    pub(super) file: Arc<LogFile>,
    /// The file after that, once it is ready.
    pub(super) next: Option<Arc<LogFile>>,
    /// What the files do not have yet, up to the position; `None` where appends write to them.
    pub(super) staged: Option<Staged>,
    /// Nothing is put behind this position before the durable floor names a later one.
    pub(super) touch_limit: u64,
    /// Past this position the next file is asked for, or more of its zeros.
    pub(super) ask_at: u64,
    /// Past this position more zeros are written ahead.
    pub(super) ahead_at: u64,
    /// Where zeros are being written at the moment: no append may reach past it.
    pub(super) fence: u64,
    /// Number of the step of zeros that began last.
    pub(super) steps: u64,
    /// Store time of the newest record, ms.
    pub(super) last_timestamp_ms: i64,
    /// Appends are over: the log failed or closes.
    pub(super) stopped: bool,
}

/// What happened under the lock that must be followed up outside of it.
#[derive(Debug, Clone, Copy)]
struct Aftermath {
    ask_for_next_file: bool,
    write_ahead: bool,
}

/// Whether an append can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// There is room.
    Made,
    /// The next file is not ready yet.
    NoFile,
    /// The durable floor must name a position further on first.
    Untouched,
    /// Too much waits for the flusher.
    Unflushed,
}

/// One encoded record of a group and the counter that gives its queue offset (`None` for the
/// transaction records that have none).
pub(crate) struct Part<'a> {
    pub(crate) len: usize,
    pub(crate) counter: Option<&'a QueueCounter>,
}

/// Where the file after this one is asked for.
pub(super) fn ask_at(file: &LogFile) -> u64 {
    due_at(file.end(), file.end() - file.base(), 0)
}

impl CommitLog {
    /// Appends records that lie encoded, back to back, in `records`: contiguous in the log, with
    /// queue offsets in order, and pushes their placements to `placed`, which must have room.
    /// Waits a bounded time for the next file when the current one is full. An append that is to be
    /// timed says when it `began`.
    ///
    /// # Errors
    /// See [`AppendError`]; nothing was appended then.
    pub(crate) fn append<'a>(
        &self,
        records: &mut [u8],
        parts: impl Iterator<Item = Part<'a>> + Clone,
        now_ms: i64,
        placed: &mut Vec<Appended>,
        began: Option<Instant>,
    ) -> Result<(), AppendError> {
        let limit = self.largest_append();
        if records.len() > limit {
            return Err(AppendError::TooLarge {
                bytes: records.len(),
                limit_bytes: limit,
            });
        }
        let mut ticket = None;
        loop {
            let asked = began.map(|_| Instant::now());
            let mut tail = self.tail.lock();
            let waited = asked.map(|asked| asked.elapsed());
            if tail.stopped {
                drop(tail);
                return Err(self.stopped_error());
            }
            if parts
                .clone()
                .any(|part| part.counter.is_some_and(QueueCounter::is_closed))
            {
                return Err(AppendError::QueueRemoved);
            }
            if !tail.is_clear(records.len(), BLANK_MIN) {
                let step = tail.steps;
                drop(tail);
                self.ahead.wait_for_step(step);
                continue;
            }
            match self.make_room(&mut tail, records.len())? {
                Room::Made => {}
                Room::NoFile => {
                    drop(tail);
                    self.next_file.wait(&mut ticket)?;
                    continue;
                }
                Room::Untouched => {
                    drop(tail);
                    self.raise_touch_limit(records.len())?;
                    continue;
                }
                Room::Unflushed => {
                    drop(tail);
                    self.flush().map_err(AppendError::Failed)?;
                    continue;
                }
            }
            let clock_went_back = now_ms < tail.last_timestamp_ms;
            let outcome = self.put(&mut tail, records, parts, now_ms, placed);
            let aftermath = Self::aftermath(&mut tail);
            drop(tail);
            if let (Some(began), Some(waited)) = (began, waited) {
                let histograms = &self.stats.histograms;
                histograms.lock_wait_ns.observe(nanoseconds(waited));
                histograms.append_ns.observe(nanoseconds(began.elapsed()));
            }
            outcome?;
            if clock_went_back {
                self.note_clock(now_ms);
            }
            if aftermath.ask_for_next_file {
                self.next_file.ask();
            }
            if aftermath.write_ahead {
                self.ahead.ask();
                self.flush_early();
            }
            return Ok(());
        }
    }

    /// Longest run of records that fits a file.
    pub(crate) fn largest_append(&self) -> usize {
        (self.files.file_bytes() as usize).saturating_sub(BLANK_MIN)
    }

    /// Rolls to the next file when `len` bytes and a blank no longer fit.
    fn make_room(&self, tail: &mut Tail, len: usize) -> Result<Room, AppendError> {
        let remaining = tail.file.end() - tail.position;
        let wanted = (len + BLANK_MIN) as u64;
        let rest = if wanted <= remaining { 0 } else { remaining };
        if let Some(staged) = &tail.staged
            && !staged.has_room(rest as usize + len)
        {
            return Ok(Room::Unflushed);
        }
        if tail.position + wanted > tail.touch_limit {
            return Ok(Room::Untouched);
        }
        if wanted <= remaining {
            return Ok(Room::Made);
        }
        let Some(next) = tail.next.take() else {
            return Ok(Room::NoFile);
        };
        debug_assert_eq!(
            next.base(),
            tail.file.end(),
            "the next file follows the current one"
        );
        // A log that ends with its file, as one that was cut between two files, has no blank.
        if remaining >= BLANK_MIN as u64 {
            let mut blank = [0; BLANK_MIN];
            blank[..4].copy_from_slice(&(remaining as u32).to_be_bytes());
            blank[4..].copy_from_slice(&BLANK_MAGIC.to_be_bytes());
            if let Some(staged) = &mut tail.staged {
                staged.put_rest(&blank, remaining as usize);
            } else if let Err(e) = tail.file.put(tail.position, &blank) {
                tail.next = Some(next);
                return Err(self.refused_write(tail, BLANK_MIN, &e));
            }
        } else if let Some(staged) = &mut tail.staged {
            staged.put_rest(&[], remaining as usize);
        }
        tail.ask_at = ask_at(&next);
        tail.position = next.base();
        tail.file = next;
        self.marks.set_appended(tail.position);
        self.stats.rolls.fetch_add(1, Ordering::Relaxed);
        if tail.position + wanted > tail.touch_limit {
            return Ok(Room::Untouched);
        }
        Ok(Room::Made)
    }

    fn put<'a>(
        &self,
        tail: &mut Tail,
        records: &mut [u8],
        parts: impl Iterator<Item = Part<'a>> + Clone,
        now_ms: i64,
        placed: &mut Vec<Appended>,
    ) -> Result<(), AppendError> {
        let store_timestamp_ms = now_ms.max(tail.last_timestamp_ms);
        let first = placed.len();
        let start = tail.position;
        let mut offset = 0;
        for part in parts.clone() {
            let record = &mut records[offset..offset + part.len];
            let physical_offset = start + offset as u64;
            let queue_offset = part.counter.map_or(0, QueueCounter::take);
            place(
                record,
                &Placement {
                    queue_offset: queue_offset as i64,
                    physical_offset: physical_offset as i64,
                    store_timestamp_ms,
                },
            );
            offset += part.len;
            placed.push(Appended {
                physical_offset,
                size: part.len as u32,
                queue_offset,
                store_timestamp_ms,
                durable_at: start + offset as u64,
            });
        }
        debug_assert_eq!(offset, records.len(), "the parts make up the records");
        debug_assert!(
            start + records.len() as u64 <= tail.fence || is_broken(Sabotage::Fence),
            "no record lies where zeros are being written"
        );
        if let Some(staged) = &mut tail.staged {
            staged.put(records);
        } else if let Err(e) = tail.file.put(start, records) {
            placed.truncate(first);
            for part in parts {
                if let Some(counter) = part.counter {
                    counter.give_back();
                }
            }
            return Err(self.refused_write(tail, records.len(), &e));
        }
        tail.position = start + records.len() as u64;
        tail.last_timestamp_ms = store_timestamp_ms;
        self.stats.note_appended((placed.len() - first) as u64);
        self.marks.set_appended(tail.position);
        Ok(())
    }

    fn aftermath(tail: &mut Tail) -> Aftermath {
        let aftermath = Aftermath {
            ask_for_next_file: tail.position >= tail.ask_at && tail.next.is_none(),
            write_ahead: tail.position >= tail.ahead_at,
        };
        if aftermath.ask_for_next_file {
            tail.ask_at = u64::MAX;
        }
        if aftermath.write_ahead {
            tail.ahead_at = u64::MAX;
        }
        aftermath
    }

    /// A `pwrite` failed: what it may have put behind the log's end is zeroed, so that appends can
    /// go on when there is space again; if that fails too, the log has failed.
    fn refused_write(&self, tail: &mut Tail, len: usize, error: &std::io::Error) -> AppendError {
        let full = matches!(
            error.kind(),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
        );
        if full && self.zero_written(tail, len).is_ok() {
            return AppendError::DiskFull {
                needed_bytes: len as u64,
                available_bytes: 0,
            };
        }
        tail.stopped = true;
        AppendError::Failed(
            self.failure
                .set(format!("write to {} failed: {error}", tail.file.path())),
        )
    }

    /// Zeroes as much of the range behind the end as the file has blocks for.
    fn zero_written(&self, tail: &Tail, len: usize) -> std::io::Result<()> {
        let zeros = vec![0; len];
        match tail.file.put(tail.position, &zeros) {
            // The part that could be written was written; there are no bytes behind it.
            Err(e) if e.kind() == std::io::ErrorKind::StorageFull => Ok(()),
            other => other,
        }
    }

    pub(super) fn stopped_error(&self) -> AppendError {
        self.failure.get().map_or(AppendError::Closed, |cause| {
            AppendError::Failed(Arc::clone(cause))
        })
    }

    /// Runs something while no append can happen, with the position of the next record. It must be
    /// short and not call the operating system.
    pub(crate) fn hold_appends<T>(&self, during: impl FnOnce(u64) -> T) -> T {
        let tail = self.tail.lock();
        during(tail.position)
    }

    /// Ends all appends, for good.
    pub(crate) fn stop_appends(&self) {
        self.tail.lock().stopped = true;
        self.next_file.end_waiting();
    }
}
