//! What the broker adds to the store's removal of old messages: the policy out of the settings, the hours, and the
//! messages that are still needed however old they are. It removes nothing itself.

use std::io;

use mainstem_common::config::{Settings, broker as key};
use mainstem_record::topic;
use mainstem_store::{Hold, Retention};

use crate::broker_core::BrokerCore;

/// Most rounds of removal in one go; each removes up to ten files.
const MAX_ROUNDS: usize = 100;

/// The store's policy that the settings give.
#[must_use]
pub fn retention(settings: &Settings) -> Retention {
    let percent = |value: u32| u8::try_from(value).unwrap_or(100);
    let max_log_bytes = settings.get(&key::MAX_COMMIT_LOG_BYTES);
    let full = percent(settings.get(&key::DISK_SPACE_WARNING_LEVEL_RATIO));
    Retention {
        max_age: Some(std::time::Duration::from_secs(
            settings.get(&key::FILE_RESERVED_TIME) * 3600,
        )),
        max_log_bytes: (max_log_bytes > 0).then_some(max_log_bytes),
        clean_percent: percent(settings.get(&key::DISK_MAX_USED_SPACE_RATIO)),
        pressed_percent: percent(settings.get(&key::DISK_SPACE_CLEAN_FORCIBLY_RATIO)),
        remove_unexpired: settings.get(&key::CLEAN_FILE_FORCIBLY_ENABLE),
        full_percent: (full > 0).then_some(full),
    }
}

/// The hours of the day in which expired messages are removed.
#[must_use]
pub fn delete_hours(settings: &Settings) -> Vec<u8> {
    settings
        .get(&key::DELETE_WHEN)
        .split(';')
        .filter_map(|hour| hour.trim().parse().ok())
        .collect()
}

impl BrokerCore {
    /// Takes over the settings after a change.
    pub(crate) fn apply_retention(&self) {
        let (policy, hours) = self
            .live
            .read(|settings| (retention(settings), delete_hours(settings)));
        *self.delete_hours.lock() = hours;
        if self.store.retention() != policy {
            self.store.set_retention(policy);
        }
    }

    /// Removes expired messages if this is one of the hours for it. It blocks.
    pub(crate) fn remove_expired_at_set_hours(&self) {
        let hour = (self.config.hour_of_day)();
        if self
            .delete_hours
            .lock()
            .iter()
            .any(|set| i8::try_from(*set) == Ok(hour))
        {
            // The store has told the error.
            let _ = self.remove_expired();
        }
    }

    /// Removes all expired messages; returns the number of files. It blocks.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove_expired(&self) -> io::Result<usize> {
        let mut removed = 0;
        for _ in 0..MAX_ROUNDS {
            match self.store.remove_expired()? {
                0 => break,
                files => removed += files,
            }
        }
        Ok(removed)
    }

    /// Delayed messages that are not delivered, or whose delivery is not saved: after a crash they are delivered again. A
    /// level delivers in the order of its queue, so its first such message is the oldest. A copy further back in the log
    /// would be due later than promised, so their files are kept instead, for the longest delay at most.
    pub(crate) fn needed_messages(&self) -> Vec<Hold> {
        let saved = self.saved_delay_progress.lock().clone();
        (1..=self.delay_progress.levels())
            .filter_map(|level| {
                let level = i32::try_from(level).ok()?;
                let queue_id = level - 1;
                let next = saved
                    .iter()
                    .find(|(saved, _)| *saved == level)
                    .map_or(0, |(_, offset)| *offset);
                let bounds = self.store.queue_bounds(topic::SCHEDULE, queue_id);
                let first = next.max(bounds.min);
                if first >= bounds.max {
                    return None;
                }
                let unit = self.store.queue_unit(topic::SCHEDULE, queue_id, first);
                Some(Hold {
                    // What cannot be looked up is not given up either.
                    position: unit.map_or(0, |unit| unit.physical_offset),
                    why: format!(
                        "message {first} of delay level {level}, which is not yet delivered"
                    ),
                })
            })
            .collect()
    }
}
