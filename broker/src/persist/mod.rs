//! What must survive a restart beside the messages: topics, groups, offsets and the progress of delayed messages. The
//! store's journal is where they live; RocketMQ's JSON files under `config/` are exports of it, read only when the
//! journal holds nothing.

mod export;
mod load;

use std::fmt::Write as _;
use std::sync::Arc;

use mainstem_common::protocol::{SubscriptionGroupConfig, TopicConfig};
use mainstem_store::{JournalError, Table};

use crate::broker_core::BrokerCore;
use crate::offsets::{GroupTopicOffsets, QueueOffsets};
pub use load::LoadError;
pub(crate) use load::load;

/// Keys of the table of broker state.
pub(crate) mod state_key {
    /// Data version of the topics.
    pub(crate) const TOPIC_VERSION: &str = "topicVersion";
    /// Data version of the groups.
    pub(crate) const GROUP_VERSION: &str = "groupVersion";
}

/// Key of a group's offsets in a topic, as RocketMQ writes it; neither name may hold the separator.
pub(crate) fn offsets_key(topic: &str, group: &str) -> String {
    format!("{topic}@{group}")
}

/// Why something was not saved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SaveError {
    /// The journal refused.
    #[error("the journal refused: {0}")]
    Journal(#[from] JournalError),
    /// The thread that saves was lost.
    #[error("the broker is stopping")]
    Stopping,
}

impl BrokerCore {
    /// Saves topics; durable when this returns, by one sync.
    pub(crate) async fn save_topics(
        self: &Arc<Self>,
        configs: Vec<TopicConfig>,
    ) -> Result<(), SaveError> {
        let core = self.clone();
        let saved = tokio::task::spawn_blocking(move || {
            for config in &configs {
                core.put_topic_record(config)?;
            }
            core.store.journal().sync()
        });
        Ok(saved.await.map_err(|_| SaveError::Stopping)??)
    }

    /// Saves a group; durable when this returns.
    pub(crate) async fn save_group(
        self: &Arc<Self>,
        config: &SubscriptionGroupConfig,
    ) -> Result<(), SaveError> {
        let (core, config) = (self.clone(), config.clone());
        let saved = tokio::task::spawn_blocking(move || {
            core.put_group_record(&config)?;
            core.store.journal().sync()
        });
        Ok(saved.await.map_err(|_| SaveError::Stopping)??)
    }

    /// Hands a topic to the journal, which makes it durable with the next round.
    pub(crate) fn persist_topic(&self, config: &TopicConfig) {
        if let Err(error) = self.put_topic_record(config) {
            tracing::error!(topic = %config.topic_name, %error, "a topic could not be saved: it is lost at the next restart");
        }
    }

    /// Hands a group to the journal, which makes it durable with the next round.
    pub(crate) fn persist_group(&self, config: &SubscriptionGroupConfig) {
        if let Err(error) = self.put_group_record(config) {
            tracing::error!(group = %config.group_name, %error, "a group could not be saved: it is lost at the next restart");
        }
    }

    fn put_topic_record(&self, config: &TopicConfig) -> Result<(), JournalError> {
        let journal = self.store.journal();
        journal.put(Table::Topics, &config.topic_name, &config.to_json())?;
        journal.put(
            Table::BrokerState,
            state_key::TOPIC_VERSION,
            &self.topics.version().to_json(),
        )
    }

    fn put_group_record(&self, config: &SubscriptionGroupConfig) -> Result<(), JournalError> {
        let journal = self.store.journal();
        journal.put(Table::Groups, &config.group_name, &config.to_json())?;
        journal.put(
            Table::BrokerState,
            state_key::GROUP_VERSION,
            &self.groups.version().to_json(),
        )
    }

    /// Removes a topic and every group's offsets in it from the journal; durable when this returns. It blocks.
    pub(crate) fn forget_topic(&self, name: &str) -> Result<(), JournalError> {
        let journal = self.store.journal();
        for group in self.offsets.remove_topic(name) {
            journal.remove(Table::Offsets, &offsets_key(name, &group))?;
        }
        journal.remove(Table::Topics, name)?;
        journal.put(
            Table::BrokerState,
            state_key::TOPIC_VERSION,
            &self.topics.version().to_json(),
        )?;
        journal.sync()
    }

    /// Removes a group, and its offsets when asked, from the journal; durable when this returns. It blocks.
    pub(crate) fn forget_group(&self, name: &str, with_offsets: bool) -> Result<(), JournalError> {
        let journal = self.store.journal();
        if with_offsets {
            for topic in self.offsets.remove_group(name) {
                journal.remove(Table::Offsets, &offsets_key(&topic, name))?;
            }
        }
        journal.remove(Table::Groups, name)?;
        journal.put(
            Table::BrokerState,
            state_key::GROUP_VERSION,
            &self.groups.version().to_json(),
        )?;
        journal.sync()
    }

    /// Hands the offsets committed since the last call to the journal, which makes them durable with its next round.
    pub(crate) fn journal_offsets(&self) -> Result<(), JournalError> {
        let dirty = self.offsets.take_dirty();
        let records: Vec<_> = dirty
            .iter()
            .map(|entry| {
                (
                    offsets_key(&entry.topic, &entry.group),
                    self.offsets_record(entry),
                )
            })
            .collect();
        let entries = records
            .iter()
            .map(|(key, record)| (key.as_str(), record.as_slice()));
        self.store.journal().put_many(Table::Offsets, entries)
    }

    /// The same for the progress of delayed messages.
    pub(crate) fn journal_delay_progress(&self) -> Result<(), JournalError> {
        let progress = self
            .delay_progress
            .durable(self.store.watermarks().durable());
        let mut saved = self.saved_delay_progress.lock();
        let records: Vec<_> = progress
            .iter()
            .filter(|entry| !saved.contains(entry))
            .map(|(level, offset)| (level.to_string(), offset.to_string()))
            .collect();
        let entries = records
            .iter()
            .map(|(level, offset)| (level.as_str(), offset.as_bytes()));
        self.store
            .journal()
            .put_many(Table::DelayOffsets, entries)?;
        *saved = progress;
        Ok(())
    }

    /// Offsets as the journal holds them. None passes what is readable: an offset that survived a power cut which its
    /// messages did not would skip those that come in their place.
    fn offsets_record(&self, entry: &GroupTopicOffsets) -> Vec<u8> {
        let mut text = String::new();
        for (queue_id, offset) in &entry.offsets {
            let end = self.store.queue_bounds(&entry.topic, *queue_id).max as i64;
            // Writing into a String cannot fail.
            let _ = write!(text, "{queue_id}:{} ", (*offset).min(end));
        }
        text.into_bytes()
    }

    /// Hands everything to a new journal: what was taken over from RocketMQ's files and what exists from the start.
    pub(crate) fn fill_new_journal(
        &self,
        delay_offsets: &[(i32, u64)],
    ) -> Result<(), JournalError> {
        let journal = self.store.journal();
        for topic in self.topics.snapshot().0 {
            self.put_topic_record(&topic.config)?;
        }
        for group in self.groups.snapshot().0 {
            self.put_group_record(&group)?;
        }
        for entry in self.offsets.snapshot() {
            journal.put(
                Table::Offsets,
                &offsets_key(&entry.topic, &entry.group),
                &self.offsets_record(&entry),
            )?;
        }
        for (level, offset) in delay_offsets {
            journal.put(
                Table::DelayOffsets,
                &level.to_string(),
                offset.to_string().as_bytes(),
            )?;
        }
        journal.sync()
    }
}

/// Reads what [`BrokerCore::offsets_record`] writes.
fn offsets_of_record(record: &[u8]) -> Option<QueueOffsets> {
    let text = std::str::from_utf8(record).ok()?;
    text.split_ascii_whitespace()
        .map(|pair| {
            let (queue_id, offset) = pair.split_once(':')?;
            Some((queue_id.parse().ok()?, offset.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_back_from_their_journal_form() {
        assert_eq!(
            offsets_of_record(b"0:5 11:7 "),
            Some(QueueOffsets::from([(0, 5), (11, 7)]))
        );
        assert_eq!(offsets_of_record(b""), Some(QueueOffsets::new()));
        assert_eq!(offsets_of_record(b"0:x"), None);
    }
}
