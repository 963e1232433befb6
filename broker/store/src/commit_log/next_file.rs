//! The file after the current one, as appenders and the thread that makes it share it. It gets its
//! blocks soon after the current file came into use, so that a full disk is told early, and its zeros
//! in step with the use of the current one, so that the device has an even load; an appender that needs
//! it at once has it at once. It may not touch the current file.

use super::file::LogFile;
use super::maker::{MakeError, Maker};
use crate::error::AppendError;
use crate::sync::{Arc, AtomicBool, Condvar, Duration, Instant, Mutex, Ordering};

/// Between two tries on a full or failing disk while an appender waits for the file.
const RETRY: Duration = Duration::from_millis(250);
/// The same while nobody does: each try takes all space that is left for a moment.
const RETRY_AT_EASE: Duration = Duration::from_secs(5);
/// The next file is begun when this part of the current one is used, and has all of its zeros when the
/// same part of it is left: one sixteenth.
const MARGIN_PART: u64 = 16;

/// The position up to which appends must have come before the file at `base` gets the zeros from
/// `offset` on: while the current file is used from its first margin to its last, the next one is
/// filled from end to end.
pub(super) fn due_at(base: u64, file_bytes: u64, offset: u64) -> u64 {
    let margin = file_bytes / MARGIN_PART;
    base - file_bytes + margin + offset / MARGIN_PART * (MARGIN_PART - 2)
}

/// The next file as the appenders and the allocating thread share it.
#[derive(Debug)]
pub(crate) struct NextFile {
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
    wait: Duration,
    file_bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    wanted: bool,
    /// An appender stands still for it: no time for zeros.
    urgent: bool,
    /// Why the last try failed.
    refused: Option<Refusal>,
    /// Appends are over.
    ended: bool,
    /// Counts finished files, so that a waiter sees one even if it is used up at once.
    made: u64,
}

/// Since when an appender waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    made: u64,
    deadline: Instant,
}

/// What the thread does next with a file that lacks zeros.
enum Turn {
    /// Fills the next step.
    Fill,
    /// Leaves it as it is: an appender stands still.
    Finish,
    /// Gives it up: the thread is to end.
    GiveUp,
}

#[derive(Debug, Clone)]
enum Refusal {
    Full { available_bytes: u64 },
    Error,
}

impl NextFile {
    pub(crate) fn new(file_bytes: u64, wait: Duration) -> Self {
        Self {
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
            wait,
            file_bytes,
        }
    }

    /// Asks for the next file; never blocks for long.
    pub(super) fn ask(&self) {
        self.state.lock().wanted = true;
        self.changed.notify_all();
    }

    /// Waits for a file. The first call, with an empty ticket, only fills it in, so that the
    /// caller looks again whether a file came meanwhile; a later call waits for one that came
    /// after that, or for the end of appends.
    pub(super) fn wait(&self, ticket: &mut Option<Ticket>) -> Result<(), AppendError> {
        let mut state = self.state.lock();
        let Some(Ticket { made, deadline }) = *ticket else {
            *ticket = Some(Ticket {
                made: state.made,
                deadline: Instant::now() + self.wait,
            });
            return Ok(());
        };
        state.wanted = true;
        state.urgent = true;
        self.changed.notify_all();
        loop {
            if state.made != made || state.ended {
                *ticket = Some(Ticket {
                    made: state.made,
                    deadline,
                });
                return Ok(());
            }
            if let Some(Refusal::Full { available_bytes }) = state.refused {
                return Err(AppendError::DiskFull {
                    needed_bytes: self.file_bytes,
                    available_bytes,
                });
            }
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                let waited_ms = u64::try_from(self.wait.as_millis()).unwrap_or(u64::MAX);
                return Err(AppendError::NextFileLate { waited_ms });
            }
        }
    }

    /// Appends are over: nobody needs to wait any more.
    pub(super) fn end_waiting(&self) {
        self.state.lock().ended = true;
        self.changed.notify_all();
    }

    /// Ends [`run`](Self::run).
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.end_waiting();
    }

    /// Whether an appender was or is to be refused because there is no room for the file.
    pub(crate) fn is_refused(&self) -> bool {
        let state = self.state.lock();
        state.urgent && matches!(state.refused, Some(Refusal::Full { .. }))
    }

    /// Whether the last try to make the file failed.
    #[cfg(test)]
    pub(super) fn has_failed(&self) -> bool {
        self.state.lock().refused.is_some()
    }

    /// Body of the allocating thread: makes a file whenever `base` says where one is missing, and
    /// hands it to `install`. `reached` says whether appends have come to a position; if they have
    /// not, it sees to it that the file is asked for again there.
    pub(crate) fn run(
        &self,
        maker: &Maker,
        base: impl Fn() -> Option<u64>,
        reached: impl Fn(u64) -> bool,
        install: impl Fn(Arc<LogFile>),
    ) {
        while self.await_request() {
            // The request was taken before this look: one that comes later is not lost.
            let Some(base) = base() else { continue };
            match self.make(maker, base, &reached) {
                Ok(Some(file)) => {
                    install(file);
                    self.note_made();
                }
                // The thread ends. The next start begins anew, so that no file is half filled.
                Ok(None) => {}
                Err(error) => self.note_refusal(&error),
            }
        }
    }

    /// Makes a file and fills it in step with the use of the current one; `None` when the thread is
    /// to end before it is full.
    fn make(
        &self,
        maker: &Maker,
        base: u64,
        reached: &impl Fn(u64) -> bool,
    ) -> Result<Option<Arc<LogFile>>, MakeError> {
        let mut file = maker.begin(base)?;
        let mut rested = Instant::now();
        while let Some(offset) = file.next_step() {
            let due = due_at(base, self.file_bytes, offset);
            match self.await_turn(rested, || reached(due)) {
                Turn::Fill => {
                    let began = Instant::now();
                    file.fill_step()?;
                    // Leave the device at least half of the time to the flushes that people wait for.
                    rested = Instant::now() + began.elapsed();
                }
                Turn::Finish => break,
                Turn::GiveUp => return Ok(None),
            }
        }
        file.finish().map(Some)
    }

    /// Waits until the next step of zeros is due and the thread has `rested`, or until there is no
    /// time for it.
    fn await_turn(&self, rested: Instant, is_due: impl Fn() -> bool) -> Turn {
        let mut state = self.state.lock();
        if matches!(state.refused, Some(Refusal::Full { .. })) {
            // It has its blocks: nobody is refused any more.
            state.end_refusal();
        }
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Turn::GiveUp;
            }
            if state.urgent {
                return Turn::Finish;
            }
            if Instant::now() < rested {
                self.changed.wait_until(&mut state, rested);
                continue;
            }
            // Taken before the look, as above. Nobody asks for this lock while holding appends.
            state.wanted = false;
            if is_due() {
                return Turn::Fill;
            }
            while !state.wanted && !state.urgent && !self.stop.load(Ordering::Relaxed) {
                self.changed.wait(&mut state);
            }
        }
    }

    /// Waits for a request and takes it; `false` when the thread is to end.
    fn await_request(&self) -> bool {
        let mut state = self.state.lock();
        while !state.wanted && !self.stop.load(Ordering::Relaxed) {
            self.changed.wait(&mut state);
        }
        state.wanted = false;
        !self.stop.load(Ordering::Relaxed)
    }

    fn note_made(&self) {
        let mut state = self.state.lock();
        state.made += 1;
        state.urgent = false;
        state.end_refusal();
        self.changed.notify_all();
    }

    /// Tells the waiters, then rests before the next try.
    fn note_refusal(&self, error: &MakeError) {
        let mut state = self.state.lock();
        if state.refused.is_none() {
            tracing::error!(%error, "cannot make the next commit-log file; trying again until it can be made");
        }
        state.refused = Some(match *error {
            MakeError::Full {
                available_bytes, ..
            } => Refusal::Full { available_bytes },
            MakeError::Io { .. } => Refusal::Error,
        });
        state.wanted = true;
        self.changed.notify_all();
        if !self.stop.load(Ordering::Relaxed) {
            let rest = if state.urgent { RETRY } else { RETRY_AT_EASE };
            self.changed.wait_for(&mut state, rest);
        }
    }
}

impl State {
    fn end_refusal(&mut self) {
        if self.refused.take().is_some() {
            tracing::info!("the next commit-log file can be made again: appends go on");
        }
    }
}
