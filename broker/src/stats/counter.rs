//! Counters with a minute, an hour and a day of history, as the request VIEW_BROKER_STATS_DATA shows them. Counting is
//! two relaxed additions; a sampler calls [`CounterTable::sample`] every ten seconds and does the rest.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

/// Interval at which [`CounterTable::sample`] is to be called, in milliseconds.
pub(crate) const SAMPLE_INTERVAL_MS: u64 = 10_000;
/// Samples of the minute window: seven points span six intervals of ten seconds.
const MINUTE_POINTS: usize = 7;
/// Samples of the hour window, one every ten minutes.
const HOUR_POINTS: usize = 7;
const SAMPLES_PER_HOUR_POINT: u64 = 60;
/// Samples of the day window, one an hour.
const DAY_POINTS: usize = 25;
const SAMPLES_PER_DAY_POINT: u64 = 360;
/// Most counters kept, so that hostile names cannot fill the memory; later ones are not counted.
const MAX_COUNTERS: usize = 200_000;

#[derive(Debug, Clone, Copy, Default)]
struct Point {
    at_ms: u64,
    sum: u64,
    times: u64,
}

#[derive(Debug, Default)]
struct History {
    minute: VecDeque<Point>,
    hour: VecDeque<Point>,
    day: VecDeque<Point>,
    samples: u64,
    /// The last sample, while nothing was ever added.
    empty_at_ms: Option<u64>,
}

impl History {
    fn add(&mut self, point: Point) {
        push(&mut self.minute, point, MINUTE_POINTS);
        if self.samples.is_multiple_of(SAMPLES_PER_HOUR_POINT) {
            push(&mut self.hour, point, HOUR_POINTS);
        }
        if self.samples.is_multiple_of(SAMPLES_PER_DAY_POINT) {
            push(&mut self.day, point, DAY_POINTS);
        }
        self.samples += 1;
    }
}

/// What a window of a counter shows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Window {
    /// Sum over the window.
    pub sum: u64,
    /// Sum per second.
    pub tps: f64,
    /// Sum per addition.
    pub average: f64,
}

/// One counter.
#[derive(Debug, Default)]
pub struct Counter {
    sum: AtomicU64,
    times: AtomicU64,
    history: Mutex<History>,
}

fn push(ring: &mut VecDeque<Point>, point: Point, limit: usize) {
    ring.push_back(point);
    while ring.len() > limit {
        ring.pop_front();
    }
}

fn window(ring: &VecDeque<Point>) -> Window {
    let (Some(first), Some(last)) = (ring.front(), ring.back()) else {
        return Window::default();
    };
    let sum = last.sum.saturating_sub(first.sum);
    let times = last.times.saturating_sub(first.times);
    let span_ms = last.at_ms.saturating_sub(first.at_ms);
    Window {
        sum,
        tps: if span_ms == 0 {
            0.0
        } else {
            sum as f64 * 1000.0 / span_ms as f64
        },
        average: if times == 0 {
            0.0
        } else {
            sum as f64 / times as f64
        },
    }
}

impl Counter {
    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.sum.fetch_add(amount, Ordering::Relaxed);
        self.times.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds `amount` as the sum of `times` additions.
    pub(crate) fn add_many(&self, amount: u64, times: u64) {
        self.sum.fetch_add(amount, Ordering::Relaxed);
        self.times.fetch_add(times, Ordering::Relaxed);
    }

    /// Sum since the start.
    pub fn total(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }

    fn sample(&self, at_ms: u64) {
        let times = self.times.load(Ordering::Relaxed);
        let mut history = self.history.lock();
        // Most of very many topics never get a message: a day of zeros for each would be a KiB.
        if times == 0 {
            history.empty_at_ms = Some(at_ms);
            return;
        }
        if let Some(at_ms) = history.empty_at_ms.take() {
            history.add(Point {
                at_ms,
                ..Point::default()
            });
        }
        history.add(Point {
            at_ms,
            sum: self.total(),
            times,
        });
    }

    /// The last minute.
    pub fn minute(&self) -> Window {
        window(&self.history.lock().minute)
    }

    /// The last hour.
    pub fn hour(&self) -> Window {
        window(&self.history.lock().hour)
    }

    /// The last day.
    pub fn day(&self) -> Window {
        window(&self.history.lock().day)
    }
}

/// Names of counters that clients ask for.
pub mod name {
    /// Messages stored; key: topic.
    pub const TOPIC_PUT_NUMS: &str = "TOPIC_PUT_NUMS";
    /// Bytes stored; key: topic.
    pub const TOPIC_PUT_SIZE: &str = "TOPIC_PUT_SIZE";
    /// Messages pulled; key: `topic@group`.
    pub const GROUP_GET_NUMS: &str = "GROUP_GET_NUMS";
    /// Bytes pulled; key: `topic@group`.
    pub const GROUP_GET_SIZE: &str = "GROUP_GET_SIZE";
    /// Messages sent back; key: `topic@group`.
    pub const SNDBCK_PUT_NUMS: &str = "SNDBCK_PUT_NUMS";
    /// Messages stored by the broker; key: cluster.
    pub const BROKER_PUT_NUMS: &str = "BROKER_PUT_NUMS";
    /// Messages pulled from the broker; key: cluster.
    pub const BROKER_GET_NUMS: &str = "BROKER_GET_NUMS";
}

/// All counters of a broker, by name and key.
#[derive(Debug, Default)]
pub struct CounterTable {
    counters: RwLock<HashMap<&'static str, HashMap<String, Arc<Counter>>>>,
}

impl CounterTable {
    /// The counter of this name and key, made when it is new. Keep the result: this takes a lock.
    pub fn counter(&self, name: &'static str, key: &str) -> Arc<Counter> {
        if let Some(counter) = self.find(name, key) {
            return counter;
        }
        let mut counters = self.counters.write();
        let count: usize = counters.values().map(HashMap::len).sum();
        if count >= MAX_COUNTERS {
            return Arc::new(Counter::default());
        }
        counters
            .entry(name)
            .or_default()
            .entry(key.to_owned())
            .or_default()
            .clone()
    }

    /// The counter of this name and key, if there is one.
    pub fn find(&self, name: &str, key: &str) -> Option<Arc<Counter>> {
        self.counters.read().get(name)?.get(key).cloned()
    }

    /// Forgets every counter whose key is `topic` or begins with `topic@`.
    pub fn forget_topic(&self, topic: &str) {
        let of_topic = |key: &str| {
            key.strip_prefix(topic)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
        };
        for keys in self.counters.write().values_mut() {
            keys.retain(|key, _| !of_topic(key));
        }
    }

    /// Forgets every counter whose key ends with `@group`.
    pub fn forget_group(&self, group: &str) {
        let of_group = |key: &str| {
            key.strip_suffix(group)
                .is_some_and(|rest| rest.ends_with('@'))
        };
        for keys in self.counters.write().values_mut() {
            keys.retain(|key, _| !of_group(key));
        }
    }

    /// Takes a sample of every counter.
    pub(crate) fn sample(&self, at_ms: u64) {
        for keys in self.counters.read().values() {
            for counter in keys.values() {
                counter.sample(at_ms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_shows_what_was_added_between_its_samples() {
        let table = CounterTable::default();
        let counter = table.counter(name::TOPIC_PUT_NUMS, "T");
        // Nothing is kept of the time before the first addition, but that it was empty.
        counter.sample(0);
        assert!(counter.history.lock().minute.capacity() == 0);
        counter.add(30);
        counter.add(30);
        counter.sample(10_000);
        assert_eq!(
            counter.minute(),
            Window {
                sum: 60,
                tps: 6.0,
                average: 30.0
            }
        );
        for at in 2..20 {
            counter.sample(at * 10_000);
        }
        assert_eq!(counter.minute().sum, 0);
    }

    #[test]
    fn a_forgotten_topic_takes_its_group_counters_with_it() {
        let table = CounterTable::default();
        table.counter(name::TOPIC_PUT_NUMS, "T").add(1);
        table.counter(name::GROUP_GET_NUMS, "T@g").add(1);
        table.counter(name::TOPIC_PUT_NUMS, "T2").add(1);
        table.forget_topic("T");
        assert!(table.find(name::TOPIC_PUT_NUMS, "T").is_none());
        assert!(table.find(name::GROUP_GET_NUMS, "T@g").is_none());
        assert!(table.find(name::TOPIC_PUT_NUMS, "T2").is_some());
    }
}
