//! Polling: handing out what has been fetched, queue after queue, and counting it as consumed when the caller comes back.

use std::sync::Arc;
use std::time::Duration;

use mainstem_common::protocol::MessageQueue;
use tokio::time::Instant;

use super::{Handed, PullConsumer};
use crate::error::ConsumeError;
use crate::message::ReceivedMessage;

impl PullConsumer {
    /// The next messages of one of the queues, at least one if any comes within `timeout`, else none. An error that will not pass
    /// by itself is returned when there is nothing else to return; others are retried in the background.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Vec<ReceivedMessage>, ConsumeError> {
        let deadline = Instant::now() + timeout;
        if self.settings.auto_commit {
            self.finish_handed();
        }
        let member = Arc::clone(&self.member);
        loop {
            if member.stop_reading().is_cancelled() {
                return Err(ConsumeError::ShutDown);
            }
            let arrived = member.arrived().notified();
            let messages = self.take();
            if !messages.is_empty() {
                return Ok(messages);
            }
            if tokio::time::timeout_at(deadline, arrived).await.is_err() {
                return match member.take_error() {
                    Some(error) if !error.can_retry() && !is_unknown_topic(&error) => Err(error),
                    _ => Ok(Vec::new()),
                };
            }
        }
    }

    /// Counts what was handed out as consumed and commits how far every queue is done.
    pub async fn commit(&mut self) -> Result<(), ConsumeError> {
        if !self.member.offsets().are_kept() {
            return Err(ConsumeError::NoGroup);
        }
        self.finish_handed();
        self.member.commit().await
    }

    /// The offset that the group has committed for this queue, if it has.
    pub async fn committed(&self, queue: &MessageQueue) -> Result<Option<i64>, ConsumeError> {
        if !self.member.offsets().are_kept() {
            return Err(ConsumeError::NoGroup);
        }
        self.member
            .offsets()
            .fetch(self.member.instance(), queue)
            .await
    }

    pub(super) fn finish_handed(&mut self) {
        for handed in self.handed.drain(..) {
            handed.reader.finish(handed.offsets);
        }
    }

    /// Messages of the next queue that has any.
    fn take(&mut self) -> Vec<ReceivedMessage> {
        let mut readers = self.member.readers();
        if readers.is_empty() {
            return Vec::new();
        }
        readers.sort_by(|a, b| a.queue.cmp(&b.queue));
        for step in 0..readers.len() {
            let index = (self.turn + step) % readers.len();
            let messages = readers[index].process.take(self.settings.max_poll);
            if messages.is_empty() {
                continue;
            }
            self.turn = index + 1;
            let offsets = messages.iter().map(ReceivedMessage::queue_offset).collect();
            self.handed.push(Handed {
                reader: readers.swap_remove(index),
                offsets,
            });
            // More may be waiting elsewhere.
            self.member.arrived().notify_one();
            return messages;
        }
        Vec::new()
    }
}

/// A topic that does not exist yet may come to be.
fn is_unknown_topic(error: &ConsumeError) -> bool {
    matches!(error, ConsumeError::Route(_))
}
