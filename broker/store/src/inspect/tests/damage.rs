//! The damage matrix: a flipped bit and a lost end in every kind of file, in the middle and at the end.
//! Each row says what a check must find and what a start must do; at the end stands what nobody can
//! find.

use super::*;
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
    /// Within the first message that is not deleted.
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
}

use At::{Byte, End, Middle, Record};
use Harm::{Cut, Flip, Remove};
use Severity::{Expected, Lost, Rebuilt, Repairable};
use Start::{Refuses, ServesAll, ServesLess};

/// Path (`*` is the first name there, `+` the last), harm, what a check says at worst, what a start does.
type Row = (&'static str, Harm, Severity, Start);

/// After a clean stop, when everything is where it belongs.
const AFTER_A_CLEAN_STOP: &[Row] = &[
    // A record's magic, its position, its body, in the first file: behind the last snapshot only is
    // it walked at a start.
    ("commitlog/*", Flip(Record(5)), Lost, ServesLess),
    ("commitlog/*", Flip(Record(31)), Lost, ServesLess),
    // Only the reader looks at the body's CRC.
    ("commitlog/*", Flip(Record(200)), Lost, ServesAll),
    // Behind the blank that closes a file.
    ("commitlog/*", Flip(End(2)), Expected, ServesAll),
    ("commitlog/*", Cut(Middle), Lost, Refuses),
    ("commitlog/*", Cut(End(1)), Lost, Refuses),
    ("commitlog/*", Remove, Lost, ServesLess),
    // The last file holds the log's end; what is behind it is zero.
    ("commitlog/+", Flip(End(100)), Repairable, ServesAll),
    ("commitlog/+", Cut(End(100)), Repairable, Refuses),
    ("commitlog/+", Cut(Byte(10)), Lost, Refuses),
    ("consumequeue/a/0/*", Flip(Middle), Repairable, ServesLess),
    ("consumequeue/a/0/*", Flip(Byte(9)), Repairable, ServesLess),
    ("consumequeue/a/0/*", Cut(Middle), Repairable, ServesLess),
    ("consumequeue/a/0/*", Remove, Repairable, ServesLess),
    // Behind the queue's end a file may hold anything.
    ("consumequeue/a/0/+", Flip(End(3)), Expected, ServesAll),
    ("consumequeue/a/0/+", Cut(End(1)), Rebuilt, ServesAll),
    // Entries of the first index file, its slots, its header's times.
    ("index/*", Flip(End(35)), Repairable, ServesLess),
    ("index/*", Flip(Byte(43)), Repairable, ServesLess),
    ("index/*", Flip(Byte(3)), Repairable, ServesAll),
    ("index/*", Cut(Middle), Repairable, ServesLess),
    ("index/*", Cut(End(1)), Repairable, ServesLess),
    ("index/+", Remove, Rebuilt, ServesAll),
    ("index/+", Flip(Byte(3)), Rebuilt, ServesAll),
    ("checkpoint", Flip(Byte(1)), Repairable, ServesAll),
    ("checkpoint", Flip(Byte(41)), Repairable, ServesAll),
    ("checkpoint", Cut(Byte(20)), Rebuilt, ServesAll),
    ("checkpoint", Remove, Expected, ServesAll),
    ("mainstem/floor", Flip(Byte(30)), Rebuilt, ServesAll),
    ("mainstem/floor", Flip(Byte(4096 + 30)), Rebuilt, ServesAll),
    ("mainstem/floor", Cut(Byte(4100)), Rebuilt, ServesAll),
    ("mainstem/floor", Cut(Byte(10)), Rebuilt, ServesAll),
    ("mainstem/floor", Remove, Rebuilt, ServesAll),
    ("mainstem/snapshot-0", Flip(Byte(40)), Rebuilt, ServesAll),
    ("mainstem/snapshot-1", Flip(Byte(40)), Rebuilt, ServesAll),
    ("mainstem/snapshot-0", Cut(End(1)), Rebuilt, ServesAll),
    ("mainstem/snapshot-1", Cut(End(1)), Rebuilt, ServesAll),
    ("mainstem/index", Flip(Byte(20)), Rebuilt, ServesAll),
    ("mainstem/index", Flip(Byte(4096 + 20)), Rebuilt, ServesAll),
    ("mainstem/journal", Flip(Byte(3)), Rebuilt, ServesAll),
    ("mainstem/journal", Flip(Byte(40)), Lost, ServesAll),
    ("mainstem/journal", Flip(End(1)), Lost, ServesAll),
    ("mainstem/journal", Cut(End(1)), Lost, ServesAll),
    ("mainstem/journal", Cut(Byte(10)), Lost, ServesAll),
    ("config/topics.json", Flip(Byte(0)), Rebuilt, ServesAll),
    ("config/topics.json", Cut(End(1)), Rebuilt, ServesAll),
    ("config/topics.json.bak", Cut(Byte(0)), Rebuilt, ServesAll),
];

/// After a kill: the floor tells damage from a torn tail.
const AFTER_A_KILL: &[Row] = &[
    ("commitlog/+", Remove, Lost, Refuses),
    ("mainstem/floor", Flip(Byte(30)), Expected, ServesAll),
    ("mainstem/floor", Remove, Rebuilt, ServesAll),
    ("mainstem/snapshot-1", Remove, Expected, ServesAll),
    ("mainstem/journal", Cut(End(1)), Expected, ServesAll),
    ("abort", Flip(Byte(0)), Expected, ServesAll),
];

fn path_of(disk: &SimDisk, pattern: &str) -> String {
    let (directory, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let names = || {
        let names = disk.list(directory).unwrap();
        // The log file made ahead is not the last that is in use.
        let used = |name: &&String| {
            directory != "commitlog"
                || disk
                    .read_whole(&format!("{directory}/{name}"))
                    .unwrap()
                    .iter()
                    .any(|byte| *byte != 0)
        };
        names.iter().filter(used).cloned().collect::<Vec<_>>()
    };
    let name = match name {
        "*" => names().first().unwrap().clone(),
        "+" => names().last().unwrap().clone(),
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
fn served(disk: &SimDisk) -> Result<(u64, u64), crate::error::OpenError> {
    let store = open(disk)?;
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
    let keys = keys.count() as u64;
    store.close().unwrap();
    Ok((read, keys))
}

fn run(rows: &[Row], clean: bool) {
    let (sound, positions) = written(clean);
    let mut wrong = Vec::new();
    for row in rows {
        let (pattern, damage, severity, start) = *row;
        let disk = sound.crash(7);
        let path = path_of(&disk, pattern);
        harm(&disk, &path, damage, positions[0]);
        let report = check(&disk);
        let outcome = match served(&disk) {
            Err(error) => {
                let text = error.to_string();
                assert!(
                    text.contains("mainstem store repair") || text.contains("mappedFileSize"),
                    "{row:?}: {text}"
                );
                Refuses
            }
            Ok((MESSAGES, MESSAGES)) => ServesAll,
            Ok(_) => ServesLess,
        };
        if (report.worst(), outcome) != (severity, start) {
            wrong.push(format!(
                "{row:?}: is {:?}, {outcome:?}\n{:#?}",
                report.worst(),
                report.findings
            ));
        }
        let named = report.findings.iter().any(|finding| {
            path.starts_with(&finding.file) || finding.file.starts_with("commitlog")
        });
        if !named && severity != Expected {
            wrong.push(format!(
                "{row:?} does not name {path}: {:#?}",
                report.findings
            ));
        }
        for finding in report.findings.iter().filter(|f| f.severity == Repairable) {
            assert!(
                !finding.commands.is_empty() || finding.file.starts_with("commitlog"),
                "{finding:?}"
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn damage_after_a_clean_stop_is_found() {
    run(AFTER_A_CLEAN_STOP, true);
}

#[test]
fn damage_after_a_kill_is_found_and_a_torn_tail_is_none() {
    run(AFTER_A_KILL, false);
}

/// What cannot be found: no checksum covers it, and nothing else says what it was. The record's body
/// has a CRC, its topic, size, places, keys and tag are in queues and index too; the rest of its head
/// is not covered by the format.
#[test]
fn a_flipped_bit_in_an_uncovered_field_cannot_be_found() {
    let (sound, positions) = written(true);
    let base = FILE_BYTES;
    let record = positions.iter().find(|at| **at > base).unwrap() - base;
    let path = "commitlog/00000000000000065536";
    // Sender's flag, the sender's time, both hosts, reconsume times.
    for uncovered in [16, 44, 50, 66, 79] {
        let disk = sound.crash(7);
        flip(&disk, path, record + uncovered);
        let report = check(&disk);
        assert!(report.is_sound(), "byte {uncovered}: {report:#?}");
    }
    // Size, magic, CRC, queue id, queue offset, position, and a byte of the body.
    for covered in [3, 6, 10, 15, 27, 35, 100] {
        let disk = sound.crash(7);
        flip(&disk, path, record + covered);
        let report = check(&disk);
        assert!(!report.is_sound(), "byte {covered}");
    }
}

#[test]
fn a_flipped_bit_in_key_or_tag_is_found_by_what_was_derived_from_it() {
    let (sound, positions) = written(true);
    let record = positions.iter().find(|at| **at > FILE_BYTES).unwrap() - FILE_BYTES;
    let path = "commitlog/00000000000000065536";
    let bytes = sound.read_whole(path).unwrap();
    for text in [&b"KEYS\x01"[..], b"UNIQ_KEY\x01", b"TAGS\x01"] {
        let from = usize::try_from(record).unwrap();
        let at = bytes[from..]
            .windows(text.len())
            .position(|window| window == text)
            .unwrap();
        let disk = sound.crash(7);
        flip(&disk, path, record + (at + text.len()) as u64);
        assert!(!check(&disk).is_sound(), "{text:?}");
    }
}
