//! One file of the commit log, mapped or written by `pwrite`. It promises that bytes handed out
//! are final, and it is the only place that touches the memory of log files. It may not know
//! where the log ends: callers bring the position below which bytes are final.

use std::io;

use crate::disk::{Access, DiskFile, Region};
use crate::outcome::Patience;
use crate::slice::RecordSlice;
use crate::sync::{Arc, LeaseArc};

/// Directory of the log files, Apache's place.
pub(crate) const DIRECTORY: &str = "commitlog";

/// Most zeros written at once.
pub(super) const MAX_ZEROS_BYTES: usize = 128 << 10;

/// With sync flush zeros are written in pieces of this size, and the page cache then keeps the file in such pieces: a
/// flush of a small group still writes little. With async flush a piece is as large as may be, for the kernel faults the
/// pages of one in together: one page fault for 128 KiB.
pub(super) const ZEROS_PIECE_BYTES: usize = 16 << 10;

/// Digits of a file name, which is the position of the file's first byte.
const NAME_DIGITS: usize = 20;

/// Path of the file that begins at `base`.
pub(crate) fn path_of(base: u64) -> String {
    format!("{DIRECTORY}/{base:0NAME_DIGITS$}")
}

/// The position that a file name stands for; `None` when it is no log file's name.
pub(crate) fn base_of(name: &str) -> Option<u64> {
    let digits = name.len() == NAME_DIGITS && name.bytes().all(|b| b.is_ascii_digit());
    if digits { name.parse().ok() } else { None }
}

/// One log file. Its bytes cover the positions `base..end`.
#[derive(Debug)]
pub(crate) struct LogFile {
    base: u64,
    len: u64,
    path: String,
    file: Arc<dyn DiskFile>,
    region: Option<LeaseArc<Region>>,
}

impl LogFile {
    /// A file that is read and written through a map.
    pub(crate) fn mapped(
        base: u64,
        len: u64,
        file: Arc<dyn DiskFile>,
        access: Access,
    ) -> io::Result<Self> {
        let region = file.map(access)?;
        if region.len() as u64 != len {
            return Err(io::Error::other(format!(
                "{} bytes were mapped where {len} were wanted",
                region.len()
            )));
        }
        Ok(Self {
            base,
            len,
            path: path_of(base),
            file,
            region: Some(region),
        })
    }

    /// A file that is read by `pread` and, if at all, written by `pwrite`.
    pub(crate) fn unmapped(base: u64, len: u64, file: Arc<dyn DiskFile>) -> Self {
        Self {
            base,
            len,
            path: path_of(base),
            file,
            region: None,
        }
    }

    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    pub(crate) fn end(&self) -> u64 {
        self.base + self.len
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }

    pub(crate) fn is_mapped(&self) -> bool {
        self.region.is_some()
    }

    fn offset(&self, position: u64, len: usize) -> usize {
        assert!(
            position >= self.base && position + len as u64 <= self.end(),
            "{len} bytes at log position {position} do not lie in the file {}..{}",
            self.base,
            self.end()
        );
        (position - self.base) as usize
    }

    /// Puts bytes at a position that no reader was told of. Only under the append lock. Fails
    /// only for files that are not mapped.
    #[inline]
    pub(crate) fn put(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = self.offset(position, bytes.len());
        match &self.region {
            Some(region) => {
                // SAFETY: the append lock gives one writer at a time, and the position lies at or
                // past the appended mark, which bounds every lease and every read.
                unsafe { region.write(offset, bytes) };
                Ok(())
            }
            None => self.file.write_at(bytes, offset as u64),
        }
    }

    /// Writes bytes by `pwrite` where no reader was told of any.
    pub(super) fn write(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = self.offset(position, bytes.len());
        self.file.write_at(bytes, offset as u64)
    }

    /// Writes zeros by `pwrite`, in pieces of `piece` and at most [`MAX_ZEROS_BYTES`] each, where no append may reach
    /// meanwhile.
    pub(super) fn write_zeros(&self, position: u64, len: usize, piece: usize) -> io::Result<()> {
        static ZEROS: [u8; MAX_ZEROS_BYTES] = [0; MAX_ZEROS_BYTES];
        let offset = self.offset(position, len) as u64;
        let mut done = 0;
        while done < len {
            let piece = (len - done).min(piece);
            self.file.write_at(&ZEROS[..piece], offset + done as u64)?;
            done += piece;
        }
        Ok(())
    }

    /// Takes a range that was written through the map out of it, before it is synced.
    pub(super) fn take_from_map(&self, from: u64, to: u64) {
        if let Some(region) = &self.region {
            let len = (to - from) as usize;
            region.take_from_map(self.offset(from, len), len);
        }
    }

    /// Makes the bytes of a range durable.
    pub(super) fn sync(&self, from: u64, to: u64) -> io::Result<()> {
        let len = (to - from) as usize;
        match &self.region {
            Some(region) => self.file.sync_range(region, self.offset(from, len), len),
            None => self.file.sync_data(),
        }
    }

    /// A lease of final bytes; `None` when the file is not mapped. The caller knows the range to lie
    /// below a mark that it loaded from the watermarks.
    #[inline]
    pub(crate) fn lease(&self, position: u64, len: usize) -> Option<RecordSlice> {
        let offset = self.offset(position, len);
        // SAFETY: bytes below the appended mark were copied before it was published with release
        // ordering and are never written again: a cut only touches what lies above `readable`.
        self.region
            .as_ref()
            .map(|region| RecordSlice::mapped(unsafe { Region::lease(region, offset, len) }))
    }

    /// Fills a buffer by `pread`.
    pub(crate) fn read_into(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        let offset = self.offset(position, buffer.len());
        self.file.read_exact_at(buffer, offset as u64)
    }

    /// Has the device begin to read a range; a hint, so a refusal is none of the reader's business.
    pub(crate) fn read_soon(&self, position: u64, len: usize) {
        let offset = self.offset(position, len) as u64;
        let _ = self.file.read_soon(offset, len);
    }

    /// A copy of bytes by `pread`; an error of the kind `WouldBlock` when that would have to wait
    /// for the device and `patience` forbids it.
    pub(crate) fn read(
        &self,
        position: u64,
        len: usize,
        patience: Patience,
    ) -> io::Result<RecordSlice> {
        let offset = self.offset(position, len) as u64;
        RecordSlice::filled(len, |bytes| match patience {
            Patience::Wait => self.file.read_exact_at(bytes, offset),
            Patience::InMemoryOnly => match self.file.read_cached_at(bytes, offset)? {
                Some(read) if read == len => Ok(()),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_positions_with_twenty_digits() {
        assert_eq!(path_of(1 << 30), "commitlog/00000000001073741824");
        assert_eq!(base_of("00000000001073741824"), Some(1 << 30));
        for bad in [
            "",
            "1073741824",
            "0000000000107374182x",
            "99999999999999999999",
            "000000000010737418240",
        ] {
            assert_eq!(base_of(bad), None, "{bad}");
        }
    }
}
