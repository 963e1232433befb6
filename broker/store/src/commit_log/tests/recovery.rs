//! Torn tails, damage, missing files and what lies behind the end.

use super::*;

const FIRST: &str = "commitlog/00000000000000000000";

/// A log of records with 1000-byte bodies, stopped without a close; positions of the records.
fn killed(records: usize) -> (SimDisk, Vec<u64>) {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    let positions: Vec<u64> = (0..records)
        .map(|_| log.append("t", 0, &[5; 1000]).unwrap().physical_offset)
        .collect();
    log.await_flushed(log.log.watermarks().appended());
    drop(log);
    (disk, positions)
}

/// Takes the floor away, so that everything counts as unflushed.
fn without_floor(disk: &SimDisk) {
    disk.damage(layout::FLOOR, 0, &[0; 8192]).unwrap();
}

#[test]
fn a_log_that_was_only_killed_is_whole() {
    let (disk, positions) = killed(100);
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    assert_eq!(log.records().len(), positions.len());
    assert_eq!(log.append("t", 0, b"x").unwrap().queue_offset, 100);
}

#[test]
fn a_torn_tail_is_cut_and_only_zeros_stay_behind_it() {
    // Byte 30 lies in the physical offset, 90 in the body, 1090 in the next record's head.
    for hurt in [0, 5, 30, 90, 1060] {
        let (disk, positions) = killed(20);
        without_floor(&disk);
        disk.damage(FIRST, positions[10] + hurt, &[0xEE; 3])
            .unwrap();
        let kept = if hurt > 1050 { 10..=11 } else { 10..=10 };
        let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
        let left = log.records().len();
        assert!(
            kept.contains(&left),
            "damage at byte {hurt} leaves {left} records"
        );
        let end = log.log.watermarks().appended() as usize;
        drop(log);
        let bytes = disk.read_whole(FIRST).unwrap();
        assert!(bytes[end..].iter().all(|b| *b == 0));
        let saved = disk.list(layout::CUT_DIRECTORY).unwrap();
        assert_eq!(
            saved.len(),
            1,
            "whole records behind the cut are saved aside"
        );
    }
}

#[test]
fn a_queue_offset_that_does_not_follow_ends_the_log() {
    let (disk, positions) = killed(20);
    let mut old = disk.read_whole(FIRST).unwrap();
    let at = positions[10] as usize + mainstem_record::QUEUE_OFFSET_POSITION;
    old[at..at + 8].copy_from_slice(&77i64.to_be_bytes());
    disk.damage(FIRST, at as u64, &old[at..at + 8]).unwrap();
    without_floor(&disk);
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    assert_eq!(log.records().len(), 10);
}

#[test]
fn damage_below_the_floor_stops_the_start_and_changes_nothing() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    let positions: Vec<u64> = (0..20)
        .map(|_| log.append("t", 0, &[5; 1000]).unwrap().physical_offset)
        .collect();
    log.await_flushed(log.log.watermarks().appended());
    log.close();
    disk.damage(FIRST, positions[10] + 500, &[0xEE]).unwrap();
    let before = disk.read_whole(FIRST).unwrap();
    let error = TestLog::open(&disk, FlushMode::Sync)
        .err()
        .expect("damage below the floor");
    let OpenError::Damage {
        position,
        offset,
        path,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((*position, *offset), (positions[10], positions[10]));
    assert!(path.contains(FIRST));
    assert!(
        error.to_string().contains("mainstem store repair"),
        "{error}"
    );
    assert_eq!(disk.read_whole(FIRST).unwrap(), before);
}

#[test]
fn a_log_that_ends_before_its_floor_is_damaged() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    while log.log.watermarks().appended() < FILE_BYTES + 5000 {
        log.append("t", 0, &[5; 1000]).unwrap();
    }
    log.await_flushed(log.log.watermarks().appended());
    log.close();
    let second = super::super::file::path_of(FILE_BYTES);
    disk.remove(&second).unwrap();
    if let Ok(()) = disk.remove(&super::super::file::path_of(2 * FILE_BYTES)) {}
    let error = TestLog::open(&disk, FlushMode::Sync)
        .err()
        .expect("the last file is gone");
    assert!(
        matches!(
            error,
            OpenError::Damage {
                position: FILE_BYTES,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_hole_between_files_stops_the_start() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    while log.log.watermarks().appended() < 3 * FILE_BYTES {
        log.append("t", 0, &[5; 1000]).unwrap();
    }
    log.close();
    disk.remove(&super::super::file::path_of(FILE_BYTES))
        .unwrap();
    let error = TestLog::open(&disk, FlushMode::Sync)
        .err()
        .expect("a file is missing");
    assert!(
        matches!(&error, OpenError::MissingFile { path, .. } if path.contains("65536")),
        "{error}"
    );
}

#[test]
fn files_of_another_size_stop_the_start() {
    let (disk, _) = killed(3);
    let larger = StoreOptions {
        commit_log_file_bytes: 2 * FILE_BYTES,
        ..options(FlushMode::Sync)
    };
    let error = TestLog::open_with(&disk, &larger)
        .err()
        .expect("sizes differ");
    assert!(
        matches!(
            error,
            OpenError::FileSize {
                found: FILE_BYTES,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn leftovers_of_a_file_in_the_making_are_removed() {
    let (disk, _) = killed(3);
    let making = format!("{}/next-65536", layout::DIRECTORY);
    disk.create_new(&making).unwrap();
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    assert!(!disk.exists(&making).unwrap());
    assert_eq!(log.records().len(), 3);
}

#[test]
fn a_file_made_ahead_is_dropped_at_an_unclean_start_and_the_log_goes_on() {
    let next = super::super::file::path_of(FILE_BYTES);
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    while log.log.watermarks().appended() < FILE_BYTES / 16 * 15 {
        log.append("t", 0, &[5; 1000]).unwrap();
    }
    await_that("the next file is there", || disk.exists(&next).unwrap());
    let before = log.records().len();
    drop(log);
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    for _ in 0..60 {
        log.append("t", 0, &[6; 1000]).unwrap();
    }
    log.await_flushed(log.log.watermarks().appended());
    assert!(log.records().len() >= before + 60);
    assert!(disk.exists(&next).unwrap());
}

#[test]
fn nothing_is_put_behind_what_the_durable_floor_allows() {
    for flush in [FlushMode::Sync, FlushMode::Async] {
        let disk = SimDisk::new();
        let log = TestLog::open(&disk, flush).unwrap();
        for n in 0..200 {
            log.append("t", 0, &vec![5; 100 + n * 53 % 30_000]).unwrap();
            let slots = crate::floor::look(&disk).unwrap().unwrap();
            let touched = crate::floor::newest(&slots).unwrap().touched;
            assert!(touched >= log.log.watermarks().appended(), "{n}");
        }
    }
}
