//! Damage after a kill, when the durable floor tells damage from a torn tail: each kind of file, a bit
//! flipped in its middle and at its end, cut off in its middle and to nothing, and missing. Each row
//! says what a check finds at worst, what the start does, and what it says of it: a part of the
//! refusal or of a loud line, nothing for silence. What is silent and serves less is what a start cannot
//! find: it reads neither records in front of the newest snapshot nor whole queue and index files.

mod state;

use super::*;
use crate::said::said;

/// Harm, what a check says at worst, what a start does, and what it says.
type Row = (Harm, Severity, Start, &'static str);

/// A path with its rows; `@snapshot` and `@floor` are the log file and the record at that mark.
type OfFile = (&'static str, &'static [Row]);

/// Messages in queue and index files, those in the newest snapshot, those below the floor; the others
/// lie above it.
const IN_FILES: u64 = 280;
const IN_SNAPSHOT: u64 = 330;
const BELOW_FLOOR: u64 = 388;

/// In front of the newest snapshot, behind it, above the floor, behind the end.
const LOG: &[OfFile] = &[
    // A start trusts what a snapshot covers; the reader looks at records, a check at all.
    (
        "commitlog/*",
        &[
            (Flip(Byte(FILE_BYTES / 2 + 100)), Lost, ServesAll, ""),
            (Flip(Record(5)), Lost, ServesLess, ""),
            (Flip(End(1)), Expected, ServesAll, ""),
            (Cut(Middle), Lost, Refuses, "mappedFileSize"),
            (Cut(Byte(0)), Lost, Refuses, "mappedFileSize"),
            // As if the oldest messages had expired: what is left cannot tell.
            (Remove, Expected, ServesLess, ""),
        ],
    ),
    // Flushed for certain: damage.
    (
        "@snapshot",
        &[
            (Flip(Record(5)), Lost, Refuses, "--bury-at"),
            (Flip(Record(200)), Lost, Refuses, "--bury-at"),
            (Flip(Record(31)), Lost, Refuses, "--bury-at"),
            (Remove, Lost, Refuses, "is missing"),
            (Cut(Byte(0)), Lost, Refuses, "mappedFileSize"),
        ],
    ),
    // Not known to be flushed: it looks as a torn tail does, and nobody can tell them apart.
    (
        "@floor",
        &[
            (Flip(Record(5)), Expected, CutsThere, "saved aside"),
            (Flip(Record(200)), Expected, CutsThere, "saved aside"),
            (Flip(Record(31)), Expected, CutsThere, "saved aside"),
        ],
    ),
    (
        "commitlog/+",
        &[
            (Cut(Middle), Lost, Refuses, "mappedFileSize"),
            (Cut(End(1)), Repairable, Refuses, "mappedFileSize"),
            // What lies behind the end is zeros before the first append.
            (Flip(End(1)), Expected, ServesAll, ""),
        ],
    ),
    (
        "commitlog/>",
        &[
            (Flip(Middle), Expected, ServesAll, ""),
            (Flip(End(1)), Expected, ServesAll, ""),
            (Cut(Middle), Expected, ServesAll, "unused"),
            (Cut(Byte(0)), Expected, ServesAll, "unused"),
            (Remove, Expected, ServesAll, ""),
        ],
    ),
];

const DERIVED: &[OfFile] = &[
    (
        "consumequeue/a/0/*",
        &[
            (Flip(Middle), Repairable, ServesLess, ""),
            (Flip(End(1)), Repairable, ServesAll, ""),
            (Cut(Middle), Repairable, ServesLess, ""),
            (Cut(Byte(0)), Repairable, ServesLess, ""),
            (Remove, Repairable, ServesLess, ""),
        ],
    ),
    // The file that the queue's end lies in: behind the end it may hold anything.
    (
        "consumequeue/a/0/+",
        &[
            (Flip(Byte(2)), Repairable, ServesLess, ""),
            (Flip(End(1)), Expected, ServesAll, ""),
            (Cut(Middle), Rebuilt, ServesAll, ""),
            (Cut(Byte(0)), Repairable, ServesLess, ""),
            (Remove, Repairable, ServesLess, ""),
        ],
    ),
    (
        "index/*",
        &[
            (Flip(Middle), Repairable, ServesAll, ""),
            (Flip(End(1)), Repairable, ServesAll, ""),
            (Cut(Middle), Repairable, ServesLess, "index"),
            (Cut(Byte(0)), Repairable, ServesLess, "is empty"),
            (Remove, Repairable, ServesLess, ""),
        ],
    ),
    (
        "index/+",
        &[
            (Flip(Byte(500)), Repairable, ServesAll, ""),
            (Flip(End(1)), Expected, ServesAll, ""),
            (Cut(Middle), Repairable, ServesAll, "is missing"),
            (Cut(Byte(0)), Rebuilt, ServesAll, "is missing"),
            (Remove, Rebuilt, ServesAll, "is missing"),
        ],
    ),
];

const PRIVATE: &[OfFile] = &[
    (
        "mainstem/floor",
        &[
            (Flip(Byte(24)), Expected, ServesAll, "durable floor"),
            (Flip(Byte(4096 + 24)), Expected, ServesAll, "durable floor"),
            (Flip(End(1)), Expected, ServesAll, "durable floor"),
            (Cut(Middle), Expected, ServesAll, "durable floor"),
            (Cut(Byte(0)), Rebuilt, ServesAll, "durable floor"),
            (Remove, Rebuilt, ServesAll, "durable floor"),
        ],
    ),
    // The newest snapshot: the one before it takes its place, and more of the log is read.
    (
        "mainstem/snapshot-1",
        &[
            (Flip(Middle), Rebuilt, ServesAll, "snapshot-1"),
            (Flip(End(1)), Rebuilt, ServesAll, "snapshot-1"),
            (Cut(Middle), Rebuilt, ServesAll, "snapshot-1"),
            (Cut(Byte(0)), Rebuilt, ServesAll, "snapshot-1"),
            (Remove, Expected, ServesAll, ""),
        ],
    ),
    // The older one: its head is read to tell which is newer, the rest not at all.
    (
        "mainstem/snapshot-0",
        &[
            (Flip(Middle), Rebuilt, ServesAll, ""),
            (Flip(End(1)), Rebuilt, ServesAll, ""),
            (Cut(Middle), Rebuilt, ServesAll, ""),
            (Cut(Byte(0)), Rebuilt, ServesAll, "snapshot-0"),
            (Remove, Expected, ServesAll, ""),
        ],
    ),
    (
        "mainstem/index",
        &[
            (Flip(Middle), Expected, ServesAll, ""),
            (Flip(Byte(20)), Expected, ServesAll, ""),
            (Flip(Byte(4096 + 20)), Expected, ServesAll, ""),
            (Cut(Middle), Expected, ServesAll, ""),
            (Cut(Byte(0)), Expected, ServesAll, "indexed again"),
            (Remove, Expected, ServesAll, "indexed again"),
        ],
    ),
    // Only a start without a snapshot reads it. Nothing checks its padding.
    (
        "checkpoint",
        &[
            (Flip(Byte(1)), Repairable, ServesAll, ""),
            (Flip(Middle), Expected, ServesAll, ""),
            (Flip(End(1)), Expected, ServesAll, ""),
            (Cut(Byte(24)), Expected, ServesAll, ""),
            (Cut(Byte(0)), Expected, ServesAll, ""),
            (Remove, Expected, ServesAll, ""),
        ],
    ),
    // That it is there is all that counts. Without it the floor still knows that nothing was closed.
    (
        "abort",
        &[
            (Flip(Byte(0)), Expected, ServesAll, ""),
            (Cut(Byte(0)), Expected, ServesAll, ""),
            (Remove, Rebuilt, ServesAll, ""),
        ],
    ),
];

/// What a kill left.
struct Killed {
    disk: SimDisk,
    /// Positions of the messages, and the log's end.
    positions: Vec<u64>,
    snapshot: u64,
    floor: u64,
}

/// A store that was killed under load, with queue and index files, two snapshots, a floor that lags
/// behind the log's end, and a journal of three changes.
fn killed() -> Killed {
    loop {
        let disk = SimDisk::new();
        let options = StoreOptions {
            checkpoint_interval: Duration::ZERO,
            next_file_wait: Duration::ZERO,
            ..options()
        };
        let store = Store::open_stepped(Arc::new(disk.clone()), options).unwrap();
        for (topic, value) in [("a", "1"), ("b", "1"), ("a", "2")] {
            let journal = store.journal();
            journal.put(Table::Topics, topic, value.as_bytes()).unwrap();
            journal.sync().unwrap();
        }
        for text in ["{\"a\":1}", "{\"a\":2}"] {
            store.config_files().write("topics.json", text).unwrap();
        }
        let mut positions = Vec::new();
        let mut send_up_to = |upto: u64| {
            for n in positions.len() as u64..upto {
                store.step_files();
                positions.push(append(&store, n));
                store.step_flush();
            }
        };
        send_up_to(IN_FILES);
        // Tails go into files when they have been carried for some intervals.
        (0..8).for_each(|_| store.shared_tick());
        send_up_to(IN_SNAPSHOT);
        store.shared_tick();
        let snapshot = store.watermarks().appended();
        send_up_to(BELOW_FLOOR);
        store.step_floor();
        let floor = store.watermarks().appended();
        send_up_to(MESSAGES);
        positions.push(store.watermarks().appended());
        drop(store);
        let slots = crate::floor::look(&disk).unwrap().unwrap();
        // On a machine that stood still for a second the floor has moved on by itself.
        if crate::floor::newest(&slots).unwrap().position == floor {
            return Killed {
                disk,
                positions,
                snapshot,
                floor,
            };
        }
    }
}

/// Sends message number `n`, as [`written`] does, without waiting.
fn append(store: &Store, n: u64) -> u64 {
    let queue_id = i32::try_from(n / 2 % 2).unwrap();
    append_one(
        store,
        ["a", "b"][(n % 2) as usize],
        queue_id,
        &format!("k{n}"),
    )
    .physical_offset
}

impl Killed {
    /// File and first byte that a row means.
    fn place(&self, disk: &SimDisk, pattern: &str) -> (String, u64) {
        let mark = match pattern {
            "@snapshot" => self.snapshot,
            "@floor" => self.floor,
            pattern => return (path_of(disk, pattern), self.positions[0]),
        };
        let base = mark / FILE_BYTES * FILE_BYTES;
        (format!("commitlog/{base:020}"), mark - base)
    }

    /// Tries a row; says what is not as it states.
    fn tries(&self, pattern: &str, row: &Row) -> Result<(), String> {
        let (damage, severity, start, word) = *row;
        let disk = self.disk.crash(7);
        let (path, first) = self.place(&disk, pattern);
        harm(&disk, &path, damage, first);
        let report = check(&disk);
        let (opened, mut lines) = said(|| open(&disk));
        let (is, found) = match &opened {
            Err(error) => {
                assert_names_a_remedy(row, error);
                lines = vec![error.to_string()];
                (Refuses, (0, 0))
            }
            Ok(store) => {
                let found = served(store);
                let cut_at = self
                    .positions
                    .iter()
                    .filter(|at| **at <= self.floor)
                    .count() as u64
                    - 1;
                let is = match found {
                    (MESSAGES, MESSAGES) => ServesAll,
                    (read, keys) if (read, keys) == (cut_at, cut_at) => CutsThere,
                    _ => ServesLess,
                };
                (is, found)
            }
        };
        let is_said = match word {
            "" => lines.is_empty(),
            word => lines.iter().any(|line| line.contains(word)),
        };
        let is_named = severity == Expected || is_named(&report, &path);
        if (report.worst(), is, is_said, is_named) != (severity, start, true, true) {
            return Err(format!(
                "{pattern} {row:?}: is {:?}, {is:?} {found:?}; said {lines:#?}\n{:#?}",
                report.worst(),
                report.findings
            ));
        }
        // What a start made good is sound after a clean stop.
        if let Ok(store) = opened {
            store.close().unwrap();
            drop(store);
            let after = check(&disk);
            let heals = matches!(start, ServesAll | CutsThere) && severity < Repairable;
            if heals && !after.is_sound() {
                return Err(format!(
                    "{pattern} {row:?}: after a start {:#?}",
                    after.findings
                ));
            }
        }
        Ok(())
    }
}

fn try_all(files: &[OfFile]) {
    let killed = killed();
    let rows = files
        .iter()
        .flat_map(|(path, rows)| rows.iter().map(move |row| (path, row)));
    let wrong: Vec<_> = rows
        .filter_map(|(path, row)| killed.tries(path, row).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn damage_of_the_log_below_the_floor_is_refused_and_above_it_taken_for_a_torn_tail() {
    try_all(LOG);
}

#[test]
fn damage_of_queue_and_index_files_after_a_kill_is_found_by_a_check() {
    try_all(DERIVED);
}

#[test]
fn damage_of_private_files_after_a_kill_costs_no_message() {
    try_all(PRIVATE);
}

#[test]
fn without_damage_a_killed_store_is_sound_serves_all_and_says_nothing() {
    let killed = killed();
    let disk = killed.disk.crash(7);
    assert_sound(&disk);
    let (store, lines) = said(|| open(&disk).unwrap());
    assert_eq!(served(&store), (MESSAGES, MESSAGES));
    assert!(lines.is_empty(), "{lines:#?}");
}
