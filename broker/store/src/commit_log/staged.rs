//! Records of a group commit before their write. Where every group is synced, appends copy into memory, and the flusher
//! writes the group by one call: a page that is written through a map must be made read-only again by each sync, which
//! interrupts every other processor once a page and took most of a sync's time. It promises that the bytes are those of
//! one run of positions that ends at the log's end, and never more than a bound without a flush.

/// With this much not yet taken by the flusher, an append flushes by itself before it goes on: what the disk takes sets
/// the pace then. An append larger than this is taken when nothing else waits. As much again may be on its way to the disk.
pub(crate) const MAX_STAGED_BYTES: usize = 16 << 20;
/// Memory kept between groups; one burst must not stay resident.
const KEPT_BYTES: usize = 2 << 20;

/// Bytes that the log's files do not have yet.
#[derive(Debug, Default)]
pub(super) struct Staged {
    bytes: Vec<u8>,
}

impl Staged {
    /// Whether `len` more bytes keep the bound.
    #[inline]
    pub(super) fn has_room(&self, len: usize) -> bool {
        self.bytes.is_empty() || self.bytes.len() + len <= MAX_STAGED_BYTES
    }

    /// Adds what comes next in the log.
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds the rest of a file: its closing blank and zeros.
    pub(super) fn put_rest(&mut self, blank: &[u8], remaining: usize) {
        debug_assert!(blank.len() <= remaining, "a blank ends with its file");
        self.bytes.extend_from_slice(blank);
        self.bytes
            .resize(self.bytes.len() + remaining - blank.len(), 0);
    }

    /// Hands everything to the flusher, which gave the empty memory of its last group.
    pub(super) fn take(&mut self, spare: &mut Staged) {
        debug_assert!(spare.bytes.is_empty(), "the group before this is written");
        std::mem::swap(self, spare);
    }

    /// The bytes of the log up to `to`.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Empties it once the files have its bytes.
    pub(super) fn clear(&mut self) {
        let used = self.bytes.len();
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES.max(4 * used) {
            self.bytes.shrink_to(KEPT_BYTES.max(2 * used));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_holds_but_for_one_append_that_is_larger_than_it() {
        let mut staged = Staged::default();
        assert!(staged.has_room(2 * MAX_STAGED_BYTES));
        staged.put(&[1; 10]);
        assert!(staged.has_room(MAX_STAGED_BYTES - 10));
        assert!(!staged.has_room(MAX_STAGED_BYTES - 9));
    }

    #[test]
    fn a_group_is_taken_whole_and_its_memory_comes_back() {
        let (mut staged, mut spare) = (Staged::default(), Staged::default());
        staged.put(b"record");
        staged.put_rest(b"blank", 7);
        staged.take(&mut spare);
        assert_eq!(spare.bytes(), b"recordblank\0\0");
        assert!(staged.bytes().is_empty());
        spare.bytes.reserve(3 * KEPT_BYTES);
        spare.clear();
        assert!(spare.bytes.capacity() < 2 * KEPT_BYTES);
    }
}
