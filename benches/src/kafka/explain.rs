//! `explain`: the walk of a lookup in a Kafka-style partition, said step by step: which segment, which index entry, which
//! scan. Reads only, so that it can be let loose on a directory of the real Kafka.

use std::fmt;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch;
use super::open_files::OpenFiles;
use super::partition::{Partition, PartitionConfig};
use super::segment::Walk;

/// What to look up.
#[derive(Debug, Clone, clap::Args)]
pub struct ExplainArgs {
    /// Directory of one topic-partition, ours or of a real Kafka
    #[arg(long)]
    dir: PathBuf,
    /// The offset to find
    #[arg(long, required_unless_present = "time_ms", value_parser = clap::value_parser!(i64).range(0..))]
    offset: Option<i64>,
    /// Or a time, ms since 1970: the first batch with a record of that time or later
    #[arg(long, conflicts_with = "offset")]
    time_ms: Option<i64>,
    /// First write a partition of so many messages there, in small segments; the directory must not exist
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    make: Option<u32>,
}

/// A lookup with what it found.
pub struct Explanation {
    dir: PathBuf,
    segments: usize,
    asked: i64,
    time_ms: Option<i64>,
    walk: Option<Walk>,
    found: Option<Found>,
}

struct Found {
    batch_bytes: usize,
    records: i32,
    /// Start of the record's value; absent when the batch is compressed or the value is null.
    value: Option<Vec<u8>>,
}

/// Bytes of a value that are shown.
const SHOWN_BYTES: usize = 60;

/// Walks to the offset and keeps the steps.
///
/// # Errors
/// When the directory holds no segments, an index is missing, or the time is beyond the newest record.
pub fn run(args: &ExplainArgs) -> io::Result<Explanation> {
    if let Some(messages) = args.make {
        make(&args.dir, messages)?;
    }
    let partition = Partition::open_to_look(args.dir.clone())
        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", args.dir.display())))?;
    let asked = match (args.offset, args.time_ms) {
        (Some(offset), _) => offset,
        (None, Some(time_ms)) => partition.offset_by_time(time_ms)?.ok_or_else(|| {
            io::Error::other(format!("no record is as young as {time_ms} ms since 1970"))
        })?,
        (None, None) => return Err(io::Error::other("name an --offset or a --time-ms")),
    };
    let walk = partition.explain(asked)?;
    let found = match walk.as_ref().and_then(|w| w.position) {
        Some(_) => found(&partition, asked)?,
        None => None,
    };
    Ok(Explanation {
        dir: args.dir.clone(),
        segments: partition.segments(),
        asked,
        time_ms: args.time_ms,
        walk,
        found,
    })
}

/// A partition to look at: segments of 64 KiB, messages of 100 bytes and more, a second between two.
fn make(dir: &Path, messages: u32) -> io::Result<()> {
    if dir.exists() {
        let text = format!(
            "{} is there already: --make writes only where nothing is",
            dir.display()
        );
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    let config = PartitionConfig {
        segment_bytes: 64 << 10,
        ..PartitionConfig::default()
    };
    let files = Arc::new(OpenFiles::new(16));
    let (partition, _) = Partition::open(dir.to_owned(), config, files)?;
    for i in 0..i64::from(messages) {
        let mut bytes = Vec::new();
        let value = format!("message {i} ").repeat(10);
        batch::encode(0, 1_700_000_000_000 + i * 1000, &[value], &mut bytes);
        partition.append(&mut bytes)?;
    }
    partition.seal()
}

fn found(partition: &Partition, offset: i64) -> io::Result<Option<Found>> {
    let Some(run) = partition.read(offset, 1)? else {
        return Ok(None);
    };
    let mut bytes = vec![0; run.len];
    run.file.read_exact_at(&mut bytes, run.position)?;
    let head = batch::check(&bytes).map_err(io::Error::other)?;
    let value = batch::records(&bytes).ok().and_then(|records| {
        let record = records.into_iter().find(|r| r.offset == offset)?;
        Some(record.value?.to_vec())
    });
    Ok(Some(Found {
        batch_bytes: head.total_bytes,
        records: head.count,
        value,
    }))
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            dir,
            segments,
            asked,
            ..
        } = self;
        if let Some(time_ms) = self.time_ms {
            writeln!(f, "time {time_ms}: the time indexes lead to offset {asked}")?;
        }
        writeln!(
            f,
            "offset {asked} in {} ({segments} segments)",
            dir.display()
        )?;
        let Some(walk) = &self.walk else {
            return writeln!(
                f,
                "1. segment: none begins at or below {asked}: it has been removed"
            );
        };
        writeln!(
            f,
            "1. segment: {:020}.log, the greatest base offset that is not above {asked} (binary search over the names)",
            walk.segment
        )?;
        match walk.entry {
            Some(entry) => writeln!(
                f,
                "2. index: offset {} (relative {}) at position {}, the greatest entry that is not above {asked} (binary \
                 search in {:020}.index)",
                walk.segment + i64::from(entry.relative_offset),
                entry.relative_offset,
                entry.position,
                walk.segment
            )?,
            None => writeln!(
                f,
                "2. index: no entry at or below {asked}: the scan begins at the file's start"
            )?,
        }
        writeln!(f, "3. scan: {} batch headers", walk.scanned.len())?;
        for (position, base, last) in &walk.scanned {
            writeln!(f, "   position {position}: offsets {base} to {last}")?;
        }
        let (Some(position), Some(found)) = (walk.position, &self.found) else {
            return writeln!(f, "4. not there: the last batch ends below {asked}");
        };
        write!(
            f,
            "4. found: the batch at position {position}, {} bytes, {} records, checksum right",
            found.batch_bytes, found.records
        )?;
        if let Some(value) = &found.value {
            let shown = &value[..value.len().min(SHOWN_BYTES)];
            let more = if value.len() > SHOWN_BYTES { "..." } else { "" };
            write!(
                f,
                "\n   value, {} bytes: {}{more}",
                value.len(),
                String::from_utf8_lossy(shown)
            )?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn partition_of_300_batches(dir: &std::path::Path) -> PathBuf {
        let config = PartitionConfig {
            segment_bytes: 20_000,
            index_interval_bytes: 500,
            preallocate_bytes: 0,
        };
        let path = dir.join("t-0");
        let files = Arc::new(OpenFiles::new(16));
        let (partition, _) = Partition::open(path.clone(), config, files).unwrap();
        for i in 0..300 {
            let mut bytes = Vec::new();
            batch::encode(0, 1000 + i, &[format!("value {i}").repeat(20)], &mut bytes);
            partition.append(&mut bytes).unwrap();
        }
        partition.seal().unwrap();
        path
    }

    fn explain(dir: PathBuf, offset: Option<i64>, time_ms: Option<i64>) -> io::Result<String> {
        let args = ExplainArgs {
            dir,
            offset,
            time_ms,
            make: None,
        };
        run(&args).map(|e| e.to_string())
    }

    #[test]
    fn every_step_of_the_walk_is_named_and_nothing_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = partition_of_300_batches(dir.path());
        let before = crate::measure::disk_usage(&path).unwrap();
        let text = explain(path.clone(), Some(268), None).unwrap();
        for part in [
            "1. segment: 0000",
            "2. index: offset",
            "3. scan:",
            "offsets 268 to 268",
            "value 268",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert!(
            explain(path.clone(), None, Some(1100))
                .unwrap()
                .contains("offset 100")
        );
        assert!(
            explain(path.clone(), Some(300), None)
                .unwrap()
                .contains("not there")
        );
        assert_eq!(crate::measure::disk_usage(&path).unwrap(), before);
    }

    #[test]
    fn a_partition_is_made_to_look_at_and_never_over_another() {
        let dir = tempfile::tempdir().unwrap();
        let args = ExplainArgs {
            dir: dir.path().join("made-0"),
            offset: Some(268),
            time_ms: None,
            make: Some(600),
        };
        let text = run(&args).unwrap().to_string();
        assert!(text.contains("message 268 "), "{text}");
        let Err(again) = run(&args) else {
            panic!("it wrote over a partition");
        };
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_directory_without_segments_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = explain(dir.path().to_owned(), Some(1), None).unwrap_err();
        assert!(error.to_string().contains("holds no segment"), "{error}");
    }
}
