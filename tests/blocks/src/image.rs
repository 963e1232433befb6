//! What a disk holds, in pages of 4 KiB that copies of an image share until one of them changes a page. Pages never written
//! are zeros and take no memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Size of a page, bytes.
pub const PAGE_BYTES: usize = 4096;

type Page = [u8; PAGE_BYTES];

/// The bytes of a disk at one moment; a clone is cheap.
#[derive(Clone)]
pub struct Image {
    pages: Vec<Option<Arc<Page>>>,
}

impl Image {
    /// A disk of zeros; its size is rounded down to whole pages.
    pub fn zeros(bytes: u64) -> Image {
        Image {
            pages: vec![None; bytes as usize / PAGE_BYTES],
        }
    }

    /// A copy of a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn from_file(path: &Path) -> io::Result<Image> {
        let file = File::open(path)?;
        let mut image = Image::zeros(file.metadata()?.len());
        let mut page = [0; PAGE_BYTES];
        for (n, slot) in image.pages.iter_mut().enumerate() {
            file.read_exact_at(&mut page, (n * PAGE_BYTES) as u64)?;
            if page.iter().any(|byte| *byte != 0) {
                *slot = Some(Arc::new(page));
            }
        }
        Ok(image)
    }

    /// Writes a sparse file with these bytes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        file.set_len(self.len())?;
        for (n, page) in self.pages.iter().enumerate() {
            if let Some(page) = page {
                file.write_all_at(&page[..], (n * PAGE_BYTES) as u64)?;
            }
        }
        Ok(())
    }

    /// Size in bytes.
    pub fn len(&self) -> u64 {
        (self.pages.len() * PAGE_BYTES) as u64
    }

    /// Whether it has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Reads from an offset on; bytes behind the end are left as they are.
    pub fn read(&self, offset: u64, into: &mut [u8]) {
        let mut at = offset as usize;
        let mut rest = into;
        while !rest.is_empty() && at / PAGE_BYTES < self.pages.len() {
            let within = at % PAGE_BYTES;
            let len = rest.len().min(PAGE_BYTES - within);
            let (here, behind) = rest.split_at_mut(len);
            match &self.pages[at / PAGE_BYTES] {
                Some(page) => here.copy_from_slice(&page[within..within + len]),
                None => here.fill(0),
            }
            rest = behind;
            at += len;
        }
    }

    /// Writes at an offset; bytes behind the end are dropped.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        let mut at = offset as usize;
        let mut rest = bytes;
        while !rest.is_empty() && at / PAGE_BYTES < self.pages.len() {
            let within = at % PAGE_BYTES;
            let (here, behind) = rest.split_at(rest.len().min(PAGE_BYTES - within));
            let page = self.pages[at / PAGE_BYTES].get_or_insert_with(|| Arc::new([0; PAGE_BYTES]));
            Arc::make_mut(page)[within..within + here.len()].copy_from_slice(here);
            rest = behind;
            at += here.len();
        }
    }

    /// Makes a range zeros.
    pub fn zero(&mut self, offset: u64, len: u64) {
        let end = (offset + len).min(self.len());
        let mut at = offset;
        while at < end {
            let within = at as usize % PAGE_BYTES;
            let step = (end - at).min((PAGE_BYTES - within) as u64);
            if step as usize == PAGE_BYTES {
                self.pages[at as usize / PAGE_BYTES] = None;
            } else {
                self.write(at, &[0; PAGE_BYTES][..step as usize]);
            }
            at += step;
        }
    }
}
