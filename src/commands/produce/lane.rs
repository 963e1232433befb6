//! A lane: sends what it is given, one request at a time, and tries again until a broker has acknowledged it. A line that is sent again
//! keeps its unique key, so that a consumer can tell that both are one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstem_client::{Message, MessageQueue, Producer, SendError, SendStatus};
use tokio::sync::mpsc;

use super::progress::Progress;
use crate::failure::Failure;

/// A message and the number of the line that it came from.
pub(super) struct Numbered {
    pub(super) number: u64,
    pub(super) message: Message,
}

/// The bytes of bodies that go into one request; well below the limit of a request and of a message.
const MAX_BATCH_BYTES: usize = 1024 * 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// One line of requests.
pub(super) struct Lane {
    pub(super) producer: Producer,
    pub(super) lines: mpsc::Receiver<Numbered>,
    /// The only queue it may send to, if order matters.
    pub(super) queue: Option<MessageQueue>,
    pub(super) batch: usize,
    pub(super) retry_for: Duration,
    pub(super) progress: Arc<Progress>,
}

impl Lane {
    /// Sends until there are no more lines, or one fails for good.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        let mut taken = Vec::with_capacity(self.batch);
        while self.lines.recv_many(&mut taken, self.batch).await > 0 {
            let mut rest = taken.drain(..).peekable();
            while let Some(first) = rest.next() {
                let number = first.number;
                let mut bytes = first.message.body().len();
                let mut messages = vec![first.message];
                while let Some(next) =
                    rest.next_if(|next| bytes + next.message.body().len() <= MAX_BATCH_BYTES)
                {
                    bytes += next.message.body().len();
                    messages.push(next.message);
                }
                self.send_until_acknowledged(messages, number).await?;
            }
        }
        Ok(())
    }

    async fn send_until_acknowledged(
        &self,
        mut messages: Vec<Message>,
        first_line: u64,
    ) -> Result<(), Failure> {
        for message in &mut messages {
            self.producer.assign_unique_key(message);
        }
        let count = messages.len() as u64;
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.send(&messages).await {
                Ok(status) => {
                    self.progress.acknowledged(count, status);
                    return Ok(());
                }
                Err(error) => error,
            };
            if !error.can_retry() || started.elapsed() >= self.retry_for {
                return Err(Failure::failed(format!(
                    "{}: {error}",
                    super::describe(&messages, first_line)
                )));
            }
            tracing::debug!(%error, first_line, "not acknowledged; trying again");
            self.progress.tried_again();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn send(&self, messages: &[Message]) -> Result<SendStatus, SendError> {
        match (messages, &self.queue) {
            ([message], None) => self
                .producer
                .send(message.clone())
                .await
                .map(|receipt| receipt.status()),
            ([message], Some(queue)) => self
                .producer
                .send_to_queue(message.clone(), queue)
                .await
                .map(|receipt| receipt.status()),
            (messages, None) => self
                .producer
                .send_batch(messages.to_vec())
                .await
                .map(|receipt| receipt.status()),
            (messages, Some(queue)) => self
                .producer
                .send_batch_to_queue(messages.to_vec(), queue)
                .await
                .map(|receipt| receipt.status()),
        }
    }
}
