//! The broker's settings shown and changed at run time.

use mainstem_common::config::Problem;

use crate::broker_core::BrokerCore;

/// Keys that no request may change: they would let a request lift its own limits.
const CLOSED_KEYS: [&str; 2] = ["configBlackList", "brokerConfigPath"];

/// Why settings were not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateConfigError {
    /// A key that requests may not change.
    #[error("{key} cannot be changed by request")]
    Closed {
        /// The key.
        key: String,
    },
    /// A line that is no `key=value`.
    #[error("line {line} is no key=value: {text:?}")]
    Malformed {
        /// Number of the line, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// The key table refused.
    #[error("{0}")]
    Refused(Problem),
}

impl BrokerCore {
    /// Every setting, one `key=value` a line.
    pub fn config_text(&self) -> String {
        self.live.to_properties()
    }

    /// Changes settings given as `key=value` lines; all of them or none.
    pub fn update_config(&self, text: &str) -> Result<(), UpdateConfigError> {
        let mut pairs = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) =
                line.split_once('=')
                    .ok_or_else(|| UpdateConfigError::Malformed {
                        line: index + 1,
                        text: line.to_owned(),
                    })?;
            let key = key.trim();
            if CLOSED_KEYS.contains(&key) {
                return Err(UpdateConfigError::Closed {
                    key: key.to_owned(),
                });
            }
            pairs.push((key, value.trim()));
        }
        let permission = self.live.permission();
        let changes = self
            .live
            .change(pairs)
            .map_err(UpdateConfigError::Refused)?;
        for change in &changes {
            tracing::info!(key = change.key, from = %change.from, to = %change.to, "a setting was changed by request");
            if let Some(on_change) = &self.config.on_change {
                on_change.call(change);
            }
        }
        self.apply_retention();
        if self.live.permission() != permission {
            // Name servers take a registration only with a new version.
            self.topics.touch();
            self.registration.topics_changed();
        }
        Ok(())
    }
}
