//! Broker-wide rates over 10, 60 and 600 seconds, and the totals at the last two midnights, as GET_BROKER_RUNTIME_INFO
//! shows them. One sample a second; reading computes three differences.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// The three windows of a rate, in seconds.
const WINDOWS_S: [usize; 3] = [10, 60, 600];
/// Seconds of history kept.
const MAX_SAMPLES: usize = 601;

#[derive(Debug, Default)]
struct Samples {
    totals: VecDeque<u64>,
    day: Option<u64>,
    yesterday_morning: u64,
    today_morning: u64,
}

/// History of one total that only grows.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    samples: Mutex<Samples>,
}

impl Rate {
    /// Takes the sample of a second; `day` is any number that changes at midnight.
    pub(crate) fn sample(&self, total: u64, day: u64) {
        let mut samples = self.samples.lock();
        samples.totals.push_back(total);
        while samples.totals.len() > MAX_SAMPLES {
            samples.totals.pop_front();
        }
        match samples.day {
            None => samples.day = Some(day),
            Some(known) if known != day => {
                samples.yesterday_morning = samples.today_morning;
                samples.today_morning = total;
                samples.day = Some(day);
            }
            Some(_) => {}
        }
    }

    /// The rates of the three windows; a window longer than the history shows that of the history.
    pub(crate) fn per_second(&self) -> [f64; 3] {
        let samples = self.samples.lock();
        let last = samples.totals.len().saturating_sub(1);
        WINDOWS_S.map(|window| {
            let span = window.min(last);
            if span == 0 {
                return 0.0;
            }
            (samples.totals[last] - samples.totals[last - span]) as f64 / span as f64
        })
    }

    /// Three tokens, as tools parse them.
    pub(crate) fn text(&self) -> String {
        let [short, middle, long] = self.per_second();
        format!("{short:?} {middle:?} {long:?}")
    }

    /// Totals at yesterday's and at today's midnight.
    pub(crate) fn mornings(&self) -> (u64, u64) {
        let samples = self.samples.lock();
        (samples.yesterday_morning, samples.today_morning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_young_rate_has_three_tokens() {
        let rate = Rate::default();
        assert_eq!(rate.text(), "0.0 0.0 0.0");
        rate.sample(0, 1);
        rate.sample(5, 1);
        assert_eq!(rate.text(), "5.0 5.0 5.0");
    }

    #[test]
    fn midnight_moves_the_mornings() {
        let rate = Rate::default();
        rate.sample(7, 1);
        rate.sample(9, 2);
        rate.sample(12, 3);
        assert_eq!(rate.mornings(), (9, 12));
    }
}
