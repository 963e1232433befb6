//! How far the log has come, in the four senses that matter, as positions (byte after the last
//! record). It promises `readable <= appended`, computes `readable` in this one place, and may
//! not wake anyone: whoever moves a mark tells those who wait.

use crate::options::FlushMode;
use crate::sync::{AtomicU64, CachePadded, Ordering};

/// Value of the confirmed mark while nobody replicates.
const UNREPLICATED: u64 = u64::MAX;

/// The marks of one log. Each only grows, but for a cut above `readable`.
#[derive(Debug)]
pub struct Watermarks {
    appended: CachePadded<AtomicU64>,
    flushed: CachePadded<AtomicU64>,
    confirmed: CachePadded<AtomicU64>,
    flush: FlushMode,
}

impl Watermarks {
    pub(crate) fn new(flush: FlushMode, end: u64) -> Self {
        Self {
            appended: CachePadded::new(AtomicU64::new(end)),
            flushed: CachePadded::new(AtomicU64::new(end)),
            confirmed: CachePadded::new(AtomicU64::new(UNREPLICATED)),
            flush,
        }
    }

    /// End of the last record that lies whole in the log's memory.
    pub fn appended(&self) -> u64 {
        self.appended.load(Ordering::Acquire)
    }

    /// End of the prefix that is on the device.
    pub fn flushed(&self) -> u64 {
        self.flushed.load(Ordering::Acquire)
    }

    /// End of the prefix that replicas confirmed; the appended end while there are none.
    pub fn confirmed(&self) -> u64 {
        match self.confirmed.load(Ordering::Acquire) {
            UNREPLICATED => self.appended(),
            position => position,
        }
    }

    /// End of the prefix that an acknowledgement may stand for under the flush mode: flushed in
    /// sync mode, appended in async mode. A send is durable when this is at or past its
    /// `durable_at`.
    pub fn durable(&self) -> u64 {
        match self.flush {
            FlushMode::Sync => self.flushed(),
            FlushMode::Async => self.appended(),
        }
    }

    /// End of the prefix that readers, queues, index and long polls may see.
    pub fn readable(&self) -> u64 {
        self.durable().min(self.confirmed.load(Ordering::Acquire))
    }

    /// The flush mode that these marks follow.
    pub fn flush_mode(&self) -> FlushMode {
        self.flush
    }

    /// Publishes bytes up to `position`. Only under the append lock, after the copy.
    pub(crate) fn set_appended(&self, position: u64) {
        debug_assert!(
            position >= self.appended.load(Ordering::Relaxed),
            "the appended mark never goes back"
        );
        self.appended.store(position, Ordering::Release);
    }

    /// Publishes a finished flush. Only by the flusher.
    pub(crate) fn set_flushed(&self, position: u64) {
        debug_assert!(
            position >= self.flushed.load(Ordering::Relaxed),
            "the flushed mark never goes back"
        );
        debug_assert!(
            position <= self.appended(),
            "nothing is flushed before it is appended"
        );
        self.flushed.store(position, Ordering::Release);
    }
}
