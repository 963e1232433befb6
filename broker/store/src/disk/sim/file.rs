//! One simulated file: the bytes the process sees (and maps), the bytes the kernel believes are
//! on the device, and those that really are. It promises that only a sync or a write-back moves
//! bytes from the first to the last.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use super::random::Random;
use super::{SimDisk, SyncFailure};
use crate::disk::{Access, AllocateError, Disk, DiskFile, HeapMemory, PAGE_BYTES, Region};
use crate::sync::plain::Mutex;
use crate::sync::{Arc, LeaseArc};

pub(super) struct Inode {
    pub(super) id: u64,
    /// The name it was created under.
    path: String,
    pub(super) content: Mutex<Content>,
    /// Held by maps while they copy in, and here while bytes are compared or copied away.
    gate: Arc<Mutex<()>>,
}

pub(super) struct Content {
    memory: Arc<HeapMemory>,
    len: usize,
    mapped: bool,
    /// Writes below this need no space: the blocks are there.
    allocated: usize,
    /// What the kernel takes for written: pages that equal it count as clean.
    clean: Vec<u8>,
    /// Pages written through the file since the last sync, clean-looking or not.
    touched: BTreeSet<usize>,
    /// What a power cut leaves for certain; its length is the certain size.
    durable: Vec<u8>,
}

impl Inode {
    pub(super) fn empty(id: u64, path: &str) -> Self {
        Self::with_content(id, path, Vec::new())
    }

    /// A file whose bytes are all durable.
    pub(super) fn with_content(id: u64, path: &str, bytes: Vec<u8>) -> Self {
        let memory = HeapMemory::zeroed(bytes.len());
        memory.write(0, &bytes);
        let content = Content {
            memory: Arc::new(memory),
            len: bytes.len(),
            mapped: false,
            allocated: 0,
            clean: bytes.clone(),
            touched: BTreeSet::new(),
            durable: bytes,
        };
        Self {
            id,
            path: path.to_owned(),
            content: Mutex::new(content),
            gate: Arc::new(Mutex::new(())),
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.content.lock().len as u64
    }

    pub(super) fn damage(&self, position: u64, bytes: &[u8]) {
        let content = &mut *self.content.lock();
        let _gate = self.gate.lock();
        let Ok(start) = usize::try_from(position) else {
            return;
        };
        let end = (start + bytes.len()).min(content.len);
        if start >= end {
            return;
        }
        let bytes = &bytes[..end - start];
        content.memory.write(start, bytes);
        for side in [&mut content.clean, &mut content.durable] {
            if side.len() >= end {
                side[start..end].copy_from_slice(bytes);
            }
        }
    }

    pub(super) fn write_back(&self, random: &mut Random, one_in: u64) {
        let content = &mut *self.content.lock();
        let _gate = self.gate.lock();
        for page in content.dirty_pages() {
            if random.one_in(one_in) {
                content.write_page(page);
            }
        }
    }

    /// Everything reaches the device, as part of a sync of the whole disk.
    pub(super) fn sync(&self) {
        let mut content = self.content.lock();
        let _gate = self.gate.lock();
        content.sync();
    }

    /// A sync of the whole disk failed.
    pub(super) fn fail_sync(&self, failure: SyncFailure) {
        let mut content = self.content.lock();
        let _gate = self.gate.lock();
        content.fail_sync(failure);
    }

    /// What a power cut leaves of the file, decided by `random`.
    pub(super) fn after_power_cut(&self, random: &mut Random) -> Vec<u8> {
        let content = self.content.lock();
        let _gate = self.gate.lock();
        content.after_power_cut(random)
    }
}

/// `resize` with zeros, by whole copies: under Miri one byte at a time takes seconds for a file.
fn set_len(bytes: &mut Vec<u8>, len: usize) {
    match len.checked_sub(bytes.len()) {
        Some(more) => bytes.extend_from_slice(&vec![0; more]),
        None => bytes.truncate(len),
    }
}

/// The smallest unit that a device writes whole.
const SECTOR_BYTES: usize = 512;

impl Content {
    fn page_range(page: usize, len: usize) -> std::ops::Range<usize> {
        let start = (page * PAGE_BYTES).min(len);
        start..(start + PAGE_BYTES).min(len)
    }

    fn pages(&self) -> usize {
        self.len.div_ceil(PAGE_BYTES)
    }

    fn page(&self, page: usize) -> Vec<u8> {
        let mut bytes = vec![0; Self::page_range(page, self.len).len()];
        self.memory.read(page * PAGE_BYTES, &mut bytes);
        bytes
    }

    /// Bytes of a page in one of the shadows, zeros where the shadow is shorter.
    fn shadow(side: &[u8], page: usize, len: usize) -> Vec<u8> {
        let start = (page * PAGE_BYTES).min(side.len());
        let end = (page * PAGE_BYTES + len).min(side.len());
        let mut bytes = side[start..end].to_vec();
        set_len(&mut bytes, len);
        bytes
    }

    fn dirty_pages(&self) -> Vec<usize> {
        (0..self.pages())
            .filter(|page| {
                let seen = self.page(*page);
                self.touched.contains(page) || Self::shadow(&self.clean, *page, seen.len()) != seen
            })
            .collect()
    }

    /// The device gets one page (the size does not become certain by that).
    fn write_page(&mut self, page: usize) {
        let bytes = self.page(page);
        let start = page * PAGE_BYTES;
        if self.clean.len() < start + bytes.len() {
            set_len(&mut self.clean, start + bytes.len());
        }
        self.clean[start..start + bytes.len()].copy_from_slice(&bytes);
        let end = (start + bytes.len()).min(self.durable.len());
        if start < end {
            self.durable[start..end].copy_from_slice(&bytes[..end - start]);
        }
        self.touched.remove(&page);
    }

    fn sync(&mut self) {
        set_len(&mut self.durable, self.len);
        set_len(&mut self.clean, self.len);
        self.write_pages(|_| true);
    }

    /// Writes the dirty pages of a range, and nothing else: the file's length stays as durable as it is.
    fn sync_range(&mut self, offset: usize, len: usize) {
        let durable_pages = self.durable.len().div_ceil(PAGE_BYTES);
        let first = offset / PAGE_BYTES;
        let end = (offset + len).div_ceil(PAGE_BYTES).min(durable_pages);
        self.write_pages(|page| (first..end).contains(&page));
    }

    fn write_pages(&mut self, which: impl Fn(usize) -> bool) {
        for page in self.dirty_pages() {
            if which(page) {
                self.write_page(page);
            }
        }
    }

    /// What a failed sync does to the pages that it was to write.
    fn fail_sync(&mut self, failure: SyncFailure) {
        match failure {
            SyncFailure::KeepsDirty => {}
            SyncFailure::DropsDirty => self.drop_dirty(),
            SyncFailure::CorruptsDirty => {
                for page in self.dirty_pages() {
                    let range = Self::page_range(page, self.durable.len());
                    self.durable[range].fill(0xA5);
                }
                self.drop_dirty();
            }
        }
    }

    /// The kernel forgets that pages were dirty, though the device never got them.
    fn drop_dirty(&mut self) {
        set_len(&mut self.clean, self.len);
        for page in self.dirty_pages() {
            let bytes = self.page(page);
            let start = page * PAGE_BYTES;
            self.clean[start..start + bytes.len()].copy_from_slice(&bytes);
        }
        self.touched.clear();
    }

    fn after_power_cut(&self, random: &mut Random) -> Vec<u8> {
        // A size that no sync confirmed may have reached the device or not.
        let len = if self.len == self.durable.len() || random.one_in(2) {
            self.durable.len()
        } else {
            self.len
        };
        let mut image = self.durable.clone();
        set_len(&mut image, len);
        // One mood per file, so that nearly whole and nearly empty tails both come up often.
        let mood = random.below(4);
        for page in 0..len.div_ceil(PAGE_BYTES) {
            let range = Self::page_range(page, len);
            let mut seen = if page < self.pages() {
                self.page(page)
            } else {
                Vec::new()
            };
            set_len(&mut seen, range.len());
            if seen == image[range.clone()] {
                continue;
            }
            let fate = match mood {
                0 => 0,
                1 => 1 + u64::from(random.one_in(8)),
                _ => random.below(3),
            };
            match fate {
                0 => {}
                1 => image[range].copy_from_slice(&seen),
                _ => {
                    for at in (0..seen.len()).step_by(SECTOR_BYTES) {
                        let end = (at + SECTOR_BYTES).min(seen.len());
                        if random.one_in(2) {
                            image[range.start + at..range.start + end]
                                .copy_from_slice(&seen[at..end]);
                        }
                    }
                }
            }
        }
        image
    }

    /// Makes room for `len` bytes without changing what is seen.
    fn reserve(&mut self, len: usize) -> io::Result<()> {
        if len <= self.memory.len() {
            return Ok(());
        }
        if self.mapped {
            return Err(io::Error::other("a mapped file must not grow"));
        }
        let grown = HeapMemory::zeroed(len.next_power_of_two().max(PAGE_BYTES));
        let mut bytes = vec![0; self.len];
        self.memory.read(0, &mut bytes);
        grown.write(0, &bytes);
        self.memory = Arc::new(grown);
        Ok(())
    }
}

pub(super) struct SimFile {
    pub(super) inode: Arc<Inode>,
    pub(super) disk: SimDisk,
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile")
            .field("inode", &self.inode.id)
            .finish()
    }
}

impl SimFile {
    fn take_space(&self, grown_from: usize, to: usize) -> io::Result<()> {
        if to <= grown_from {
            return Ok(());
        }
        let space = self.disk.space()?;
        let more = (to - grown_from) as u64;
        if more > space.available_bytes {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "the simulated disk is full",
            ));
        }
        Ok(())
    }

    fn end(position: u64, len: usize) -> io::Result<(usize, usize)> {
        let start = usize::try_from(position).map_err(io::Error::other)?;
        let end = start
            .checked_add(len)
            .ok_or_else(|| io::Error::other("position overflows"))?;
        Ok((start, end))
    }

    /// A sync, with the faults that a test wants.
    fn sync_by(&self, sync: impl FnOnce(&mut Content)) -> io::Result<()> {
        self.disk.shared.faults.step()?;
        let outcome = self.disk.shared.faults.sync(false);
        let _power = self.disk.shared.power.read();
        let content = &mut *self.inode.content.lock();
        let _gate = self.inode.gate.lock();
        match outcome {
            Ok(true) => sync(content),
            Ok(false) => {}
            Err(failure) => {
                content.fail_sync(failure.failure);
                return Err(failure.into());
            }
        }
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.inode.len())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.disk.shared.faults.step()?;
        let (_, len) = Self::end(bytes, 0)?;
        let content = &mut *self.inode.content.lock();
        if content.mapped && len != content.len {
            return Err(io::Error::other("a mapped file must not change its length"));
        }
        content.reserve(len)?;
        if len < content.len {
            let _gate = self.inode.gate.lock();
            content.memory.write(len, &vec![0; content.len - len]);
            content.clean.truncate(len);
        }
        content.len = len;
        Ok(())
    }

    fn allocate(&self, bytes: u64) -> Result<(), AllocateError> {
        self.disk.shared.faults.step()?;
        if self.disk.shared.faults.no_allocation() {
            return Err(AllocateError::Unsupported);
        }
        let (_, len) = Self::end(bytes, 0)?;
        let seen = self.inode.content.lock().len;
        self.disk
            .shared
            .faults
            .give_space(&self.inode.path)
            .and_then(|()| self.take_space(seen, len))
            .map_err(|_| AllocateError::NoSpace { bytes })?;
        let content = &mut *self.inode.content.lock();
        content.reserve(len)?;
        content.len = content.len.max(len);
        content.allocated = content.allocated.max(len);
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let content = self.inode.content.lock();
        let _gate = self.inode.gate.lock();
        let start = usize::try_from(position).map_or(content.len, |p| p.min(content.len));
        let n = buffer.len().min(content.len - start);
        content.memory.read(start, &mut buffer[..n]);
        Ok(n)
    }

    fn read_cached_at(&self, buffer: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        if self.disk.shared.faults.nothing_cached() {
            return Ok(None);
        }
        self.read_at(buffer, position).map(Some)
    }

    fn read_soon(&self, position: u64, len: usize) -> io::Result<()> {
        self.disk.shared.announced.lock().push((position, len));
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.disk.shared.faults.step()?;
        if bytes.is_empty() {
            return Ok(());
        }
        let failed = self.disk.shared.faults.written_of_failed();
        let bytes = match failed {
            Some(written) => &bytes[..bytes.len().min(usize::try_from(written).unwrap_or(0))],
            None => bytes,
        };
        let outcome = failed.map_or(Ok(()), |written| {
            Err(io::Error::other(format!(
                "injected failure of a write after {written} bytes"
            )))
        });
        if bytes.is_empty() {
            return outcome;
        }
        let (start, end) = Self::end(position, bytes.len())?;
        let (seen, allocated) = {
            let content = self.inode.content.lock();
            (content.len, content.allocated)
        };
        if end > allocated {
            // Also in the middle of the file: queue and index files are sparse.
            self.disk.shared.faults.give_space(&self.inode.path)?;
        }
        self.take_space(seen, end)?;
        let content = &mut *self.inode.content.lock();
        content.reserve(end)?;
        let _gate = self.inode.gate.lock();
        content.memory.write(start, bytes);
        content.len = content.len.max(end);
        content
            .touched
            .extend(start / PAGE_BYTES..=(end - 1) / PAGE_BYTES);
        outcome
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync_by(Content::sync)
    }

    fn sync_range(&self, _map: &Region, offset: usize, len: usize) -> io::Result<()> {
        self.sync_by(|content| content.sync_range(offset, len))
    }

    fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        Ok((position < self.inode.len()).then_some(position))
    }

    fn forget_cached(&self) -> io::Result<()> {
        Ok(())
    }

    fn map(&self, _access: Access) -> io::Result<LeaseArc<Region>> {
        let content = &mut *self.inode.content.lock();
        content.mapped = true;
        Ok(LeaseArc::new(Region::from_heap(
            Arc::clone(&content.memory),
            content.len,
            Arc::clone(&self.inode.gate),
        )))
    }
}
