//! A group between memory and disk: what readers, a failing write or sync, a close and a power cut find of it. The test takes
//! the flusher's steps, so that it stands where it wants to.

use super::super::file::path_of;
use super::super::staged::MAX_STAGED_BYTES;
use super::*;
use crate::disk::PAGE_BYTES;
use crate::disk::sim::{SyncFailure, repeated};
use crate::outcome::Patience;

/// Of the cases of a test, one in so many: each opens several logs, which takes Miri many seconds.
const EVERY: usize = if cfg!(miri) { 3 } else { 1 };

fn stepped(disk: &SimDisk) -> TestLog {
    TestLog::open_stepped(disk, &options(FlushMode::Sync)).unwrap()
}

/// A body that no other record has.
fn body(number: usize, len: usize) -> Vec<u8> {
    let mut body = vec![number as u8; len];
    body[..8].copy_from_slice(&(number as u64).to_be_bytes());
    body
}

/// Appends until the log is `bytes` long, making files as they are asked for.
fn append_up_to(log: &TestLog, bytes: u64, len: usize, all: &mut Vec<Vec<u8>>) {
    while log.log.watermarks().appended() < bytes {
        log.log.step_maker();
        all.push(body(all.len(), len));
        log.append("t", 0, all.last().unwrap()).unwrap();
    }
}

/// The records are the first ones of `all`, from offset 0 without a hole; how many.
fn assert_prefix(log: &TestLog, all: &[Vec<u8>], story: &str) -> usize {
    let records = log.records();
    for (number, (_, offset, _, found)) in records.iter().enumerate() {
        assert_eq!(*offset, number as i64, "{story}");
        assert!(found == &all[number], "{story}: record {number}");
    }
    records.len()
}

/// What a start shows, appends after, and no power cut takes back.
fn assert_goes_on(disk: &SimDisk, all: &[Vec<u8>], at_least: usize, story: &str) {
    let log = stepped(disk);
    let shown = assert_prefix(&log, all, story);
    assert!(
        shown >= at_least,
        "{story}: {shown} of {at_least} acknowledged records"
    );
    for seed in 0..repeated(20) {
        let cut = stepped(&disk.crash(seed));
        assert!(
            assert_prefix(&cut, all, story) >= shown,
            "{story}: what readers saw was taken back, seed {seed}"
        );
    }
    let more = log.append("t", 0, b"goes on").unwrap();
    assert_eq!(more.queue_offset, shown as u64, "{story}");
    assert!(log.log.flush().unwrap(), "{story}");
    assert_eq!(log.records().len(), shown + 1, "{story}");
}

#[test]
fn nobody_reads_of_a_group_that_is_only_in_memory_and_the_file_has_nothing_of_it() {
    let disk = SimDisk::new();
    let log = stepped(&disk);
    let placed = log.append("t", 0, &body(0, 3000)).unwrap();
    let position = placed.physical_offset;
    assert_eq!(log.records(), []);
    assert!(log.log.record_at(position).unwrap().is_none());
    let slice = log
        .log
        .slice_at(position, placed.size as usize, Patience::Wait);
    assert!(slice.unwrap().is_none());
    let file = disk.read_whole(&path_of(0)).unwrap();
    assert!(file.iter().all(|byte| *byte == 0));
    log.log.flush().unwrap();
    assert_eq!(log.records().len(), 1);
}

#[test]
fn nobody_reads_of_a_group_whose_bytes_the_file_has_but_the_device_not_yet() {
    let disk = SimDisk::new();
    let log = stepped(&disk);
    let placed = log.append("t", 0, &body(0, 3000)).unwrap();
    disk.faults().set_sync_delay(Duration::from_millis(30));
    let written = || {
        let file = disk.read_whole(&path_of(0)).unwrap();
        file.iter().any(|byte| *byte != 0)
    };
    let mut between = 0;
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| log.log.flush().unwrap());
        while !flush.is_finished() {
            let (written, seen) = (
                written(),
                log.log.record_at(placed.physical_offset).unwrap(),
            );
            if log.log.watermarks().flushed() < placed.durable_at {
                assert!(seen.is_none());
                between += usize::from(written);
            }
            std::thread::yield_now();
        }
    });
    assert!(between > 0 || cfg!(miri), "the reader came too late");
    assert_eq!(log.records().len(), 1);
}

#[test]
fn appends_go_on_while_a_group_is_on_its_way_and_make_the_next_one() {
    let disk = SimDisk::new();
    let log = stepped(&disk);
    // Who flushes holds this until the sync is done: an append that needed it would wait for ever.
    let flushing = log.log.floor.lock();
    for number in 0..20 {
        log.append("t", 0, &body(number, 200)).unwrap();
    }
    drop(flushing);
    let flushes = log.log.stats().flushes;
    assert!(log.log.flush().unwrap());
    assert_eq!(log.log.stats().flushes, flushes + 1);
    assert_eq!(log.records().len(), 20);
    assert!(!log.log.flush().unwrap(), "there is nothing more");
}

#[test]
fn a_write_of_a_group_that_fails_in_part_ends_the_log_and_a_restart_keeps_whole_records() {
    // The first record ends in the first page.
    let len = 1000;
    let cases = [1200, 0, 1, 5000, PAGE_BYTES as u64, 6299];
    for written in cases.into_iter().step_by(EVERY) {
        let story = format!("{written} bytes written");
        let disk = SimDisk::new();
        let log = stepped(&disk);
        let mut all = Vec::new();
        append_up_to(&log, 1, len, &mut all);
        log.log.flush().unwrap();
        let flushed = log.log.watermarks().flushed();
        append_up_to(&log, 7000, len, &mut all);
        disk.faults().fail_write_after(0, written);
        let cause = log.log.flush().unwrap_err();
        assert!(
            cause.contains("the write to") && cause.contains(&path_of(0)),
            "{cause}"
        );
        assert_eq!(log.log.watermarks().durable(), flushed, "{story}");
        assert_eq!(log.records().len(), 1, "{story}");
        // The disk is well again, but nobody can know what of the group it has.
        assert!(log.log.flush().is_err(), "{story}");
        let error = log.append("t", 0, b"later").unwrap_err();
        assert!(matches!(error, AppendError::Failed(_)), "{story}: {error}");
        drop(log);
        assert_goes_on(&disk, &all, 1, &story);
    }
}

#[test]
fn of_a_group_over_two_files_nothing_is_acknowledged_when_one_of_them_is_not_synced() {
    let failures = [
        SyncFailure::CorruptsDirty,
        SyncFailure::DropsDirty,
        SyncFailure::KeepsDirty,
    ];
    for failure in failures.into_iter().step_by(EVERY) {
        for synced in [0, 1] {
            let story = format!("{failure:?} after {synced} syncs");
            let disk = SimDisk::new();
            let log = stepped(&disk);
            let mut all = Vec::new();
            // The group begins with a page of its own, for a device that ruins a page ruins all in it.
            append_up_to(&log, 5000, 5000, &mut all);
            log.log.flush().unwrap();
            let flushed = log.log.watermarks().flushed();
            let acknowledged = all.len();
            append_up_to(&log, FILE_BYTES + 9000, 5000, &mut all);
            disk.faults().fail_sync_after(synced, failure);
            let cause = log.log.flush().unwrap_err();
            assert!(cause.contains(&path_of(synced * FILE_BYTES)), "{cause}");
            assert_eq!(log.log.watermarks().durable(), flushed, "{story}");
            assert_eq!(log.records().len(), acknowledged, "{story}");
            drop(log);
            assert_goes_on(&disk, &all, acknowledged, &story);
        }
    }
}

#[test]
fn a_group_whose_floor_cannot_be_written_is_flushed_and_the_log_ends_behind_it() {
    let disk = SimDisk::new();
    let log = stepped(&disk);
    let mut all = Vec::new();
    append_up_to(&log, FILE_BYTES + 1, 5000, &mut all);
    // Two writes of the group, then the floor.
    disk.faults().fail_write_after(2, 20);
    let cause = log.log.flush().unwrap_err();
    assert!(cause.contains("durable floor"), "{cause}");
    assert_eq!(
        log.records().len(),
        all.len(),
        "the log itself is on the disk"
    );
    assert!(log.append("t", 0, b"later").is_err());
    drop(log);
    assert_goes_on(&disk, &all, all.len(), "the floor is torn");
}

#[test]
fn a_power_cut_at_any_step_of_a_flush_leaves_a_prefix_with_all_that_was_flushed() {
    // Two writes, two syncs, write and sync of the floor.
    for steps in (0..=6).step_by(EVERY) {
        for seed in 0..repeated(30) {
            let story = format!("{steps} steps, seed {seed}");
            let disk = SimDisk::new();
            let log = stepped(&disk);
            let mut all = Vec::new();
            append_up_to(&log, 1, 700, &mut all);
            log.log.flush().unwrap();
            append_up_to(&log, FILE_BYTES + 1, 3000, &mut all);
            disk.faults().cut_power_after(steps);
            assert_eq!(log.log.flush().is_ok(), steps == 6, "{story}");
            let whole = log.log.watermarks().flushed() == log.log.watermarks().appended();
            assert_eq!(whole, steps >= 4, "{story}");
            let image = disk.crash(seed);
            drop(log);
            assert_goes_on(&image, &all, if whole { all.len() } else { 1 }, &story);
        }
    }
}

#[test]
fn a_close_in_the_middle_of_a_group_flushes_all_that_was_appended() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    disk.faults().set_sync_delay(Duration::from_millis(5));
    let all: Vec<_> = (0..30).map(|number| body(number, 1000)).collect();
    for body in &all {
        log.append("t", 0, body).unwrap();
    }
    let later = Arc::clone(&log.log);
    log.close();
    assert_eq!(later.watermarks().flushed(), later.watermarks().appended());
    let image = disk.crash(1);
    assert_goes_on(&image, &all, all.len(), "closed");
}

#[test]
#[cfg_attr(miri, ignore = "tens of MiB")]
fn what_waits_in_memory_keeps_its_bound_also_where_an_append_rolls_to_the_next_file() {
    const MIB: usize = 1 << 20;
    let disk = SimDisk::new();
    let options = StoreOptions {
        commit_log_file_bytes: 16 << 20,
        max_message_bytes: 8 << 20,
        ..options(FlushMode::Sync)
    };
    let log = TestLog::open_stepped(&disk, &options).unwrap();
    let waiting = || {
        let tail = log.log.tail.lock();
        tail.staged.as_ref().unwrap().bytes().len()
    };
    let append = |mib: usize| {
        log.log.step_maker();
        log.append("t", 0, &vec![1; mib * MIB]).unwrap();
        assert!(waiting() <= MAX_STAGED_BYTES, "{} bytes wait", waiting());
    };
    append(6);
    log.log.flush().unwrap();
    append(6);
    assert!(waiting() > 6 * MIB, "nobody flushes but the appends");
    // The rest of the file, 4 MiB, and 7 MiB behind it.
    append(7);
    append(7);
    append(3);
    assert!(log.log.watermarks().flushed() > 12 * MIB as u64);
    log.log.flush().unwrap();
    assert_eq!(log.records().len(), 5);
}
