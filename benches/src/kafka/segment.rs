//! One segment of a partition: a log file named by its base offset and its two sparse indexes. Promises that the log
//! holds whole batches up to `log_bytes`; who appends and who reads is the partition's matter.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::{self, BatchHead, HEADER_BYTES};
use super::index::{Index, OffsetEntry, TimeEntry};
use super::open_files::OpenFiles;

/// A batch longer than this in a file that is being recovered is damage.
const MAX_RECOVERED_BATCH_BYTES: usize = 64 << 20;

/// A segment's files and how far they are filled.
pub struct Segment {
    base_offset: i64,
    log_path: PathBuf,
    log_bytes: u64,
    next_offset: i64,
    offsets: Index<OffsetEntry>,
    times: Index<TimeEntry>,
    bytes_since_index_entry: u64,
    /// Greatest timestamp and the last offset of the batch that holds it.
    newest: Option<(i64, i64)>,
}

/// The steps of a lookup, for `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// Base offset of the segment.
    pub segment: i64,
    /// The index entry that the scan began at; none means the start of the file.
    pub entry: Option<OffsetEntry>,
    /// Batches whose headers were read, as (position, base offset, last offset).
    pub scanned: Vec<(u64, i64, i64)>,
    /// Where the batch lies that holds the offset.
    pub position: Option<u64>,
}

fn file_name(base_offset: i64, extension: &str) -> String {
    format!("{base_offset:020}.{extension}")
}

impl Segment {
    /// A new, empty segment in `dir`.
    pub fn create(
        dir: &Path,
        base_offset: i64,
        files: &OpenFiles,
        preallocate_bytes: u64,
    ) -> io::Result<Self> {
        let segment = Self::unopened(dir, base_offset);
        let file = files.get(&segment.log_path)?;
        if preallocate_bytes > 0 {
            // The size stays 0: Kafka's tools take a file's length for its content.
            rustix::fs::fallocate(
                &*file,
                rustix::fs::FallocateFlags::KEEP_SIZE,
                0,
                preallocate_bytes,
            )?;
        }
        Ok(segment)
    }

    fn unopened(dir: &Path, base_offset: i64) -> Self {
        Self {
            base_offset,
            log_path: dir.join(file_name(base_offset, "log")),
            log_bytes: 0,
            next_offset: base_offset,
            offsets: Index::create(dir.join(file_name(base_offset, "index"))),
            times: Index::create(dir.join(file_name(base_offset, "timeindex"))),
            bytes_since_index_entry: 0,
            newest: None,
        }
    }

    /// A segment that is complete: its last batch is found from the index, nothing is checked.
    pub fn open_sealed(dir: &Path, base_offset: i64, next_offset: i64) -> io::Result<Self> {
        let mut segment = Self::unopened(dir, base_offset);
        segment.log_bytes = std::fs::metadata(&segment.log_path)?.len();
        segment.next_offset = next_offset;
        segment.offsets = Index::open_sealed(segment.offsets.path().to_owned())?;
        segment.times = Index::open_sealed(segment.times.path().to_owned())?;
        Ok(segment)
    }

    /// Opens the last segment: keeps the longest prefix of sound batches whose offsets ascend, cuts the file there and
    /// builds both indexes anew. Returns it with the number of bytes that were cut.
    pub fn recover(
        dir: &Path,
        base_offset: i64,
        files: &OpenFiles,
        index_interval_bytes: u64,
    ) -> io::Result<(Self, u64)> {
        let mut segment = Self::unopened(dir, base_offset);
        let file = files.get(&segment.log_path)?;
        let end = file.metadata()?.len();
        let mut bytes = Vec::new();
        while let Some(head) = sound_batch_at(&file, segment.log_bytes, end, &mut bytes)? {
            if head.base_offset < segment.next_offset {
                break;
            }
            segment.note(&head, files, index_interval_bytes)?;
        }
        file.set_len(segment.log_bytes)?;
        for path in [segment.offsets.path(), segment.times.path()] {
            files.get(path)?.set_len(0)?;
        }
        let cut = end - segment.log_bytes;
        Ok((segment, cut))
    }

    /// Writes one encoded batch at the end; `head` describes it.
    pub fn append(
        &mut self,
        bytes: &[u8],
        head: &BatchHead,
        files: &OpenFiles,
        index_interval_bytes: u64,
    ) -> io::Result<()> {
        debug_assert_eq!(bytes.len(), head.total_bytes);
        files
            .get(&self.log_path)?
            .write_all_at(bytes, self.log_bytes)?;
        self.note(head, files, index_interval_bytes)
    }

    /// Takes a batch that lies at the end of the file into the indexes and the counters.
    fn note(
        &mut self,
        head: &BatchHead,
        files: &OpenFiles,
        index_interval_bytes: u64,
    ) -> io::Result<()> {
        if self
            .newest
            .is_none_or(|(timestamp, _)| head.max_timestamp_ms > timestamp)
        {
            self.newest = Some((head.max_timestamp_ms, head.last_offset));
        }
        if self.bytes_since_index_entry > index_interval_bytes {
            self.offsets.push(
                OffsetEntry {
                    relative_offset: self.relative(head.last_offset),
                    position: self.log_bytes as u32,
                },
                files,
            )?;
            self.push_newest(files)?;
            self.bytes_since_index_entry = 0;
        }
        self.bytes_since_index_entry += head.total_bytes as u64;
        self.log_bytes += head.total_bytes as u64;
        self.next_offset = head.last_offset + 1;
        Ok(())
    }

    fn push_newest(&mut self, files: &OpenFiles) -> io::Result<()> {
        let Some((timestamp_ms, offset)) = self.newest else {
            return Ok(());
        };
        self.times.push(
            TimeEntry {
                timestamp_ms,
                relative_offset: self.relative(offset),
            },
            files,
        )
    }

    /// Offsets of one segment lie within 32 bits of its base: the partition rolls before.
    fn relative(&self, offset: i64) -> u32 {
        (offset - self.base_offset) as u32
    }

    /// Ends the writing to this segment: the indexes are complete on disk, the newest timestamp included.
    pub fn seal(&mut self, files: &OpenFiles) -> io::Result<()> {
        self.push_newest(files)?;
        self.offsets.seal(files)?;
        self.times.seal(files)
    }

    /// Makes the log durable, and the indexes too if asked: Kafka's own flush syncs all three.
    pub fn sync(&mut self, files: &OpenFiles, with_indexes: bool) -> io::Result<()> {
        files.get(&self.log_path)?.sync_data()?;
        if with_indexes {
            self.offsets.write_out(files)?;
            self.times.write_out(files)?;
            files.get(self.offsets.path())?.sync_data()?;
            files.get(self.times.path())?.sync_data()?;
        }
        Ok(())
    }

    /// The log file, for reads and `sendfile`.
    pub fn log_file(&self, files: &OpenFiles) -> io::Result<Arc<File>> {
        files.get(&self.log_path)
    }

    /// Offset of the first record.
    pub fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// Offset of the record that will be appended next.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Bytes of whole batches in the log file.
    pub fn log_bytes(&self) -> u64 {
        self.log_bytes
    }

    /// Greatest timestamp in a segment that is being written.
    pub fn newest_timestamp_ms(&self) -> Option<i64> {
        self.newest.map(|(timestamp, _)| timestamp)
    }

    /// Finds the batch that holds `offset`: floor in the sparse index, then a scan over batch headers.
    pub fn find(&self, offset: i64, files: &OpenFiles) -> io::Result<Walk> {
        let entry = self.offsets.floor(offset - self.base_offset, files)?;
        let mut walk = Walk {
            segment: self.base_offset,
            entry,
            scanned: Vec::new(),
            position: None,
        };
        let file = files.get(&self.log_path)?;
        let mut position = entry.map_or(0, |e| u64::from(e.position));
        while position < self.log_bytes {
            let head = head_at(&file, position)?;
            walk.scanned
                .push((position, head.base_offset, head.last_offset));
            if head.last_offset >= offset {
                walk.position = Some(position);
                break;
            }
            position += head.total_bytes as u64;
        }
        Ok(walk)
    }

    /// Offset of the first batch that holds a record of `timestamp_ms` or later.
    pub fn find_time(&self, timestamp_ms: i64, files: &OpenFiles) -> io::Result<Option<i64>> {
        let entry = self.times.floor(timestamp_ms - 1, files)?;
        // Every record up to the entry's offset is older than asked.
        let after = entry.map_or(self.base_offset, |e| {
            self.base_offset + i64::from(e.relative_offset) + 1
        });
        let Some(mut position) = self.find(after, files)?.position else {
            return Ok(None);
        };
        let file = files.get(&self.log_path)?;
        while position < self.log_bytes {
            let head = head_at(&file, position)?;
            if head.max_timestamp_ms >= timestamp_ms {
                return Ok(Some(head.base_offset));
            }
            position += head.total_bytes as u64;
        }
        Ok(None)
    }

    /// Closes and removes the files.
    pub fn remove(self, files: &OpenFiles) -> io::Result<()> {
        for path in [&*self.log_path, self.offsets.path(), self.times.path()] {
            files.forget(path);
            match std::fs::remove_file(path) {
                // An index without an entry may not have been written yet.
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }
}

fn head_at(file: &File, position: u64) -> io::Result<BatchHead> {
    let mut bytes = [0; HEADER_BYTES];
    file.read_exact_at(&mut bytes, position)?;
    batch::head(&bytes).map_err(|e| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("at position {position}: {e}"),
        )
    })
}

/// The batch at `position` if it is whole and its checksum holds.
fn sound_batch_at(
    file: &File,
    position: u64,
    end: u64,
    bytes: &mut Vec<u8>,
) -> io::Result<Option<BatchHead>> {
    if position + HEADER_BYTES as u64 > end {
        return Ok(None);
    }
    let Ok(head) = head_at(file, position) else {
        return Ok(None);
    };
    if head.total_bytes > MAX_RECOVERED_BATCH_BYTES || position + head.total_bytes as u64 > end {
        return Ok(None);
    }
    bytes.resize(head.total_bytes, 0);
    file.read_exact_at(bytes, position)?;
    Ok(batch::check(bytes).ok())
}
