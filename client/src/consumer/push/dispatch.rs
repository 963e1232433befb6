//! Between process queues and the handler: takes batches, calls the handler within the limits on concurrency, and does what
//! its outcome asks. A message leaves its process queue only when it is done with or safely sent back, so the
//! committed offset never passes one that is neither.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::handler::{self, Handled, Outcome};
use super::send_back::{Delay, Record, send_back, send_back_record};
use crate::consumer::member::{QueueEvents, Sharing};
use crate::consumer::pull::Unreadable;
use crate::consumer::reader::Reader;
use crate::message::ReceivedMessage;

/// Before a message that could not be sent back is handled again here.
const LOCAL_RETRY: Duration = Duration::from_secs(5);
/// Attempts to put an unreadable record into the dead-letter topic.
const UNREADABLE_ATTEMPTS: u32 = 3;

/// In which order the messages of one queue are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Concurrency {
    /// Handlers of one queue run at the same time, as far as the total allows; a message that fails is sent back and the
    /// others go on.
    #[default]
    Unordered,
    /// One batch of a queue at a time, in order. A batch that fails is tried again before anything behind it, until its attempts
    /// are used up. While a queue moves from one consumer to another both may handle its messages for a moment.
    PerQueue,
}

impl QueueEvents for Shared {
    fn started(self: Arc<Self>, reader: &Arc<Reader>) {
        let (shared, reader) = (Arc::clone(&self), Arc::clone(reader));
        self.member.instance().spawn(async move {
            let stop = reader.stop_token().clone();
            stop.run_until_cancelled(shared.dispatch(&reader)).await;
        });
    }

    fn unreadable(self: Arc<Self>, reader: &Reader, record: &Unreadable) {
        if self.member.sharing() != Sharing::Clustering {
            return;
        }
        let (shared, queue, physical_offset) = (
            Arc::clone(&self),
            reader.queue.clone(),
            record.physical_offset,
        );
        self.handlers.spawn(async move {
            let stop = shared.member.instance().stop_token().clone();
            let record = Record {
                topic: &queue.topic,
                broker_name: &queue.broker_name,
                queue_id: queue.queue_id,
                physical_offset,
                message_id: "",
                origin_topic: &queue.topic,
            };
            stop.run_until_cancelled(shared.bury(&record)).await;
        });
    }
}

impl Shared {
    /// Puts a record that nobody can read into the dead-letter topic.
    async fn bury(&self, record: &Record<'_>) {
        for _ in 0..UNREADABLE_ATTEMPTS {
            let max_attempts = self.settings.max_attempts;
            match send_back_record(&self.member, record, Delay::DeadLetter, max_attempts).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::error!(
                        topic = record.topic, physical_offset = record.physical_offset, %error,
                        "an unreadable message was not put into the dead-letter topic"
                    );
                }
            }
            tokio::time::sleep(LOCAL_RETRY).await;
        }
    }

    /// Hands out one queue's messages until the queue is taken away.
    async fn dispatch(self: &Arc<Self>, reader: &Arc<Reader>) {
        loop {
            reader.process.arrival().await;
            let Ok(place) = Arc::clone(&self.concurrency).acquire_owned().await else {
                return;
            };
            let batch = reader.process.take(self.settings.batch_size);
            if batch.is_empty() {
                continue;
            }
            let (shared, reader) = (Arc::clone(self), Arc::clone(reader));
            let handling = self.handlers.spawn(async move {
                let stop = shared.member.instance().stop_token().clone();
                stop.run_until_cancelled(shared.consume(&reader, batch))
                    .await;
                drop(place);
            });
            if self.settings.concurrency == Concurrency::PerQueue {
                // The handler outlives a queue that is taken away meanwhile; only the waiting ends.
                let _ = handling.await;
            }
        }
    }

    /// Handles a batch and settles it.
    async fn consume(&self, reader: &Reader, mut batch: Vec<ReceivedMessage>) {
        loop {
            if reader.is_stopped() {
                return;
            }
            let outcome = self.call_handler(&batch).await;
            if outcome == Outcome::Done {
                reader.finish(batch.iter().map(ReceivedMessage::queue_offset));
                return;
            }
            let local = self.member.sharing() != Sharing::Clustering
                || self.settings.concurrency == Concurrency::PerQueue;
            let pause = if local {
                match self.settle_locally(reader, &mut batch, outcome).await {
                    Some(pause) => pause,
                    None => return,
                }
            } else {
                batch = self.settle_at_broker(reader, batch, outcome).await;
                if batch.is_empty() {
                    return;
                }
                LOCAL_RETRY
            };
            for message in &mut batch {
                message.count_another_attempt();
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends failed messages back; returns those that no broker took, to be handled again here.
    async fn settle_at_broker(
        &self,
        reader: &Reader,
        batch: Vec<ReceivedMessage>,
        outcome: Outcome,
    ) -> Vec<ReceivedMessage> {
        let delay = match outcome {
            Outcome::Done | Outcome::Retry => Delay::ByAttempts,
            Outcome::RetryAfter(time) => Delay::at_least(time),
            Outcome::DeadLetter => Delay::DeadLetter,
        };
        let mut kept = Vec::new();
        for message in batch {
            match send_back(&self.member, &message, delay, self.settings.max_attempts).await {
                Ok(()) => reader.finish([message.queue_offset()]),
                Err(error) => {
                    tracing::warn!(
                        topic = %message.topic, message_id = %message.message_id(), %error,
                        "a message was not sent back, handling it again here"
                    );
                    kept.push(message);
                }
            }
        }
        kept
    }

    /// Decides on a failed batch that stays here: how long to wait before it is handled again, or that it has been given up.
    async fn settle_locally(
        &self,
        reader: &Reader,
        batch: &mut Vec<ReceivedMessage>,
        outcome: Outcome,
    ) -> Option<Duration> {
        let attempts = batch
            .iter()
            .map(|message| message.reconsume_times)
            .max()
            .unwrap_or(0);
        if outcome != Outcome::DeadLetter && attempts < self.settings.max_attempts {
            return Some(match outcome {
                Outcome::RetryAfter(time) => time,
                _ => self.settings.local_retry,
            });
        }
        if self.member.sharing() == Sharing::Clustering {
            let batch = std::mem::take(batch);
            let kept = self
                .settle_at_broker(reader, batch, Outcome::DeadLetter)
                .await;
            if kept.is_empty() {
                return None;
            }
            reader.process.put_back(kept);
            tokio::time::sleep(LOCAL_RETRY).await;
            return None;
        }
        for message in &*batch {
            tracing::error!(
                topic = %message.topic, message_id = %message.message_id(), attempts = attempts + 1,
                "a broadcast message is given up; a broadcasting group has no dead-letter topic"
            );
        }
        reader.finish(batch.iter().map(ReceivedMessage::queue_offset));
        None
    }

    /// Calls the handler; what is no outcome counts as "try again".
    pub(super) async fn call_handler(&self, batch: &[ReceivedMessage]) -> Outcome {
        let first = batch.first();
        let (topic, message_id) = (
            first.map(|message| message.topic.as_str()),
            first.map(|message| message.message_id()),
        );
        match handler::call(&*self.handler, batch, self.settings.handler_timeout).await {
            Handled::Returned(outcome) => outcome,
            Handled::Panicked(text) => {
                tracing::error!(topic, message_id, panic = %text, "the handler panicked; its messages will be delivered again");
                Outcome::Retry
            }
            Handled::TookTooLong => {
                tracing::error!(
                    topic,
                    message_id,
                    limit_ms = u64::try_from(self.settings.handler_timeout.as_millis())
                        .unwrap_or(u64::MAX),
                    "the handler took too long and was stopped; its messages will be delivered again"
                );
                Outcome::Retry
            }
        }
    }
}
