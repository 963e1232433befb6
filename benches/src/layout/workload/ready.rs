//! Which partitions have something new for the consumers: a queue in which each partition stands at most once, as a
//! broker wakes a parked pull once however much has arrived.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

struct Queue {
    partitions: VecDeque<u32>,
    queued: Vec<bool>,
    closed: bool,
}

/// The queue.
pub(super) struct Ready {
    queue: Mutex<Queue>,
    news: Condvar,
}

/// What a consumer is told.
pub(super) enum News {
    Partition(u32),
    Nothing,
    /// Producers have finished and the queue is empty.
    End,
}

impl Ready {
    pub(super) fn new(partitions: u32) -> Self {
        let queue = Queue {
            partitions: VecDeque::new(),
            queued: vec![false; partitions as usize],
            closed: false,
        };
        Self {
            queue: Mutex::new(queue),
            news: Condvar::new(),
        }
    }

    pub(super) fn announce(&self, partition: u32) {
        let mut queue = self.queue.lock();
        if !std::mem::replace(&mut queue.queued[partition as usize], true) {
            queue.partitions.push_back(partition);
            drop(queue);
            self.news.notify_one();
        }
    }

    pub(super) fn next(&self, timeout: Duration) -> News {
        let mut queue = self.queue.lock();
        if queue.partitions.is_empty() && !queue.closed {
            self.news.wait_for(&mut queue, timeout);
        }
        match queue.partitions.pop_front() {
            Some(partition) => {
                queue.queued[partition as usize] = false;
                News::Partition(partition)
            }
            None if queue.closed => News::End,
            None => News::Nothing,
        }
    }

    pub(super) fn close(&self) {
        self.queue.lock().closed = true;
        self.news.notify_all();
    }
}
