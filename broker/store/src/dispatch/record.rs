//! A record as the dispatcher sees it: its place and numbers, and the few properties that queues
//! and index need, found in one pass without allocation. Promises to read whatever a log may hold.

use mainstem_record::{RecordView, property, sys_flag};

use crate::index::KeyPrefix;

/// Most keys indexed of one record; the properties of one cannot hold more words than this.
const MAX_KEYS: usize = 1 << 15;

/// Properties that mark a batch stored as one record.
const INNER_NUM: &[u8] = b"INNER_NUM";

/// What the dispatcher needs of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DispatchRecord<'a> {
    pub(crate) position: u64,
    pub(crate) size: u32,
    pub(crate) topic: &'a str,
    pub(crate) queue_id: i32,
    pub(crate) queue_offset: u64,
    pub(crate) sys_flag: i32,
    pub(crate) store_timestamp_ms: i64,
    /// The stored properties, as they are in the record.
    pub(crate) properties: &'a [u8],
}

impl<'a> DispatchRecord<'a> {
    pub(crate) fn of(position: u64, record: &RecordView<'a>) -> Self {
        Self {
            position,
            size: u32::try_from(record.total_size()).unwrap_or(u32::MAX),
            topic: record.topic(),
            queue_id: record.queue_id(),
            queue_offset: record.queue_offset().cast_unsigned(),
            sys_flag: record.sys_flag(),
            store_timestamp_ms: record.store_timestamp_ms(),
            properties: record.properties().as_bytes(),
        }
    }
}

/// What a record's properties say to the dispatcher.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Marks<'a> {
    pub(crate) tags: Option<&'a [u8]>,
    pub(crate) keys: Option<&'a [u8]>,
    pub(crate) unique_key: Option<&'a [u8]>,
    inner_num: Option<&'a [u8]>,
}

/// How many queue offsets a record takes.
pub(crate) fn messages_of(record: &DispatchRecord<'_>, marks: &Marks<'_>) -> u64 {
    if !sys_flag::is_inner_batch(record.sys_flag) {
        return 1;
    }
    let count = marks
        .inner_num
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
    count
        .filter(|count| (1..=u64::from(u16::MAX)).contains(count))
        .unwrap_or(1)
}

impl<'a> Marks<'a> {
    /// One pass over the stored properties. Of a name that occurs twice the last one counts.
    pub(crate) fn of(properties: &'a [u8]) -> Self {
        let mut marks = Self::default();
        let ends = memchr::memchr_iter(property::PROPERTY_SEPARATOR, properties);
        let mut start = 0;
        for end in ends.chain([properties.len()]) {
            let piece = &properties[start..end];
            start = end + 1;
            // By length and first byte first: most properties are none of these.
            let (name_len, target) = match piece.first() {
                Some(b'T') => (property::TAGS.len(), property::TAGS),
                Some(b'K') => (property::KEYS.len(), property::KEYS),
                Some(b'U') => (property::UNIQ_KEY.len(), property::UNIQ_KEY),
                Some(b'I') => (INNER_NUM.len(), "INNER_NUM"),
                _ => continue,
            };
            let Some((name, rest)) = piece.split_at_checked(name_len) else {
                continue;
            };
            if name != target.as_bytes() {
                continue;
            }
            let Some((&property::NAME_VALUE_SEPARATOR, value)) = rest.split_first() else {
                continue;
            };
            if value.is_empty() {
                continue;
            }
            match name.first() {
                Some(b'T') => marks.tags = Some(value),
                Some(b'K') => marks.keys = Some(value),
                Some(b'U') => marks.unique_key = Some(value),
                _ => marks.inner_num = Some(value),
            }
        }
        marks
    }

    /// Adds the index hashes of the unique key and of every word of the keys to `hashes`.
    pub(crate) fn hash_keys(&self, prefix: KeyPrefix, hashes: &mut Vec<u32>) {
        hashes.extend(self.unique_key.map(|key| prefix.key(key)));
        let words = self
            .keys
            .into_iter()
            .flat_map(|keys| keys.split(|byte| *byte == b' '));
        hashes.extend(
            words
                .filter(|word| !word.is_empty())
                .take(MAX_KEYS)
                .map(|word| prefix.key(word)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Option<&[u8]>) -> Option<&str> {
        bytes.and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    #[test]
    fn only_whole_names_count_and_the_last_of_one_name() {
        let properties = b"TAGSX\x01no\x02TAGS\x01a\x02KEY\x01no\x02KEYS\x01k1 k2\x02UNIQ_KEY\x01u\x02TAGS\x01b\x02U\x01\x02";
        let marks = Marks::of(properties);
        assert_eq!(text(marks.tags), Some("b"));
        assert_eq!(text(marks.keys), Some("k1 k2"));
        assert_eq!(text(marks.unique_key), Some("u"));
    }

    #[test]
    fn odd_bytes_are_no_properties() {
        for odd in [
            &b""[..],
            b"TAGS",
            b"TAGS\x01",
            b"TAGS\x01\x02",
            b"\x02\x02\x01",
            b"TAG\x01a",
            b"\xFF\x01\xFE",
        ] {
            let marks = Marks::of(odd);
            assert!(
                marks.tags.is_none() && marks.keys.is_none() && marks.unique_key.is_none(),
                "{odd:?}"
            );
        }
    }

    #[test]
    fn a_batch_stored_as_one_record_takes_an_offset_for_each_message() {
        let mut record = DispatchRecord {
            position: 0,
            size: 0,
            topic: "T",
            queue_id: 0,
            queue_offset: 0,
            sys_flag: sys_flag::INNER_BATCH | sys_flag::NEED_UNWRAP,
            store_timestamp_ms: 0,
            properties: b"INNER_NUM\x013\x02",
        };
        assert_eq!(messages_of(&record, &Marks::of(record.properties)), 3);
        record.properties = b"INNER_NUM\x01-3\x02";
        assert_eq!(messages_of(&record, &Marks::of(record.properties)), 1);
        record.sys_flag = 0;
        record.properties = b"INNER_NUM\x013\x02";
        assert_eq!(messages_of(&record, &Marks::of(record.properties)), 1);
    }
}
