//! The hash by which topics are found: seeded per process, a few nanoseconds for a usual name.
//! It promises spread, not secrecy; names are bounded in length and number by their owners.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// A seeded hash function for topic names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TopicHash {
    seed: u64,
}

impl TopicHash {
    /// A hash with a seed that no client knows.
    pub(crate) fn new() -> Self {
        Self {
            seed: RandomState::new().build_hasher().finish(),
        }
    }

    /// The hash of a topic.
    pub(crate) fn of(&self, topic: &str) -> u64 {
        let bytes = topic.as_bytes();
        let (words, rest) = bytes.as_chunks::<8>();
        let mut hash = self.seed ^ bytes.len() as u64;
        for word in words {
            hash = fold(hash ^ u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        fold(hash ^ u64::from_le_bytes(last))
    }
}

/// Multiplies to 128 bits and folds the halves, so that every bit of the input moves all others.
fn fold(value: u64) -> u64 {
    let wide = u128::from(value ^ MULTIPLIER.rotate_left(32)) * u128::from(MULTIPLIER);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves are folded")]
    let folded = (wide as u64) ^ ((wide >> 64) as u64);
    folded
}

/// Passes a hash that was computed already through to a map.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only a u64 is ever hashed here");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl BuildHasher for Hashed {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn similar_names_spread_over_all_bits() {
        let hash = TopicHash::new();
        let hashes: Vec<_> = (0..10_000)
            .map(|n| hash.of(&format!("topic-{n}")))
            .collect();
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), hashes.len());
        for shift in [0, 26, 58] {
            let buckets: HashSet<_> = hashes.iter().map(|h| (h >> shift) & 63).collect();
            assert_eq!(buckets.len(), 64);
        }
    }

    #[test]
    fn length_and_order_matter() {
        let hash = TopicHash::new();
        assert_ne!(hash.of("a"), hash.of("a\0"));
        assert_ne!(hash.of("aaaaaaaabbbbbbbb"), hash.of("bbbbbbbbaaaaaaaa"));
    }
}
