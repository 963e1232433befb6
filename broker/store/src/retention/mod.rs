//! What may be removed from a log and when, and how full a disk may be: the user's policy and the
//! decisions that follow from it. Pure: it is given the time, the space and the oldest file, and
//! touches nothing. It promises that without a policy nothing is ever due.

mod stage;

pub use stage::DiskStage;

use crate::sync::Duration;

/// Which messages a store keeps, and what it does as its disk fills up. Whole log files are
/// removed, oldest first; consume queues and key index follow. Never removed are the file that is
/// appended to, what is not yet dispatched, flushed and covered by a snapshot, and what a
/// [`Hold`] names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// A file has expired when its newest message is older than this; it is removed when
    /// [`Store::remove_expired`](crate::Store::remove_expired) is called, or by itself once the
    /// disk is filled to `clean_percent`. `None` (the default) keeps messages of any age.
    pub max_age: Option<Duration>,
    /// Most bytes of log files; beyond it the oldest are removed whatever their age, at once.
    /// `None` (the default) sets no limit. The file that is appended to and the one made ahead of
    /// its use count and are never removed.
    pub max_log_bytes: Option<u64>,
    /// Used part of the disk, in percent, from which expired files are removed by themselves.
    /// Default 75.
    pub clean_percent: u8,
    /// Used part of the disk from which, with `remove_unexpired`, files are removed that have not
    /// expired. Default 85.
    pub pressed_percent: u8,
    /// Whether messages may be lost before their time to keep the broker writable. Default false:
    /// a full disk refuses new messages and keeps the old.
    pub remove_unexpired: bool,
    /// Used part of the disk from which appends are refused. `None` (the default) refuses them
    /// when less is left than one log file, or 5 % of the disk where that is less.
    pub full_percent: Option<u8>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            max_age: None,
            max_log_bytes: None,
            clean_percent: 75,
            pressed_percent: 85,
            remove_unexpired: false,
            full_percent: None,
        }
    }
}

/// Something outside of the store that still needs a record: nothing at or behind its position is
/// removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Log position of the oldest record that is needed.
    pub position: u64,
    /// What needs it, for the log: "a delayed message that is not yet delivered".
    pub why: String,
}

/// Why a file was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cause {
    #[error("it expired: its newest message is {age_s} s old, kept are {kept_s} s")]
    Expired { age_s: u64, kept_s: u64 },
    #[error("the log has {bytes} bytes, kept are {limit_bytes}")]
    Size { bytes: u64, limit_bytes: u64 },
    #[error(
        "the disk is {used_percent} % full and messages may be removed before their time from {limit_percent} % on"
    )]
    Pressure { used_percent: u8, limit_percent: u8 },
    #[error("the caller asked for it")]
    Asked,
}

/// The oldest file and the log around it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Oldest {
    /// Bytes of all log files.
    pub(crate) log_bytes: u64,
    /// When the first message behind the file was stored, ms; every message in it is at least as
    /// old. `None` when that is not known: then it has no age.
    pub(crate) older_than_ms: Option<i64>,
}

/// What a round of removal knows of its surroundings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) now_ms: i64,
    pub(crate) stage: DiskStage,
    pub(crate) used_percent: u8,
    /// Expired files are to go whatever the stage.
    pub(crate) remove_expired: bool,
    /// A file may go before its time, if the policy allows it at all.
    pub(crate) may_force: bool,
}

impl Retention {
    /// Why the oldest file is due for removal, if it is.
    pub(crate) fn cause(&self, oldest: &Oldest, round: &Round) -> Option<Cause> {
        if let Some(limit_bytes) = self.max_log_bytes
            && oldest.log_bytes > limit_bytes
        {
            return Some(Cause::Size {
                bytes: oldest.log_bytes,
                limit_bytes,
            });
        }
        let looks_at_age = round.remove_expired || round.stage >= DiskStage::Filling;
        if let (true, Some(max_age), Some(stored_ms)) =
            (looks_at_age, self.max_age, oldest.older_than_ms)
        {
            // A clock that went back makes nothing older.
            let age_ms = u64::try_from(round.now_ms.saturating_sub(stored_ms)).unwrap_or(0);
            if u128::from(age_ms) >= max_age.as_millis() {
                return Some(Cause::Expired {
                    age_s: age_ms / 1000,
                    kept_s: max_age.as_secs(),
                });
            }
        }
        (self.remove_unexpired && round.may_force && round.stage >= DiskStage::Pressed).then_some(
            Cause::Pressure {
                used_percent: round.used_percent,
                limit_percent: self.pressed_percent,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const OLD: Oldest = Oldest {
        log_bytes: 100,
        older_than_ms: Some(HOUR_MS),
    };

    fn round(stage: DiskStage) -> Round {
        Round {
            now_ms: 4 * HOUR_MS,
            stage,
            used_percent: 88,
            remove_expired: true,
            may_force: true,
        }
    }

    fn hours(hours: u64) -> Retention {
        Retention {
            max_age: Some(Duration::from_secs(hours * 3600)),
            ..Retention::default()
        }
    }

    #[test]
    fn without_a_policy_nothing_is_due_on_the_fullest_disk() {
        assert_eq!(
            Retention::default().cause(&OLD, &round(DiskStage::Full)),
            None
        );
    }

    #[test]
    fn a_file_is_due_by_age_at_the_set_time_or_on_a_filling_disk() {
        let due = |hours_kept, remove_expired, stage| {
            let round = Round {
                remove_expired,
                ..round(stage)
            };
            hours(hours_kept).cause(&OLD, &round).is_some()
        };
        assert!(due(3, true, DiskStage::Roomy));
        assert!(!due(4, true, DiskStage::Roomy));
        assert!(!due(3, false, DiskStage::Roomy));
        assert!(due(3, false, DiskStage::Filling));
        assert!(!due(4, false, DiskStage::Full), "unexpired data is kept");
    }

    #[test]
    fn a_clock_that_went_back_expires_nothing() {
        let mut round = round(DiskStage::Full);
        round.now_ms = 0;
        assert_eq!(hours(1).cause(&OLD, &round), None);
        let unknown = Oldest {
            older_than_ms: None,
            ..OLD
        };
        round.now_ms = i64::MAX;
        assert_eq!(hours(1).cause(&unknown, &round), None);
    }

    #[test]
    fn a_log_is_cut_to_its_size_whatever_the_age_and_the_disk() {
        let policy = Retention {
            max_log_bytes: Some(99),
            ..Retention::default()
        };
        assert!(matches!(
            policy.cause(&OLD, &round(DiskStage::Roomy)),
            Some(Cause::Size { .. })
        ));
        let fits = Retention {
            max_log_bytes: Some(100),
            ..Retention::default()
        };
        assert_eq!(fits.cause(&OLD, &round(DiskStage::Full)), None);
    }

    #[test]
    fn unexpired_files_go_under_pressure_only_by_choice_and_in_steps() {
        let mut policy = hours(72);
        policy.remove_unexpired = true;
        assert_eq!(policy.cause(&OLD, &round(DiskStage::Filling)), None);
        assert!(matches!(
            policy.cause(&OLD, &round(DiskStage::Pressed)),
            Some(Cause::Pressure { .. })
        ));
        let mut waiting = round(DiskStage::Full);
        waiting.may_force = false;
        assert_eq!(policy.cause(&OLD, &waiting), None);
    }
}
