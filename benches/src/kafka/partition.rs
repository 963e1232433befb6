//! One topic-partition: a directory of segments. Appends take the partition's lock for the offset and the write, as
//! Kafka's do; the batch is encoded before. Promises readers whole batches up to the end; other partitions are unknown here.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::batch::{self, LENGTH_PREFIX_BYTES};
use super::open_files::OpenFiles;
use super::segment::{Segment, Walk};

/// What every partition of a log directory shares.
#[derive(Debug, Clone)]
pub struct PartitionConfig {
    /// A segment rolls before it outgrows this (`segment.bytes`, Kafka's default 1 GiB).
    pub segment_bytes: u64,
    /// An index entry at least every so many bytes of log (`index.interval.bytes`).
    pub index_interval_bytes: u64,
    /// Disk space reserved for each new segment; 0 as in Kafka on Linux.
    pub preallocate_bytes: u64,
}

impl Default for PartitionConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            index_interval_bytes: 4096,
            preallocate_bytes: 0,
        }
    }
}

/// Enough for one lookup.
const OPEN_FILES_TO_LOOK: usize = 16;

/// A run of bytes of a segment file, for `sendfile` or a copy.
#[derive(Debug)]
pub struct FileRun {
    /// The segment's log file.
    pub file: Arc<File>,
    /// Where the run begins.
    pub position: u64,
    /// Its length in bytes, whole batches.
    pub len: usize,
    /// The offset to ask for next.
    pub next_offset: i64,
}

/// A topic-partition.
pub struct Partition {
    dir: PathBuf,
    config: PartitionConfig,
    files: Arc<OpenFiles>,
    segments: Mutex<Vec<Segment>>,
    /// Log files that were sealed since the last sync; the directory has their successors' names, unsynced too.
    sealed_unsynced: Mutex<Vec<Arc<File>>>,
}

impl Partition {
    /// Opens or creates the partition in `dir`; after an unclean stop the last segment is recovered. Returns the bytes cut.
    pub fn open(
        dir: PathBuf,
        config: PartitionConfig,
        files: Arc<OpenFiles>,
    ) -> io::Result<(Self, u64)> {
        std::fs::create_dir_all(&dir)?;
        let mut bases = base_offsets(&dir)?;
        let (mut segments, mut cut) = (Vec::new(), 0);
        if let Some(last) = bases.pop() {
            let ends = bases
                .iter()
                .skip(1)
                .copied()
                .chain([last])
                .collect::<Vec<_>>();
            for (base, end) in bases.iter().zip(ends) {
                segments.push(Segment::open_sealed(&dir, *base, end)?);
            }
            // Even after a clean stop the segment that goes on being written needs its indexes in memory.
            let (segment, bytes) =
                Segment::recover(&dir, last, &files, config.index_interval_bytes)?;
            cut = bytes;
            segments.push(segment);
        } else {
            segments.push(Segment::create(&dir, 0, &files, config.preallocate_bytes)?);
        }
        Ok((
            Self {
                dir,
                config,
                files,
                segments: Mutex::new(segments),
                sealed_unsynced: Mutex::default(),
            },
            cut,
        ))
    }

    /// Opens the partition to look at it: nothing is recovered, cut or created, whoever wrote it.
    pub fn open_to_look(dir: PathBuf) -> io::Result<Self> {
        let bases = base_offsets(&dir)?;
        if bases.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!(
                    "{} holds no segment (files named by their base offset, 20 digits and .log)",
                    dir.display()
                ),
            ));
        }
        // Where the last segment ends only its batches tell.
        let ends = bases.iter().skip(1).copied().chain([i64::MAX]);
        let segments = bases
            .iter()
            .zip(ends)
            .map(|(base, end)| Segment::open_sealed(&dir, *base, end))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            dir,
            config: PartitionConfig::default(),
            files: Arc::new(OpenFiles::to_read(OPEN_FILES_TO_LOOK)),
            segments: Mutex::new(segments),
            sealed_unsynced: Mutex::default(),
        })
    }

    /// Number of segments.
    pub fn segments(&self) -> usize {
        self.segments.lock().len()
    }

    /// Appends one batch that was encoded with base offset 0, patching its base offset (which the CRC leaves out).
    /// Returns the offset of its first record.
    pub fn append(&self, encoded: &mut [u8]) -> io::Result<i64> {
        let mut head = batch::head(encoded).map_err(io::Error::other)?;
        let mut segments = self.segments.lock();
        if let Some(active) = segments
            .last_mut()
            .filter(|s| s.log_bytes() > 0 && self.is_full(s, encoded.len() as u64))
        {
            active.seal(&self.files)?;
            self.sealed_unsynced
                .lock()
                .push(active.log_file(&self.files)?);
            let base = active.next_offset();
            segments.push(Segment::create(
                &self.dir,
                base,
                &self.files,
                self.config.preallocate_bytes,
            )?);
        }
        let active = segments
            .last_mut()
            .ok_or_else(|| io::Error::other("a partition has at least one segment"))?;
        let base = active.next_offset();
        encoded[..8].copy_from_slice(&base.to_be_bytes());
        head.last_offset += base;
        head.base_offset = base;
        active.append(
            encoded,
            &head,
            &self.files,
            self.config.index_interval_bytes,
        )?;
        Ok(base)
    }

    fn is_full(&self, active: &Segment, more_bytes: u64) -> bool {
        let after = active.log_bytes() + more_bytes;
        after > self.config.segment_bytes
            || after > u64::from(u32::MAX)
            || active.next_offset() - active.base_offset() > i64::from(i32::MAX)
    }

    /// The bytes from the batch that holds `offset` on: whole batches within `max_bytes`, but always the first.
    /// Nothing at or beyond the end.
    pub fn read(&self, offset: i64, max_bytes: usize) -> io::Result<Option<FileRun>> {
        let segments = self.segments.lock();
        let Some(segment) = holder(&segments, offset) else {
            return Ok(None);
        };
        let Some(position) = segment.find(offset, &self.files)?.position else {
            return Ok(None);
        };
        let file = segment.log_file(&self.files)?;
        let end = segment.log_bytes();
        drop(segments);
        let (len, next_offset) = whole_batches(&file, position, end, max_bytes)?;
        Ok(Some(FileRun {
            file,
            position,
            len,
            next_offset,
        }))
    }

    /// The walk of a lookup, step by step.
    pub fn explain(&self, offset: i64) -> io::Result<Option<Walk>> {
        let segments = self.segments.lock();
        holder(&segments, offset)
            .map(|s| s.find(offset, &self.files))
            .transpose()
    }

    /// Offset of the first batch with a record of `timestamp_ms` or later.
    pub fn offset_by_time(&self, timestamp_ms: i64) -> io::Result<Option<i64>> {
        for segment in self.segments.lock().iter() {
            if let Some(offset) = segment.find_time(timestamp_ms, &self.files)? {
                return Ok(Some(offset));
            }
        }
        Ok(None)
    }

    /// Offset of the next record.
    pub fn end_offset(&self) -> i64 {
        self.segments.lock().last().map_or(0, Segment::next_offset)
    }

    /// Offset of the oldest record kept.
    pub fn start_offset(&self) -> i64 {
        self.segments.lock().first().map_or(0, Segment::base_offset)
    }

    /// Makes all that was appended durable. Holds the lock while the device works if `with_indexes` (Kafka's way);
    /// otherwise the sync runs beside further appends.
    pub fn sync(&self, with_indexes: bool) -> io::Result<()> {
        let mut segments = self.segments.lock();
        let Some(active) = segments.last_mut() else {
            return Ok(());
        };
        let sealed = std::mem::take(&mut *self.sealed_unsynced.lock());
        if with_indexes {
            self.sync_sealed(&sealed)?;
            return active.sync(&self.files, true);
        }
        let file = active.log_file(&self.files)?;
        drop(segments);
        self.sync_sealed(&sealed)?;
        file.sync_data()
    }

    /// After a roll: the old segments' tails, and the names of the new ones.
    fn sync_sealed(&self, sealed: &[Arc<File>]) -> io::Result<()> {
        if sealed.is_empty() {
            return Ok(());
        }
        sealed.iter().try_for_each(|file| file.sync_data())?;
        File::open(&self.dir)?.sync_all()
    }

    /// Removes the oldest segments that lie wholly below `offset`; the active one stays.
    pub fn delete_below(&self, offset: i64) -> io::Result<usize> {
        let mut segments = self.segments.lock();
        let gone = segments
            .iter()
            .skip(1)
            .take_while(|s| s.base_offset() <= offset)
            .count();
        for segment in segments.drain(..gone) {
            segment.remove(&self.files)?;
        }
        Ok(gone)
    }

    /// Ends the writing: the indexes are complete in their files, but nothing is synced.
    pub fn seal(&self) -> io::Result<()> {
        match self.segments.lock().last_mut() {
            Some(active) => active.seal(&self.files),
            None => Ok(()),
        }
    }

    /// Removes every segment and the directory; nothing can be appended afterwards.
    pub fn remove(&self) -> io::Result<()> {
        let mut segments = self.segments.lock();
        for segment in segments.drain(..) {
            segment.remove(&self.files)?;
        }
        std::fs::remove_dir(&self.dir)
    }
}

fn base_offsets(dir: &Path) -> io::Result<Vec<i64>> {
    let mut bases = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        if let Some(base) = name
            .to_str()
            .and_then(|n| n.strip_suffix(".log"))
            .and_then(|n| n.parse().ok())
        {
            bases.push(base);
        }
    }
    bases.sort_unstable();
    Ok(bases)
}

/// The segment that holds `offset`, by binary search over the base offsets.
fn holder(segments: &[Segment], offset: i64) -> Option<&Segment> {
    let after = segments.partition_point(|s| s.base_offset() <= offset);
    segments
        .get(after.checked_sub(1)?)
        .filter(|s| offset < s.next_offset())
}

/// How many bytes of whole batches begin at `position`. Most runs fit without a look at any header but the last's,
/// which is found by stepping over the lengths.
fn whole_batches(
    file: &File,
    position: u64,
    end: u64,
    max_bytes: usize,
) -> io::Result<(usize, i64)> {
    use std::os::unix::fs::FileExt;
    let (mut len, mut next_offset) = (0usize, 0);
    let mut bytes = [0; batch::HEADER_BYTES];
    while position + (len + LENGTH_PREFIX_BYTES) as u64 <= end {
        file.read_exact_at(&mut bytes, position + len as u64)?;
        let head = batch::head(&bytes).map_err(io::Error::other)?;
        if len > 0 && len + head.total_bytes > max_bytes {
            break;
        }
        len += head.total_bytes;
        next_offset = head.last_offset + 1;
    }
    Ok((len, next_offset))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::FileExt;

    fn small() -> PartitionConfig {
        PartitionConfig {
            segment_bytes: 20_000,
            index_interval_bytes: 500,
            preallocate_bytes: 0,
        }
    }

    fn open(dir: &Path) -> (Partition, u64) {
        Partition::open(dir.join("t-0"), small(), Arc::new(OpenFiles::new(16))).unwrap()
    }

    fn fill(partition: &Partition, batches: i64) {
        let start = partition.end_offset();
        for i in 0..batches {
            let values: Vec<Vec<u8>> = (0..3)
                .map(|k| {
                    format!("value {}", start + i * 3 + k)
                        .into_bytes()
                        .repeat(9)
                })
                .collect();
            let mut bytes = Vec::new();
            batch::encode(0, 1_000 + start + i * 3, &values, &mut bytes);
            assert_eq!(partition.append(&mut bytes).unwrap(), start + i * 3);
        }
    }

    fn values_from(partition: &Partition, mut offset: i64) -> Vec<(i64, Vec<u8>)> {
        let mut all = Vec::new();
        let first = offset;
        while let Some(run) = partition.read(offset, 4000).unwrap() {
            let mut bytes = vec![0; run.len];
            run.file.read_exact_at(&mut bytes, run.position).unwrap();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let head = batch::check(rest).unwrap();
                all.extend(
                    batch::records(rest)
                        .unwrap()
                        .iter()
                        .map(|r| (r.offset, r.value.unwrap().to_vec())),
                );
                rest = &rest[head.total_bytes..];
            }
            offset = run.next_offset;
        }
        all.retain(|(o, _)| *o >= first);
        all
    }

    #[test]
    fn every_offset_is_found_across_segments_and_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let (partition, _) = open(dir.path());
        fill(&partition, 300);
        assert!(partition.segments.lock().len() > 3);
        for offset in [0, 1, 2, 3, 268, 500, 899] {
            let read = values_from(&partition, offset);
            assert_eq!(read.len() as i64, 900 - offset);
            assert_eq!(
                read[0],
                (offset, format!("value {offset}").into_bytes().repeat(9))
            );
        }
        assert!(partition.read(900, 1000).unwrap().is_none());
        partition.seal().unwrap();
        let (again, cut) = open(dir.path());
        assert_eq!((cut, again.end_offset()), (0, 900));
        assert_eq!(values_from(&again, 0).len(), 900);
        fill(&again, 10);
        assert_eq!(values_from(&again, 890).len(), 40);
    }

    #[test]
    fn a_torn_tail_is_cut_at_the_last_sound_batch() {
        let dir = tempfile::tempdir().unwrap();
        let (partition, _) = open(dir.path());
        fill(&partition, 10);
        let path = partition
            .segments
            .lock()
            .last()
            .unwrap()
            .log_file(&partition.files)
            .unwrap();
        let len = path.metadata().unwrap().len();
        path.write_all_at(&[0xff; 7], len - 20).unwrap();
        drop(partition);
        let (again, cut) = open(dir.path());
        assert!(cut > 0);
        assert_eq!(again.end_offset(), 27);
        assert_eq!(values_from(&again, 0).len(), 27);
    }

    #[test]
    fn a_time_leads_to_the_first_batch_that_is_not_older() {
        let dir = tempfile::tempdir().unwrap();
        let (partition, _) = open(dir.path());
        fill(&partition, 200);
        for asked in [0, 1_000, 1_001, 1_004, 1_200, 1_597] {
            let expected = (asked - 1_000i64).max(0).unsigned_abs().next_multiple_of(3) as i64;
            assert_eq!(
                partition.offset_by_time(asked).unwrap(),
                Some(expected),
                "asked for {asked}"
            );
        }
        assert_eq!(partition.offset_by_time(1_598).unwrap(), None);
    }

    #[test]
    fn the_walk_of_a_lookup_reads_only_the_batches_behind_one_index_entry() {
        let dir = tempfile::tempdir().unwrap();
        let (partition, _) = open(dir.path());
        fill(&partition, 300);
        let walk = partition.explain(268).unwrap().unwrap();
        assert!(walk.entry.is_some() && walk.segment <= 268);
        assert!((1..6).contains(&walk.scanned.len()), "{walk:?}");
        assert_eq!(walk.scanned.last().unwrap().0, walk.position.unwrap());
    }

    #[test]
    fn old_segments_go_and_the_start_moves() {
        let dir = tempfile::tempdir().unwrap();
        let (partition, _) = open(dir.path());
        fill(&partition, 300);
        let before = partition.segments.lock().len();
        let gone = partition.delete_below(450).unwrap();
        assert!(gone > 0 && partition.segments.lock().len() == before - gone);
        assert!(partition.start_offset() > 0 && partition.start_offset() <= 450);
        assert_eq!(values_from(&partition, 450).len(), 450);
    }
}
