//! Touching ahead: the pages that the next appends will write are faulted in by a thread of its
//! own, so that no append waits under the lock for the kernel to find and clear memory (up to a
//! whole read-ahead of it). It promises to change no byte, and that an append never waits for it.

use super::CommitLog;
use super::append::Tail;
use super::file::LogFile;
use crate::options::FlushMode;
use crate::sync::{Arc, AtomicBool, Duration, Ordering, Sleeper};

/// How far ahead pages are touched in async mode: some 50 ms of the fastest load. A touched page is
/// dirty, so each flush may write this much that it would not have had to; once per flush interval
/// that is little.
const WINDOW_BYTES: u64 = 8 << 20;
/// Touched in one call of the kernel.
const STEP_BYTES: u64 = 1 << 20;
/// Longest rest; an append wakes the thread much earlier.
const REST: Duration = Duration::from_secs(60);

/// The thread that touches, as appenders see it.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    sleeper: Sleeper,
    asked: AtomicBool,
    stop: AtomicBool,
}

impl Ahead {
    /// Asks for more touched pages; costs a wake-up of the thread.
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::Release);
        self.sleeper.wake();
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.sleeper.wake();
    }
}

impl CommitLog {
    /// Whether touching ahead pays: in sync mode it would make each small flush write the whole
    /// window, and a log that is not mapped has nothing to touch.
    pub(crate) fn touches_ahead(&self) -> bool {
        self.marks.flush_mode() == FlushMode::Async && self.tail.lock().file.is_mapped()
    }

    /// Body of the touching thread.
    pub(crate) fn run_toucher(&self) {
        let mut touched = 0;
        while !self.ahead.stop.load(Ordering::Acquire) {
            touched = self.touch_window(touched);
            self.ahead.sleeper.sleep(REST, || {
                self.ahead.stop.load(Ordering::Acquire) || self.ahead.asked.load(Ordering::Acquire)
            });
        }
    }

    /// One turn: touches what is missing of the window, of which everything below `touched` is done;
    /// returns how far that is now.
    fn touch_window(&self, touched: u64) -> u64 {
        let (position, files) = {
            let tail = self.tail.lock();
            let next = tail.next.as_ref().map(Arc::clone);
            (tail.position, [Some(Arc::clone(&tail.file)), next])
        };
        let touched = touch(&files, touched.max(position), position + WINDOW_BYTES);
        self.ahead.asked.store(false, Ordering::Release);
        self.tail.lock().touch_again(touched);
        touched
    }

    /// Ends [`run_toucher`](Self::run_toucher).
    pub(crate) fn stop_toucher(&self) {
        self.ahead.stop();
    }
}

impl Tail {
    /// Half of the window before the touched pages end, the thread is asked again; or with the
    /// roll, when they end with a file whose successor is not there yet.
    fn touch_again(&mut self, touched: u64) {
        self.touch_at = if touched == self.file.end() {
            touched
        } else {
            touched.saturating_sub(WINDOW_BYTES / 2)
        };
    }
}

/// Touches `from..to` as far as the files reach; returns where that is.
fn touch(files: &[Option<Arc<LogFile>>], from: u64, to: u64) -> u64 {
    let mut at = from;
    for file in files.iter().flatten() {
        while at >= file.base() && at < file.end().min(to) {
            let len = STEP_BYTES.min(to - at).min(file.end() - at);
            file.touch(at, len as usize);
            at += len;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::{FILE_BYTES, TestLog};
    use super::*;
    use crate::disk::sim::SimDisk;

    fn asked(log: &CommitLog) -> bool {
        log.ahead.asked.load(Ordering::Acquire)
    }

    #[test]
    fn the_window_reaches_into_the_next_file_and_is_asked_for_again_when_it_runs_out() {
        let disk = SimDisk::new();
        let log = TestLog::open(&disk, FlushMode::Async).unwrap();
        assert!(log.log.touches_ahead());
        // Nobody touches in this test but the test: files are far smaller than the window.
        let touched = log.log.touch_window(0);
        assert_eq!(
            touched, FILE_BYTES,
            "the current file, as there is no other"
        );
        let body = vec![7; 20_000];
        while log.log.watermarks().appended() < FILE_BYTES {
            assert!(!asked(&log.log), "the whole file is touched");
            log.append("T", 0, &body).unwrap();
        }
        assert!(
            asked(&log.log),
            "with the roll, the touched pages have ended"
        );
        let touched = log.log.touch_window(touched);
        assert!(!asked(&log.log) && touched >= 2 * FILE_BYTES);
        assert_eq!(touched % FILE_BYTES, 0);
    }

    #[test]
    fn synchronous_logs_are_not_touched_ahead() {
        let log = TestLog::open(&SimDisk::new(), FlushMode::Sync).unwrap();
        assert!(!log.log.touches_ahead());
    }
}
