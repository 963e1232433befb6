//! The store as its users see it: one directory, one log, and what is derived from it. It owns the
//! threads and the order in which things happen; it promises that nothing derived passes
//! `readable`, and that every operation either happened or returns why not. The parts do the work.

mod background;
mod batch;
mod close;
mod dispatch;
mod open;
mod progress;
mod read;
mod removal;
#[cfg(test)]
mod tests;
mod topics;

use std::path::Path;

use mainstem_record::NewRecord;

use self::background::Background;
use self::dispatch::Dispatching;
pub(crate) use self::progress::ProgressSink;
use self::removal::Removal;
use crate::commit_log::{CommitLog, StoreStats};
use crate::derived::Derived;
use crate::disk::{DirectoryLock, Disk};
use crate::error::AppendError;
use crate::log_reader::LogReader;
use crate::metrics::StoreHistograms;
use crate::options::StoreOptions;
use crate::outcome::{AppendOptions, Appended, Usage};
use crate::sync::{Arc, JoinHandle, Mutex};
use crate::watermarks::Watermarks;

pub use batch::Batch;

/// An open store. Share it as `Arc<Store>`. Dropping it without [`close`](Store::close) leaves the
/// directory as a crash would: nothing flushed is lost, and the next start takes longer.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    /// `None` once the store is closed.
    threads: Mutex<Option<Vec<JoinHandle<()>>>>,
}

/// What threads, batches and the store itself share.
#[derive(Debug)]
struct Shared {
    disk: Arc<dyn Disk>,
    options: StoreOptions,
    log: Arc<CommitLog>,
    derived: Derived,
    dispatching: Dispatching,
    progress: ProgressSink,
    background: Background,
    removal: Removal,
    /// Held until the store is gone.
    _lock: Box<dyn DirectoryLock>,
}

impl Store {
    /// Appends one message and asks for what its flush mode promises: a group of one. A caller with
    /// several messages at hand uses a [`Batch`].
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append(
        &self,
        record: &NewRecord<'_>,
        _options: AppendOptions,
    ) -> Result<Appended, AppendError> {
        let mut batch = self.batch();
        let appended = batch.append(record)?;
        batch.kick();
        Ok(appended)
    }

    /// A batch of appends that are published together. It may be kept and used again.
    pub fn batch(&self) -> Batch {
        Batch::new(Arc::clone(&self.shared))
    }

    /// How far the log has come.
    pub fn watermarks(&self) -> &Watermarks {
        self.shared.log.watermarks()
    }

    /// Counters since the store was opened.
    pub fn stats(&self) -> StoreStats {
        self.shared.log.stats()
    }

    /// Times and sizes of appends, flushes and dispatch since the store was opened.
    pub fn histograms(&self) -> StoreHistograms {
        self.shared.log.counters().histograms.snapshot()
    }

    /// The options that it was opened with.
    pub fn options(&self) -> &StoreOptions {
        &self.shared.options
    }

    /// Why the store no longer takes messages, if it does not.
    pub fn failure(&self) -> Option<Arc<str>> {
        self.shared.log.failure().cloned()
    }

    /// How full store and disk are.
    pub fn usage(&self) -> Usage {
        let space = self.shared.disk.space().ok();
        Usage {
            min_position: self.shared.log.min_position(),
            max_position: self.watermarks().appended(),
            disk_ratio: space.map_or(0.0, |space| space.used_ratio()),
            available_bytes: space.map_or(0, |space| space.available_bytes),
            stage: self.disk_stage(),
        }
    }

    /// The path of the data directory, for messages.
    pub fn directory(&self) -> String {
        self.shared.disk.display("")
    }
}

/// Opens a store on a directory of the operating system.
pub(crate) fn real_disk(dir: &Path) -> std::io::Result<Arc<dyn Disk>> {
    Ok(Arc::new(crate::disk::RealDisk::new(dir)?))
}
