//! Directories that Apache RocketMQ 5.5.0 wrote, opened by this store: every message, unit and key
//! that its broker served is served here, also after the private files, the queues or the index
//! are lost, and untouched parts stay as they were, byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstem_record::{NewRecord, RecordView};
use mainstem_store::{ReadLimits, ReadStatus, Store, StoreOptions};

const DELAYS_S: [i64; 18] = [
    1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200,
];

/// The settings of the broker that wrote the fixtures.
fn options() -> StoreOptions {
    StoreOptions {
        commit_log_file_bytes: 262_144,
        queue_file_units: 50,
        index_slots: 200,
        index_entries: 800,
        checkpoint_interval: Duration::from_millis(10),
        ..StoreOptions::default()
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/apache")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A copy of a fixture to work on.
fn directory(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&fixtures().join(name), dir.path());
    dir
}

struct Message {
    topic: String,
    queue_id: i32,
    offset: u64,
    position: u64,
    size: u32,
    tags_code: i64,
    keys: Vec<String>,
    unique_key: String,
}

/// What the real broker served.
fn messages(name: &str) -> Vec<Message> {
    let text = fs::read_to_string(fixtures().join(format!("{name}-messages.tsv"))).unwrap();
    text.lines()
        .map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            let [
                topic,
                queue_id,
                offset,
                position,
                size,
                tags,
                stored_ms,
                unique_key,
                keys,
                _tag,
            ] = fields[..]
            else {
                panic!("{line}")
            };
            let queue_id: i32 = queue_id.parse().unwrap();
            let tags_code = if topic == "SCHEDULE_TOPIC_XXXX" {
                stored_ms.parse::<i64>().unwrap()
                    + DELAYS_S[usize::try_from(queue_id).unwrap()] * 1000
            } else {
                tags.parse().unwrap()
            };
            Message {
                topic: topic.to_owned(),
                queue_id,
                offset: offset.parse().unwrap(),
                position: position.parse().unwrap(),
                size: size.parse().unwrap(),
                tags_code,
                keys: keys
                    .split(' ')
                    .filter(|key| !key.is_empty())
                    .map(str::to_owned)
                    .collect(),
                unique_key: unique_key.to_owned(),
            }
        })
        .collect()
}

fn bounds(name: &str) -> BTreeMap<(String, i32), (u64, u64)> {
    let text = fs::read_to_string(fixtures().join(format!("{name}-queues.tsv"))).unwrap();
    text.lines()
        .map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            let key = (fields[0].to_owned(), fields[1].parse().unwrap());
            (
                key,
                (fields[2].parse().unwrap(), fields[3].parse().unwrap()),
            )
        })
        .collect()
}

/// Checks that everything that the real broker served is here.
fn check(store: &Store, name: &str) {
    let all = messages(name);
    assert!(all.len() > 500);
    for ((topic, queue_id), (min, max)) in bounds(name) {
        let found = store.queue_bounds(&topic, queue_id);
        assert_eq!(found.min, min, "{topic} {queue_id}");
        // The broker went on for a moment after it was asked: checks of transactions.
        assert!(
            found.max >= max && (found.max == max || topic.contains("TRANS")),
            "{topic} {queue_id}: {}",
            found.max
        );
    }
    for message in &all {
        let at = (message.topic.as_str(), message.queue_id, message.offset);
        let unit = store
            .queue_unit(at.0, at.1, at.2)
            .unwrap_or_else(|| panic!("no unit {at:?}"));
        assert_eq!(
            (unit.physical_offset, unit.size, unit.tags_code),
            (message.position, message.size, message.tags_code),
            "{at:?}"
        );
        let one = ReadLimits {
            max_messages: 1,
            ..ReadLimits::default()
        };
        let outcome = store.read(at.0, at.1, at.2, &one, &|code| code == message.tags_code);
        assert_eq!(
            (outcome.status, outcome.next_offset),
            (ReadStatus::Found, message.offset + 1),
            "{at:?}"
        );
        let view = RecordView::parse(&outcome.messages[0]).unwrap();
        assert_eq!(
            (view.topic(), view.physical_offset().cast_unsigned()),
            (at.0, message.position)
        );
        let stored_ms = view.store_timestamp_ms();
        assert_eq!(store.store_time_at(at.0, at.1, at.2), Some(stored_ms));
        for key in message
            .keys
            .iter()
            .chain(Some(&message.unique_key).filter(|key| !key.is_empty()))
        {
            let hits = store.query_key(&message.topic, key, 10_000, stored_ms, stored_ms);
            let found = hits.iter().any(|hit| {
                RecordView::parse(hit)
                    .unwrap()
                    .physical_offset()
                    .cast_unsigned()
                    == message.position
            });
            assert!(found, "key {key:?} of {at:?}");
        }
    }
}

/// All files below a directory with their content.
fn content(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(at) = waiting.pop() {
        for entry in fs::read_dir(at).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                waiting.push(entry.path());
            } else {
                let name = entry.path().strip_prefix(dir).unwrap().to_owned();
                files.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    files
}

fn assert_unchanged(dir: &Path, name: &str, parts: &[&str]) {
    for part in parts {
        let (before, after) = (
            content(&fixtures().join(name).join(part)),
            content(&dir.join(part)),
        );
        assert_eq!(
            before.keys().collect::<Vec<_>>(),
            after.keys().collect::<Vec<_>>(),
            "{part}"
        );
        for (path, bytes) in before {
            assert!(after[&path] == bytes, "{part}/{} differs", path.display());
        }
    }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, options()).unwrap()
}

#[test]
fn a_cleanly_stopped_directory_is_served_and_left_as_it_was() {
    let dir = directory("clean");
    for _ in 0..3 {
        let store = open(dir.path());
        check(&store, "clean");
        store.close().unwrap();
        assert_unchanged(dir.path(), "clean", &["consumequeue", "index"]);
    }
}

#[test]
fn a_killed_brokers_directory_is_recovered() {
    let dir = directory("killed");
    for _ in 0..3 {
        let store = open(dir.path());
        check(&store, "killed");
        store.close().unwrap();
    }
}

#[test]
fn queues_and_keys_come_back_from_the_log_alone() {
    for name in ["clean", "killed"] {
        let dir = directory(name);
        for lost in [
            &["consumequeue", "index"][..],
            &["mainstem"],
            &["index"],
            &["consumequeue", "mainstem"],
        ] {
            for part in lost {
                let _ = fs::remove_dir_all(dir.path().join(part));
            }
            if name == "clean" && lost.contains(&"consumequeue") {
                // As after a crash: a clean stop vouches for the queue files.
                fs::write(dir.path().join("abort"), "1").unwrap();
                fs::write(dir.path().join("checkpoint"), vec![0; 4096]).unwrap();
            }
            let store = open(dir.path());
            check(&store, name);
            store.close().unwrap();
        }
        assert_unchanged(
            dir.path(),
            name,
            &["consumequeue"][..usize::from(name == "clean")],
        );
    }
}

#[test]
fn what_is_appended_to_apaches_directory_follows_what_it_held() {
    let dir = directory("clean");
    let host = ([127, 0, 0, 1], 10911).into();
    let mut next = store_next(&open(dir.path()));
    for round in 0..3 {
        let store = open(dir.path());
        for n in 0..120 {
            let properties = format!("KEYS\x01new-{round}-{n}\x02TAGS\x01TagA\x02");
            let record = NewRecord {
                topic: "FixNormal",
                queue_id: 1,
                flag: 0,
                sys_flag: 0,
                born_timestamp_ms: 1,
                born_host: host,
                store_host: host,
                reconsume_times: 0,
                prepared_transaction_offset: 0,
                body: b"body",
                properties: properties.as_bytes(),
            };
            let appended = store.append(&record, Default::default()).unwrap();
            assert_eq!(appended.queue_offset, next);
            next += 1;
        }
        assert!(store.wait_durable(store.watermarks().appended(), Duration::from_secs(30)));
        // Half of the rounds end as a crash would.
        if round % 2 == 0 {
            store.close().unwrap();
        }
        drop(store);
        let store = open(dir.path());
        for n in 0..120 {
            let hits = store.query_key("FixNormal", &format!("new-{round}-{n}"), 10, 0, i64::MAX);
            assert_eq!(hits.len(), 1, "{round} {n}");
        }
        assert_eq!(store_next(&store), next);
    }
}

fn store_next(store: &Store) -> u64 {
    store.queue_bounds("FixNormal", 1).max
}
