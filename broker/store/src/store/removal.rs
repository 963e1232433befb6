//! Removing old log files, and watching the disk. It owns the retention policy at work and the
//! disk's present stage; it promises that a file goes only when the policy, the log, the
//! dispatcher, the newest snapshot and every [`Hold`] agree, and that each removal, each file that
//! is due but held, and each change of stage is told in one line.

use std::fmt;
use std::io;

use mainstem_record::RecordView;

use super::{Shared, Store};
use crate::commit_log::LogFile;
use crate::error::AppendError;
use crate::log_reader::LogReader;
use crate::retention::{Cause, DiskStage, Hold, Oldest, Retention, Round};
use crate::sync::{
    AtomicBool, AtomicU8, Duration, Instant, Mutex, OnceLock, Ordering, RwLock, now_ms,
};

/// Most files removed in one round; the next round is a moment later.
const MAX_FILES_PER_ROUND: usize = 10;
/// How long the space of a file that was removed before its time is waited for before the next
/// one goes: readers may still hold it.
const FORCE_PATIENCE: Duration = Duration::from_secs(10);

type Holds = Box<dyn Fn() -> Vec<Hold> + Send + Sync>;

/// The policy, the stage, and what removal remembers between rounds.
pub(super) struct Removal {
    policy: RwLock<Retention>,
    stage: AtomicU8,
    /// Whether the stage refuses appends.
    refuses: AtomicBool,
    used_percent: AtomicU8,
    holds: OnceLock<Holds>,
    /// Held by whoever removes files.
    rounds: Mutex<Rounds>,
}

#[derive(Debug, Default)]
struct Rounds {
    /// Which file is due but held was told, by its position.
    told_held: Option<u64>,
    /// Removal fails and that was told.
    told_failure: bool,
    /// When a file was last removed before its time, and the space there was then.
    forced: Option<(Instant, u64)>,
}

/// Why a file that is due stays.
enum Held {
    /// The store itself needs it for another moment.
    Briefly(&'static str),
    /// Somebody outside needs it.
    By(String),
}

impl Removal {
    pub(super) fn new(policy: Retention) -> Self {
        Self {
            policy: RwLock::new(policy),
            stage: AtomicU8::new(0),
            refuses: AtomicBool::new(false),
            used_percent: AtomicU8::new(0),
            holds: OnceLock::new(),
            rounds: Mutex::default(),
        }
    }

    fn stage(&self) -> DiskStage {
        DiskStage::of(self.stage.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Removal")
            .field("policy", &self.policy)
            .field("stage", &self.stage())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Removes log files that have expired, oldest first, at most ten; whoever runs a store calls
    /// it at the hours that suit, until it returns 0. Returns how many.
    ///
    /// # Errors
    /// When the disk refuses; what was removed until then stays removed.
    pub fn remove_expired(&self) -> io::Result<usize> {
        self.shared.remove_due(true)
    }

    /// Removes the oldest log files as long as all of one lies below `position`, whatever the
    /// policy. Returns how many. Readers keep what they hold.
    ///
    /// # Errors
    /// When the disk refuses; files removed until then stay removed.
    pub fn remove_files_below(&self, position: u64) -> io::Result<usize> {
        self.shared.remove_below(position)
    }

    /// Changes what is removed and when; takes effect at once.
    pub fn set_retention(&self, policy: Retention) {
        *self.shared.removal.policy.write() = policy;
        self.shared.look_at_disk();
        self.shared.background.wake();
    }

    /// What is removed and when.
    pub fn retention(&self) -> Retention {
        self.shared.removal.policy.read().clone()
    }

    /// Sets what is asked before a file is removed: records that something outside of the store
    /// still needs. Called seldom, never under a lock that appends take; it may read the store.
    /// Only the first call counts; `false` for later ones.
    pub fn on_removal(&self, holds: Box<dyn Fn() -> Vec<Hold> + Send + Sync>) -> bool {
        self.shared.removal.holds.set(holds).is_ok()
    }

    /// How full the disk is, in words: looked at twice a second.
    pub fn disk_stage(&self) -> DiskStage {
        if self.shared.log.is_out_of_files() {
            return DiskStage::Full;
        }
        self.shared.removal.stage()
    }
}

impl Shared {
    /// Refuses an append while the disk is filled to its limit.
    #[inline]
    pub(super) fn admit(&self) -> Result<(), AppendError> {
        if self.removal.refuses.load(Ordering::Relaxed) {
            return Err(self.over_limit());
        }
        Ok(())
    }

    #[cold]
    fn over_limit(&self) -> AppendError {
        AppendError::DiskOverLimit {
            used_percent: self.removal.used_percent.load(Ordering::Relaxed),
            available_bytes: self.disk.space().map_or(0, |space| space.available_bytes),
        }
    }

    /// Looks how full the disk is; one line when its stage changes.
    pub(super) fn look_at_disk(&self) {
        // A disk that does not answer is told of by those who write to it.
        let Ok(space) = self.disk.space() else { return };
        let removal = &self.removal;
        let policy = removal.policy.read();
        let file_bytes = self.options.commit_log_file_bytes;
        let now = removal.stage();
        let stage = policy.stage(&space, file_bytes, now);
        let used_percent = space.used_percent();
        removal.used_percent.store(used_percent, Ordering::Relaxed);
        removal.stage.store(stage as u8, Ordering::Relaxed);
        removal
            .refuses
            .store(stage == DiskStage::Full, Ordering::Relaxed);
        if stage == now {
            return;
        }
        let available_bytes = space.available_bytes;
        match stage {
            DiskStage::Roomy => {
                tracing::info!(used_percent, available_bytes, %stage, from = %now, "the disk has room again");
            }
            DiskStage::Filling => {
                tracing::warn!(used_percent, available_bytes, %stage, from = %now, "the disk fills up: expired messages are removed at any hour");
            }
            DiskStage::Pressed if policy.remove_unexpired => {
                tracing::warn!(used_percent, available_bytes, %stage, from = %now, "the disk is nearly full: the oldest messages are removed before their time, as configured");
            }
            DiskStage::Pressed => {
                tracing::warn!(used_percent, available_bytes, %stage, from = %now, "the disk is nearly full: messages will be refused when it is; unexpired ones are kept");
            }
            DiskStage::Full => {
                tracing::error!(used_percent, available_bytes, %stage, from = %now, "the disk is full: messages are refused until space returns, reads go on");
            }
        }
    }

    /// One round of watching: the disk's stage, then the files that are due without being asked for.
    pub(super) fn tend_disk(&self) {
        self.look_at_disk();
        // The error was told, once.
        let _ = self.remove_due(false);
    }

    fn remove_due(&self, remove_expired: bool) -> io::Result<usize> {
        let rounds = &mut *self.removal.rounds.lock();
        let policy = self.removal.policy.read().clone();
        let mut stage = self.removal.stage();
        if self.log.is_out_of_files() {
            stage = DiskStage::Full;
        }
        let mut removed = 0;
        let mut outcome = Ok(());
        while removed < MAX_FILES_PER_ROUND {
            let (Some(file), log_bytes) = self.log.oldest_removable() else {
                break;
            };
            let by_age =
                policy.max_age.is_some() && (remove_expired || stage >= DiskStage::Filling);
            let oldest = Oldest {
                log_bytes,
                older_than_ms: by_age.then(|| self.stored_from(file.end())).flatten(),
            };
            let round = Round {
                now_ms: now_ms(),
                stage,
                used_percent: self.removal.used_percent.load(Ordering::Relaxed),
                remove_expired,
                may_force: removed == 0 && self.may_force(rounds),
            };
            let Some(cause) = policy.cause(&oldest, &round) else {
                break;
            };
            if let Some(hold) = self.held(file.end()) {
                rounds.tell_held(&file, &cause, &hold);
                break;
            }
            if matches!(cause, Cause::Pressure { .. }) {
                let available = self.disk.space().map_or(0, |space| space.available_bytes);
                rounds.forced = Some((Instant::now(), available));
            }
            outcome = self.remove(&file, &cause);
            if outcome.is_err() {
                break;
            }
            removed += 1;
        }
        self.follow(rounds, removed, outcome)
    }

    fn remove_below(&self, position: u64) -> io::Result<usize> {
        let rounds = &mut *self.removal.rounds.lock();
        let mut removed = 0;
        let mut outcome = Ok(());
        while let (Some(file), _) = self.log.oldest_removable() {
            if file.end() > position || self.held(file.end()).is_some() {
                break;
            }
            outcome = self.remove(&file, &Cause::Asked);
            if outcome.is_err() {
                break;
            }
            removed += 1;
        }
        self.follow(rounds, removed, outcome)
    }

    /// After a round: queues and index follow, and a failure is told when it is new.
    fn follow(
        &self,
        rounds: &mut Rounds,
        removed: usize,
        outcome: io::Result<()>,
    ) -> io::Result<usize> {
        let outcome = if removed > 0 {
            outcome.and(self.derived.expire(self.log.min_position()))
        } else {
            outcome
        };
        match &outcome {
            Err(error) if !rounds.told_failure => {
                tracing::error!(%error, "old files cannot be removed; it is tried again");
                rounds.told_failure = true;
            }
            Ok(()) if removed > 0 => rounds.told_failure = false,
            _ => {}
        }
        outcome.map(|()| removed)
    }

    fn remove(&self, file: &LogFile, cause: &Cause) -> io::Result<()> {
        self.log.remove_oldest(file)?;
        tracing::info!(file = file.path(), from = file.base(), to = file.end(), %cause, "log file removed");
        Ok(())
    }

    /// What still needs something below `end`.
    fn held(&self, end: u64) -> Option<Held> {
        if self.dispatching.position() < end {
            return Some(Held::Briefly("its messages are not in their queues yet"));
        }
        if self.derived.snapshot_position() < end {
            return Some(Held::Briefly("no snapshot of the queues covers it yet"));
        }
        let holds = self.removal.holds.get()?();
        holds
            .into_iter()
            .find(|hold| hold.position < end)
            .map(|hold| Held::By(hold.why))
    }

    /// When the first message at or behind the end of a file was stored.
    fn stored_from(&self, end: u64) -> Option<i64> {
        let record = self.log.record_at(end).ok().flatten()?;
        let view = RecordView::parse(&record).ok()?;
        Some(view.store_timestamp_ms())
    }

    /// Whether the space of the last file that went before its time has come back, or was waited
    /// for long enough: else a reader's lease, or another program that fills the disk, would cost
    /// the whole log in a moment.
    fn may_force(&self, rounds: &Rounds) -> bool {
        let Some((at, available_then)) = rounds.forced else {
            return true;
        };
        let available = self.disk.space().map_or(0, |space| space.available_bytes);
        let came_back =
            available >= available_then.saturating_add(self.options.commit_log_file_bytes / 2);
        came_back || at.elapsed() >= FORCE_PATIENCE
    }
}

impl Rounds {
    fn tell_held(&mut self, file: &LogFile, cause: &Cause, held: &Held) {
        match held {
            Held::Briefly(why) => {
                tracing::debug!(file = file.path(), %cause, why, "log file is due for removal, but not yet");
            }
            Held::By(_) if self.told_held == Some(file.base()) => {}
            Held::By(why) => {
                self.told_held = Some(file.base());
                tracing::warn!(file = file.path(), %cause, held_by = why, "log file is due for removal but still needed; it goes when it is not");
            }
        }
    }
}
