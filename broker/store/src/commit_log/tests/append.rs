//! Placement, rolls, blanks, groups and store times.

use super::*;
use crate::options::LockKind;
use crate::outcome::Patience;

#[test]
fn what_is_appended_is_read_and_found_again_after_a_reopen() {
    for flush in [FlushMode::Sync, FlushMode::Async] {
        let disk = SimDisk::new();
        let log = TestLog::open(&disk, flush).unwrap();
        let mut expected = Vec::new();
        for n in 0..300u64 {
            let body = vec![n as u8; (n * 7 % 900) as usize];
            let topic = format!("topic-{}", n % 3);
            let placed = log.append(&topic, 0, &body).unwrap();
            assert_eq!(placed.queue_offset, n / 3);
            expected.push((
                placed.physical_offset,
                placed.queue_offset as i64,
                topic,
                body,
            ));
        }
        let end = log.log.watermarks().appended();
        log.await_flushed(end);
        assert_eq!(log.records(), expected);
        for (position, ..) in &expected {
            let slice = log.log.record_at(*position).unwrap().unwrap();
            assert!(slice.is_mapped());
        }
        assert!(end > 2 * FILE_BYTES, "the test is to cross files");
        log.close();
        let log = TestLog::open(&disk, flush).unwrap();
        assert_eq!(log.records(), expected);
        assert_eq!(
            log.append("topic-0", 0, b"more").unwrap().physical_offset,
            end
        );
    }
}

#[test]
fn a_scan_in_parts_of_any_size_visits_each_record_once() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Async).unwrap();
    let records = if cfg!(miri) { 10 } else { 200 };
    for n in 0..records {
        log.append("T", 0, &vec![1; (n * 13 % 1500) as usize])
            .unwrap();
    }
    let expected: Vec<_> = log.records().iter().map(|record| record.0).collect();
    for step in [1, 100, 1000, 33_333] {
        let (mut found, mut at) = (Vec::new(), 0);
        while at < log.log.readable() {
            let to = at + step;
            let reached = log
                .log
                .scan(at, to, &mut |position, _| {
                    assert!(position < to);
                    found.push(position);
                    true
                })
                .unwrap();
            assert!(reached > at);
            at = reached;
        }
        assert_eq!(found, expected, "{step}");
    }
}

#[test]
fn a_file_ends_with_a_blank_when_a_record_and_a_blank_no_longer_fit() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Async).unwrap();
    let overhead = log.append("t", 0, b"").unwrap().size as u64;
    // Leaves exactly a record and a blank.
    let last = 100 + overhead;
    let filler = FILE_BYTES - overhead - last - 8 - overhead;
    log.append("t", 0, &vec![1; filler as usize]).unwrap();
    let fits = log.append("t", 0, &[2; 100]).unwrap();
    assert_eq!(fits.durable_at, FILE_BYTES - 8);
    let next = log.append("t", 0, &[3; 1]).unwrap();
    assert_eq!(next.physical_offset, FILE_BYTES);
    let file = disk.read_whole("commitlog/00000000000000000000").unwrap();
    assert_eq!(file[file.len() - 8..], [0, 0, 0, 8, 0xCB, 0xD4, 0x31, 0x94]);
    assert_eq!(log.records().len(), 4);

    // One byte more does not fit and leaves a longer blank.
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Async).unwrap();
    log.append("t", 0, &vec![1; (filler + overhead) as usize])
        .unwrap();
    let rolled = log.append("t", 0, &[2; 101]).unwrap();
    assert_eq!(rolled.physical_offset, FILE_BYTES);
    assert_eq!(log.records().len(), 2);
}

#[test]
fn a_group_is_contiguous_with_consecutive_queue_offsets_and_never_crosses_files() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Async).unwrap();
    let body = [7; 1000];
    for round in 0..40u64 {
        let placed = log.append_group("t", 3, &[&body[..]; 5], 5).unwrap();
        for (n, pair) in placed.windows(2).enumerate() {
            assert_eq!(pair[0].durable_at, pair[1].physical_offset);
            assert_eq!(pair[0].queue_offset, round * 5 + n as u64);
        }
        let first = placed[0].physical_offset / FILE_BYTES;
        assert_eq!((placed[4].durable_at - 1) / FILE_BYTES, first);
    }
    assert_eq!(log.records().len(), 200);
}

#[test]
fn a_record_that_fits_no_file_is_refused_by_name_of_the_limit() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Async).unwrap();
    let error = log
        .append("t", 0, &vec![0; FILE_BYTES as usize])
        .unwrap_err();
    assert!(
        matches!(error, AppendError::TooLarge { limit_bytes, .. } if limit_bytes as u64 == FILE_BYTES - 8)
    );
    assert_eq!(log.append("t", 0, b"fits").unwrap().queue_offset, 0);
}

#[test]
fn store_times_never_go_back_even_over_a_restart() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    assert_eq!(
        log.append_at("t", 0, b"a", 5_000)
            .unwrap()
            .store_timestamp_ms,
        5_000
    );
    assert_eq!(
        log.append_at("t", 0, b"b", 4_000)
            .unwrap()
            .store_timestamp_ms,
        5_000
    );
    log.close();
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    assert_eq!(
        log.append_at("t", 0, b"c", 1).unwrap().store_timestamp_ms,
        5_000
    );
    assert_eq!(
        log.append_at("t", 0, b"d", 6_000)
            .unwrap()
            .store_timestamp_ms,
        6_000
    );
}

#[test]
fn many_threads_get_distinct_positions_and_offsets_without_holes() {
    const THREADS: usize = 4;
    const EACH: usize = if cfg!(miri) { 20 } else { 200 };
    for kind in [LockKind::Spin, LockKind::Reentrant] {
        let disk = SimDisk::new();
        let log = TestLog::open_with(
            &disk,
            &StoreOptions {
                append_lock: Some(kind),
                ..options(FlushMode::Async)
            },
        )
        .unwrap();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let log = &log;
                scope.spawn(move || {
                    for n in 0..EACH {
                        log.append("t", (n % 2) as i32, &vec![thread as u8; n])
                            .unwrap();
                    }
                });
            }
        });
        assert_eq!(log.records().len(), THREADS * EACH);
        for queue_id in 0..2 {
            let mut offsets = Vec::new();
            log.log
                .scan(0, u64::MAX, &mut |_, record| {
                    if record.queue_id() == queue_id {
                        offsets.push(record.queue_offset());
                    }
                    true
                })
                .unwrap();
            assert!(offsets.iter().copied().eq(0..(THREADS * EACH / 2) as i64));
        }
    }
}

#[test]
fn a_lease_outlives_the_file() {
    let disk = SimDisk::new();
    let log = TestLog::open(&disk, FlushMode::Async).unwrap();
    let placed = log.append("t", 0, &[9; 500]).unwrap();
    let slice = log
        .log
        .slice_at(placed.physical_offset, placed.size as usize, Patience::Wait)
        .unwrap()
        .unwrap();
    while log.log.watermarks().appended() < 2 * FILE_BYTES {
        log.append("t", 0, &[1; 3000]).unwrap();
    }
    log.await_flushed(log.log.watermarks().appended());
    let (oldest, log_bytes) = log.log.oldest_removable();
    let oldest = oldest.expect("the first file is full and flushed");
    assert!(log_bytes >= 2 * FILE_BYTES);
    assert_eq!((oldest.base(), oldest.end()), (0, FILE_BYTES));
    log.log.remove_oldest(&oldest).unwrap();
    assert!(!disk.exists("commitlog/00000000000000000000").unwrap());
    assert!(mainstem_record::RecordView::parse(&slice).unwrap().body() == [9; 500]);
    assert_eq!(log.log.min_position(), FILE_BYTES);
    assert!(log.log.record_at(placed.physical_offset).unwrap().is_none());
    let (second, _) = log.log.oldest_removable();
    log.log.remove_oldest(&second.unwrap()).unwrap();
    assert!(
        log.log.oldest_removable().0.is_none(),
        "the file that is appended to stays"
    );
}
