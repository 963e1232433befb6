//! The hashes of the key index: the absolute value of Java's hash of `topic#key`, and of
//! `topic#T#tag` for a tag. Promises the same numbers as `mainstem_record::hash`, from a prefix
//! that a queue keeps, without building the joined text.

/// Java's hash of `topic#`, from which the hashes of all its keys go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyPrefix(u32);

impl KeyPrefix {
    pub(crate) fn of_topic(topic: &str) -> Self {
        Self(extend(extend(0, topic.as_bytes()), b"#"))
    }

    /// The index hash of a key (or unique key) of the topic, given as UTF-8.
    pub(crate) fn key(self, key: &[u8]) -> u32 {
        absolute(extend(self.0, key))
    }

    /// The index hash of a tag of the topic, given as UTF-8.
    pub(crate) fn tag(self, tag: &[u8]) -> u32 {
        absolute(extend(extend(self.0, b"T#"), tag))
    }
}

/// The tags code of a queue unit: Java's hash of the tag, sign-extended.
pub(crate) fn tags_code(tag: &[u8]) -> i64 {
    i64::from(extend(0, tag).cast_signed())
}

/// The absolute value as Java's index takes it: that of the smallest number is 0.
fn absolute(hash: u32) -> u32 {
    hash.cast_signed()
        .checked_abs()
        .unwrap_or(0)
        .cast_unsigned()
}

const POWERS: [u32; 8] = {
    let mut powers = [1u32; 8];
    let mut at = 1;
    while at < 8 {
        powers[at] = powers[at - 1].wrapping_mul(31);
        at += 1;
    }
    powers
};

/// Goes on with Java's string hash over the UTF-16 units of UTF-8 bytes; bytes that are no UTF-8
/// count as U+FFFD, as they do in Java.
fn extend(mut hash: u32, text: &[u8]) -> u32 {
    if !text.is_ascii() {
        return extend_slowly(hash, text);
    }
    // Eight characters at once: one multiplication in the chain instead of eight.
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        let mut sum = 0u32;
        for (byte, power) in word.iter().zip(POWERS.iter().rev()) {
            sum = sum.wrapping_add(u32::from(*byte).wrapping_mul(*power));
        }
        hash = hash
            .wrapping_mul(POWERS[7].wrapping_mul(31))
            .wrapping_add(sum);
    }
    for byte in rest {
        hash = hash.wrapping_mul(31).wrapping_add(u32::from(*byte));
    }
    hash
}

#[cold]
fn extend_slowly(mut hash: u32, text: &[u8]) -> u32 {
    for unit in String::from_utf8_lossy(text).encode_utf16() {
        hash = hash.wrapping_mul(31).wrapping_add(u32::from(unit));
    }
    hash
}

#[cfg(test)]
mod tests {
    use mainstem_record::hash;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hashes_are_those_of_the_record_crate(topic in ".{0,40}", key in "[ -~é北😀]{0,60}") {
            let prefix = KeyPrefix::of_topic(&topic);
            prop_assert_eq!(prefix.key(key.as_bytes()).cast_signed(), hash::key_index_hash(&topic, &key));
            let tag = prefix.tag(key.as_bytes()).cast_signed();
            prop_assert_eq!(tag, hash::key_index_hash(&topic, &format!("T#{key}")));
            prop_assert_eq!(tags_code(key.as_bytes()), hash::tags_code(&key));
        }
    }
}
