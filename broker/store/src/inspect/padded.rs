//! A file that reads as if it had its full length: zeros where it is too short. It lets a check walk
//! over a truncated log file as over any other. It cannot be written.

use std::io;

use crate::disk::{Access, AllocateError, DiskFile, Region};
use crate::sync::{Arc, LeaseArc};

/// A file for reading, with zeros behind its end.
#[derive(Debug)]
pub(super) struct Padded {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) len: u64,
}

fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "the file is only looked at")
}

impl DiskFile for Padded {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn set_len(&self, _bytes: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn allocate(&self, _bytes: u64) -> Result<(), AllocateError> {
        Err(read_only().into())
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(position)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..wanted], position)?;
        buffer[read..wanted].fill(0);
        Ok(wanted)
    }

    fn read_cached_at(&self, _buffer: &mut [u8], _position: u64) -> io::Result<Option<usize>> {
        Ok(None)
    }

    fn write_at(&self, _bytes: &[u8], _position: u64) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_range(&self, _map: &Region, _offset: usize, _len: usize) -> io::Result<()> {
        Err(read_only())
    }

    fn next_data(&self, position: u64) -> io::Result<Option<u64>> {
        self.file.next_data(position)
    }

    fn forget_cached(&self) -> io::Result<()> {
        self.file.forget_cached()
    }

    fn map(&self, _access: Access) -> io::Result<LeaseArc<Region>> {
        Err(read_only())
    }
}
