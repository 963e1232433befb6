//! Comparison of a new run with the published one: a figure is contradicted when the spreads of both do not meet and the
//! medians are further apart than a tenth. Ceilings come first: another machine contradicts everything.

use std::fmt::Write;

use super::figures::Published;
use super::task::{Figures, Task};
use crate::measure::Spread;

/// What was found.
pub(super) struct Contradictions {
    /// Figures that do not hold.
    pub(super) count: usize,
    /// All of it, for reading.
    pub(super) text: String,
}

/// Medians that are nearer than this are the same.
const TOLERANCE: f64 = 0.10;

/// Compares every figure that both runs have.
pub(super) fn compare(published: &Published, new: &Published) -> Contradictions {
    let mut text = String::new();
    let (mut count, mut compared) = (0, 0);
    if published.machine != new.machine {
        let _ = writeln!(
            text,
            "published on: {}\nthis machine: {}",
            published.machine, new.machine
        );
    }
    let mut keys: Vec<String> = Vec::new();
    for entry in &new.entries {
        let key = entry.task.key();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    for key in keys {
        for (name, figure) in FIGURES {
            let of = |run: &Published| run.spread(|task: &Task| task.key() == key, figure);
            let (Some(was), Some(is)) = (of(published), of(new)) else {
                continue;
            };
            compared += 1;
            if contradicts(was, is) {
                count += 1;
                let _ = writeln!(
                    text,
                    "{key}: {name} was {}, is {} ({:+.0} %)",
                    was.short(2),
                    is.short(2),
                    (is.median / was.median.max(1e-12) - 1.0) * 100.0
                );
            }
        }
    }
    let _ = writeln!(
        text,
        "{count} of {compared} figures are contradicted beyond both spreads and {:.0} %",
        TOLERANCE * 100.0
    );
    Contradictions { count, text }
}

fn contradicts(was: Spread, is: Spread) -> bool {
    let apart = is.min > was.max || was.min > is.max;
    apart && (is.median - was.median).abs() > TOLERANCE * was.median.abs()
}

type Figure = fn(&Figures) -> Option<f64>;

/// What is compared of each kind of task.
const FIGURES: [(&str, Figure); 6] = [
    ("ceiling", |f| match f {
        Figures::Ceiling(value) => Some(*value),
        _ => None,
    }),
    ("rate", |f| match f {
        Figures::Layout(r) => Some(r.rate()),
        Figures::Locks(r) => Some(r.rate),
        _ => None,
    }),
    ("CPU us a message", |f| match f {
        Figures::Layout(r) => Some(r.cpu_us_per_message()),
        Figures::Locks(r) => Some(r.cpu_us),
        _ => None,
    }),
    ("bytes to the device", |f| match f {
        Figures::Layout(r) => r.write_amplification(),
        _ => None,
    }),
    ("MB/s", |f| match f {
        Figures::Copies(t) | Figures::Pulls(t, _) => Some(t.bytes as f64 / 1e6 / t.seconds),
        Figures::Losses(l) => Some(l.cold_mb_per_second),
        _ => None,
    }),
    ("part given back", |f| match f {
        Figures::Losses(l) => Some(l.freed),
        _ => None,
    }),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(min: f64, median: f64, max: f64) -> Spread {
        Spread { min, median, max }
    }

    #[test]
    fn only_what_lies_apart_and_far_is_a_contradiction() {
        let was = spread(90.0, 100.0, 110.0);
        assert!(!contradicts(was, spread(105.0, 130.0, 150.0)), "they meet");
        assert!(!contradicts(was, spread(108.0, 109.0, 109.5)), "they meet");
        assert!(
            !contradicts(spread(100.0, 100.0, 100.0), spread(105.0, 105.0, 105.0)),
            "too near"
        );
        assert!(contradicts(was, spread(120.0, 130.0, 150.0)));
        assert!(contradicts(was, spread(50.0, 60.0, 70.0)));
    }
}
