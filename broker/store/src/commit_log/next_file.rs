//! The file after the current one: allocated, filled with zeros, synced and named in the
//! background before it is needed. It promises that a log name only ever belongs to a file of
//! full size whose name is durable, and that a full disk is told to appenders at once and tried
//! again until there is space. It may not touch the current file.

use std::io;

use super::file::{self, LogFile, ZEROS_PIECE_BYTES};
use crate::disk::{Access, AllocateError, Disk, DiskFile};
use crate::error::AppendError;
use crate::sync::{Arc, AtomicBool, Condvar, Duration, Instant, Mutex, Ordering};

/// Directory for files that have no log name yet.
const MAKING_DIRECTORY: &str = crate::layout::DIRECTORY;
/// Prefix of their names; what is left of them is removed when the store opens.
const MAKING_PREFIX: &str = "next-";
/// Between two tries on a full or failing disk.
const RETRY: Duration = Duration::from_millis(250);
/// Zeros are written ahead in steps of this size, each synced, so that no flush of the current
/// file finds the device busy for long.
const ZEROS_STEP_BYTES: u64 = 4 << 20;
/// How log files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// Through a map of a file whose blocks are all allocated.
    Mapped,
    /// By `pwrite`, because the file system cannot promise the blocks of a map.
    Positioned,
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

#[derive(Debug, Clone)]
enum Refusal {
    Full { available_bytes: u64 },
    Error,
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

    fn is_urgent(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.state.lock().urgent
    }

    /// Body of the allocating thread: makes a file whenever `base` says where one is missing, and
    /// hands it to `install`.
    pub(crate) fn run(
        &self,
        maker: &Maker,
        base: impl Fn() -> Option<u64>,
        install: impl Fn(Arc<LogFile>),
    ) {
        while self.await_request() {
            // The request was taken before this look: one that comes later is not lost.
            let Some(base) = base() else { continue };
            match maker.make(base, || self.is_urgent()) {
                Ok(file) => {
                    install(file);
                    self.note_made();
                }
                Err(error) => self.note_refusal(&error),
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
        if state.refused.take().is_some() {
            tracing::info!("the next commit-log file is there: appends resume");
        }
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
            self.changed.wait_for(&mut state, RETRY);
        }
    }
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

impl Maker {
    /// Makes the file that begins at `base`, with a durable name. Zeros are written ahead until
    /// `hurry` says that somebody waits.
    pub(crate) fn make(
        &self,
        base: u64,
        hurry: impl Fn() -> bool,
    ) -> Result<Arc<LogFile>, MakeError> {
        let making = format!("{MAKING_DIRECTORY}/{MAKING_PREFIX}{base}");
        let outcome = self.make_as(&making, base, hurry);
        if outcome.is_err() {
            // Give back what a full disk gave in part; nothing depends on the removal.
            let _ = self.disk.remove(&making);
        }
        outcome
    }

    fn make_as(
        &self,
        making: &str,
        base: u64,
        hurry: impl Fn() -> bool,
    ) -> Result<Arc<LogFile>, MakeError> {
        let fail = |action| {
            let path = making.to_owned();
            move |source: io::Error| self.refused(action, path, source)
        };
        match self.disk.remove(making) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(fail("remove the leftover"))?,
        }
        let file = self.disk.create_new(making).map_err(fail("create"))?;
        self.give_blocks(&file, making)?;
        let log_file = match self.writing {
            Writing::Mapped => {
                LogFile::mapped(base, self.file_bytes, Arc::clone(&file), self.access)
                    .map_err(fail("map"))?
            }
            Writing::Positioned => LogFile::unmapped(base, self.file_bytes, Arc::clone(&file)),
        };
        if self.zeros {
            self.write_zeros(&log_file, &hurry)
                .map_err(fail("write zeros to"))?;
        }
        // The size before the name: a log name never stands for a short file.
        file.sync_data().map_err(fail("sync"))?;
        self.disk
            .rename(making, log_file.path())
            .map_err(fail("rename"))?;
        for directory in [file::DIRECTORY, MAKING_DIRECTORY] {
            self.disk
                .sync_dir(directory)
                .map_err(fail("sync the directory of"))?;
        }
        Ok(Arc::new(log_file))
    }

    fn give_blocks(&self, file: &Arc<dyn DiskFile>, making: &str) -> Result<(), MakeError> {
        let io = |action, source| self.refused(action, making.to_owned(), source);
        match self.writing {
            Writing::Mapped => file.allocate(self.file_bytes).map_err(|e| match e {
                AllocateError::NoSpace { bytes } => MakeError::Full {
                    bytes,
                    available_bytes: self.available(),
                },
                AllocateError::Unsupported => io("allocate", io::ErrorKind::Unsupported.into()),
                AllocateError::Io(e) => io("allocate", e),
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
                    .map_err(|e| io("set the length of", e))
            }
        }
    }

    fn write_zeros(&self, file: &LogFile, hurry: &impl Fn() -> bool) -> io::Result<()> {
        if !file.is_mapped() {
            return Ok(());
        }
        let zeros = [0; ZEROS_PIECE_BYTES];
        let mut offset = 0;
        while offset < self.file_bytes && !hurry() {
            let began = Instant::now();
            let step_end = (offset + ZEROS_STEP_BYTES).min(self.file_bytes);
            while offset < step_end {
                let len = zeros.len().min((step_end - offset) as usize);
                file.file().write_at(&zeros[..len], offset)?;
                offset += len as u64;
            }
            file.file().sync_data()?;
            // Leave the device at least half of the time to the flushes that people wait for.
            let mut rest = began.elapsed();
            while rest > Duration::ZERO && !hurry() {
                let nap = rest.min(Duration::from_millis(5));
                crate::sync::sleep(nap);
                rest -= nap;
            }
        }
        Ok(())
    }

    fn available(&self) -> u64 {
        self.disk.space().map_or(0, |space| space.available_bytes)
    }

    fn refused(&self, action: &'static str, path: String, source: io::Error) -> MakeError {
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
            path: self.disk.display(&path),
            source,
        }
    }
}

/// Removes what a stop in the middle of [`Maker::make`] left.
pub(crate) fn remove_leftovers(disk: &dyn Disk) -> io::Result<()> {
    for name in disk.list(MAKING_DIRECTORY)? {
        if name.starts_with(MAKING_PREFIX) {
            disk.remove(&format!("{MAKING_DIRECTORY}/{name}"))?;
        }
    }
    Ok(())
}
