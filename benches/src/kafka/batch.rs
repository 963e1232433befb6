//! Kafka's record batch, format v2 (magic 2): a 61-byte header with a CRC32C over everything from the attributes on,
//! then records with variable-length fields. Encodes a batch of values and checks one read back; knows nothing of files.
//! Layout: the Kafka documentation, "Record Batch".

use super::varint;

/// Bytes before the first record.
pub const HEADER_BYTES: usize = 61;
/// Bytes that `batch_length` does not count: the base offset and the length itself.
pub const LENGTH_PREFIX_BYTES: usize = 12;
const MAGIC: u8 = 2;
const CRC_POSITION: usize = 17;
const ATTRIBUTES_POSITION: usize = 21;
const NO_PRODUCER: i64 = -1;

/// What the header says of a batch, after its checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHead {
    /// Offset of the first record.
    pub base_offset: i64,
    /// The whole batch, header included, in bytes.
    pub total_bytes: usize,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Greatest record timestamp, milliseconds.
    pub max_timestamp_ms: i64,
    /// Number of records.
    pub count: i32,
}

/// Why bytes are not a sound batch.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BatchError {
    /// Fewer bytes than the header or the stated length.
    #[error("the batch is cut: {have} bytes of {need}")]
    Cut {
        /// bytes at hand
        have: usize,
        /// bytes needed
        need: usize,
    },
    /// Not format v2.
    #[error("magic {0} where 2 is expected")]
    Magic(u8),
    /// The stated length cannot be a batch's.
    #[error("batch length {0} is impossible")]
    Length(i32),
    /// The checksum does not match.
    #[error("CRC32C is {computed:#010x}, the header says {stated:#010x}")]
    Crc {
        /// computed over the bytes
        computed: u32,
        /// stated in the header
        stated: u32,
    },
    /// A record inside does not parse.
    #[error("record {0} of the batch does not parse")]
    Record(i32),
}

/// Appends one batch with `values` (no keys, no headers) to `out`; offsets run from `base_offset`.
pub fn encode<V: AsRef<[u8]>>(
    base_offset: i64,
    timestamp_ms: i64,
    values: &[V],
    out: &mut Vec<u8>,
) {
    debug_assert!(!values.is_empty(), "Kafka has no empty batches");
    let start = out.len();
    out.extend_from_slice(&base_offset.to_be_bytes());
    out.extend_from_slice(&[0; 4]); // length, patched below
    out.extend_from_slice(&0i32.to_be_bytes()); // partition leader epoch
    out.push(MAGIC);
    out.extend_from_slice(&[0; 4]); // CRC, patched below
    out.extend_from_slice(&0i16.to_be_bytes()); // attributes: no compression, create time
    out.extend_from_slice(&(values.len() as i32 - 1).to_be_bytes());
    out.extend_from_slice(&timestamp_ms.to_be_bytes());
    out.extend_from_slice(&timestamp_ms.to_be_bytes());
    out.extend_from_slice(&NO_PRODUCER.to_be_bytes());
    out.extend_from_slice(&(-1i16).to_be_bytes());
    out.extend_from_slice(&(-1i32).to_be_bytes());
    out.extend_from_slice(&(values.len() as i32).to_be_bytes());
    debug_assert_eq!(out.len() - start, HEADER_BYTES);
    for (delta, value) in values.iter().enumerate() {
        let (delta, value) = (delta as i64, value.as_ref());
        let value_len = value.len() as i64;
        // attributes, timestamp delta 0, offset delta, key length -1, value length, value, header count 0
        let record_len = 1 + 1 + varint::len(delta) + 1 + varint::len(value_len) + value.len() + 1;
        varint::put(record_len as i64, out);
        out.push(0);
        varint::put(0, out);
        varint::put(delta, out);
        varint::put(-1, out);
        varint::put(value_len, out);
        out.extend_from_slice(value);
        varint::put(0, out);
    }
    let length = (out.len() - start - LENGTH_PREFIX_BYTES) as i32;
    out[start + 8..start + 12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&out[start + ATTRIBUTES_POSITION..]);
    out[start + CRC_POSITION..start + CRC_POSITION + 4].copy_from_slice(&crc.to_be_bytes());
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// Reads the header at the front of `bytes` without looking at the records; enough to step from batch to batch.
pub fn head(bytes: &[u8]) -> Result<BatchHead, BatchError> {
    let cut = || BatchError::Cut {
        have: bytes.len(),
        need: HEADER_BYTES,
    };
    let base_offset = i64::from_be_bytes(array(bytes, 0).ok_or_else(cut)?);
    let length = i32::from_be_bytes(array(bytes, 8).ok_or_else(cut)?);
    let magic = *bytes.get(16).ok_or_else(cut)?;
    let last_delta = i32::from_be_bytes(array(bytes, 23).ok_or_else(cut)?);
    let max_timestamp_ms = i64::from_be_bytes(array(bytes, 35).ok_or_else(cut)?);
    let count = i32::from_be_bytes(array(bytes, 57).ok_or_else(cut)?);
    if magic != MAGIC {
        return Err(BatchError::Magic(magic));
    }
    if length < (HEADER_BYTES - LENGTH_PREFIX_BYTES) as i32 || last_delta < 0 {
        return Err(BatchError::Length(length));
    }
    Ok(BatchHead {
        base_offset,
        total_bytes: length as usize + LENGTH_PREFIX_BYTES,
        last_offset: base_offset.saturating_add(i64::from(last_delta)),
        max_timestamp_ms,
        count,
    })
}

/// Checks the whole batch at the front of `bytes`: header, length, CRC.
pub fn check(bytes: &[u8]) -> Result<BatchHead, BatchError> {
    let head = head(bytes)?;
    let batch = bytes.get(..head.total_bytes).ok_or(BatchError::Cut {
        have: bytes.len(),
        need: head.total_bytes,
    })?;
    let computed = crc32c::crc32c(&batch[ATTRIBUTES_POSITION..]);
    let stated = u32::from_be_bytes(array(batch, CRC_POSITION).ok_or(BatchError::Cut {
        have: batch.len(),
        need: HEADER_BYTES,
    })?);
    if computed != stated {
        return Err(BatchError::Crc { computed, stated });
    }
    Ok(head)
}

/// One record inside a batch.
#[derive(Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Absolute offset.
    pub offset: i64,
    /// The value; `None` for a tombstone.
    pub value: Option<&'a [u8]>,
}

/// The records of an uncompressed batch, which [`check`] has accepted.
pub fn records(batch: &[u8]) -> Result<Vec<Record<'_>>, BatchError> {
    let head = head(batch)?;
    let mut input = batch
        .get(HEADER_BYTES..head.total_bytes)
        .ok_or(BatchError::Cut {
            have: batch.len(),
            need: head.total_bytes,
        })?;
    (0..head.count)
        .map(|i| take_record(&mut input, head.base_offset).ok_or(BatchError::Record(i)))
        .collect()
}

fn take_record<'a>(input: &mut &'a [u8], base_offset: i64) -> Option<Record<'a>> {
    let len = usize::try_from(varint::take(input)?).ok()?;
    let (mut record, rest) = input.split_at_checked(len)?;
    *input = rest;
    record = record.get(1..)?; // attributes
    varint::take(&mut record)?; // timestamp delta
    let offset = base_offset.checked_add(varint::take(&mut record)?)?;
    take_bytes(&mut record)?; // key
    let value = take_bytes(&mut record)?;
    Some(Record { offset, value })
}

/// A length-prefixed byte string; the outer `None` is a malformed one, the inner a null.
fn take_bytes<'a>(input: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let len = varint::take(input)?;
    if len < 0 {
        return Some(None);
    }
    let (bytes, rest) = input.split_at_checked(usize::try_from(len).ok()?)?;
    *input = rest;
    Some(Some(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_batch_reads_back_as_it_was_written() {
        let values = [b"one".to_vec(), vec![], vec![7; 1000]];
        let mut out = vec![0xaa; 5];
        encode(42, 1_700_000_000_000, &values, &mut out);
        let head = check(&out[5..]).unwrap();
        assert_eq!(
            (head.base_offset, head.last_offset, head.count),
            (42, 44, 3)
        );
        assert_eq!(head.total_bytes, out.len() - 5);
        let read = records(&out[5..]).unwrap();
        assert_eq!(
            read.iter().map(|r| r.offset).collect::<Vec<_>>(),
            [42, 43, 44]
        );
        assert_eq!(
            read.iter()
                .map(|r| r.value.unwrap().to_vec())
                .collect::<Vec<_>>(),
            values
        );
    }

    #[test]
    fn every_flipped_bit_after_the_header_length_is_found_or_changes_nothing_that_is_read() {
        let mut out = Vec::new();
        encode(0, 5, &[b"value"], &mut out);
        for bit in 0..out.len() * 8 {
            let mut bad = out.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let covered_by_crc = bit / 8 >= CRC_POSITION;
            assert!(
                !covered_by_crc || check(&bad).is_err(),
                "bit {bit} went unnoticed"
            );
        }
    }

    #[test]
    fn no_prefix_and_no_garbage_makes_it_panic() {
        let mut out = Vec::new();
        encode(9, 5, &[b"abc", b"def"], &mut out);
        for end in 0..out.len() {
            assert!(check(&out[..end]).is_err());
        }
        for seed in 0..2000u64 {
            let mut state = seed;
            let garbage: Vec<u8> = std::iter::repeat_with(|| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as u8
            })
            .take(80)
            .collect();
            let _ = check(&garbage);
            let _ = records(&garbage);
        }
    }
}
