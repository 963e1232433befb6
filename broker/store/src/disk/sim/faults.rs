//! The switches by which a test makes the simulated disk misbehave: failing writes, failing or slow syncs, a full
//! disk, a power cut after a number of operations. They promise to do nothing until set.

use std::collections::BTreeSet;
use std::io;

use crate::sync::plain::{AtomicBool, AtomicU64, Mutex};
use crate::sync::{Duration, Ordering, sleep};

const NEVER: u64 = u64::MAX;

/// What an injected failure of a sync does to the pages that were to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncFailure {
    /// They stay dirty; a later sync would write them.
    KeepsDirty,
    /// They count as clean though the device never got them, as Linux does.
    DropsDirty,
    /// They count as clean, and the device has garbage in their place.
    CorruptsDirty,
}

/// Fault switches of one [`SimDisk`](super::SimDisk). All may be set while a store runs.
#[derive(Debug)]
pub struct Faults {
    operations: AtomicU64,
    cut_after: AtomicU64,
    syncs: AtomicU64,
    fail_sync_at: AtomicU64,
    sync_failure: Mutex<SyncFailure>,
    writes: AtomicU64,
    fail_write_at: AtomicU64,
    written_of_failed: AtomicU64,
    capacity_bytes: AtomicU64,
    sync_delay_us: AtomicU64,
    no_allocation: AtomicBool,
    copies_on_write: AtomicBool,
    syncs_do_nothing: AtomicBool,
    directory_syncs_do_nothing: AtomicBool,
    /// Beginnings of paths that refuse every change, and that have no space for anything.
    refused: Mutex<BTreeSet<String>>,
    full: Mutex<BTreeSet<String>>,
    nothing_cached: AtomicBool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            operations: AtomicU64::new(0),
            cut_after: AtomicU64::new(NEVER),
            syncs: AtomicU64::new(0),
            fail_sync_at: AtomicU64::new(NEVER),
            sync_failure: Mutex::new(SyncFailure::KeepsDirty),
            writes: AtomicU64::new(0),
            fail_write_at: AtomicU64::new(NEVER),
            written_of_failed: AtomicU64::new(0),
            capacity_bytes: AtomicU64::new(1 << 50),
            sync_delay_us: AtomicU64::new(0),
            no_allocation: AtomicBool::new(false),
            copies_on_write: AtomicBool::new(false),
            syncs_do_nothing: AtomicBool::new(false),
            directory_syncs_do_nothing: AtomicBool::new(false),
            refused: Mutex::default(),
            full: Mutex::default(),
            nothing_cached: AtomicBool::new(false),
        }
    }
}

impl Faults {
    /// Operations (everything that changes or syncs, and opens) so far.
    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::SeqCst)
    }

    /// Cuts the power after `operations` more operations: each later one fails.
    pub fn cut_power_after(&self, operations: u64) {
        self.cut_after.store(
            self.operations().saturating_add(operations),
            Ordering::SeqCst,
        );
    }

    /// Whether reads that may not wait for the device find nothing.
    pub fn set_nothing_cached(&self, nothing: bool) {
        self.nothing_cached.store(nothing, Ordering::SeqCst);
    }

    pub(super) fn nothing_cached(&self) -> bool {
        self.nothing_cached.load(Ordering::SeqCst)
    }

    /// Takes back a cut and a failure of a sync or write that have not struck yet.
    pub fn spare(&self) {
        self.cut_after.store(NEVER, Ordering::SeqCst);
        self.fail_sync_at.store(NEVER, Ordering::SeqCst);
        self.fail_write_at.store(NEVER, Ordering::SeqCst);
    }

    /// Data syncs so far.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::SeqCst)
    }

    /// Makes the data sync that follows the next `skip` ones fail, once.
    pub fn fail_sync_after(&self, skip: u64, failure: SyncFailure) {
        *self.sync_failure.lock() = failure;
        self.fail_sync_at
            .store(self.syncs().saturating_add(skip), Ordering::SeqCst);
    }

    /// Makes the write that follows the next `skip` ones fail, once, after its first `written` bytes.
    pub fn fail_write_after(&self, skip: u64, written: u64) {
        self.written_of_failed.store(written, Ordering::SeqCst);
        let writes = self.writes.load(Ordering::SeqCst);
        self.fail_write_at
            .store(writes.saturating_add(skip), Ordering::SeqCst);
    }

    /// Counts one write; how much of it is done when it is the one to fail.
    pub(super) fn written_of_failed(&self) -> Option<u64> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        (number == self.fail_write_at.load(Ordering::SeqCst))
            .then(|| self.written_of_failed.load(Ordering::SeqCst))
    }

    /// Sets the size of the disk; writes and allocations past it fail with `StorageFull`.
    pub fn set_capacity_bytes(&self, bytes: u64) {
        self.capacity_bytes.store(bytes, Ordering::SeqCst);
    }

    /// Makes every sync take this long.
    pub fn set_sync_delay(&self, delay: Duration) {
        self.sync_delay_us.store(
            u64::try_from(delay.as_micros()).unwrap_or(NEVER),
            Ordering::SeqCst,
        );
    }

    /// Makes allocation ahead unsupported, as on a file system without `fallocate`.
    pub fn set_no_allocation(&self, on: bool) {
        self.no_allocation.store(on, Ordering::SeqCst);
    }

    /// Makes the disk say that it copies on write.
    pub fn set_copies_on_write(&self, on: bool) {
        self.copies_on_write.store(on, Ordering::SeqCst);
    }

    /// Breaks the device: syncs report success and write nothing. For tests of the tests.
    pub fn set_syncs_do_nothing(&self, on: bool) {
        self.syncs_do_nothing.store(on, Ordering::SeqCst);
    }

    /// Breaks directory syncs only. For tests of the tests.
    pub fn set_directory_syncs_do_nothing(&self, on: bool) {
        self.directory_syncs_do_nothing.store(on, Ordering::SeqCst);
    }

    /// Makes every change of names that begin so fail, as a failing device does, or ends that.
    pub fn refuse(&self, beginning: &str, on: bool) {
        switch(&self.refused, beginning, on);
    }

    /// Makes everything that needs space below names that begin so fail with `StorageFull`, whatever
    /// the capacity, or ends that: creations, longer files, and writes.
    pub fn fill(&self, beginning: &str, on: bool) {
        switch(&self.full, beginning, on);
    }

    /// Fails when a change of that name is refused.
    pub(super) fn change(&self, path: &str) -> io::Result<()> {
        if matches(&self.refused, path) {
            return Err(io::Error::other(format!(
                "the simulated device refuses {path}"
            )));
        }
        Ok(())
    }

    /// Fails when that name can have no space.
    pub(super) fn give_space(&self, path: &str) -> io::Result<()> {
        if matches(&self.full, path) {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!("the simulated disk is full for {path}"),
            ));
        }
        Ok(())
    }

    pub(super) fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes.load(Ordering::SeqCst)
    }

    pub(super) fn copies_on_write(&self) -> bool {
        self.copies_on_write.load(Ordering::SeqCst)
    }

    pub(super) fn no_allocation(&self) -> bool {
        self.no_allocation.load(Ordering::SeqCst)
    }

    pub(super) fn directory_syncs_do_nothing(&self) -> bool {
        self.directory_syncs_do_nothing.load(Ordering::SeqCst)
    }

    /// Counts one operation; fails when the power is gone.
    pub(super) fn step(&self) -> io::Result<()> {
        let number = self.operations.fetch_add(1, Ordering::SeqCst);
        if number >= self.cut_after.load(Ordering::SeqCst) {
            return Err(io::Error::other("the simulated power is gone"));
        }
        Ok(())
    }

    /// Delays one sync. `Ok(false)` means that nothing is to be written. For a data sync this is
    /// also where the injected failure strikes, with what becomes of dirty pages.
    pub(super) fn sync(&self, of_directory: bool) -> Result<bool, SyncError> {
        let delay_us = self.sync_delay_us.load(Ordering::SeqCst);
        if delay_us > 0 {
            sleep(Duration::from_micros(delay_us));
        }
        if of_directory {
            return Ok(true);
        }
        let number = self.syncs.fetch_add(1, Ordering::SeqCst);
        if number == self.fail_sync_at.load(Ordering::SeqCst) {
            return Err(SyncError {
                failure: *self.sync_failure.lock(),
            });
        }
        Ok(!self.syncs_do_nothing.load(Ordering::SeqCst))
    }

    /// Fails when `used` and `more` bytes do not fit.
    pub(super) fn take_space(&self, used: u64, more: u64) -> io::Result<()> {
        if used.saturating_add(more) > self.capacity_bytes() {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "the simulated disk is full",
            ));
        }
        Ok(())
    }
}

fn switch(set: &Mutex<BTreeSet<String>>, beginning: &str, on: bool) {
    let mut set = set.lock();
    if on {
        set.insert(beginning.to_owned());
    } else {
        set.remove(beginning);
    }
}

fn matches(set: &Mutex<BTreeSet<String>>, path: &str) -> bool {
    set.lock()
        .iter()
        .any(|beginning| path.starts_with(beginning.as_str()))
}

/// An injected failure of a sync.
#[derive(Debug)]
pub(super) struct SyncError {
    pub(super) failure: SyncFailure,
}

impl From<SyncError> for io::Error {
    fn from(_: SyncError) -> Self {
        io::Error::other("injected failure of fdatasync")
    }
}
