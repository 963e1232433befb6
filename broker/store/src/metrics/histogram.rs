//! A histogram that many threads may feed: power-of-two buckets and a sum, each a relaxed atomic. It
//! promises that an observation costs two additions and neither lock nor allocation; a snapshot
//! taken meanwhile may miss the last few.

use crate::sync::Ordering;
use crate::sync::plain::AtomicU64;

/// Most buckets of one histogram.
const MAX_BUCKETS: usize = 28;

/// How often which values came up. The upper bounds are `2^first_bit`, `2^(first_bit + 1)`, ...
#[derive(Debug)]
pub(crate) struct Histogram {
    first_bit: u32,
    bounds: usize,
    /// One for each bound, and one for what is greater than all.
    counts: [AtomicU64; MAX_BUCKETS + 1],
    sum: AtomicU64,
}

impl Histogram {
    /// Bounds from `2^first_bit` to `2^last_bit`.
    pub(crate) fn new(first_bit: u32, last_bit: u32) -> Self {
        let bounds = (last_bit - first_bit + 1) as usize;
        assert!(
            last_bit < u64::BITS && bounds <= MAX_BUCKETS,
            "a histogram has up to {MAX_BUCKETS} bounds"
        );
        Self {
            first_bit,
            bounds,
            counts: [const { AtomicU64::new(0) }; MAX_BUCKETS + 1],
            sum: AtomicU64::new(0),
        }
    }

    /// Counts one value.
    #[inline]
    pub(crate) fn observe(&self, value: u64) {
        // The smallest power of two that is not less than the value.
        let bit = u64::BITS - value.saturating_sub(1).leading_zeros();
        let bucket = (bit.saturating_sub(self.first_bit) as usize).min(self.bounds);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot {
            bounds: (0..self.bounds as u32)
                .map(|n| 1 << (self.first_bit + n))
                .collect(),
            counts: self.counts[..=self.bounds]
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
                .collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

/// A histogram as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// Greatest value of each bucket, rising.
    pub bounds: Vec<u64>,
    /// Values in each bucket alone; one more than there are bounds, for all that is greater.
    pub counts: Vec<u64>,
    /// Sum of all values.
    pub sum: u64,
}

impl HistogramSnapshot {
    /// Number of values.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_at_the_first_bound_that_is_not_less() {
        let histogram = Histogram::new(2, 4);
        for value in [0, 1, 4, 5, 8, 9, 16, 17, u64::MAX / 2] {
            histogram.observe(value);
        }
        let seen = histogram.snapshot();
        assert_eq!(seen.bounds, [4, 8, 16]);
        assert_eq!(seen.counts, [3, 2, 2, 2]);
        assert_eq!(seen.count(), 9);
        assert_eq!(seen.sum, 60 + u64::MAX / 2);
    }
}
