//! Checks of sound and damaged directories, dumps and repairs, over the simulated disk and over the
//! directories that a Java broker wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod apache;
mod burials;
mod damage;
mod dumps;
mod rebuilds;
mod repairs;

use std::net::SocketAddr;

use mainstem_record::NewRecord;

use super::{CheckOptions, FileSizes, Inspection, Report};
use crate::disk::sim::SimDisk;
use crate::disk::{Disk, OpenMode};
use crate::journal::Table;
use crate::options::StoreOptions;
use crate::outcome::Appended;
use crate::store::Store;
use crate::sync::{Arc, Duration};

/// Bytes of a log file here.
const FILE_BYTES: u64 = 64 << 10;
/// Messages of [`written`], over two topics with two queues each.
const MESSAGES: u64 = 400;

fn options() -> StoreOptions {
    StoreOptions {
        commit_log_file_bytes: FILE_BYTES,
        queue_file_units: 64,
        index_slots: 100,
        index_entries: 400,
        checkpoint_interval: Duration::from_millis(1),
        ..StoreOptions::default()
    }
}

fn sizes() -> FileSizes {
    FileSizes {
        index_slots: Some(100),
        index_entries: Some(400),
        ..FileSizes::default()
    }
}

fn open(disk: &SimDisk) -> Result<Store, crate::error::OpenError> {
    Store::open_on(Arc::new(disk.clone()), options())
}

/// Sends one message with a key and a tag; returns its log position.
fn send(store: &Store, topic: &str, queue_id: i32, key: &str) -> u64 {
    let appended = append_one(store, topic, queue_id, key);
    assert!(store.wait_durable(appended.durable_at, Duration::from_secs(30)));
    appended.physical_offset
}

fn append_one(store: &Store, topic: &str, queue_id: i32, key: &str) -> Appended {
    let host: SocketAddr = ([127, 0, 0, 1], 10911).into();
    let properties = format!("KEYS\x01{key}\x02UNIQ_KEY\x01u-{key}\x02TAGS\x01red\x02");
    let record = NewRecord {
        topic,
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: 1,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: &[7; 300],
        properties: properties.as_bytes(),
    };
    store.append(&record, Default::default()).unwrap()
}

/// A store with [`MESSAGES`] messages in several log, queue and index files, a deleted topic, journal
/// entries and an export; and the positions of the messages.
fn written(clean: bool) -> (SimDisk, Vec<u64>) {
    let disk = SimDisk::new();
    let store = open(&disk).unwrap();
    send(&store, "gone", 0, "gone");
    store.delete_topic("gone").unwrap();
    let positions = (0..MESSAGES)
        .map(|n| {
            let queue_id = i32::try_from(n / 2 % 2).unwrap();
            if n == MESSAGES / 2 {
                // Some of it is in a snapshot and in files before the rest comes.
                store.shared_tick();
            }
            send(
                &store,
                ["a", "b"][(n % 2) as usize],
                queue_id,
                &format!("k{n}"),
            )
        })
        .collect();
    for key in ["a", "b"] {
        store.journal().put(Table::Topics, key, b"{}").unwrap();
        store.journal().sync().unwrap();
    }
    let files = store.config_files();
    files.write("topics.json", "{\"a\":1}").unwrap();
    files.write("topics.json", "{\"a\":2}").unwrap();
    if clean {
        store.close().unwrap();
    }
    drop(store);
    (disk, positions)
}

fn is_json(text: &str) -> Result<(), String> {
    serde_json::from_str::<serde_json::Value>(text)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

fn check(disk: &SimDisk) -> Report {
    check_with(Arc::new(disk.clone()), &sizes())
}

fn check_with(disk: Arc<dyn Disk>, sizes: &FileSizes) -> Report {
    let inspection = Inspection::open_on(disk, sizes).unwrap();
    let mut told = 0;
    let mut options = CheckOptions {
        is_json: &is_json,
        progress: &mut |progress| {
            assert!(progress.done_bytes <= progress.total_bytes);
            told += 1;
        },
    };
    inspection.check(&mut options).unwrap()
}

fn assert_sound(disk: &SimDisk) -> Report {
    let report = check(disk);
    assert!(report.is_sound(), "{report:#?}");
    report
}

/// Flips a bit of a file.
fn flip(disk: &SimDisk, path: &str, at: u64) {
    let byte = disk.read_whole(path).unwrap()[usize::try_from(at).unwrap()];
    disk.damage(path, at, &[byte ^ 0x04]).unwrap();
}

fn truncate(disk: &SimDisk, path: &str, bytes: u64) {
    let file = disk.open(path, OpenMode::ReadWrite).unwrap();
    assert!(bytes < file.len().unwrap());
    file.set_len(bytes).unwrap();
}

#[test]
fn a_closed_store_is_sound_and_everything_was_compared() {
    let (disk, _) = written(true);
    let report = assert_sound(&disk);
    assert!(report.findings.is_empty(), "{report:#?}");
    assert_eq!((report.log.records, report.queues), (MESSAGES + 1, 4));
    assert_eq!(report.units, MESSAGES);
    assert!(report.index_entries >= MESSAGES * 3, "{report:#?}");
    assert!(report.clean_stop);
}

#[test]
fn a_killed_store_is_sound_with_notes() {
    let (disk, _) = written(false);
    let report = assert_sound(&disk);
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.file == "abort"),
        "{report:#?}"
    );
    // So it is after a power cut.
    for seed in 0..crate::disk::sim::repeated(20) {
        assert_sound(&disk.crash(seed));
    }
}

#[test]
fn a_check_changes_nothing() {
    let (disk, _) = written(false);
    let before = disk.faults().operations();
    let names: Vec<_> = ["", "mainstem", "commitlog", "index"]
        .iter()
        .map(|directory| disk.list(directory).unwrap())
        .collect();
    disk.faults().cut_power_after(u64::MAX);
    assert_sound(&disk);
    let after: Vec<_> = ["", "mainstem", "commitlog", "index"]
        .iter()
        .map(|directory| disk.list(directory).unwrap())
        .collect();
    assert_eq!(names, after);
    let _ = before;
}

#[test]
fn a_directory_in_use_is_not_looked_at() {
    let disk = SimDisk::new();
    let store = open(&disk).unwrap();
    let refused = Inspection::open_on(Arc::new(disk.clone()), &sizes()).unwrap_err();
    assert!(refused.to_string().contains("in use"), "{refused}");
    drop(store);
    Inspection::open_on(Arc::new(disk), &sizes()).unwrap();
}
