//! Ordered sends take turns, one in flight per queue: with two in flight, a failure of the first would let the second pass
//! it. A lane is one queue's line of waiting sends; a failure turns away those that stood behind it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mainstem_common::protocol::MessageQueue;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::error::NotSentCause;

/// The lanes of a producer, one per queue that ordered sends have used.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: Mutex<HashMap<MessageQueue, Arc<Lane>>>,
}

#[derive(Debug)]
struct Lane {
    turn: Arc<Semaphore>,
    failures: AtomicU64,
}

/// A send's turn in its queue. Dropping it without [`failed`](Self::failed) lets the next one go on.
#[derive(Debug)]
pub(crate) struct Turn {
    lane: Arc<Lane>,
    _turn: OwnedSemaphorePermit,
}

impl Lanes {
    /// Waits behind all ordered sends of this queue that asked before.
    pub(crate) async fn turn(
        &self,
        queue: &MessageQueue,
        deadline: Instant,
    ) -> Result<Turn, NotSentCause> {
        let lane = self.lane(queue);
        let failures = lane.failures.load(Ordering::Acquire);
        let began = Instant::now();
        let turn = match Arc::clone(&lane.turn).try_acquire_owned() {
            Ok(turn) => turn,
            Err(_) => {
                match tokio::time::timeout_at(deadline, Arc::clone(&lane.turn).acquire_owned())
                    .await
                {
                    Ok(Ok(turn)) => turn,
                    Ok(Err(_)) => return Err(NotSentCause::ShutDown),
                    Err(_) => {
                        // Those behind this one must not go first.
                        lane.failures.fetch_add(1, Ordering::AcqRel);
                        return Err(NotSentCause::NoTurn {
                            waited: began.elapsed(),
                        });
                    }
                }
            }
        };
        if lane.failures.load(Ordering::Acquire) != failures {
            return Err(NotSentCause::EarlierFailed {
                broker_name: queue.broker_name.clone(),
                queue_id: queue.queue_id,
            });
        }
        Ok(Turn { lane, _turn: turn })
    }

    fn lane(&self, queue: &MessageQueue) -> Arc<Lane> {
        let mut lanes = self.lanes.lock();
        if let Some(lane) = lanes.get(queue) {
            return Arc::clone(lane);
        }
        let lane = Arc::new(Lane {
            turn: Arc::new(Semaphore::new(1)),
            failures: AtomicU64::new(0),
        });
        lanes.insert(queue.clone(), Arc::clone(&lane));
        lane
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
        MessageQueue {
            topic: "t".to_owned(),
            broker_name: "b".to_owned(),
            queue_id,
        }
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[tokio::test]
    async fn sends_of_one_queue_take_turns_in_the_order_they_asked_and_queues_do_not_wait_for_each_other()
     {
        let lanes = Arc::new(Lanes::default());
        let first = lanes.turn(&queue(0), later()).await.unwrap();
        let _other = lanes.turn(&queue(1), later()).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for n in 0..10 {
            let (lanes, order) = (Arc::clone(&lanes), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let turn = lanes.turn(&queue(0), later()).await.unwrap();
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
        let first = lanes.turn(&queue(0), later()).await.unwrap();
        let behind = tokio::spawn({
            let lanes = Arc::clone(&lanes);
            async move { lanes.turn(&queue(0), later()).await.map(drop) }
        });
        tokio::task::yield_now().await;
        first.failed();
        assert!(matches!(
            behind.await.unwrap(),
            Err(NotSentCause::EarlierFailed { queue_id: 0, .. })
        ));
        assert!(lanes.turn(&queue(0), later()).await.is_ok());
    }

    #[tokio::test]
    async fn a_dropped_send_gives_its_turn_to_the_next() {
        let lanes = Lanes::default();
        drop(lanes.turn(&queue(0), later()).await.unwrap());
        assert!(lanes.turn(&queue(0), later()).await.is_ok());
    }
}
