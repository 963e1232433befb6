//! A disk that is full at each kind of write, slow, or that loses a file: what must hold is that
//! nothing acknowledged is lost, that readers go on, and that all goes on when the fault ends.

use super::*;
use crate::journal::Table;

fn quick(flush: FlushMode) -> StoreOptions {
    StoreOptions {
        checkpoint_interval: Duration::from_millis(20),
        queue_file_units: 20,
        next_file_wait: Duration::from_millis(200),
        ..options(flush)
    }
}

fn open_quick(disk: &SimDisk) -> Store {
    Store::open_on(Arc::new(disk.clone()), quick(FlushMode::Sync)).unwrap()
}

fn keyed(store: &Store, n: u64) -> Result<u64, AppendError> {
    let properties = format!("KEYS\x01key-{n}\x02");
    let body = vec![n as u8; 700];
    let appended = store.append(
        &record("t", (n % 2) as i32, &body, properties.as_bytes()),
        Default::default(),
    )?;
    assert!(store.wait_durable(appended.durable_at, Duration::from_secs(30)));
    Ok(n)
}

fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "waited in vain: {what}"
        );
        crate::sync::sleep(Duration::from_millis(5));
    }
}

/// Fills the disk for files of one kind while a store works, frees it again, and lets the power go
/// in the middle or not: every acknowledged message is there, in order, and found by its key.
fn full_for(beginning: &str, cut: bool) {
    let disk = SimDisk::new();
    let mut store = open_quick(&disk);
    let mut sent = Vec::new();
    let mut next = 0..;
    let mut some = |store: &Store, count: usize| {
        let before = sent.len();
        for n in next.by_ref().take(count) {
            match keyed(store, n) {
                Ok(n) => sent.push(n),
                Err(AppendError::DiskFull { .. } | AppendError::NextFileLate { .. }) => {}
                Err(error) => panic!("full for {beginning}: {error}"),
            }
        }
        (sent.len() - before, sent.len() as u64)
    };
    some(&store, 100);
    disk.faults().fill(beginning, true);
    some(&store, 150);
    store.shared.tick();
    some(&store, 20);
    if cut {
        let image = disk.crash(1);
        image.faults().fill(beginning, true);
        drop(store);
        // Whether it can open on a full disk depends on what it must write; afterwards it must.
        if let Ok(opened) = Store::open_on(Arc::new(image.clone()), quick(FlushMode::Sync)) {
            drop(opened);
        }
        image.faults().fill(beginning, false);
        store = open_quick(&image);
    } else {
        disk.faults().fill(beginning, false);
        await_that("appends go on", || keyed(&store, 250).is_ok());
    }
    let bound = |store: &Store| store.queue_bounds("t", 0).max + store.queue_bounds("t", 1).max;
    let (_, total) = some(&store, 0);
    await_that("everything is in its queue", || {
        store.shared.tick();
        bound(&store) >= total
    });
    for queue_id in 0..2 {
        let read: Vec<u8> = bodies(&store, "t", queue_id)
            .iter()
            .map(|body| body[0])
            .filter(|n| *n != 250 || cut)
            .collect();
        let expected: Vec<u8> = sent
            .iter()
            .filter(|n| (**n % 2) as i32 == queue_id)
            .map(|n| *n as u8)
            .filter(|n| *n != 250 || cut)
            .collect();
        assert_eq!(read, expected, "full for {beginning}, queue {queue_id}");
    }
    for n in &sent {
        let found = store.query_key("t", &format!("key-{n}"), 10, 0, i64::MAX);
        assert!(!found.is_empty(), "full for {beginning}: key-{n}");
    }
    store.close().unwrap();
}

#[test]
fn no_space_for_the_next_log_file() {
    full_for("mainstem/next-", false);
    full_for("mainstem/next-", true);
}

#[test]
fn no_space_for_queue_files_or_their_directories() {
    full_for("consumequeue", false);
    full_for("consumequeue", true);
}

#[test]
fn no_space_for_the_key_index() {
    for beginning in ["index/", "mainstem/index"] {
        full_for(beginning, false);
        full_for(beginning, true);
    }
}

#[test]
fn no_space_for_snapshots_and_the_checkpoint() {
    for beginning in ["mainstem/snapshot", "checkpoint"] {
        full_for(beginning, false);
        full_for(beginning, true);
    }
}

#[test]
fn no_space_for_the_journal_keeps_changes_in_memory_and_says_so() {
    full_for("mainstem/journal", false);
    let disk = SimDisk::new();
    let store = open_quick(&disk);
    let put = |value: &[u8]| {
        store.journal().put(Table::Groups, "g", value).unwrap();
        store.journal().sync()
    };
    put(b"old").unwrap();
    disk.faults().fill("mainstem/journal", true);
    let error = put(b"new").unwrap_err().to_string();
    assert!(error.contains("tried again"), "{error}");
    assert_eq!(store.journal().get(Table::Groups, "g").unwrap(), b"new");
    disk.faults().fill("mainstem/journal", false);
    await_that("it is written by itself", || {
        let image = disk.crash(3);
        let seen = open_quick(&image);
        seen.journal().get(Table::Groups, "g").unwrap() == b"new"
    });
}

#[test]
fn no_space_for_an_export_leaves_the_one_before() {
    let disk = SimDisk::new();
    let store = open_quick(&disk);
    let files = store.config_files();
    let read = || files.read("topics.json", |text| Ok::<_, String>(text.to_owned()));
    files.write("topics.json", "{\"a\":1}").unwrap();
    disk.faults().fill("config/", true);
    assert!(files.write("topics.json", "{\"a\":2}").is_err());
    assert_eq!(read().unwrap().unwrap(), "{\"a\":1}");
    disk.faults().fill("config/", false);
    files.write("topics.json", "{\"a\":3}").unwrap();
    assert_eq!(read().unwrap().unwrap(), "{\"a\":3}");
}

#[test]
fn no_space_for_any_directory_stops_a_start_by_name_and_the_next_one_succeeds() {
    let disk = SimDisk::new();
    disk.faults().fill("", true);
    let error = Store::open_on(Arc::new(disk.clone()), quick(FlushMode::Sync))
        .err()
        .unwrap();
    assert!(error.to_string().contains("directory"), "{error}");
    disk.faults().fill("", false);
    send(&open_quick(&disk), "t", 0, b"x");
}

#[test]
fn a_slow_disk_delays_acknowledgements_and_loses_nothing() {
    let disk = SimDisk::new();
    let store = open_quick(&disk);
    disk.faults().set_sync_delay(Duration::from_millis(30));
    let began = std::time::Instant::now();
    for n in 0..5 {
        keyed(&store, n).unwrap();
    }
    assert!(began.elapsed() >= Duration::from_millis(150));
    // Appends do not wait for the disk: many share a sync.
    let mut last = 0;
    let began = std::time::Instant::now();
    for _ in 0..40 {
        let placed = store
            .append(&record("t", 0, b"x", b""), Default::default())
            .unwrap();
        last = placed.durable_at;
    }
    assert!(store.wait_durable(last, Duration::from_secs(30)));
    assert!(
        began.elapsed() < Duration::from_millis(40 * 30),
        "{:?}",
        began.elapsed()
    );
    disk.faults().set_sync_delay(Duration::ZERO);
    await_bound(&store, "t", 0, 43);
}

#[test]
#[cfg_attr(miri, ignore = "Miri cannot map files")]
fn a_log_file_deleted_under_a_running_store_is_still_read_and_missed_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), quick(FlushMode::Sync)).unwrap();
    let mut n = 0;
    while store.watermarks().appended() < 3 * (64 << 10) {
        keyed(&store, n).unwrap();
        n += 1;
    }
    std::fs::remove_file(dir.path().join("commitlog/00000000000000065536")).unwrap();
    await_that("all are in their queues", || {
        store.queue_bounds("t", 0).max + store.queue_bounds("t", 1).max == n
    });
    assert_eq!(
        bodies(&store, "t", 0).len() + bodies(&store, "t", 1).len(),
        n as usize
    );
    drop(store);
    let error = Store::open(dir.path(), quick(FlushMode::Sync))
        .err()
        .unwrap();
    assert!(
        matches!(&error, OpenError::MissingFile { path, .. } if path.ends_with("00000000000000065536")),
        "{error}"
    );
}
