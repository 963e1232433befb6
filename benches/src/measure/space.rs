//! Room on the disk: asked for before anything is written, and how much a directory takes.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Left to everybody else.
const RESERVE_BYTES: u64 = 2 << 30;
/// What `st_blocks` counts in, whatever the file system's own blocks are.
const BLOCK_BYTES: u64 = 512;

/// Checks that `dir`'s file system can take `bytes` and still has a reserve.
///
/// # Errors
/// [`io::ErrorKind::StorageFull`] with both figures and what to do.
pub fn need_space(dir: &Path, bytes: u64) -> io::Result<()> {
    let stat = rustix::fs::statvfs(dir)?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free >= bytes.saturating_add(RESERVE_BYTES) {
        return Ok(());
    }
    let mib = |n: u64| n >> 20;
    Err(io::Error::new(
        io::ErrorKind::StorageFull,
        format!(
            "{} has {} MiB free; this needs {} MiB and leaves {} MiB to others: free some space, or name another \
             directory with --dir",
            dir.display(),
            mib(free),
            mib(bytes),
            mib(RESERVE_BYTES)
        ),
    ))
}

/// Bytes of disk that everything below `dir` takes.
pub fn disk_usage(dir: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        total += metadata.blocks() * BLOCK_BYTES;
        if metadata.is_dir() {
            total += disk_usage(&entry.path())?;
        }
    }
    Ok(total)
}
