//! Opening: lock, last writer, derived parts, log, then the records that the derived parts have
//! not seen. It promises that nothing is readable before everything is checked, and that a failed
//! open leaves the directory as it was but for what recovery is allowed to do.

use std::path::Path;

use super::ProgressSink;
use super::background::Background;
use super::dispatch::Dispatching;
use super::removal::Removal;
use super::{Shared, Store};
use crate::commit_log::{CommitLog, OpenedLog};
use crate::derived::Derived;
use crate::disk::Disk;
use crate::error::OpenError;
use crate::options::StoreOptions;
use crate::sync::{Arc, JoinHandle, Mutex, spawn};
use crate::{layout, owner};

impl Store {
    /// Opens the store in a directory, creating it when missing.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        let disk = super::real_disk(dir).map_err(OpenError::io(
            "create the data directory",
            dir.display().to_string(),
        ))?;
        Self::open_on(disk, options)
    }

    /// Opens the store on any disk.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_on(disk: Arc<dyn Disk>, options: StoreOptions) -> Result<Self, OpenError> {
        let shared = Shared::open(disk, options)?;
        // Before the first append: a disk that is full refuses it.
        shared.look_at_disk();
        let threads = shared.start(&shared)?;
        Ok(Self {
            shared,
            threads: Mutex::new(Some(threads)),
        })
    }

    /// One turn of the background thread, at once.
    #[cfg(test)]
    pub(crate) fn shared_tick(&self) {
        self.shared.tick();
    }

    /// One turn of the thread that makes files, of a store without threads.
    #[cfg(test)]
    pub(crate) fn step_files(&self) {
        self.shared.step_files();
    }

    /// One flush with what follows it, of a store without threads. The floor stays behind.
    #[cfg(test)]
    pub(crate) fn step_flush(&self) {
        let moved = self.shared.log.flush();
        self.shared.after_flush(moved.is_ok());
    }

    /// Brings the floor to where the log is flushed.
    #[cfg(test)]
    pub(crate) fn step_floor(&self) {
        self.shared.log.step_floor();
    }

    /// Opens the store without its threads: whoever holds it takes their steps, so that a
    /// simulation runs the same way each time.
    #[cfg(test)]
    pub(crate) fn open_stepped(
        disk: Arc<dyn Disk>,
        options: StoreOptions,
    ) -> Result<Self, OpenError> {
        Ok(Self {
            shared: Shared::open(disk, options)?,
            threads: Mutex::new(Some(Vec::new())),
        })
    }
}

impl Shared {
    fn open(disk: Arc<dyn Disk>, options: StoreOptions) -> Result<Arc<Self>, OpenError> {
        options.check()?;
        disk.create_dir_all(layout::DIRECTORY)
            .map_err(OpenError::io(
                "create the directory",
                disk.display(layout::DIRECTORY),
            ))?;
        let lock = disk.lock(layout::OWN_LOCK, layout::LOCK).map_err(|e| {
            if e.kind() == std::io::ErrorKind::WouldBlock {
                OpenError::InUse {
                    directory: disk.display(""),
                    lock: disk.display(layout::LOCK),
                }
            } else {
                OpenError::io("lock", disk.display(layout::LOCK))(e)
            }
        })?;
        let owned = owner::take_over(&*disk, lock)
            .map_err(OpenError::io("read or write", disk.display(layout::LOCK)))?;
        let found = OpenedLog::find(&disk, &options, owned.last, owned.state_id)?;
        let (derived, mut dispatcher) = Derived::open(
            &disk,
            &options,
            owned.state_id,
            owned.last,
            found.min_position(),
        )?;
        let log = found.recover(
            &options,
            derived.resume_from(),
            derived.durable_position(),
            &derived,
        )?;
        owner::mark_running(&*disk)
            .map_err(OpenError::io("create", disk.display(layout::ABORT)))?;
        let dispatched_to = derived.catch_up(&mut dispatcher, &*log)?;
        Ok(Arc::new(Self {
            dispatching: Dispatching::new(dispatcher, dispatched_to),
            progress: ProgressSink::default(),
            background: Background::default(),
            removal: Removal::new(options.retention.clone()),
            _lock: owned.lock,
            disk,
            options,
            log,
            derived,
        }))
    }

    /// Starts the threads.
    fn start(&self, shared: &Arc<Self>) -> Result<Vec<JoinHandle<()>>, OpenError> {
        let mut threads = Vec::new();
        let mut start = |name: &str, body: Box<dyn FnOnce() + Send>| {
            let started = spawn(name, body).map(|thread| threads.push(thread));
            started.map_err(OpenError::io("start the thread", name))
        };
        let of = |body: fn(&Self)| -> Box<dyn FnOnce() + Send> {
            let shared = Arc::clone(shared);
            Box::new(move || body(&shared))
        };
        let started = start(
            "mainstem-files",
            of(|shared| CommitLog::run_maker(&shared.log)),
        )
        .and_then(|()| {
            if !self.log.writes_ahead() {
                return Ok(());
            }
            start(
                "mainstem-ahead",
                of(|shared| CommitLog::run_ahead(&shared.log)),
            )
        })
        .and_then(|()| start("mainstem-flush", of(Self::run_flushing)))
        .and_then(|()| start("mainstem-store", of(Self::run_background)));
        if let Err(error) = started {
            self.stop_threads();
            for thread in threads {
                let _ = thread.join();
            }
            return Err(error);
        }
        Ok(threads)
    }

    /// Body of the flushing thread. Whoever waits for the flush is told before anything else.
    fn run_flushing(&self) {
        self.log.run_flusher(|ok| self.after_flush(ok));
    }

    fn after_flush(&self, ok: bool) {
        self.progress.moved(&self.log);
        if ok {
            self.dispatch_readable();
        }
    }

    /// One turn of the flushing thread.
    #[cfg(test)]
    pub(super) fn step_flush(&self) {
        match self.log.flush() {
            Ok(moved) => {
                if moved {
                    self.after_flush(true);
                }
                self.log.step_floor();
            }
            Err(_) => self.after_flush(false),
        }
    }

    /// One turn of the thread that makes files.
    #[cfg(test)]
    pub(super) fn step_files(&self) {
        self.log.step_maker();
        if self.log.writes_ahead() {
            self.log.step_zeros();
        }
    }
}
