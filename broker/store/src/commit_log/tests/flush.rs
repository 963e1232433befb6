//! Group commit and the marks it moves.

use super::*;

#[test]
fn one_sync_serves_the_appends_that_arrived_while_the_last_one_ran() {
    const THREADS: usize = 8;
    const EACH: usize = if cfg!(miri) { 5 } else { 25 };
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    disk.faults().set_sync_delay(Duration::from_millis(2));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    let placed = log.append("t", 0, &[1; 100]).unwrap();
                    log.await_flushed(placed.durable_at);
                }
            });
        }
    });
    let stats = log.log.stats();
    assert!(stats.flushes > 0);
    assert!(
        stats.flushes < (THREADS * EACH) as u64 / 2,
        "{} flushes for {} appends",
        stats.flushes,
        THREADS * EACH
    );
}

#[test]
fn nothing_is_readable_before_it_is_flushed_in_sync_mode() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    disk.faults().set_sync_delay(Duration::from_millis(50));
    let placed = log.append("t", 0, b"a").unwrap();
    let marks = log.log.watermarks();
    if marks.flushed() < placed.durable_at {
        assert!(marks.readable() < placed.durable_at);
    }
    log.await_flushed(placed.durable_at);
    assert_eq!(marks.readable(), placed.durable_at);
    assert_eq!(marks.durable(), placed.durable_at);
}

#[test]
fn an_async_log_is_readable_at_once_and_flushed_by_the_interval() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Async).unwrap();
    let placed = log.append("t", 0, b"a").unwrap();
    assert_eq!(log.log.watermarks().readable(), placed.durable_at);
    log.await_flushed(placed.durable_at);
}

#[test]
fn a_group_over_two_files_is_flushed_whole() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    disk.faults().set_sync_delay(Duration::from_millis(1));
    let mut last = 0;
    while last < 3 * FILE_BYTES {
        last = log.append("t", 0, &[1; 9000]).unwrap().durable_at;
    }
    log.await_flushed(last);
    let count = log.records().len();
    let image = disk.crash(1);
    assert_eq!(
        TestLog::open(&image, FlushMode::Sync)
            .unwrap()
            .records()
            .len(),
        count
    );
}

#[test]
fn the_floor_follows_the_flushed_mark_within_about_a_second() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    let placed = log.append("t", 0, b"a").unwrap();
    log.await_flushed(placed.durable_at);
    await_that("the floor is written", || {
        log.log.floor.lock().position == placed.durable_at
    });
}
