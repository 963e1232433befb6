//! The next file is filled in step with the use of the current one, and nobody waits for that: not an
//! append that needs the file, not a stop, not the news that the disk is full.

use super::*;
use crate::disk::PAGE_BYTES;

const NEXT: &str = "mainstem/next-65536";
const NAMED: &str = "commitlog/00000000000000065536";
/// A file of the smallest size is filled page by page.
const STEPS: u64 = FILE_BYTES / PAGE_BYTES as u64;
/// A mark for what is not filled.
const UNTOUCHED: u8 = 0xFF;

/// A log with sync flush, whose records stay in memory, so that only the thread that makes files writes
/// to the disk.
fn unflushed(disk: &SimDisk) -> TestLog {
    let mut log = TestLog::open_stepped(disk, &options(FlushMode::Sync)).unwrap();
    log.threads.push(maker(&log));
    log
}

fn maker(log: &TestLog) -> JoinHandle<()> {
    let log = Arc::clone(&log.log);
    spawn("maker", move || log.run_maker()).unwrap()
}

/// Appends small records until the log has come to a position, and hardly further.
fn append_to(log: &TestLog, position: u64) {
    while log.log.watermarks().appended() < position {
        log.append("t", 0, &[1; 100]).unwrap();
    }
}

fn await_file(disk: &SimDisk, path: &str) {
    await_that(path, || disk.exists(path).unwrap());
}

/// Whether a page of a file has its zeros, after all of it was marked.
fn is_filled(disk: &SimDisk, path: &str, page: u64) -> bool {
    let start = page as usize * PAGE_BYTES;
    let bytes = disk.read_whole(path).unwrap();
    bytes[start..start + PAGE_BYTES]
        .iter()
        .all(|byte| *byte == 0)
}

#[test]
#[cfg_attr(miri, ignore = "it reads a file for each page of another, many times")]
fn the_next_file_gets_its_blocks_early_and_its_zeros_in_step_with_the_current_one() {
    let disk = SimDisk::new();
    let log = unflushed(&disk);
    let margin = FILE_BYTES / 16;
    append_to(&log, margin - 200);
    assert!(
        !disk.exists(NEXT).unwrap(),
        "a log that is hardly used has one file"
    );
    append_to(&log, margin);
    await_that("it has its blocks", || {
        disk.read_whole(NEXT)
            .is_ok_and(|file| file.len() as u64 == FILE_BYTES)
    });
    disk.damage(NEXT, 0, &vec![UNTOUCHED; FILE_BYTES as usize])
        .unwrap();
    let due = |page: u64| margin + page * PAGE_BYTES as u64 * 7 / 8;
    for page in 1..STEPS {
        assert!(!is_filled(&disk, NEXT, page), "page {page} is not due yet");
        append_to(&log, due(page));
        // The last one is followed by the name.
        await_that("the page is filled", || {
            disk.exists(NAMED).unwrap() || is_filled(&disk, NEXT, page)
        });
    }
    await_file(&disk, NAMED);
    assert!((1..STEPS).all(|page| is_filled(&disk, NAMED, page)));
    let left = FILE_BYTES - log.log.watermarks().appended();
    assert!(left >= margin, "{left} bytes are left when it is ready");
}

#[test]
fn an_append_that_needs_the_next_file_has_it_at_once_while_its_zeros_are_not_due() {
    let disk = SimDisk::new();
    let log = unflushed(&disk);
    append_to(&log, FILE_BYTES / 8);
    await_file(&disk, NEXT);
    // No zeros are due before more is appended, and this record does not fit any more.
    let placed = log
        .append("t", 0, &vec![2; FILE_BYTES as usize - 200])
        .unwrap();
    assert_eq!(placed.physical_offset, FILE_BYTES);
}

#[test]
fn an_append_that_needs_the_next_file_does_not_wait_for_zeros_that_are_due() {
    let disk = SimDisk::new();
    let log = unflushed(&disk);
    disk.faults().set_sync_delay(Duration::from_millis(300));
    let began = Instant::now();
    log.append("t", 0, &vec![1; FILE_BYTES as usize - 300])
        .unwrap();
    let placed = log.append("t", 0, &[2; 1000]).unwrap();
    assert_eq!(placed.physical_offset, FILE_BYTES);
    // All steps with their rests would take 10 s; one step and the name, 1.2 s.
    let took = began.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[test]
fn a_stop_in_the_middle_ends_at_once_and_leaves_nothing_half_filled() {
    let disk = SimDisk::new();
    let log = unflushed(&disk);
    append_to(&log, FILE_BYTES / 4);
    await_file(&disk, NEXT);
    log.log.flush().unwrap();
    // Nothing is appended any more: the thread waits for that, and would for ever.
    log.close();
    assert!(!disk.exists(NEXT).unwrap() && !disk.exists(NAMED).unwrap());
    let log = TestLog::open(&disk, FlushMode::Sync).unwrap();
    append_to(&log, FILE_BYTES + 1);
    assert!(disk.exists(NAMED).unwrap());
}

#[test]
fn a_power_cut_in_the_middle_leaves_a_file_that_the_next_start_removes() {
    let disk = SimDisk::new();
    let log = unflushed(&disk);
    append_to(&log, FILE_BYTES / 4);
    await_file(&disk, NEXT);
    disk.sync_dir(layout::DIRECTORY).unwrap();
    let image = disk.crash(1);
    assert!(image.exists(NEXT).unwrap());
    let log = TestLog::open(&image, FlushMode::Sync).unwrap();
    assert!(!image.exists(NEXT).unwrap());
    append_to(&log, FILE_BYTES + 1);
    assert!(image.exists(NAMED).unwrap());
}

#[test]
fn a_disk_without_room_for_the_next_file_is_noticed_while_the_current_one_is_hardly_used() {
    let disk = SimDisk::new();
    let log = unflushed(&disk);
    disk.faults().set_capacity_bytes(FILE_BYTES + 20_000);
    append_to(&log, FILE_BYTES / 16);
    await_that("the full disk is noticed", || {
        log.log.next_file.has_failed()
    });
    assert!(!log.log.is_out_of_files(), "nobody needs the file yet");
    disk.faults().set_capacity_bytes(1 << 30);
    // The blocks are enough: nobody is told of a full disk while the zeros are written.
    await_that("there is room", || !log.log.next_file.has_failed());
    append_to(&log, FILE_BYTES + 1);
}
