//! The 20-byte unit of a consume queue, in the layout that Apache RocketMQ writes: physical offset
//! (8), record size (4), tags code (8), big-endian. Owns only the codec; which units are valid for
//! a queue is decided where they are read.

/// Bytes of one unit.
pub(crate) const UNIT_BYTES: usize = 20;

/// Record size in a unit that only fills the head of a file whose first real unit lies further in.
const FILLER_SIZE: u32 = 0x7FFF_FFFF;

/// One entry of a consume queue: where in the commit log the record with that queue offset lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueUnit {
    /// Position of the record in the commit log.
    pub physical_offset: u64,
    /// Size of the record in bytes.
    pub size: u32,
    /// Java hash of the tag (sign-extended), 0 without a tag; in the schedule topic the delivery
    /// time in milliseconds.
    pub tags_code: i64,
}

impl QueueUnit {
    /// The unit that fills the head of a queue's first file, so that readers that scan from the
    /// file's start do not stop there.
    pub(crate) const FILLER: Self = Self {
        physical_offset: 0,
        size: FILLER_SIZE,
        tags_code: 0,
    };

    /// The unit's bytes.
    #[must_use]
    pub(crate) fn encode(&self) -> [u8; UNIT_BYTES] {
        let mut bytes = [0; UNIT_BYTES];
        bytes[..8].copy_from_slice(&self.physical_offset.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.size.to_be_bytes());
        bytes[12..].copy_from_slice(&self.tags_code.to_be_bytes());
        bytes
    }

    /// Reads a unit; every 20 bytes are one, [`is_record`](Self::is_record) tells whether it is
    /// in use.
    #[must_use]
    pub(crate) fn decode(bytes: &[u8; UNIT_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, tags_code @ ..] = *bytes;
        Self {
            physical_offset: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            size: u32::from_be_bytes([i, j, k, l]),
            tags_code: i64::from_be_bytes(tags_code),
        }
    }

    /// Whether the unit points to a record: neither unused (zeros), nor a filler, nor nonsense.
    #[must_use]
    pub fn is_record(&self) -> bool {
        self.size > 0 && self.size < FILLER_SIZE && i64::try_from(self.physical_offset).is_ok()
    }

    /// Whether the unit is a filler.
    #[must_use]
    pub(crate) fn is_filler(&self) -> bool {
        *self == Self::FILLER
    }

    /// Position just behind the record.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.physical_offset.saturating_add(u64::from(self.size))
    }
}

/// Iterates over encoded units; a partial one at the end is left out.
pub(crate) fn decode_all(bytes: &[u8]) -> impl Iterator<Item = QueueUnit> {
    bytes
        .as_chunks::<UNIT_BYTES>()
        .0
        .iter()
        .map(QueueUnit::decode)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn layout_is_big_endian_offset_size_code() {
        let unit = QueueUnit {
            physical_offset: 0x0102_0304_0506_0708,
            size: 0x090A_0B0C,
            tags_code: -2,
        };
        let bytes = unit.encode();
        assert_eq!(bytes[..12], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(
            bytes[12..],
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE]
        );
    }

    #[test]
    fn unused_and_filler_units_are_no_records() {
        assert!(!QueueUnit::decode(&[0; UNIT_BYTES]).is_record());
        assert!(!QueueUnit::FILLER.is_record());
        assert!(QueueUnit::FILLER.is_filler());
    }

    proptest! {
        #[test]
        fn every_unit_survives_a_round_trip(physical_offset: u64, size: u32, tags_code: i64) {
            let unit = QueueUnit { physical_offset, size, tags_code };
            prop_assert_eq!(QueueUnit::decode(&unit.encode()), unit);
        }
    }
}
