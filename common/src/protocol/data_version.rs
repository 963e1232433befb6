//! The version of a table that brokers report and name servers compare. Owns the rule that two changes never carry one
//! version, even within a millisecond.

use serde::{Deserialize, Serialize};

use crate::json;

/// A version; two tables with equal versions are taken for equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DataVersion {
    /// Changes so far.
    #[serde(deserialize_with = "json::int")]
    pub counter: i64,
    /// Higher after each change of the master; 0 without a controller.
    #[serde(deserialize_with = "json::int")]
    pub state_version: i64,
    /// When the last change was made, in milliseconds since the epoch.
    #[serde(deserialize_with = "json::int")]
    pub timestamp: i64,
}

super::json_body!(DataVersion);

impl DataVersion {
    /// The version of a table made at `now_ms` and never changed.
    #[must_use]
    pub const fn new(now_ms: i64) -> Self {
        Self {
            counter: 0,
            state_version: 0,
            timestamp: now_ms,
        }
    }

    /// Marks one change. The counter alone makes the version new; the time never runs back.
    pub fn bump(&mut self, now_ms: i64) {
        self.counter += 1;
        self.timestamp = self.timestamp.max(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_within_one_millisecond_and_under_a_clock_that_jumps_back_differ() {
        let mut version = DataVersion::new(100);
        let mut seen = vec![version];
        for now_ms in [100, 100, 50, 101] {
            version.bump(now_ms);
            assert!(!seen.contains(&version));
            seen.push(version);
        }
        assert_eq!(
            version,
            DataVersion {
                counter: 4,
                state_version: 0,
                timestamp: 101
            }
        );
    }

    #[test]
    fn the_text_is_javas() {
        let version = DataVersion {
            counter: 1,
            state_version: 0,
            timestamp: 1_700_000_000_000,
        };
        assert_eq!(
            version.to_json(),
            br#"{"counter":1,"stateVersion":0,"timestamp":1700000000000}"#
        );
        assert_eq!(
            DataVersion::from_json(br#"{"counter":"1","timestamp":1700000000000}"#),
            Ok(version)
        );
    }
}
