//! Ordered sends take turns, one in flight per queue: with two in flight, a failure of the first would let the second pass
//! it. A lane is one queue's line of waiting sends; a failure turns away those that stand behind it. Before a send knows its
//! queue it stands in its topic's line, so that looking a route up does not change the order either.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use mainstem_common::protocol::MessageQueue;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::error::NotSentCause;

/// The lanes of a producer: one per topic and one per queue that ordered sends have used.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    topics: Mutex<HashMap<String, Arc<Lane>>>,
    queues: Mutex<HashMap<MessageQueue, Arc<Lane>>>,
}

#[derive(Debug)]
struct Lane {
    turn: Arc<Semaphore>,
    failures: AtomicU64,
}

/// A send's turn. Dropping it without [`failed`](Self::failed) lets the next one go on.
#[derive(Debug)]
pub(crate) struct Turn {
    lane: Arc<Lane>,
    _turn: OwnedSemaphorePermit,
}

impl Lanes {
    /// Waits behind all ordered sends to this topic that do not know their queue yet.
    pub(crate) async fn topic_turn(
        &self,
        topic: &str,
        deadline: Instant,
    ) -> Result<Turn, NotSentCause> {
        let lane = {
            let mut topics = self.topics.lock();
            match topics.get(topic) {
                Some(lane) => Arc::clone(lane),
                None => Arc::clone(topics.entry(topic.to_owned()).or_insert_with(Lane::new)),
            }
        };
        lane.wait(deadline, || format!("topic {topic}"), || ())
            .await
    }

    /// Waits behind all ordered sends to this queue that asked before; leaves the topic's line as soon as it stands in the queue's.
    pub(crate) async fn queue_turn(
        &self,
        queue: &MessageQueue,
        in_topic: Turn,
        deadline: Instant,
    ) -> Result<Turn, NotSentCause> {
        let lane = {
            let mut queues = self.queues.lock();
            match queues.get(queue) {
                Some(lane) => Arc::clone(lane),
                None => Arc::clone(queues.entry(queue.clone()).or_insert_with(Lane::new)),
            }
        };
        let name = || format!("queue {} on {}", queue.queue_id, queue.broker_name);
        lane.wait(deadline, name, move || drop(in_topic)).await
    }
}

impl Lane {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            turn: Arc::new(Semaphore::new(1)),
            failures: AtomicU64::new(0),
        })
    }

    /// Stands in line, calls `standing` once it does, and waits for its turn.
    async fn wait(
        self: Arc<Self>,
        deadline: Instant,
        name: impl Fn() -> String,
        standing: impl FnOnce(),
    ) -> Result<Turn, NotSentCause> {
        let failures = self.failures.load(Ordering::Acquire);
        let began = Instant::now();
        let mut acquiring = std::pin::pin!(Arc::clone(&self.turn).acquire_owned());
        // The first poll takes the place in line.
        let first =
            std::future::poll_fn(|context| Poll::Ready(acquiring.as_mut().poll(context))).await;
        standing();
        let acquired = match first {
            Poll::Ready(turn) => Ok(turn),
            Poll::Pending => tokio::time::timeout_at(deadline, acquiring).await,
        };
        let turn = match acquired {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) => return Err(NotSentCause::ShutDown),
            Err(_) => {
                // Those behind this one must not go first.
                self.failures.fetch_add(1, Ordering::AcqRel);
                return Err(NotSentCause::NoTurn {
                    line: name(),
                    waited: began.elapsed(),
                });
            }
        };
        if self.failures.load(Ordering::Acquire) != failures {
            return Err(NotSentCause::EarlierFailed { line: name() });
        }
        Ok(Turn {
            lane: self,
            _turn: turn,
        })
    }
}

impl Turn {
    /// The send failed for good: those that wait behind it are turned away.
    pub(crate) fn failed(self) {
        self.lane.failures.fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    fn queue(queue_id: i32) -> MessageQueue {
        MessageQueue::new("t", "b", queue_id)
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    async fn turn(lanes: &Lanes, queue_id: i32) -> Result<Turn, NotSentCause> {
        let in_topic = lanes.topic_turn("t", later()).await?;
        lanes.queue_turn(&queue(queue_id), in_topic, later()).await
    }

    #[tokio::test]
    async fn sends_of_one_queue_take_turns_in_the_order_they_asked_and_queues_do_not_wait_for_each_other()
     {
        let lanes = Arc::new(Lanes::default());
        let first = turn(&lanes, 0).await.unwrap();
        let _other = turn(&lanes, 1).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for n in 0..10 {
            let (lanes, order) = (Arc::clone(&lanes), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let turn = turn(&lanes, 0).await.unwrap();
                order.lock().push(n);
                drop(turn);
            }));
            tokio::task::yield_now().await;
        }
        assert!(order.lock().is_empty());
        drop(first);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), (0..10).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_failure_turns_away_those_behind_it_and_nobody_who_comes_later() {
        let lanes = Arc::new(Lanes::default());
        let first = turn(&lanes, 0).await.unwrap();
        let behind = tokio::spawn({
            let lanes = Arc::clone(&lanes);
            async move { turn(&lanes, 0).await.map(drop) }
        });
        tokio::task::yield_now().await;
        first.failed();
        assert!(matches!(
            behind.await.unwrap(),
            Err(NotSentCause::EarlierFailed { .. })
        ));
        assert!(turn(&lanes, 0).await.is_ok());
    }

    #[tokio::test]
    async fn a_dropped_send_gives_its_turn_to_the_next() {
        let lanes = Lanes::default();
        drop(turn(&lanes, 0).await.unwrap());
        assert!(turn(&lanes, 0).await.is_ok());
    }
}
