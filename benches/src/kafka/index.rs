//! Kafka's two sparse indexes of a segment: `.index` (8-byte entries: offset relative to the segment's base, position)
//! and `.timeindex` (12-byte entries: timestamp, relative offset), big-endian and ascending. While a segment is written
//! its entries are in memory and reach the file in chunks; of a sealed segment they are read by binary search in the file.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::open_files::OpenFiles;

/// An entry of fixed size with an ascending key.
pub trait Entry: Copy {
    /// Bytes of an entry in the file.
    const BYTES: usize;
    /// What the entries ascend by.
    fn key(&self) -> i64;
    /// Appends the entry as it stands in the file.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads an entry of exactly [`Self::BYTES`].
    fn take(bytes: &[u8]) -> Self;
}

/// `.index`: where in the log file the batch lies whose last offset this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetEntry {
    /// Last offset of the batch, less the segment's base offset.
    pub relative_offset: u32,
    /// Byte position of the batch in the log file.
    pub position: u32,
}

/// `.timeindex`: no record up to this offset is younger than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeEntry {
    /// Greatest timestamp so far, milliseconds.
    pub timestamp_ms: i64,
    /// Last offset of the batch that holds it, less the segment's base offset.
    pub relative_offset: u32,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_be_bytes)
}

impl Entry for OffsetEntry {
    const BYTES: usize = 8;
    fn key(&self) -> i64 {
        i64::from(self.relative_offset)
    }
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }
    fn take(bytes: &[u8]) -> Self {
        Self {
            relative_offset: word(bytes, 0),
            position: word(bytes, 4),
        }
    }
}

impl Entry for TimeEntry {
    const BYTES: usize = 12;
    fn key(&self) -> i64 {
        self.timestamp_ms
    }
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp_ms.to_be_bytes());
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
    }
    fn take(bytes: &[u8]) -> Self {
        let timestamp_ms = i64::from(word(bytes, 0)) << 32 | i64::from(word(bytes, 4));
        Self {
            timestamp_ms,
            relative_offset: word(bytes, 8),
        }
    }
}

/// Entries of an index file before its end or its first zeros: Kafka reserves room ahead in the index that it writes to.
fn filled(file: &std::fs::File, entry_bytes: usize) -> io::Result<u64> {
    let (mut low, mut high) = (0, file.metadata()?.len() / entry_bytes as u64);
    let mut bytes = vec![0; entry_bytes];
    while low < high {
        let middle = low + (high - low) / 2;
        file.read_exact_at(&mut bytes, middle * entry_bytes as u64)?;
        if bytes.iter().all(|b| *b == 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

/// Entries gathered in memory before they are written.
const CHUNK_ENTRIES: usize = 512;

/// One index file.
pub struct Index<E> {
    path: PathBuf,
    /// Of the segment being written: every entry. Of a sealed one: nothing, the file has them.
    entries: Vec<E>,
    /// How many of `entries` are in the file already.
    written: usize,
    sealed_len: Option<u64>,
}

impl<E: Entry> Index<E> {
    /// An empty index of a segment that is being written.
    pub fn create(path: PathBuf) -> Self {
        Self {
            path,
            entries: Vec::new(),
            written: 0,
            sealed_len: None,
        }
    }

    /// The index of a sealed segment, as it lies on disk.
    pub fn open_sealed(path: PathBuf) -> io::Result<Self> {
        let len = filled(&std::fs::File::open(&path)?, E::BYTES)?;
        Ok(Self {
            path,
            entries: Vec::new(),
            written: 0,
            sealed_len: Some(len),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The newest entry of a segment that is being written.
    pub fn last(&self) -> Option<E> {
        self.entries.last().copied()
    }

    /// Adds an entry whose key is above the last one's; others are dropped, as Kafka does.
    pub fn push(&mut self, entry: E, files: &OpenFiles) -> io::Result<()> {
        if self.last().is_some_and(|last| entry.key() <= last.key()) {
            return Ok(());
        }
        self.entries.push(entry);
        if self.entries.len() - self.written >= CHUNK_ENTRIES {
            self.write_out(files)
        } else {
            Ok(())
        }
    }

    /// Writes what is only in memory.
    pub fn write_out(&mut self, files: &OpenFiles) -> io::Result<()> {
        if self.written == self.entries.len() && self.written > 0 || self.sealed_len.is_some() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity((self.entries.len() - self.written) * E::BYTES);
        self.entries[self.written..]
            .iter()
            .for_each(|e| e.put(&mut bytes));
        files
            .get(&self.path)?
            .write_all_at(&bytes, (self.written * E::BYTES) as u64)?;
        self.written = self.entries.len();
        Ok(())
    }

    /// Ends the writing: all is in the file, the memory is given back.
    pub fn seal(&mut self, files: &OpenFiles) -> io::Result<()> {
        self.write_out(files)?;
        self.sealed_len.get_or_insert(self.entries.len() as u64);
        self.entries = Vec::new();
        Ok(())
    }

    /// The last entry whose key is at most `key`.
    pub fn floor(&self, key: i64, files: &OpenFiles) -> io::Result<Option<E>> {
        let Some(len) = self.sealed_len else {
            let after = self.entries.partition_point(|e| e.key() <= key);
            return Ok(after.checked_sub(1).map(|i| self.entries[i]));
        };
        let file = files.get(&self.path)?;
        let read = |i: u64| -> io::Result<E> {
            let mut bytes = [0u8; 16];
            file.read_exact_at(&mut bytes[..E::BYTES], i * E::BYTES as u64)?;
            Ok(E::take(&bytes[..E::BYTES]))
        };
        let (mut low, mut high, mut found) = (0, len, None);
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = read(middle)?;
            if entry.key() <= key {
                found = Some(entry);
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_floor_is_the_same_in_memory_and_in_the_sealed_file() {
        let dir = tempfile::tempdir().unwrap();
        let files = OpenFiles::new(8);
        let mut index = Index::create(dir.path().join("00000000000000000000.index"));
        for i in 1..=1500u32 {
            index
                .push(
                    OffsetEntry {
                        relative_offset: i * 10,
                        position: i * 4096,
                    },
                    &files,
                )
                .unwrap();
        }
        index
            .push(
                OffsetEntry {
                    relative_offset: 10,
                    position: 1,
                },
                &files,
            )
            .unwrap();
        let asked: Vec<i64> = (0..16_000).step_by(7).collect();
        let live: Vec<_> = asked
            .iter()
            .map(|&k| index.floor(k, &files).unwrap())
            .collect();
        index.seal(&files).unwrap();
        assert_eq!(std::fs::metadata(index.path()).unwrap().len(), 1500 * 8);
        let reopened = Index::<OffsetEntry>::open_sealed(index.path().to_owned()).unwrap();
        for (key, expected) in asked.iter().zip(live) {
            assert_eq!(index.floor(*key, &files).unwrap(), expected);
            assert_eq!(reopened.floor(*key, &files).unwrap(), expected);
            assert_eq!(
                expected.map(|e| e.relative_offset),
                (*key >= 10).then(|| (*key as u32 / 10).min(1500) * 10)
            );
        }
    }

    #[test]
    fn time_entries_keep_all_sixty_four_bits() {
        let entry = TimeEntry {
            timestamp_ms: 0x0123_4567_89ab_cdef,
            relative_offset: 77,
        };
        let mut bytes = Vec::new();
        entry.put(&mut bytes);
        assert_eq!((bytes.len(), TimeEntry::take(&bytes)), (12, entry));
    }
}
