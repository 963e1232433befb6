//! Queues that the caller names itself, and moving about in queues.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use mainstem_common::protocol::MessageQueue;

use super::{Mode, PullConsumer};
use crate::consumer::Filter;
use crate::consumer::subscription::Subscription;
use crate::error::ConsumeError;

impl PullConsumer {
    /// Reads exactly these queues, whatever other members of the group do. Each starts at the group's committed offset, or where
    /// the builder's [`from`](super::PullConsumerBuilder::from) says; queues that were read before and are not named are
    /// given up.
    pub async fn assign(&self, queues: Vec<MessageQueue>) -> Result<(), ConsumeError> {
        self.enter_mode(Mode::Assigned)?;
        let wanted: HashSet<&MessageQueue> = queues.iter().collect();
        let gone: Vec<MessageQueue> = self
            .member
            .readers()
            .iter()
            .map(|reader| reader.queue.clone())
            .filter(|queue| !wanted.contains(queue))
            .collect();
        self.member.release(&gone).await;
        let new: Vec<MessageQueue> = queues
            .into_iter()
            .filter(|queue| self.member.reader(queue).is_none())
            .collect();
        for queue in new {
            let all = Arc::new(Subscription::new(&queue.topic, Filter::All, 0)?);
            let start = self.member.find_start(&queue).await?;
            self.member.start(queue, all, start);
        }
        self.member.run(false);
        Ok(())
    }

    /// Goes on reading a queue at this offset. One outside the queue is moved to the nearest end by the broker.
    pub fn seek(&mut self, queue: &MessageQueue, offset: i64) -> Result<(), ConsumeError> {
        self.reader(queue)?;
        self.handed.retain(|handed| handed.reader.queue != *queue);
        self.member.restart(queue, offset.max(0));
        Ok(())
    }

    /// Goes on reading a queue at its oldest message.
    pub async fn seek_to_start(&mut self, queue: &MessageQueue) -> Result<(), ConsumeError> {
        let offset = self.min_offset(queue).await?;
        self.seek(queue, offset)
    }

    /// Goes on reading a queue behind its newest message.
    pub async fn seek_to_end(&mut self, queue: &MessageQueue) -> Result<(), ConsumeError> {
        let offset = self.max_offset(queue).await?;
        self.seek(queue, offset)
    }

    /// Goes on reading a queue at the first message stored at this time or later.
    pub async fn seek_to_time(
        &mut self,
        queue: &MessageQueue,
        time: SystemTime,
    ) -> Result<(), ConsumeError> {
        let offset = self.offset_at(queue, time).await?;
        self.seek(queue, offset)
    }
}
