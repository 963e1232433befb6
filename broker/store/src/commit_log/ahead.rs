//! Zeros ahead: the memory that the next appends will write is made, in small steps and by a thread
//! of its own, by writing zeros over zeros. An append then never waits under the lock for the
//! kernel to find and clear pages, and a flush, which syncs its own range only, writes none of them
//! in vain. It promises never to write where a record lies or may come to lie: each step is fenced
//! off under the append lock first.

use std::io;

use super::CommitLog;
use super::append::Tail;
use super::file::{LogFile, MAX_ZEROS_BYTES, ZEROS_PIECE_BYTES};
use super::sabotage::{Sabotage, is_broken};
use crate::sync::{Arc, AtomicBool, Condvar, Duration, Mutex, Ordering, Sleeper};

/// How far ahead zeros are written: some 50 ms of the fastest load. They are dirty pages that the
/// kernel may write by itself if nothing is appended for long.
const WINDOW_BYTES: u64 = 8 << 20;
/// Written in one step: what an append that comes too close waits for, and a time in the kernel
/// that leaves the processor to others soon enough.
const STEP_BYTES: usize = MAX_ZEROS_BYTES;
/// Appends that have overtaken the zeros are given this much of a lead before the next step: the two
/// then make memory side by side.
const LEAD_BYTES: u64 = 4 << 20;
/// Steps begin at multiples of this, so that no page has two writers.
const ALIGNMENT_BYTES: u64 = 64 << 10;
/// Longest rest; an append wakes the thread much earlier.
const REST: Duration = Duration::from_secs(60);
/// Value of the fence while nothing is being written.
pub(super) const NO_FENCE: u64 = u64::MAX;

/// The thread that writes zeros, as appenders see it.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    sleeper: Sleeper,
    asked: AtomicBool,
    stop: AtomicBool,
    /// Number of the last step that is over.
    over: Mutex<u64>,
    /// A step is over.
    cleared: Condvar,
}

impl Ahead {
    /// Asks for more; costs a wake-up of the thread.
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        self.sleeper.wake();
    }

    /// What an append does that would reach into a step, without the append lock: waits until the
    /// step of that number, which it saw under the lock, is over. Steps are short, and rarely so near.
    pub(super) fn wait_for_step(&self, step: u64) {
        let mut over = self.over.lock();
        while *over < step {
            self.cleared.wait(&mut over);
        }
    }

    /// A step is over and its fence is gone.
    fn note_over(&self, step: u64) {
        *self.over.lock() = step;
        self.cleared.notify_all();
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.sleeper.wake();
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// One step: a range of a file that appends keep out of until it is written.
struct Step {
    number: u64,
    file: Arc<LogFile>,
    from: u64,
    len: usize,
    /// Written at once: pages that the kernel makes together are faulted in together.
    piece: usize,
}

impl CommitLog {
    /// Whether this pays: a log that is not mapped faults in nothing.
    pub(crate) fn writes_ahead(&self) -> bool {
        self.tail.lock().file.is_mapped()
    }

    /// Body of the thread.
    pub(crate) fn run_ahead(&self) {
        let mut done = 0;
        while !self.ahead.is_stopped() {
            self.ahead.asked.store(false, Ordering::Release);
            while !self.ahead.is_stopped() {
                match self.step_ahead(done) {
                    Ok(Some(reached)) => done = reached,
                    Ok(None) => break,
                    Err(error) => {
                        // The appends will say what is wrong with the file, if anything is.
                        tracing::warn!(%error, "zeros cannot be written ahead of the log; appends go on without");
                        return;
                    }
                }
            }
            self.ahead.sleeper.sleep(REST, || {
                self.ahead.is_stopped() || self.ahead.asked.load(Ordering::Acquire)
            });
        }
    }

    /// Writes the next step, if the window lacks one; everything from the appended mark to `done` is
    /// written. Returns how far that is afterwards.
    pub(super) fn step_ahead(&self, done: u64) -> io::Result<Option<u64>> {
        let Some(step) = self.tail.lock().begin_step(done) else {
            return Ok(None);
        };
        let written = step.file.write_zeros(step.from, step.len, step.piece);
        self.tail.lock().fence = NO_FENCE;
        // Behind the fence: an append that waited finds it gone.
        self.ahead.note_over(step.number);
        written?;
        Ok(Some(step.from + step.len as u64))
    }

    /// Ends [`run_ahead`](Self::run_ahead).
    pub(crate) fn stop_ahead(&self) {
        self.ahead.stop();
    }
}

impl Tail {
    /// Fences off the next step; `None`, with a mark for when to ask again, when the window is full
    /// or the files end.
    fn begin_step(&mut self, done: u64) -> Option<Step> {
        let from = if done >= self.position {
            done
        } else {
            (self.position + LEAD_BYTES).next_multiple_of(ALIGNMENT_BYTES)
        };
        if from >= self.position + WINDOW_BYTES {
            self.ahead_at = from - WINDOW_BYTES / 2;
            return None;
        }
        let files = [Some(&self.file), self.next.as_ref()];
        let Some(file) = files
            .into_iter()
            .flatten()
            .find(|file| (file.base()..file.end()).contains(&from))
        else {
            // With the roll there is a file more.
            self.ahead_at = self.file.end();
            return None;
        };
        let len = STEP_BYTES.min((file.end() - from) as usize);
        // Where each group is synced, a small one must not be written as the whole of a large piece.
        let piece = if self.staged.is_some() {
            ZEROS_PIECE_BYTES
        } else {
            STEP_BYTES
        };
        self.steps += 1;
        let step = Step {
            number: self.steps,
            file: Arc::clone(file),
            from,
            len,
            piece,
        };
        debug_assert!(from >= self.position, "no step covers a record");
        self.fence = from;
        Some(step)
    }

    /// Whether an append of `len` bytes, with the blank that may precede or follow it, stays clear of
    /// the step being written.
    #[inline]
    pub(super) fn is_clear(&self, len: usize, blank: usize) -> bool {
        if self.fence == NO_FENCE || is_broken(Sabotage::Fence) {
            return true;
        }
        let need = (len + blank) as u64;
        let end = self.position + need;
        let reaches = if end <= self.file.end() {
            end
        } else {
            self.file.end() + need
        };
        reaches <= self.fence
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::{FILE_BYTES, TestLog};
    use super::*;
    use crate::disk::sim::SimDisk;
    use crate::options::FlushMode;

    fn asked(log: &CommitLog) -> bool {
        log.ahead.asked.load(Ordering::Acquire)
    }

    /// Writes until nothing is missing; returns how far.
    fn fill(log: &CommitLog, mut done: u64) -> u64 {
        log.ahead.asked.store(false, Ordering::Release);
        while let Some(reached) = log.step_ahead(done).unwrap() {
            assert!(reached > done);
            done = reached;
        }
        done
    }

    #[test]
    fn zeros_end_with_the_last_file_and_are_asked_for_again_with_the_roll() {
        let disk = SimDisk::new();
        let log = TestLog::open(&disk, FlushMode::Async).unwrap();
        assert!(log.log.writes_ahead());
        // Nobody writes ahead in this test but the test: files are far smaller than the window.
        let done = fill(&log.log, 0);
        assert_eq!(done, FILE_BYTES, "the current file, as there is no other");
        let body = vec![7; 20_000];
        while log.log.watermarks().appended() < FILE_BYTES {
            assert!(!asked(&log.log), "the whole file is done");
            log.append("T", 0, &body).unwrap();
        }
        assert!(asked(&log.log), "with the roll, the zeros have ended");
        fill(&log.log, done);
        assert!(!asked(&log.log));
    }

    #[test]
    fn an_append_keeps_clear_of_a_step_also_where_it_would_roll_over_it() {
        let disk = SimDisk::new();
        let log = TestLog::open(&disk, FlushMode::Async).unwrap();
        log.append("T", 0, &[1; 1000]).unwrap();
        let mut tail = log.log.tail.lock();
        let at = tail.position;
        assert!(
            tail.is_clear(usize::MAX / 4, 8),
            "without a step everything is"
        );
        tail.fence = at + 5000;
        assert!(tail.is_clear(4992, 8));
        assert!(!tail.is_clear(4993, 8));
        // The append rolls, and the step lies in the next file.
        tail.fence = FILE_BYTES + 4096;
        let left = (FILE_BYTES - at) as usize;
        assert!(tail.is_clear(left - 8, 8));
        assert!(
            !tail.is_clear(left, 8),
            "it would reach past {}",
            tail.fence
        );
        tail.fence = NO_FENCE;
    }
}
