//! What this machine can do at all, measured in the run that the figures are from: a copy with a checksum, a loopback
//! stream, the device with one large sync and with many small ones. No engine can be faster than these.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::measure::{Scratch, need_space};

/// A limit of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ceiling {
    /// One thread: CRC32 over 1 KiB and a copy into memory that is there already, messages a second.
    CopyWithChecksum,
    /// One loopback connection, MB/s.
    Loopback,
    /// Sequential `pwrite` of 1 MiB and one sync at the end, MB/s.
    SequentialWrite,
    /// `pwrite` of 4 KiB into written space and `fdatasync`, each, syncs a second.
    SmallSyncs,
    /// The same with 64 KiB, MB/s: a group commit of some sixty messages.
    GroupSyncs,
}

/// In the order of the report.
pub const CEILINGS: [Ceiling; 5] = [
    Ceiling::CopyWithChecksum,
    Ceiling::Loopback,
    Ceiling::SequentialWrite,
    Ceiling::SmallSyncs,
    Ceiling::GroupSyncs,
];

impl Ceiling {
    /// For tables: what is done, and the unit.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::CopyWithChecksum => (
                "CRC32 of 1 KiB and a copy into faulted memory, one thread",
                "messages/s",
            ),
            Self::Loopback => ("one loopback connection", "MB/s"),
            Self::SequentialWrite => ("sequential writes of 1 MiB, one sync at the end", "MB/s"),
            Self::SmallSyncs => ("4 KiB into written space, fdatasync each", "syncs/s"),
            Self::GroupSyncs => ("64 KiB into written space, fdatasync each", "MB/s"),
        }
    }

    /// Measures it, for about half a second.
    ///
    /// # Errors
    /// When disk or network refuse.
    pub fn measure(self, dir: &Path) -> io::Result<f64> {
        match self {
            Self::CopyWithChecksum => Ok(copy_with_checksum()),
            Self::Loopback => loopback(),
            Self::SequentialWrite => sequential_write(dir),
            Self::SmallSyncs => Ok(syncs(dir, 4 << 10)?),
            Self::GroupSyncs => Ok(syncs(dir, 64 << 10)? * (64 << 10) as f64 / 1e6),
        }
    }
}

const TIME: Duration = Duration::from_millis(500);
const WRITE_BYTES: u64 = 256 << 20;
/// Room that the largest of them needs.
pub const DISK_BYTES: u64 = WRITE_BYTES;
const SYNC_FILE_BYTES: u64 = 32 << 20;

fn copy_with_checksum() -> f64 {
    let body = vec![7u8; 1024];
    let mut memory = vec![1u8; 64 << 20];
    let (start, mut copied) = (Instant::now(), 0u64);
    while start.elapsed() < TIME {
        for place in memory.chunks_exact_mut(body.len()) {
            std::hint::black_box(crc32fast::hash(std::hint::black_box(&body)));
            place.copy_from_slice(&body);
            copied += 1;
        }
        std::hint::black_box(&memory);
    }
    copied as f64 / start.elapsed().as_secs_f64()
}

fn loopback() -> io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut buffer = vec![0; 256 << 10];
            while receiver.read(&mut buffer)? > 0 {}
            Ok::<_, io::Error>(())
        });
        let chunk = vec![7u8; 256 << 10];
        let (start, mut sent) = (Instant::now(), 0);
        while start.elapsed() < TIME {
            sender.write_all(&chunk)?;
            sent += chunk.len();
        }
        let seconds = start.elapsed().as_secs_f64();
        drop(sender);
        reader
            .join()
            .map_err(|_| io::Error::other("the receiving thread panicked"))??;
        Ok(sent as f64 / 1e6 / seconds)
    })
}

fn sequential_write(dir: &Path) -> io::Result<f64> {
    let dir = Scratch::new(dir.join("ceiling"))?;
    need_space(dir.path(), WRITE_BYTES)?;
    let mut file = File::create(dir.path().join("file"))?;
    let chunk = vec![7u8; 1 << 20];
    let start = Instant::now();
    for _ in 0..WRITE_BYTES / chunk.len() as u64 {
        file.write_all(&chunk)?;
    }
    file.sync_data()?;
    Ok(WRITE_BYTES as f64 / 1e6 / start.elapsed().as_secs_f64())
}

/// Syncs a second of `bytes` each.
fn syncs(dir: &Path, bytes: usize) -> io::Result<f64> {
    let dir = Scratch::new(dir.join("ceiling"))?;
    need_space(dir.path(), SYNC_FILE_BYTES)?;
    let mut file = File::create(dir.path().join("file"))?;
    let chunk = vec![7u8; bytes];
    for _ in 0..SYNC_FILE_BYTES / bytes as u64 {
        file.write_all(&chunk)?;
    }
    file.sync_all()?;
    let (start, mut done) = (Instant::now(), 0u64);
    while start.elapsed() < TIME {
        file.write_all_at(&chunk, done * bytes as u64 % SYNC_FILE_BYTES)?;
        file.sync_data()?;
        done += 1;
    }
    Ok(done as f64 / start.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_ceiling_is_above_the_floor() {
        let dir = tempfile::tempdir().unwrap();
        for ceiling in CEILINGS {
            assert!(ceiling.measure(dir.path()).unwrap() > 1.0, "{ceiling:?}");
        }
    }
}
