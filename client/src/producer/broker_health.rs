//! Latency fault tolerance: a broker that answered slowly or not at all is left alone for a while, the longer the
//! worse it was. Owns one small record per broker, read with one atomic load per send; chooses nothing itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// From this latency on a broker is avoided, and for how long; the steps are RocketMQ's own.
const STEPS: [(Duration, Duration); 5] = [
    (Duration::from_millis(15_000), Duration::from_secs(30)),
    (Duration::from_millis(5_000), Duration::from_secs(10)),
    (Duration::from_millis(3_000), Duration::from_secs(6)),
    (Duration::from_millis(1_800), Duration::from_secs(5)),
    (Duration::from_millis(550), Duration::from_secs(2)),
];

/// What a failed send counts as.
const FAILURE_COUNTS_AS: Duration = Duration::from_secs(5);

/// How one broker has been doing.
#[derive(Debug)]
pub(crate) struct BrokerHealth {
    born: Instant,
    /// Milliseconds after `born` until which the broker is avoided; 0 when it is well.
    avoid_until_ms: AtomicU64,
}

impl BrokerHealth {
    pub(crate) fn new() -> Self {
        Self {
            born: Instant::now(),
            avoid_until_ms: AtomicU64::new(0),
        }
    }

    /// An answer came after `latency`.
    pub(crate) fn answered(&self, latency: Duration) {
        match STEPS.iter().find(|(from, _)| latency >= *from) {
            Some((_, avoid_for)) => self.avoid_for(*avoid_for),
            // A load is cheaper than a store to a line that every sender reads.
            None if self.avoid_until_ms.load(Ordering::Relaxed) == 0 => {}
            None => self.avoid_until_ms.store(0, Ordering::Relaxed),
        }
    }

    /// No answer came, the connection failed, or the broker said that it cannot serve.
    pub(crate) fn failed(&self) {
        self.answered(FAILURE_COUNTS_AS);
    }

    /// How much longer the broker had better be avoided; zero when it is well.
    pub(crate) fn avoid_for_ms(&self) -> u64 {
        match self.avoid_until_ms.load(Ordering::Relaxed) {
            0 => 0,
            until => until.saturating_sub(self.now_ms()),
        }
    }

    fn avoid_for(&self, time: Duration) {
        let until = self.now_ms() + u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.avoid_until_ms.store(until, Ordering::Relaxed);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_answer_makes_a_broker_well_again() {
        let health = BrokerHealth::new();
        assert_eq!(health.avoid_for_ms(), 0);
        health.failed();
        assert!((9_000..=10_000).contains(&health.avoid_for_ms()));
        health.answered(Duration::from_millis(3));
        assert_eq!(health.avoid_for_ms(), 0);
    }

    #[test]
    fn the_slower_the_answer_the_longer_the_broker_is_avoided() {
        let avoided = |latency| {
            let health = BrokerHealth::new();
            health.answered(Duration::from_millis(latency));
            health.avoid_for_ms().div_ceil(1_000)
        };
        assert_eq!(
            [549, 550, 1_800, 3_000, 5_000, 20_000].map(avoided),
            [0, 2, 5, 6, 10, 30]
        );
    }
}
