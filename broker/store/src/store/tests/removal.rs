//! Old files go by age, by size and under pressure; what is still needed stays; the disk's stages.

use super::*;
use crate::disk::Disk;
use crate::retention::{DiskStage, Hold, Retention};
use crate::slice::RecordSlice;

const FILE_BYTES: u64 = 64 << 10;
const BODY: [u8; 3000] = [7; 3000];

fn store_with(disk: &SimDisk, retention: Retention) -> Store {
    let options = StoreOptions {
        retention,
        checkpoint_interval: Duration::from_millis(20),
        ..options(FlushMode::Sync)
    };
    Store::open_on(Arc::new(disk.clone()), options).unwrap()
}

fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "waited in vain: {what}"
        );
        crate::sync::sleep(Duration::from_millis(2));
    }
}

/// Appends until the log has so many files, not counting one made ahead; returns the number of
/// messages.
fn fill(store: &Store, files: u64) -> u64 {
    let mut next = 0;
    while store.watermarks().appended() < (files - 1) * FILE_BYTES + 10_000 {
        next = send(store, "t", 0, &BODY) + 1;
    }
    await_bound(store, "t", 0, next);
    // Until a snapshot covers it all.
    let base = (files - 1) * FILE_BYTES;
    await_that("a snapshot", || {
        store.shared.derived.snapshot_position() >= base
    });
    next
}

fn log_files(disk: &SimDisk) -> usize {
    disk.list("commitlog").unwrap().len()
}

fn expired_at_once() -> Retention {
    Retention {
        max_age: Some(Duration::ZERO),
        ..Retention::default()
    }
}

#[test]
fn expired_files_go_when_asked_and_consumers_are_told_where_messages_begin() {
    let disk = SimDisk::new();
    let store = store_with(&disk, expired_at_once());
    let end = fill(&store, 4);
    assert_eq!(store.usage().min_position, 0, "not by itself at any time");
    let mut removed = 0;
    await_that("removal", || {
        removed += store.remove_expired().unwrap();
        removed == 3
    });
    assert_eq!(store.remove_expired().unwrap(), 0, "the active file stays");
    assert_eq!(store.usage().min_position, 3 * FILE_BYTES);
    let bounds = store.queue_bounds("t", 0);
    assert!(bounds.min > 0 && bounds.max == end);
    let outcome = store.read("t", 0, 0, &ReadLimits::default(), &|_| true);
    assert_eq!(outcome.status, ReadStatus::OffsetTooSmall);
    assert_eq!(outcome.next_offset, bounds.min);
    assert_eq!(bodies(&store, "t", 0).len() as u64, end - bounds.min);
    // Over a kill and over a clean stop.
    drop(store);
    for _ in 0..2 {
        let store = store_with(&disk, expired_at_once());
        assert_eq!(store.queue_bounds("t", 0), bounds);
        store.close().unwrap();
    }
}

#[test]
fn young_messages_stay_and_a_clock_set_back_makes_none_old() {
    let disk = SimDisk::new();
    let hour = Retention {
        max_age: Some(Duration::from_secs(3600)),
        ..Retention::default()
    };
    let store = store_with(&disk, hour);
    fill(&store, 3);
    assert_eq!(store.remove_expired().unwrap(), 0);
    assert_eq!(store.usage().min_position, 0);
}

#[test]
fn the_log_is_held_to_its_size_by_itself() {
    let disk = SimDisk::new();
    let store = store_with(
        &disk,
        Retention {
            max_log_bytes: Some(4 * FILE_BYTES),
            ..Retention::default()
        },
    );
    fill(&store, 8);
    await_that("removal", || log_files(&disk) <= 4);
    assert!(store.queue_bounds("t", 0).min > 0);
    assert!(!bodies(&store, "t", 0).is_empty());
    store.set_retention(Retention::default());
    assert_eq!(store.retention(), Retention::default());
}

#[test]
fn a_file_goes_under_a_reader_who_keeps_what_it_holds() {
    let disk = SimDisk::new();
    let store = store_with(&disk, expired_at_once());
    fill(&store, 3);
    let outcome = store.read("t", 0, 0, &ReadLimits::default(), &|_| true);
    let held: Vec<RecordSlice> = outcome.messages;
    assert!(held.iter().all(RecordSlice::is_mapped));
    await_that("removal", || {
        store.remove_expired().unwrap();
        store.usage().min_position == 2 * FILE_BYTES
    });
    for slice in &held {
        assert_eq!(RecordView::parse(slice).unwrap().body(), BODY);
    }
}

#[test]
fn what_somebody_still_needs_holds_its_file_until_it_does_not() {
    let disk = SimDisk::new();
    let store = store_with(&disk, expired_at_once());
    let needed = Arc::new(AtomicU64::new(FILE_BYTES + 5));
    let seen = Arc::clone(&needed);
    let holds = move || {
        vec![Hold {
            position: seen.load(Ordering::SeqCst),
            why: "a test".to_owned(),
        }]
    };
    assert!(store.on_removal(Box::new(holds)));
    fill(&store, 4);
    await_that("the first file goes", || {
        store.remove_expired().unwrap();
        store.usage().min_position == FILE_BYTES
    });
    assert_eq!(store.remove_expired().unwrap(), 0);
    assert_eq!(store.remove_files_below(u64::MAX).unwrap(), 0);
    needed.store(u64::MAX, Ordering::SeqCst);
    assert_eq!(store.remove_expired().unwrap(), 2);
}

#[test]
fn nothing_goes_that_only_the_log_knows() {
    let disk = SimDisk::new();
    // No snapshot is made.
    let options = StoreOptions {
        checkpoint_interval: Duration::from_secs(3600),
        ..options(FlushMode::Sync)
    };
    let store = Store::open_on(Arc::new(disk.clone()), options).unwrap();
    let mut next = 0;
    while store.watermarks().appended() < 3 * FILE_BYTES {
        next = send(&store, "t", 0, &BODY) + 1;
    }
    await_bound(&store, "t", 0, next);
    assert_eq!(store.remove_files_below(u64::MAX).unwrap(), 0);
    assert_eq!(store.usage().min_position, 0);
}

#[test]
fn a_queue_whose_messages_all_expired_goes_on_at_its_next_offset_after_a_power_cut() {
    for seed in 0..crate::disk::sim::repeated(8) {
        let disk = SimDisk::new();
        let store = store_with(&disk, expired_at_once());
        for _ in 0..5 {
            send(&store, "early", 2, b"x");
        }
        fill(&store, 3);
        await_that("removal", || {
            store.remove_expired().unwrap();
            store.usage().min_position == 2 * FILE_BYTES
        });
        let image = disk.crash(seed);
        drop(store);
        let store = store_with(&image, expired_at_once());
        assert_eq!(send(&store, "early", 2, b"y"), 5, "seed {seed}");
    }
}

#[test]
fn a_file_that_cannot_be_unlinked_is_still_there_for_readers_and_for_the_next_start() {
    let disk = SimDisk::new();
    let store = store_with(&disk, expired_at_once());
    let end = fill(&store, 3);
    disk.faults().refuse("commitlog/", true);
    store.remove_expired().unwrap_err();
    assert_eq!(store.usage().min_position, 0);
    assert_eq!(bodies(&store, "t", 0).len() as u64, end);
    disk.faults().refuse("commitlog/", false);
    assert_eq!(store.remove_expired().unwrap(), 2);
    store.close().unwrap();
    drop(store);
    store_with(&disk, expired_at_once());
}

fn pressed() -> Retention {
    Retention {
        max_age: Some(Duration::from_secs(3600)),
        full_percent: Some(90),
        ..Retention::default()
    }
}

#[test]
fn a_full_disk_refuses_appends_serves_reads_keeps_unexpired_messages_and_recovers() {
    let disk = SimDisk::new();
    let store = store_with(&disk, pressed());
    let end = fill(&store, 4);
    let used = 1 << 20;
    disk.faults().set_capacity_bytes(used);
    let space = disk.space().unwrap();
    let used = space.total_bytes - space.free_bytes;
    for (percent, stage) in [
        (76, DiskStage::Filling),
        (86, DiskStage::Pressed),
        (91, DiskStage::Full),
    ] {
        disk.faults().set_capacity_bytes(used * 100 / percent);
        await_that("the stage", || store.disk_stage() == stage);
        assert_eq!(store.usage().stage, stage);
    }
    await_that("appends are refused", || {
        matches!(
            store.append(&record("t", 0, b"x", b""), Default::default()),
            Err(AppendError::DiskOverLimit {
                used_percent: 91..,
                ..
            })
        )
    });
    assert!(bodies(&store, "t", 0).len() as u64 >= end, "reads go on");
    assert_eq!(store.usage().min_position, 0, "nothing unexpired goes");
    disk.faults().set_capacity_bytes(used * 2);
    await_that("appends resume", || {
        store
            .append(&record("t", 0, b"x", b""), Default::default())
            .is_ok()
    });
    assert_eq!(store.disk_stage(), DiskStage::Roomy);
}

#[test]
fn a_filling_disk_removes_what_expired_and_by_choice_the_rest_one_file_at_a_time() {
    let disk = SimDisk::new();
    let store = store_with(&disk, pressed());
    fill(&store, 6);
    let space = disk.space().unwrap();
    let used = space.total_bytes - space.free_bytes;
    disk.faults().set_capacity_bytes(used * 100 / 87);
    await_that("the stage", || store.disk_stage() == DiskStage::Pressed);
    crate::sync::sleep(Duration::from_millis(600));
    assert_eq!(store.usage().min_position, 0);
    store.set_retention(Retention {
        remove_unexpired: true,
        ..pressed()
    });
    await_that("the oldest go before their time", || {
        store.usage().min_position > 0
    });
    await_that("the pressure is over", || {
        store.disk_stage() < DiskStage::Pressed
    });
    let kept_from = store.usage().min_position;
    assert!(kept_from <= 3 * FILE_BYTES, "{kept_from}");
    store.set_retention(expired_at_once());
    await_that("the expired go by themselves", || {
        store.usage().min_position == 5 * FILE_BYTES
    });
}
