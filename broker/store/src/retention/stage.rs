//! The stages of a filling disk. It promises that a stage is left only when some more space has
//! returned than brought it about, so that a disk at its limit is not told of with every message.

use std::fmt;

use super::Retention;
use crate::disk::Space;

/// How far a disk must fall below a limit before its stage is left, in percent of the disk.
const RETURN_PERCENT: u8 = 1;
/// Part of the disk that is kept free at most where no limit is set, in percent.
const RESERVE_PERCENT: u64 = 5;

/// How full the disk under a store is, and what the store does because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum DiskStage {
    /// There is room.
    #[default]
    Roomy = 0,
    /// At `clean_percent`: expired files are removed at any hour.
    Filling = 1,
    /// At `pressed_percent`: the oldest files are removed even before their time, where the user
    /// chose that.
    Pressed = 2,
    /// At `full_percent`: appends are refused, reads go on; appends resume by themselves.
    Full = 3,
}

impl DiskStage {
    /// From the number that stands for it.
    pub(crate) fn of(number: u8) -> Self {
        match number {
            0 => Self::Roomy,
            1 => Self::Filling,
            2 => Self::Pressed,
            _ => Self::Full,
        }
    }

    /// One lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Roomy => "roomy",
            Self::Filling => "filling",
            Self::Pressed => "pressed",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for DiskStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Retention {
    /// Bytes that are kept free where no limit in percent is set, so that queues, index, snapshot
    /// and journal can still be written.
    pub(crate) fn reserve_bytes(space: &Space, file_bytes: u64) -> u64 {
        file_bytes.min(space.total_bytes / 100 * RESERVE_PERCENT)
    }

    /// The stage of a disk that was in stage `now`.
    pub(crate) fn stage(&self, space: &Space, file_bytes: u64, now: DiskStage) -> DiskStage {
        let used = space.used_percent();
        let reached = |limit_percent: u8, stage: DiskStage| {
            let back = if now >= stage { RETURN_PERCENT } else { 0 };
            used >= limit_percent.saturating_sub(back)
        };
        let full = match self.full_percent {
            Some(limit_percent) => reached(limit_percent, DiskStage::Full),
            None => {
                let reserve = Self::reserve_bytes(space, file_bytes);
                let back = if now == DiskStage::Full {
                    reserve / 4
                } else {
                    0
                };
                space.available_bytes < reserve + back
            }
        };
        if full {
            DiskStage::Full
        } else if reached(self.pressed_percent, DiskStage::Pressed) {
            DiskStage::Pressed
        } else if reached(self.clean_percent, DiskStage::Filling) {
            DiskStage::Filling
        } else {
            DiskStage::Roomy
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(used: u64) -> Space {
        Space {
            total_bytes: 1000,
            free_bytes: 1000 - used,
            available_bytes: 1000 - used,
            copies_on_write: false,
        }
    }

    fn policy() -> Retention {
        Retention {
            full_percent: Some(90),
            ..Retention::default()
        }
    }

    #[test]
    fn a_filling_disk_goes_through_all_stages_and_comes_back_with_a_margin() {
        let mut stage = DiskStage::Roomy;
        let mut seen = Vec::new();
        for used in (700..=1000).chain((700..=1000).rev()) {
            let next = policy().stage(&space(used), 64, stage);
            if next != stage {
                seen.push((used, next));
                stage = next;
            }
        }
        use DiskStage::{Filling, Full, Pressed, Roomy};
        // Percents are rounded up, as people's tools do.
        assert_eq!(
            seen,
            [
                (741, Filling),
                (841, Pressed),
                (891, Full),
                (880, Pressed),
                (830, Filling),
                (730, Roomy)
            ]
        );
    }

    #[test]
    fn without_a_limit_a_log_files_room_is_kept_but_never_more_than_a_twentieth() {
        let policy = Retention::default();
        let full =
            |used, file_bytes, now| policy.stage(&space(used), file_bytes, now) == DiskStage::Full;
        assert!(!full(980, 20, DiskStage::Roomy));
        assert!(full(981, 20, DiskStage::Roomy));
        assert!(full(976, 20, DiskStage::Full), "some more must return");
        assert!(!full(975, 20, DiskStage::Full));
        assert!(!full(950, 1 << 30, DiskStage::Roomy));
        assert!(full(951, 1 << 30, DiskStage::Roomy));
    }

    #[test]
    fn a_disk_that_does_not_say_its_size_is_not_full() {
        let unknown = Space {
            total_bytes: 0,
            free_bytes: 0,
            available_bytes: 0,
            copies_on_write: false,
        };
        for now in [DiskStage::Roomy, DiskStage::Full] {
            assert_eq!(policy().stage(&unknown, 64, now), DiskStage::Roomy);
            assert_eq!(
                Retention::default().stage(&unknown, 64, now),
                DiskStage::Roomy
            );
        }
    }
}
