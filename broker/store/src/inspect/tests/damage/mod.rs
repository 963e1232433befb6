//! The damage matrix: a flipped bit and a lost end in every kind of file, in the middle and at the end,
//! after a clean stop and after a kill. Each row says what a check must find and what a start must
//! do. Here are the words of the tables and how a row is tried; `uncovered` has what nobody can find.

mod clean_stop;
mod kill;
mod uncovered;

use super::*;
use crate::error::OpenError;
use crate::inspect::Severity;
use crate::outcome::{ReadLimits, ReadStatus};

/// What is done to a file.
#[derive(Debug, Clone, Copy)]
enum Harm {
    /// A bit of the byte at this place is flipped.
    Flip(At),
    /// The file is cut off at this place.
    Cut(At),
    /// The file is not there any more.
    Remove,
}

/// A place in a file.
#[derive(Debug, Clone, Copy)]
enum At {
    Byte(u64),
    /// Bytes from the end.
    End(u64),
    Middle,
    /// Within the first message that is not deleted, or behind the mark that the row names.
    Record(u64),
}

/// What a start does with it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    /// It refuses, and names the repair.
    Refuses,
    /// It opens, and every message is read by its queue and found by its key.
    ServesAll,
    /// It opens; messages are missing, or some are passed over, until a repair.
    ServesLess,
    /// It opens with all messages in front of the damage; those behind it are cut, and saved aside.
    CutsThere,
}

use At::{Byte, End, Middle, Record};
use Harm::{Cut, Flip, Remove};
use Severity::{Expected, Lost, Rebuilt, Repairable};
use Start::{CutsThere, Refuses, ServesAll, ServesLess};

/// The file that a row means: `*` is the first name there, `+` the last one in use, `>` the log file
/// made ahead.
fn path_of(disk: &SimDisk, pattern: &str) -> String {
    let (directory, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    // The log file made ahead is not the last that is in use.
    let is_used = |name: &String| {
        let bytes = disk.read_whole(&format!("{directory}/{name}")).unwrap();
        directory != "commitlog" || bytes.iter().any(|byte| *byte != 0)
    };
    let names = || disk.list(directory).unwrap().into_iter();
    let name = match name {
        "*" => names().next().unwrap(),
        "+" => names().rfind(is_used).unwrap(),
        ">" => names().find(|name| !is_used(name)).unwrap(),
        name => name.to_owned(),
    };
    if directory.is_empty() {
        name
    } else {
        format!("{directory}/{name}")
    }
}

fn harm(disk: &SimDisk, path: &str, harm: Harm, first: u64) {
    let place = |at| {
        let len = disk.read_whole(path).unwrap().len() as u64;
        match at {
            Byte(at) => at,
            End(bytes) => len - bytes,
            Middle => len / 2,
            Record(at) => first + at,
        }
    };
    match harm {
        Flip(at) => flip(disk, path, place(at)),
        Cut(at) => truncate(disk, path, place(at)),
        Remove => disk.remove(path).unwrap(),
    }
}

/// How many messages are read by queue, and how many found by key.
fn served(store: &Store) -> (u64, u64) {
    let mut read = 0;
    for topic in ["a", "b"] {
        for queue_id in 0..2 {
            let mut offset = store.queue_bounds(topic, queue_id).min;
            loop {
                let found = store.read(topic, queue_id, offset, &ReadLimits::default(), &|_| true);
                read += found
                    .messages
                    .iter()
                    .filter(|message| mainstem_record::RecordView::parse(message).is_ok())
                    .count() as u64;
                if found.next_offset == offset
                    || matches!(
                        found.status,
                        ReadStatus::OffsetAtEnd | ReadStatus::QueueEmpty
                    )
                {
                    break;
                }
                offset = found.next_offset;
            }
        }
    }
    let keys = (0..MESSAGES).filter(|n| {
        let topic = ["a", "b"][(n % 2) as usize];
        let found = store.query_key(topic, &format!("k{n}"), 10, 0, i64::MAX);
        found.len() == 1
    });
    (read, keys.count() as u64)
}

/// A refusal must name what to do.
fn assert_names_a_remedy(row: &dyn std::fmt::Debug, error: &OpenError) {
    let text = error.to_string();
    let remedies = ["mainstem store repair", "mappedFileSize"];
    assert!(
        remedies.iter().any(|remedy| text.contains(remedy)),
        "{row:?}: {text}"
    );
}

/// Whether a finding names the file that was harmed, or the log that it belongs to.
fn is_named(report: &Report, path: &str) -> bool {
    let mut findings = report.findings.iter();
    findings.any(|finding| path.starts_with(&finding.file) || finding.file.starts_with("commitlog"))
}
