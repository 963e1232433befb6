//! The delay levels: a table from level number to delay. It knows the text form of the config key and nothing else.

use std::time::Duration;

/// Greatest number of levels, so that a wrong config value cannot ask for thousands of schedule queues.
pub(super) const MAX_DELAY_LEVELS: usize = 64;

/// RocketMQ's eighteen levels.
pub const DEFAULT_DELAY_LEVELS: &str = "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h";

/// Delays in order of their level; level 1 is the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelayLevels {
    delays_ms: Vec<i64>,
}

/// Why a text is no list of delay levels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DelayLevelsError {
    /// A word is not a number followed by a unit.
    #[error(
        "delay level {level} is {word:?}: write a number and one of s, m, h, d, as in 1s 5s 1m 2h"
    )]
    Malformed {
        /// Level number, from 1.
        level: usize,
        /// The word as written.
        word: String,
    },
    /// No level, or too many.
    #[error("{count} delay levels: between 1 and {MAX_DELAY_LEVELS} are allowed")]
    Count {
        /// Number of words found.
        count: usize,
    },
}

impl DelayLevels {
    /// Reads the form of the config key `messageDelayLevel`, for example `1s 5s 1m 2h`.
    pub fn parse(text: &str) -> Result<Self, DelayLevelsError> {
        let mut delays_ms = Vec::new();
        for (index, word) in text.split_whitespace().enumerate() {
            let malformed = || DelayLevelsError::Malformed {
                level: index + 1,
                word: word.to_owned(),
            };
            let unit_at = word
                .len()
                .checked_sub(1)
                .filter(|at| word.is_char_boundary(*at))
                .ok_or_else(malformed)?;
            let (number, unit) = word.split_at(unit_at);
            let unit_ms: i64 = match unit {
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(malformed()),
            };
            let count: u32 = number.parse().map_err(|_| malformed())?;
            delays_ms.push(i64::from(count) * unit_ms);
        }
        if delays_ms.is_empty() || delays_ms.len() > MAX_DELAY_LEVELS {
            return Err(DelayLevelsError::Count {
                count: delays_ms.len(),
            });
        }
        Ok(DelayLevels { delays_ms })
    }

    /// The highest level.
    pub fn max_level(&self) -> i32 {
        self.delays_ms.len() as i32
    }

    /// The delay of a level; levels out of range are moved to the nearest one.
    pub fn delay(&self, level: i32) -> Duration {
        let index = (level.clamp(1, self.max_level()) - 1) as usize;
        Duration::from_millis(self.delays_ms[index] as u64)
    }

    /// All delays in milliseconds, level 1 first.
    pub fn delays_ms(&self) -> &[i64] {
        &self.delays_ms
    }
}

impl Default for DelayLevels {
    fn default() -> Self {
        const S: i64 = 1000;
        const M: i64 = 60 * S;
        const H: i64 = 60 * M;
        DelayLevels {
            delays_ms: vec![
                S,
                5 * S,
                10 * S,
                30 * S,
                M,
                2 * M,
                3 * M,
                4 * M,
                5 * M,
                6 * M,
                7 * M,
                8 * M,
                9 * M,
                10 * M,
                20 * M,
                30 * M,
                H,
                2 * H,
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_default_table_is_the_default_text() {
        assert_eq!(
            DelayLevels::parse(DEFAULT_DELAY_LEVELS).unwrap(),
            DelayLevels::default()
        );
    }

    #[test]
    fn a_level_beyond_the_last_is_the_last() {
        let levels = DelayLevels::default();
        assert_eq!(levels.delay(30), Duration::from_secs(7200));
        assert_eq!(levels.delay(0), Duration::from_secs(1));
    }

    #[test]
    fn a_malformed_word_is_named_with_its_level() {
        assert_eq!(
            DelayLevels::parse("1s 5x"),
            Err(DelayLevelsError::Malformed {
                level: 2,
                word: "5x".into()
            })
        );
        assert!(DelayLevels::parse("1s 9é").is_err());
        assert!(DelayLevels::parse("").is_err());
    }
}
