//! A disk that fails, fills up or cannot allocate.

use super::*;
use crate::disk::sim::SyncFailure;

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_a_restart_recovers() {
    for failure in [
        SyncFailure::KeepsDirty,
        SyncFailure::DropsDirty,
        SyncFailure::CorruptsDirty,
    ] {
        let disk = SimDisk::new();
        // So large that no next file is made, whose syncs could fail instead.
        let options = StoreOptions {
            commit_log_file_bytes: 16 * FILE_BYTES,
            ..options(FlushMode::Sync)
        };
        let log = TestLog::open_with(&disk, &options).unwrap();
        // The page after the acknowledged one: a device that ruins a page ruins all that is in it.
        let acknowledged = log.append("t", 0, &[1; 5000]).unwrap();
        log.await_flushed(acknowledged.durable_at);
        disk.faults().fail_sync_after(0, failure);
        let lost = log.append("t", 0, b"second").unwrap();
        await_that("the log fails", || log.log.failure().is_some());
        assert!(log.log.watermarks().durable() < lost.durable_at);
        let error = log.append("t", 0, b"third").unwrap_err();
        assert!(
            matches!(&error, AppendError::Failed(cause) if cause.contains("fdatasync")),
            "{error}"
        );
        assert_eq!(log.records().len(), 1, "reads go on up to readable");
        drop(log);
        // The page cache still shows the second record, whether or not the device has it.
        let log = TestLog::open_with(&disk, &options).unwrap();
        let shown = log.records().len();
        assert!(shown >= 1);
        // What readers see now, a power cut must not take back.
        for seed in 0..crate::disk::sim::repeated(20) {
            let image = disk.crash(seed);
            assert!(
                TestLog::open_with(&image, &options)
                    .unwrap()
                    .records()
                    .len()
                    >= shown,
                "seed {seed}"
            );
        }
    }
}

#[test]
fn a_full_disk_refuses_by_name_and_appends_resume_when_space_returns() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    disk.faults().set_capacity_bytes(FILE_BYTES + 20_000);
    let error = loop {
        match log.append("t", 0, &[1; 5000]) {
            Ok(placed) => log.await_flushed(placed.durable_at),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(
            error,
            AppendError::DiskFull {
                needed_bytes: FILE_BYTES,
                ..
            }
        ),
        "{error}"
    );
    let kept = log.records().len();
    assert!(kept > 5, "reads go on");
    assert!(log.append("t", 0, b"still fits").is_ok());
    assert!(log.append("t", 0, &[1; 5000]).is_err());
    disk.faults().set_capacity_bytes(1 << 30);
    await_that("appends resume", || log.append("t", 0, &[1; 5000]).is_ok());
    let offsets: Vec<i64> = log.records().iter().map(|record| record.1).collect();
    assert!(
        offsets.iter().copied().eq(0..offsets.len() as i64),
        "no hole in the queue"
    );
}

#[test]
fn without_allocation_or_over_copy_on_write_the_log_is_written_by_pwrite() {
    for copies_on_write in [true, false] {
        let disk = SimDisk::new();
        disk.faults().set_copies_on_write(copies_on_write);
        disk.faults().set_no_allocation(!copies_on_write);
        let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
        let mut last = 0;
        while last < 2 * FILE_BYTES {
            last = log.append("t", 0, &[1; 3000]).unwrap().durable_at;
        }
        log.await_flushed(last);
        let all = log.records();
        assert!(!log.log.record_at(0).unwrap().unwrap().is_mapped());
        log.close();
        let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
        assert_eq!(log.records(), all);
        log.append("t", 0, b"more").unwrap();
    }
}

#[test]
fn a_full_disk_under_pwrite_leaves_zeros_behind_the_end() {
    let disk = SimDisk::new();
    disk.faults().set_no_allocation(true);
    let log = TestLog::open(&disk, FlushMode::Async).unwrap();
    log.append("t", 0, b"a").unwrap();
    disk.faults().set_capacity_bytes(0);
    // The file has its length; the simulated disk counts lengths, so only the next file fails.
    while log.append("t", 0, &[1; 3000]).is_ok() {}
    let end = log.log.watermarks().appended();
    let file = disk.read_whole("commitlog/00000000000000000000").unwrap();
    assert!(file[end as usize..].iter().all(|b| *b == 0));
}

#[test]
fn a_start_without_space_for_the_first_file_says_so() {
    let disk = SimDisk::new();
    disk.faults().set_capacity_bytes(30_000);
    let error = TestLog::open(&disk, FlushMode::Sync)
        .err()
        .expect("no room for the first file");
    assert!(
        matches!(
            error,
            OpenError::NoSpace {
                bytes: FILE_BYTES,
                ..
            }
        ),
        "{error}"
    );
    disk.faults().set_capacity_bytes(1 << 30);
    TestLog::open(&disk, FlushMode::Sync).unwrap();
}

#[test]
fn an_appender_that_waits_for_a_file_hears_at_once_that_the_log_failed() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    // The next file cannot be made, by an error that is not a full disk, so appenders wait.
    disk.create_dir_all(&format!("{}/next-{FILE_BYTES}", layout::DIRECTORY))
        .unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            loop {
                if let Err(error) = log.append("t", 0, &[1; 5000]) {
                    return error;
                }
            }
        });
        await_that("the file is full", || {
            log.log.watermarks().appended() + 5000 > FILE_BYTES - 1000
        });
        let began = Instant::now();
        log.log.stop_appends();
        assert!(matches!(waiter.join().unwrap(), AppendError::Closed));
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "the configured wait is 20 s"
        );
    });
}
