//! Records of the journal: magic, length, CRC32, sequence number, changes. Owns the codec only; a
//! record is valid or not, and nothing here knows what a table means.
//!
//! Layout, big-endian: magic (4), bytes of the rest from the sequence number on (4), CRC32 of that
//! rest (4), sequence (8), then the changes: kind (1: 1 put, 2 remove), table (1), key length (2),
//! value length (4), key, value.

/// Marks the start of a record, also for whoever looks for the next one behind damage.
pub(super) const MAGIC: [u8; 4] = *b"MSJR";
/// Magic, length and checksum.
pub(super) const HEAD_BYTES: usize = 12;
const SEQUENCE_BYTES: usize = 8;
const CHANGE_HEAD_BYTES: usize = 8;
/// Longest value.
pub(super) const MAX_VALUE_BYTES: usize = 4 << 20;
/// Longest content: one change of the longest value beside others.
pub(super) const MAX_CONTENT_BYTES: usize = MAX_VALUE_BYTES + (1 << 20);
/// A record is closed when its changes have so many bytes.
pub(super) const RECORD_BYTES: usize = 256 << 10;

const PUT: u8 = 1;
const REMOVE: u8 = 2;

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change<'a> {
    pub(super) table: u8,
    pub(super) key: &'a str,
    /// `None` removes the key.
    pub(super) value: Option<&'a [u8]>,
}

/// Begins a record at the end of `out`; returns where it starts.
pub(super) fn begin(sequence: u64, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0; HEAD_BYTES - MAGIC.len()]);
    out.extend_from_slice(&sequence.to_be_bytes());
    start
}

/// Adds a change. Lengths were checked when the change was made.
pub(super) fn push(change: &Change<'_>, out: &mut Vec<u8>) {
    let value = change.value.unwrap_or_default();
    out.push(if change.value.is_some() { PUT } else { REMOVE });
    out.push(change.table);
    out.extend_from_slice(
        &u16::try_from(change.key.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes(),
    );
    out.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(change.key.as_bytes());
    out.extend_from_slice(value);
}

/// Closes the record that starts at `start`.
pub(super) fn finish(start: usize, out: &mut [u8]) {
    let (head, content) = out[start..].split_at_mut(HEAD_BYTES);
    let len = u32::try_from(content.len()).unwrap_or(u32::MAX);
    head[4..8].copy_from_slice(&len.to_be_bytes());
    head[8..].copy_from_slice(&crc32fast::hash(content).to_be_bytes());
}

/// Length of the content and checksum, from a record's head; `None` when it is no head.
pub(super) fn head(bytes: &[u8; HEAD_BYTES]) -> Option<(usize, u32)> {
    let [m0, m1, m2, m3, l0, l1, l2, l3, crc @ ..] = *bytes;
    let len = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).ok()?;
    let valid = [m0, m1, m2, m3] == MAGIC && (SEQUENCE_BYTES..=MAX_CONTENT_BYTES).contains(&len);
    valid.then(|| (len, u32::from_be_bytes(crc)))
}

/// Sequence number and changes of a record's content; `None` when it is not whole.
pub(super) fn content(bytes: &[u8], crc: u32) -> Option<(u64, Vec<Change<'_>>)> {
    if crc32fast::hash(bytes) != crc {
        return None;
    }
    let (sequence, mut rest) = bytes.split_first_chunk::<SEQUENCE_BYTES>()?;
    let mut changes = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<CHANGE_HEAD_BYTES>() {
        let [kind, table, k0, k1, value_len @ ..] = *head;
        let (key, after) = after.split_at_checked(usize::from(u16::from_be_bytes([k0, k1])))?;
        let value_len = usize::try_from(u32::from_be_bytes(value_len)).ok()?;
        let (value, after) = after.split_at_checked(value_len)?;
        let value = match kind {
            PUT => Some(value),
            REMOVE => None,
            _ => return None,
        };
        changes.push(Change {
            table,
            key: std::str::from_utf8(key).ok()?,
            value,
        });
        rest = after;
    }
    rest.is_empty()
        .then(|| (u64::from_be_bytes(*sequence), changes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn records_survive_a_round_trip_and_no_byte_may_change(
            sequence: u64,
            changes in prop::collection::vec((0u8..8, ".{0,20}", prop::option::of(prop::collection::vec(any::<u8>(), 0..50))), 0..10),
            at: prop::sample::Index, flip in 1u8..,
        ) {
            let changes: Vec<Change<'_>> = changes
                .iter()
                .map(|(table, key, value)| Change { table: *table, key, value: value.as_deref() })
                .collect();
            let mut out = vec![9; 3];
            let start = begin(sequence, &mut out);
            changes.iter().for_each(|change| push(change, &mut out));
            finish(start, &mut out);
            let parse = |bytes: &[u8]| {
                let (len, crc) = head(bytes.first_chunk().unwrap())?;
                let rest = bytes.get(HEAD_BYTES..HEAD_BYTES + len)?;
                content(rest, crc).map(|(sequence, changes)| (sequence, format!("{changes:?}")))
            };
            let bytes = &mut out[start..];
            prop_assert_eq!(parse(bytes), Some((sequence, format!("{changes:?}"))));
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert_eq!(parse(bytes), None);
        }
    }
}
