//! The bytes of a simulated file as the model checker sees them: who reads and writes which
//! granule, so that an access which no order makes safe is found even if it did no harm. Built only
//! for models; it promises nothing about what the bytes are.

use std::collections::BTreeMap;
use std::sync::Mutex;

use loom::cell::UnsafeCell;

/// Bytes that are watched together. Records of a model are multiples of this.
pub(crate) const GRANULE_BYTES: usize = 256;

/// The granules that were written so far.
#[derive(Default)]
pub(super) struct Watch {
    granules: Mutex<BTreeMap<usize, UnsafeCell<()>>>,
}

impl Watch {
    fn granules(offset: usize, len: usize) -> std::ops::Range<usize> {
        offset / GRANULE_BYTES..(offset + len).div_ceil(GRANULE_BYTES)
    }

    /// Bytes are written now.
    pub(super) fn written(&self, offset: usize, len: usize) {
        if let Ok(mut granules) = self.granules.lock() {
            for granule in Self::granules(offset, len) {
                granules
                    .entry(granule)
                    .or_insert_with(|| UnsafeCell::new(()))
                    .with_mut(|_| ());
            }
        }
    }

    /// Bytes are read now. What was never written is zeros to everybody.
    pub(super) fn read(&self, offset: usize, len: usize) {
        if let Ok(granules) = self.granules.lock() {
            for (_, granule) in granules.range(Self::granules(offset, len)) {
                granule.with(|_| ());
            }
        }
    }

    /// All bytes are gone.
    pub(super) fn all_written(&self) {
        if let Ok(granules) = self.granules.lock() {
            granules
                .values()
                .for_each(|granule| granule.with_mut(|_| ()));
        }
    }
}
