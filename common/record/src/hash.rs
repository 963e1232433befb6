//! The hashes that RocketMQ stores and sends: Java's string hash and what is made of it for tags and index keys. Promises
//! the same numbers as a JVM; knows neither queues nor index files.

/// Java's `String.hashCode()`: `h = 31·h + unit` over UTF-16 code units, wrapping at 32 bits.
#[must_use]
pub fn java_string_hash(text: &str) -> i32 {
    extend(0, text)
}

/// The tags code of a consume-queue entry: the tag's hash, sign-extended; 0 for no tag.
#[must_use]
pub fn tags_code(tag: &str) -> i64 {
    i64::from(java_string_hash(tag))
}

/// The key index's hash of `topic#key`: never negative (the one value without an absolute becomes 0).
#[must_use]
pub fn key_index_hash(topic: &str, key: &str) -> i32 {
    extend(extend(extend(0, topic), "#"), key)
        .checked_abs()
        .unwrap_or(0)
}

fn extend(mut hash: i32, text: &str) -> i32 {
    if text.is_ascii() {
        for byte in text.bytes() {
            hash = hash.wrapping_mul(31).wrapping_add(i32::from(byte));
        }
    } else {
        for unit in text.encode_utf16() {
            hash = hash.wrapping_mul(31).wrapping_add(i32::from(unit));
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_a_jvm() {
        assert_eq!(java_string_hash(""), 0);
        assert_eq!(java_string_hash("TagA"), 2_598_919);
        assert_eq!(java_string_hash("TagB"), 2_598_920);
        assert_eq!(java_string_hash("北京"), 679_541);
        assert_eq!(java_string_hash("polygenelubricants"), i32::MIN);
        assert_eq!(java_string_hash("\u{1F600}"), 31 * 0xD83D + 0xDE00);
        assert_eq!(tags_code("polygenelubricants"), i64::from(i32::MIN));
    }

    #[test]
    fn index_hash_is_never_negative() {
        assert_eq!(key_index_hash("TopicTest", "K1"), 2_745_032);
        assert_eq!(key_index_hash("TopicTest", "K1") % 5_000_000, 2_745_032);
        // A topic and key whose joined hash is the one value without an absolute.
        assert_eq!(
            java_string_hash("polygenelubricants")
                .checked_abs()
                .unwrap_or(0),
            0
        );
        assert!(key_index_hash("a", "polygenelubricants") >= 0);
    }
}
