//! How large the files of a directory are: as the caller says, else as the files show. Promises not to
//! guess where the files contradict each other.

use std::collections::HashMap;
use std::io;

use super::InspectError;
use crate::disk::{Disk, OpenMode};
use crate::options::StoreOptions;
use crate::queues::UNIT_BYTES;

/// Queues that are looked at to tell the length of queue files.
const MAX_QUEUES_LOOKED_AT: usize = 64;

/// Sizes of a directory's files, as far as they are known; see the fields of [`StoreOptions`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSizes {
    /// Size of each log file, in bytes.
    pub commit_log_file_bytes: Option<u64>,
    /// Units of each queue file.
    pub queue_file_units: Option<u64>,
    /// Slots of each index file; RocketMQ's default unless given.
    pub index_slots: Option<u32>,
    /// Entries of each index file; RocketMQ's default unless given.
    pub index_entries: Option<u32>,
    /// Delays of the schedule topic's levels, in ms; RocketMQ's default unless given.
    pub schedule_levels_ms: Option<Vec<i64>>,
}

impl FileSizes {
    pub(super) fn complete(&self, disk: &dyn Disk) -> Result<StoreOptions, InspectError> {
        let mut options = StoreOptions::default();
        let io = |path: &'static str| InspectError::io("read", disk.display(path));
        options.commit_log_file_bytes = match self.commit_log_file_bytes {
            Some(bytes) => bytes,
            None => usual(log_lengths(disk).map_err(io("commitlog"))?)
                .unwrap_or(options.commit_log_file_bytes),
        };
        options.queue_file_units = match self.queue_file_units {
            Some(units) => units,
            None => usual(queue_lengths(disk).map_err(io("consumequeue"))?)
                .map_or(options.queue_file_units, |bytes| bytes / UNIT_BYTES as u64),
        };
        options.index_slots = self.index_slots.unwrap_or(options.index_slots);
        options.index_entries = self.index_entries.unwrap_or(options.index_entries);
        if let Some(levels) = &self.schedule_levels_ms {
            options.schedule_levels_ms.clone_from(levels);
        }
        options.check().map_err(|error| InspectError::Sizes {
            directory: disk.display(""),
            what: "cannot tell the size of the files",
            reason: error.to_string(),
            key: if error.to_string().contains("commit_log") {
                "mappedFileSizeCommitLog"
            } else {
                "mappedFileSizeConsumeQueue"
            },
        })?;
        Ok(options)
    }
}

/// The most frequent value; of several the greatest, for damage makes files shorter.
fn usual(values: Vec<u64>) -> Option<u64> {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    for value in values.into_iter().filter(|value| *value > 0) {
        *counts.entry(value).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(value, count)| (*count, *value))
        .map(|(value, _)| value)
}

/// Lengths of the log files, and the distances between them.
fn log_lengths(disk: &dyn Disk) -> io::Result<Vec<u64>> {
    let names = disk.list(crate::commit_log::DIRECTORY)?;
    let bases: Vec<u64> = names
        .iter()
        .filter_map(|name| crate::commit_log::base_of(name))
        .collect();
    let mut lengths: Vec<u64> = bases
        .iter()
        .zip(bases.iter().skip(1))
        .map(|(a, b)| b - a)
        .collect();
    for base in bases {
        lengths.push(
            disk.open(&crate::commit_log::path_of(base), OpenMode::Read)?
                .len()?,
        );
    }
    Ok(lengths)
}

fn queue_lengths(disk: &dyn Disk) -> io::Result<Vec<u64>> {
    let list = |path: &str| match disk.list(path) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Vec::new())
        }
        other => other,
    };
    let mut lengths = Vec::new();
    let mut looked_at = 0;
    for topic in list("consumequeue")? {
        for queue in list(&format!("consumequeue/{topic}"))? {
            for name in list(&format!("consumequeue/{topic}/{queue}"))? {
                let path = format!("consumequeue/{topic}/{queue}/{name}");
                lengths.push(disk.open(&path, OpenMode::Read)?.len()?);
            }
            looked_at += 1;
            if looked_at >= MAX_QUEUES_LOOKED_AT {
                return Ok(lengths);
            }
        }
    }
    Ok(lengths)
}
