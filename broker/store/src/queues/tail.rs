//! The tail of one queue: the units that are not yet certain to be in its file, encoded, in one
//! buffer that grows on demand. Promises that memory holds exactly the units from `start` on and
//! tells every change of its size, so that all tails together stay within a budget. It does no
//! input or output.

use super::unit::{QueueUnit, UNIT_BYTES};
use crate::sync::{AtomicUsize, Ordering};

/// Units for which a new tail makes room at first: 80 bytes, since most of very many queues get
/// few messages between two write-outs.
const FIRST_UNITS: usize = 4;

/// The account of the memory of all tails.
#[derive(Debug, Default)]
pub(crate) struct TailMemory {
    bytes: AtomicUsize,
    /// Size of the longest tail that grew since this was last asked for.
    longest: AtomicUsize,
}

impl TailMemory {
    /// Bytes of all tails together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A tail grew by `grown` bytes and now has `tail_bytes`.
    pub(super) fn grew(&self, grown: usize, tail_bytes: usize) {
        if grown > 0 {
            self.bytes.fetch_add(grown, Ordering::Relaxed);
            self.longest.fetch_max(tail_bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn shrank(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(before >= bytes, "tails give back what they took");
    }

    /// Size of the longest tail that grew since the last call, in bytes.
    pub(super) fn take_longest(&self) -> usize {
        self.longest.swap(0, Ordering::Relaxed)
    }
}

/// The units `start ..` of a queue, in memory.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    start: u64,
    units: Vec<[u8; UNIT_BYTES]>,
}

impl Tail {
    pub(super) fn new(start: u64) -> Self {
        Self {
            start,
            units: Vec::new(),
        }
    }

    /// Offset of the first unit in memory; all before it are durable in the queue's files.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Offset behind the last unit.
    pub(super) fn end(&self) -> u64 {
        self.start + self.units.len() as u64
    }

    /// Memory held, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.units.capacity() * UNIT_BYTES
    }

    /// Appends a unit; returns by how many bytes the tail's memory grew.
    pub(super) fn push(&mut self, unit: &QueueUnit) -> usize {
        let before = self.units.capacity();
        if self.units.len() == before {
            self.units.reserve_exact(before.max(FIRST_UNITS));
        }
        self.units.push(unit.encode());
        (self.units.capacity() - before) * UNIT_BYTES
    }

    /// The unit at `offset`, if it is in memory.
    pub(super) fn get(&self, offset: u64) -> Option<QueueUnit> {
        let index = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.units.get(index).map(QueueUnit::decode)
    }

    /// The encoded units `from .. to` as far as they are in memory. `from` must not lie before
    /// [`start`](Self::start).
    pub(super) fn bytes(&self, from: u64, to: u64) -> &[u8] {
        debug_assert!(from >= self.start, "units before the tail are in the file");
        let index = |offset: u64| {
            usize::try_from(offset.saturating_sub(self.start))
                .unwrap_or(usize::MAX)
                .min(self.units.len())
        };
        let (from, to) = (index(from), index(to));
        self.units
            .get(from..to.max(from))
            .unwrap_or_default()
            .as_flattened()
    }

    /// Lets go of the units before `upto`, which are durable now; returns the bytes of memory
    /// given back.
    pub(super) fn settled(&mut self, upto: u64) -> usize {
        assert!(
            upto <= self.end(),
            "a unit cannot be durable before it exists"
        );
        let before = self.memory_bytes();
        let count = usize::try_from(upto.saturating_sub(self.start)).unwrap_or(0);
        self.units.drain(..count);
        self.start += count as u64;
        // What came in while the others were written is little; keep no room for more than that.
        self.units
            .shrink_to(self.units.len().next_power_of_two().max(FIRST_UNITS));
        if self.units.is_empty() {
            self.units = Vec::new();
        }
        before - self.memory_bytes()
    }

    /// A tail as a snapshot kept it. `None` when `bytes` is no whole number of units.
    pub(super) fn restore(start: u64, bytes: &[u8]) -> Option<Self> {
        let (units, rest) = bytes.as_chunks::<UNIT_BYTES>();
        rest.is_empty().then(|| Self {
            start,
            units: units.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn unit(n: u64) -> QueueUnit {
        QueueUnit {
            physical_offset: n * 100,
            size: 100,
            tags_code: 7,
        }
    }

    #[test]
    fn memory_is_accounted_to_the_byte() {
        let mut tail = Tail::new(10);
        let mut memory = 0;
        for n in 0..1000 {
            memory += tail.push(&unit(n));
            assert_eq!(memory, tail.memory_bytes());
        }
        memory -= tail.settled(500);
        assert_eq!(memory, tail.memory_bytes());
        assert_eq!((tail.start(), tail.end()), (500, 1010));
        assert_eq!(tail.get(500), Some(unit(490)));
        assert_eq!(tail.get(499), None);
        memory -= tail.settled(1010);
        assert_eq!((memory, tail.memory_bytes()), (0, 0));
        assert_eq!((tail.start(), tail.end()), (1010, 1010));
    }

    #[test]
    fn a_range_is_cut_to_what_is_in_memory() {
        let mut tail = Tail::new(5);
        for n in 0..10 {
            tail.push(&unit(n));
        }
        assert_eq!(tail.bytes(5, 7).len(), 2 * UNIT_BYTES);
        assert_eq!(tail.bytes(14, 100).len(), UNIT_BYTES);
        assert!(tail.bytes(15, 100).is_empty());
        let copy = Tail::restore(5, tail.bytes(5, 100)).unwrap();
        assert_eq!((copy.start(), copy.end()), (5, 15));
        assert!(Tail::restore(5, &[0; 19]).is_none());
    }
}
