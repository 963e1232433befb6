//! Memory that is, or plays, a mapped file. It owns the base pointer and its lifetime, promises
//! bounds-checked copies, and never makes a `&mut [u8]` of memory that others may touch. It may
//! not decide what is published: whoever takes a lease vouches that its bytes are final.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::ptr::NonNull;

use memmap2::{MmapRaw, UncheckedAdvice};

use super::PAGE_BYTES;
use crate::sync::plain::Mutex;
use crate::sync::{Arc, LeaseArc};

/// A fixed range of memory shared by one writer at a time and any number of readers of bytes
/// that are final.
pub struct Region {
    base: NonNull<u8>,
    len: usize,
    backing: Backing,
}

enum Backing {
    Map {
        map: MmapRaw,
        /// The file whose bytes these are, from its beginning.
        file: Arc<File>,
    },
    Heap {
        #[cfg_attr(not(loom), expect(dead_code, reason = "only kept alive"))]
        memory: Arc<HeapMemory>,
        /// Held while bytes change or are copied away by a simulated sync, so that the two never
        /// race; real maps leave that to the kernel.
        gate: Arc<Mutex<()>>,
    },
}

// SAFETY: the memory belongs to the region until it is dropped, may be touched from any thread,
// and every access goes through raw-pointer copies or leases of final bytes.
unsafe impl Send for Region {}
// SAFETY: as above; the writer's exclusion is the append lock's promise, stated at `write`.
unsafe impl Sync for Region {}

impl Region {
    pub(super) fn from_map(map: MmapRaw, file: Arc<File>) -> io::Result<Self> {
        let len = map.len();
        let Some(base) = NonNull::new(map.as_mut_ptr()) else {
            return Err(io::Error::other("the kernel mapped a file at address zero"));
        };
        Ok(Self {
            base,
            len,
            backing: Backing::Map { map, file },
        })
    }

    pub(super) fn from_heap(memory: Arc<HeapMemory>, len: usize, gate: Arc<Mutex<()>>) -> Self {
        assert!(len <= memory.len, "a simulated map must lie in its memory");
        Self {
            base: memory.base,
            len,
            backing: Backing::Heap { memory, gate },
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the region has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn check(&self, offset: usize, len: usize) {
        assert!(
            offset <= self.len && len <= self.len - offset,
            "range {offset}+{len} lies outside a mapped region of {} bytes",
            self.len
        );
    }

    /// Copies `bytes` in at `offset`.
    ///
    /// # Safety
    /// No lease covers any of these bytes, and no other thread reads or writes them meanwhile:
    /// the caller holds the lock that hands out positions.
    #[inline]
    pub unsafe fn write(&self, offset: usize, bytes: &[u8]) {
        self.check(offset, bytes.len());
        let _gate = match &self.backing {
            Backing::Map { .. } => None,
            Backing::Heap { gate, .. } => Some(gate.lock()),
        };
        #[cfg(loom)]
        self.watched(|watch| watch.written(offset, bytes.len()));
        // SAFETY: the range was checked; source and target cannot overlap, since a `&[u8]` of
        // region bytes only exists as a lease, and the caller promises none covers the target.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.base.as_ptr().add(offset),
                bytes.len(),
            );
        }
    }

    /// Has the kernel write a range to the device and waits for it; `None` for memory that is no map.
    pub(super) fn sync(&self, offset: usize, len: usize) -> Option<io::Result<()>> {
        self.check(offset, len);
        match &self.backing {
            Backing::Map { map, .. } => Some(map.flush_range(offset, len)),
            Backing::Heap { .. } => None,
        }
    }

    /// Takes the pages of a range that is about to be synced out of the map; whoever touches one again maps it anew.
    /// A sync interrupts the other processors for each page that may be written through a map; this does so once for
    /// all of them. The page in which the range ends stays, for it is being written.
    pub(crate) fn take_from_map(&self, offset: usize, len: usize) {
        self.check(offset, len);
        let Backing::Map { map, .. } = &self.backing else {
            return;
        };
        let begin = offset / PAGE_BYTES * PAGE_BYTES;
        let end = (offset + len) / PAGE_BYTES * PAGE_BYTES;
        if begin == end {
            return;
        }
        // SAFETY: the map is one of a file, and shared, so that the bytes stay where they are, in the page cache, also those
        // that another thread writes at this moment: taking a page out of a map keeps what was written through it.
        let taken =
            unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, begin, end - begin) };
        // A kernel that does not take the advice syncs as well, only slower.
        drop(taken);
    }

    /// Bytes at `offset` that nobody will write again.
    ///
    /// # Safety
    /// The bytes are final: below the readable watermark, or written before this thread could
    /// learn of the region and never to be written while the slice lives.
    #[inline]
    pub unsafe fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        self.check(offset, len);
        #[cfg(loom)]
        self.watched(|watch| watch.read(offset, len));
        // SAFETY: the range was checked, the memory lives as long as `self`, and the caller
        // promises that nobody writes to it.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(offset), len) }
    }

    /// Keeps `len` final bytes at `offset` alive and readable on any thread.
    ///
    /// # Safety
    /// As for [`bytes`](Region::bytes), for as long as any clone of the lease lives.
    #[inline]
    pub unsafe fn lease(this: &LeaseArc<Self>, offset: usize, len: usize) -> MappedSlice {
        this.check(offset, len);
        MappedSlice {
            region: LeaseArc::clone(this),
            offset,
            len,
        }
    }
}

#[cfg(loom)]
impl Region {
    fn watched(&self, tell: impl FnOnce(&super::watch::Watch)) {
        if let Backing::Heap { memory, .. } = &self.backing {
            tell(&memory.watch);
        }
    }
}

/// To the model an unmapping is a write: nobody may read any more, or without having seen it.
#[cfg(loom)]
impl Drop for Region {
    fn drop(&mut self) {
        self.watched(super::watch::Watch::all_written);
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.backing {
            Backing::Map { .. } => "map",
            Backing::Heap { .. } => "heap",
        };
        f.debug_struct("Region")
            .field("kind", &kind)
            .field("len", &self.len)
            .finish()
    }
}

/// A lease: final bytes of a region, which stays mapped while any lease of it lives.
#[derive(Clone)]
pub struct MappedSlice {
    region: LeaseArc<Region>,
    offset: usize,
    len: usize,
}

impl MappedSlice {
    /// The file that the bytes lie in and where, for a memory that is the map of one.
    pub(crate) fn in_file(&self) -> Option<(&Arc<File>, u64)> {
        match &self.region.backing {
            Backing::Map { file, .. } => Some((file, self.offset as u64)),
            Backing::Heap { .. } => None,
        }
    }

    /// A part of the lease, itself a lease.
    pub(crate) fn part(&self, offset: usize, len: usize) -> Self {
        assert!(
            offset <= self.len && len <= self.len - offset,
            "part lies outside the lease"
        );
        Self {
            region: LeaseArc::clone(&self.region),
            offset: self.offset + offset,
            len,
        }
    }
}

impl Deref for MappedSlice {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: whoever called `Region::lease` promised that these bytes are final.
        unsafe { self.region.bytes(self.offset, self.len) }
    }
}

impl fmt::Debug for MappedSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedSlice")
            .field("offset", &self.offset)
            .field("len", &self.len)
            .finish()
    }
}

/// Zeroed, page-aligned heap memory that stands in for the page cache of a simulated file.
pub struct HeapMemory {
    base: NonNull<u8>,
    len: usize,
    #[cfg(loom)]
    watch: super::watch::Watch,
}

// SAFETY: the allocation is owned until drop and only touched by raw copies under the gate.
unsafe impl Send for HeapMemory {}
// SAFETY: as above.
unsafe impl Sync for HeapMemory {}

impl HeapMemory {
    /// Allocates `len` zero bytes.
    pub(super) fn zeroed(len: usize) -> Self {
        let layout = Self::layout(len);
        // SAFETY: the layout is never of size zero.
        let base = unsafe { alloc_zeroed(layout) };
        let Some(base) = NonNull::new(base) else {
            handle_alloc_error(layout)
        };
        Self {
            base,
            len,
            #[cfg(loom)]
            watch: super::watch::Watch::default(),
        }
    }

    #[expect(
        clippy::expect_used,
        reason = "the page size is a power of two; a length beyond isize cannot be simulated"
    )]
    fn layout(len: usize) -> Layout {
        Layout::from_size_align(len.max(1), PAGE_BYTES)
            .expect("a simulated file fits the address space")
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Copies bytes out. The caller holds the gate of the file.
    pub(super) fn read(&self, offset: usize, buffer: &mut [u8]) {
        assert!(
            offset <= self.len && buffer.len() <= self.len - offset,
            "read outside simulated memory"
        );
        // SAFETY: range checked; writers are kept out by the gate.
        unsafe {
            std::ptr::copy_nonoverlapping(
                self.base.as_ptr().add(offset),
                buffer.as_mut_ptr(),
                buffer.len(),
            );
        }
    }

    /// Copies bytes in. The caller holds the gate of the file.
    pub(super) fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(
            offset <= self.len && bytes.len() <= self.len - offset,
            "write outside simulated memory"
        );
        #[cfg(loom)]
        self.watch.written(offset, bytes.len());
        // SAFETY: range checked; readers of these bytes are kept out by the gate, as a kernel
        // would keep a `pwrite` from tearing a concurrent `pread`.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.base.as_ptr().add(offset),
                bytes.len(),
            );
        }
    }
}

impl Drop for HeapMemory {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this layout and freed once.
        unsafe { dealloc(self.base.as_ptr(), Self::layout(self.len)) }
    }
}
