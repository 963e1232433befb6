//! Queue locks of groups that consume in order: one client at a time works on a queue. A lock lives for a minute after
//! its last renewal.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long a lock lives without renewal.
pub const LOCK_LIFETIME: Duration = Duration::from_secs(60);

/// A queue of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LockedQueue {
    /// Topic.
    pub topic: String,
    /// Queue id.
    pub queue_id: i32,
}

struct Lock {
    client_id: String,
    renewed: Instant,
}

impl Lock {
    fn is_expired(&self, now: Instant) -> bool {
        now.duration_since(self.renewed) > LOCK_LIFETIME
    }
}

/// The queue locks of a broker.
#[derive(Default)]
pub struct QueueLocks {
    groups: Mutex<HashMap<String, HashMap<LockedQueue, Lock>>>,
}

impl QueueLocks {
    /// Locks or renews as many of the queues as are free, the client's own or expired, and returns those.
    pub fn lock(
        &self,
        group: &str,
        client_id: &str,
        queues: Vec<LockedQueue>,
        now: Instant,
    ) -> Vec<LockedQueue> {
        let mut groups = self.groups.lock();
        let locks = groups.entry(group.to_owned()).or_default();
        queues
            .into_iter()
            .filter(|queue| {
                let free = locks
                    .get(queue)
                    .is_none_or(|lock| lock.client_id == client_id || lock.is_expired(now));
                if free {
                    locks.insert(
                        queue.clone(),
                        Lock {
                            client_id: client_id.to_owned(),
                            renewed: now,
                        },
                    );
                }
                free
            })
            .collect()
    }

    /// Gives up those of the queues that the client holds.
    pub fn unlock(&self, group: &str, client_id: &str, queues: &[LockedQueue]) {
        let mut groups = self.groups.lock();
        let Some(locks) = groups.get_mut(group) else {
            return;
        };
        for queue in queues {
            if locks
                .get(queue)
                .is_some_and(|lock| lock.client_id == client_id)
            {
                locks.remove(queue);
            }
        }
        if locks.is_empty() {
            groups.remove(group);
        }
    }

    /// Whether the group holds any lock that has not expired, that is, consumes in order.
    pub fn any_held(&self, group: &str) -> bool {
        let now = Instant::now();
        self.groups
            .lock()
            .get(group)
            .is_some_and(|locks| locks.values().any(|lock| !lock.is_expired(now)))
    }

    /// Forgets expired locks.
    pub(crate) fn sweep(&self, now: Instant) {
        self.groups.lock().retain(|_, locks| {
            locks.retain(|_, lock| !lock.is_expired(now));
            !locks.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(queue_id: i32) -> LockedQueue {
        LockedQueue {
            topic: "T".to_owned(),
            queue_id,
        }
    }

    #[test]
    fn a_lock_is_granted_to_one_client_until_it_expires() {
        let (locks, now) = (QueueLocks::default(), Instant::now());
        assert_eq!(
            locks.lock("g", "a", vec![queue(0), queue(1)], now),
            [queue(0), queue(1)]
        );
        assert_eq!(
            locks.lock("g", "b", vec![queue(0), queue(2)], now),
            [queue(2)]
        );
        assert_eq!(locks.lock("g", "a", vec![queue(0)], now), [queue(0)]);
        let later = now + LOCK_LIFETIME + Duration::from_secs(1);
        assert_eq!(locks.lock("g", "b", vec![queue(0)], later), [queue(0)]);
    }

    #[test]
    fn only_the_holder_unlocks() {
        let (locks, now) = (QueueLocks::default(), Instant::now());
        locks.lock("g", "a", vec![queue(0)], now);
        locks.unlock("g", "b", &[queue(0)]);
        assert!(locks.any_held("g"));
        locks.unlock("g", "a", &[queue(0)]);
        assert!(!locks.any_held("g"));
    }
}
