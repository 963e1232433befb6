//! Several runs of one thing: the median to quote, and how far the runs lay apart.

use std::fmt;

/// Least, median and greatest of some runs.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The median (of an even number the mean of the middle two).
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of at least one run; `None` of none.
    pub fn of(runs: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = runs.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        let upper = sorted[sorted.len() / 2];
        let lower = sorted[(sorted.len() - 1) / 2];
        Some(Self {
            min: first,
            median: f64::midpoint(lower, upper),
            max: last,
        })
    }

    /// The median, with the least and the greatest in brackets where they differ.
    pub fn short(self, digits: usize) -> String {
        if self.min == self.max {
            format!("{:.digits$}", self.median)
        } else {
            format!("{self:.digits$}")
        }
    }

    /// The same in another unit.
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            min: self.min * factor,
            median: self.median * factor,
            max: self.max * factor,
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        write!(
            f,
            "{:.digits$} ({:.digits$}-{:.digits$})",
            self.median, self.min, self.max
        )
    }
}

/// Runs every contestant once a round, for `rounds` rounds, so that a machine whose speed drifts treats all alike.
/// Results come back per contestant, in the order of the rounds; the first failure ends it.
pub fn alternate<C, R, E>(
    contestants: &[C],
    rounds: usize,
    mut run: impl FnMut(&C) -> Result<R, E>,
) -> Result<Vec<Vec<R>>, E> {
    let mut results: Vec<Vec<R>> = contestants
        .iter()
        .map(|_| Vec::with_capacity(rounds))
        .collect();
    for _ in 0..rounds {
        for (contestant, results) in contestants.iter().zip(&mut results) {
            results.push(run(contestant)?);
        }
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_run() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(
            Spread::of([3.0, 1.0, 2.0]),
            Some(Spread {
                min: 1.0,
                median: 2.0,
                max: 3.0
            })
        );
        assert_eq!(Spread::of([4.0, 1.0]).map(|s| s.median), Some(2.5));
    }

    #[test]
    fn contestants_take_turns() {
        let mut order = Vec::new();
        let results = alternate(&["a", "b"], 2, |c| {
            order.push(*c);
            Ok::<_, ()>(order.len())
        });
        assert_eq!(order, ["a", "b", "a", "b"]);
        assert_eq!(results, Ok(vec![vec![1, 3], vec![2, 4]]));
    }
}
