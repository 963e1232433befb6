//! Topics as the store knows them: lists, deletion, and the journal. It promises that a
//! topic made anew after its deletion never sees the old one's messages.

use super::Store;
use crate::apache::ConfigFiles;
use crate::error::DeleteTopicError;
use crate::journal::Journal;
use crate::sync::Arc;

impl Store {
    /// Every topic that has a queue, with its queue ids, in no order.
    pub fn topics(&self) -> Vec<(String, Vec<i32>)> {
        self.shared.derived.queues().table().topics()
    }

    /// Number of queues; at most [`MAX_QUEUES`](crate::MAX_QUEUES).
    pub fn queue_count(&self) -> usize {
        self.shared.derived.queues().table().len()
    }

    /// Deletes a topic's queues: its messages cannot be read any more, though their bytes stay in
    /// the log until they expire. Durable when this returns.
    ///
    /// # Errors
    /// When the disk refuses; the topic is as before then.
    pub fn delete_topic(&self, topic: &str) -> Result<(), DeleteTopicError> {
        let shared = &self.shared;
        shared.derived.delete_topic(
            topic,
            |during| shared.log.hold_appends(during),
            || shared.log.flush().map(|_| ()),
        )?;
        shared.hold_dispatch(|dispatcher| dispatcher.forget_removed());
        Ok(())
    }

    /// Durable keys and values for what the log cannot give back.
    pub fn journal(&self) -> &Journal {
        self.shared.derived.journal()
    }

    /// RocketMQ's JSON files of the data directory: exports of the journal, and all that is known when
    /// the journal is new.
    pub fn config_files(&self) -> ConfigFiles {
        ConfigFiles::new(Arc::clone(&self.shared.disk))
    }
}
