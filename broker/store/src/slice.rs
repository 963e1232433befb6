//! The bytes of one record as a reader gets them: a lease of a mapped file, or a copy. It promises
//! that the bytes stay valid as long as the slice lives, whatever happens to the file.

use std::fmt;
use std::fs::File;
use std::ops::Deref;

use crate::disk::MappedSlice;
use crate::sync::Arc;

/// The bytes of one record. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct RecordSlice {
    bytes: Bytes,
}

#[derive(Clone)]
enum Bytes {
    Mapped(MappedSlice),
    Owned {
        bytes: Arc<[u8]>,
        offset: usize,
        len: usize,
    },
}

impl RecordSlice {
    pub(crate) fn mapped(lease: MappedSlice) -> Self {
        Self {
            bytes: Bytes::Mapped(lease),
        }
    }

    /// A slice of bytes that were read or made by the caller.
    pub fn owned(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        let len = bytes.len();
        Self {
            bytes: Bytes::Owned {
                bytes,
                offset: 0,
                len,
            },
        }
    }

    /// A slice of `len` bytes that `fill` puts into fresh memory.
    ///
    /// # Errors
    /// Those of `fill`.
    pub(crate) fn filled<E>(
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, len).collect();
        if let Some(bytes) = Arc::get_mut(&mut bytes) {
            fill(bytes)?;
        }
        Ok(Self::owned(bytes))
    }

    /// The part `offset..offset + len` of an owned or mapped slice, sharing its memory.
    ///
    /// # Panics
    /// When the part lies outside.
    pub fn part(&self, offset: usize, len: usize) -> Self {
        assert!(
            offset <= self.len() && len <= self.len() - offset,
            "part lies outside the slice"
        );
        let bytes = match &self.bytes {
            Bytes::Mapped(lease) => Bytes::Mapped(lease.part(offset, len)),
            Bytes::Owned {
                bytes,
                offset: start,
                ..
            } => Bytes::Owned {
                bytes: Arc::clone(bytes),
                offset: start + offset,
                len,
            },
        };
        Self { bytes }
    }

    /// The open file that the bytes lie in and their offset there, where they are in a mapped file.
    /// They are final: whoever sends them from the file sends these.
    pub fn in_file(&self) -> Option<(&Arc<File>, u64)> {
        match &self.bytes {
            Bytes::Mapped(lease) => lease.in_file(),
            Bytes::Owned { .. } => None,
        }
    }

    /// Whether the bytes lie in a mapped file, which this slice then keeps mapped.
    pub fn is_mapped(&self) -> bool {
        matches!(self.bytes, Bytes::Mapped(_))
    }
}

impl Deref for RecordSlice {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(lease) => lease,
            Bytes::Owned { bytes, offset, len } => &bytes[*offset..offset + len],
        }
    }
}

impl AsRef<[u8]> for RecordSlice {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for RecordSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordSlice")
            .field("len", &self.len())
            .field("mapped", &self.is_mapped())
            .finish()
    }
}
