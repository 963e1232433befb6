//! Everything a store can be told when it is opened, with defaults that suit a broker. It
//! promises that a value out of range is an error that names the option, and owns nothing else.

use crate::error::OpenError;
use crate::retention::Retention;
use crate::sync::Duration;

/// When an append counts as durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FlushMode {
    /// After an `fdatasync` that covers it, shared by all appends that waited (group commit).
    #[default]
    Sync,
    /// As soon as it lies in the mapped file; a lost machine loses what the last interval wrote.
    Async,
}

/// How appending threads wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// Spin with back-off, then yield. Best when the lock is held for a copy only.
    Spin,
    /// Park the waiting thread. RocketMQ's name for it; nothing depends on re-entering.
    Reentrant,
}

/// Options of a store. Build from [`StoreOptions::default`] and change what differs.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Size of each commit-log file in bytes, 64 KiB to 4 GiB and a multiple of 4 KiB. An existing
    /// directory must be opened with the size it was written with. Default 1 GiB.
    pub commit_log_file_bytes: u64,
    /// Units of 20 bytes in each consume-queue file. Default 300,000.
    pub queue_file_units: u64,
    /// Slots of each index file. Default 5,000,000.
    pub index_slots: u32,
    /// Entries of each index file. Default 20,000,000.
    pub index_entries: u32,
    /// When an append is durable. Default [`FlushMode::Sync`].
    pub flush: FlushMode,
    /// How appenders wait. `None` takes what suits the flush mode: spinning for async, parking
    /// for sync.
    pub append_lock: Option<LockKind>,
    /// Greatest size of a whole record in bytes. Default 4 MiB + 64 KiB (a 4 MiB body, its topic
    /// and properties).
    pub max_message_bytes: u32,
    /// Longest time between two flushes in async mode. Default 500 ms.
    pub flush_interval: Duration,
    /// Longest time that an append waits for the next log file to be allocated. Default 3 s.
    pub next_file_wait: Duration,
    /// How far behind the log's end a record is still read through the map; older ones are read
    /// by `pread`, so that a cold page cannot stall the caller unseen. Default 1 GiB.
    pub mapped_window_bytes: u64,
    /// Whether, in sync mode, the next log file is written with zeros and synced ahead of its use, in
    /// step with the use of the current one, which makes each later `fdatasync` and page fault cheaper. Default true.
    pub populate_next_file: bool,
    /// Longest time between two snapshots of the queues and checkpoints. Default 10 s.
    pub checkpoint_interval: Duration,
    /// Topic whose queue units carry a delivery time in the place of a tags code.
    pub schedule_topic: String,
    /// Delay of each level in ms; queue `n` of the schedule topic is level `n + 1`.
    pub schedule_levels_ms: Vec<i64>,
    /// Whether records are indexed by key. Default true.
    pub index_enabled: bool,
    /// What is removed and when, and how full the disk may be. Default: nothing is removed.
    pub retention: Retention,
}

/// 1 s 5 s 10 s 30 s 1 m 2 m 3 m 4 m 5 m 6 m 7 m 8 m 9 m 10 m 20 m 30 m 1 h 2 h.
const DEFAULT_LEVELS_S: [i64; 18] = [
    1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200,
];

const MIN_FILE_BYTES: u64 = 64 << 10;
const MAX_FILE_BYTES: u64 = 4 << 30;
const FILE_BYTES_STEP: u64 = 4096;

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            commit_log_file_bytes: 1 << 30,
            queue_file_units: 300_000,
            index_slots: 5_000_000,
            index_entries: 20_000_000,
            flush: FlushMode::default(),
            append_lock: None,
            max_message_bytes: (4 << 20) + (64 << 10),
            flush_interval: Duration::from_millis(500),
            next_file_wait: Duration::from_secs(3),
            mapped_window_bytes: 1 << 30,
            populate_next_file: true,
            checkpoint_interval: Duration::from_secs(10),
            schedule_topic: "SCHEDULE_TOPIC_XXXX".to_owned(),
            schedule_levels_ms: DEFAULT_LEVELS_S.iter().map(|s| s * 1000).collect(),
            index_enabled: true,
            retention: Retention::default(),
        }
    }
}

impl StoreOptions {
    /// The lock in effect.
    pub fn lock_kind(&self) -> LockKind {
        self.append_lock.unwrap_or(match self.flush {
            FlushMode::Sync => LockKind::Reentrant,
            FlushMode::Async => LockKind::Spin,
        })
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// [`OpenError::Option`] naming the first option that is out of range.
    pub fn check(&self) -> Result<(), OpenError> {
        let fail = |option: &'static str, value: u64, allowed: &'static str| {
            Err(OpenError::Option {
                option,
                value,
                allowed,
            })
        };
        let file = self.commit_log_file_bytes;
        if !(MIN_FILE_BYTES..=MAX_FILE_BYTES).contains(&file)
            || !file.is_multiple_of(FILE_BYTES_STEP)
        {
            return fail(
                "commit_log_file_bytes",
                file,
                "64 KiB to 4 GiB, a multiple of 4096",
            );
        }
        if !(1..=100_000_000).contains(&self.queue_file_units) {
            return fail(
                "queue_file_units",
                self.queue_file_units,
                "1 to 100,000,000",
            );
        }
        if self.index_slots == 0 {
            return fail("index_slots", 0, "1 or more");
        }
        if self.index_entries < 2 {
            return fail("index_entries", u64::from(self.index_entries), "2 or more");
        }
        if self.max_message_bytes < 1024 {
            return fail(
                "max_message_bytes",
                u64::from(self.max_message_bytes),
                "1024 or more",
            );
        }
        Ok(())
    }
}
