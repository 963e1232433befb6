//! The layout of an index file as Apache RocketMQ writes it: a header of 40 bytes, a table of
//! 4-byte slots, and 20-byte entries of which number 0 is never used; all big-endian. Owns codecs
//! and places, no file.

/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = 40;
/// Bytes of one slot.
pub(super) const SLOT_BYTES: u64 = 4;
/// Bytes of one entry.
pub(super) const ENTRY_BYTES: usize = 20;

/// How many slots and entries an index file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Slots, at least 1.
    pub(crate) slots: u32,
    /// Entries including the unused number 0, at least 2.
    pub(crate) entries: u32,
}

impl Geometry {
    pub(super) fn file_bytes(self) -> u64 {
        self.entry_position(self.entries)
    }

    pub(super) fn slot_of(self, hash: u32) -> u32 {
        hash % self.slots
    }

    pub(super) fn slot_position(slot: u32) -> u64 {
        HEADER_BYTES as u64 + u64::from(slot) * SLOT_BYTES
    }

    pub(super) fn entry_position(self, number: u32) -> u64 {
        Self::slot_position(self.slots) + u64::from(number) * ENTRY_BYTES as u64
    }
}

/// The header of an index file. Times are store times in ms, positions those of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) begin_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) begin_position: u64,
    pub(crate) end_position: u64,
    /// Slots in use.
    pub(crate) slots_used: u32,
    /// Number of the next entry; 1 in an empty file.
    pub(crate) next_entry: u32,
}

impl Default for Header {
    fn default() -> Self {
        Self {
            begin_ms: 0,
            end_ms: 0,
            begin_position: 0,
            end_position: 0,
            slots_used: 0,
            next_entry: 1,
        }
    }
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&self.begin_ms.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.end_ms.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.begin_position.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.end_position.to_be_bytes());
        bytes[32..36].copy_from_slice(&self.slots_used.to_be_bytes());
        bytes[36..].copy_from_slice(&self.next_entry.to_be_bytes());
        bytes
    }

    /// Reads a header; a count of 0 (a file that was never written) is that of an empty file.
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Self {
        let (longs, ints) = bytes.split_at(32);
        let long = |at: usize| {
            longs
                .as_chunks::<8>()
                .0
                .get(at)
                .map_or(0, |b| u64::from_be_bytes(*b))
        };
        let int = |at: usize| {
            ints.as_chunks::<4>()
                .0
                .get(at)
                .map_or(0, |b| u32::from_be_bytes(*b))
        };
        Self {
            begin_ms: long(0).cast_signed(),
            end_ms: long(1).cast_signed(),
            begin_position: long(2),
            end_position: long(3),
            slots_used: int(0),
            next_entry: int(1).max(1),
        }
    }

    /// Seconds since the file's begin, as entries keep their times.
    pub(super) fn seconds(&self, store_ms: i64) -> u32 {
        let seconds = store_ms.saturating_sub(self.begin_ms) / 1000;
        u32::try_from(seconds.clamp(0, i64::from(i32::MAX))).unwrap_or(0)
    }

    /// The earliest time, in ms, that a record may have whose entry says so many seconds; it may
    /// be up to 999 ms later.
    pub(super) fn time_ms(&self, seconds: u32) -> i64 {
        self.begin_ms.saturating_add(i64::from(seconds) * 1000)
    }
}

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) hash: u32,
    pub(super) position: u64,
    /// Seconds since the file's begin.
    pub(super) seconds: u32,
    /// Number of the entry before it in its slot's chain, 0 at the chain's end.
    pub(super) previous: u32,
}

impl Entry {
    pub(super) fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..4].copy_from_slice(&self.hash.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.position.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.seconds.to_be_bytes());
        bytes[16..].copy_from_slice(&self.previous.to_be_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [
            h0,
            h1,
            h2,
            h3,
            p0,
            p1,
            p2,
            p3,
            p4,
            p5,
            p6,
            p7,
            s0,
            s1,
            s2,
            s3,
            previous @ ..,
        ] = *bytes;
        Self {
            hash: u32::from_be_bytes([h0, h1, h2, h3]),
            position: u64::from_be_bytes([p0, p1, p2, p3, p4, p5, p6, p7]),
            seconds: u32::from_be_bytes([s0, s1, s2, s3]),
            previous: u32::from_be_bytes(previous),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_are_those_of_apaches_files() {
        let geometry = Geometry {
            slots: 200,
            entries: 800,
        };
        assert_eq!(geometry.file_bytes(), 16_840);
        assert_eq!(geometry.entry_position(1), 40 + 800 + 20);
    }

    proptest! {
        #[test]
        fn header_and_entry_survive_a_round_trip(
            begin_ms: i64, end_ms: i64, begin_position: u64, end_position: u64, slots_used: u32,
            next_entry in 1u32.., hash: u32, position: u64, seconds: u32, previous: u32,
        ) {
            let header = Header { begin_ms, end_ms, begin_position, end_position, slots_used, next_entry };
            prop_assert_eq!(Header::decode(&header.encode()), header);
            let entry = Entry { hash, position, seconds, previous };
            prop_assert_eq!(Entry::decode(&entry.encode()), entry);
        }

        #[test]
        fn a_second_holds_its_own_time(begin_ms in 0i64..1 << 50, after in 0i64..1 << 40) {
            let header = Header { begin_ms, ..Header::default() };
            let time = header.time_ms(header.seconds(begin_ms + after));
            prop_assert!(time <= begin_ms + after && begin_ms + after <= time + 999);
        }
    }
}
