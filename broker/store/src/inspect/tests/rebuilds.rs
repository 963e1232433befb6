//! What a rebuild from the log must get right though the log no longer says it, and what crashes leave
//! beside the files.

use super::*;
use crate::inspect::{Severity, Step, repair_on};
use crate::outcome::ReadStatus;

fn rebuild(disk: &SimDisk) {
    let steps = [Step::RebuildQueues, Step::RebuildIndex];
    repair_on(Arc::new(disk.clone()), &sizes(), &steps, &is_json).unwrap();
    assert_sound(disk);
}

fn await_max(store: &Store, topic: &str, max: u64) {
    for _ in 0..30_000 {
        if store.queue_bounds(topic, 0).max == max {
            return;
        }
        crate::sync::sleep(Duration::from_millis(1));
    }
    panic!("{:?}", store.queue_bounds(topic, 0));
}

#[test]
fn a_queue_whose_last_message_expired_goes_on_at_its_offset_after_a_rebuild() {
    for clean in [true, false] {
        let disk = SimDisk::new();
        let store = open(&disk).unwrap();
        for n in 0..7 {
            send(&store, "idle", 0, &format!("i{n}"));
        }
        for n in 0..300 {
            send(&store, "busy", 0, &format!("b{n}"));
        }
        await_max(&store, "busy", 300);
        store.shared_tick();
        assert!(store.remove_files_below(FILE_BYTES).unwrap() > 0);
        let bounds = store.queue_bounds("idle", 0);
        assert_eq!((bounds.min, bounds.max), (7, 7));
        if clean {
            store.close().unwrap();
        }
        drop(store);
        assert_sound(&disk);
        rebuild(&disk);
        let store = open(&disk).unwrap();
        let bounds = store.queue_bounds("idle", 0);
        assert_eq!((bounds.min, bounds.max), (7, 7), "clean {clean}");
        send(&store, "idle", 0, "next");
        await_max(&store, "idle", 8);
        assert_eq!(store.queue_bounds("busy", 0).max, 300);
        store.close().unwrap();
        drop(store);
        assert_sound(&disk);
    }
}

/// Until a crash during a removal the newest snapshot counts messages whose log file is gone already.
#[test]
fn a_stop_at_once_after_a_crash_amid_a_removal_leaves_a_directory_that_misses_nothing() {
    let (disk, _) = written(false);
    let oldest = disk.list("commitlog").unwrap()[0].clone();
    disk.remove(&format!("commitlog/{oldest}")).unwrap();
    let store = open(&disk).unwrap();
    store.close().unwrap();
    drop(store);
    assert_sound(&disk);
}

#[test]
fn a_topic_deleted_and_made_again_has_only_its_new_messages_after_a_rebuild() {
    let disk = SimDisk::new();
    let store = open(&disk).unwrap();
    for n in 0..50 {
        send(&store, "t", 0, &format!("old{n}"));
    }
    store.delete_topic("t").unwrap();
    for n in 0..20 {
        send(&store, "t", 0, &format!("new{n}"));
    }
    store.close().unwrap();
    drop(store);
    rebuild(&disk);
    let store = open(&disk).unwrap();
    let bounds = store.queue_bounds("t", 0);
    assert_eq!((bounds.min, bounds.max), (0, 20));
    let found = store.read("t", 0, 0, &Default::default(), &|_| true);
    assert_eq!(found.status, ReadStatus::Found);
    assert!(store.query_key("t", "old3", 10, 0, i64::MAX).is_empty());
    assert_eq!(store.query_key("t", "new3", 10, 0, i64::MAX).len(), 1);
}

#[test]
fn leftovers_and_a_half_made_next_file_are_notes_and_go_at_the_next_start() {
    let (disk, _) = written(false);
    let last = disk.list("commitlog").unwrap().last().unwrap().clone();
    let next = last.parse::<u64>().unwrap() + FILE_BYTES;
    let half = disk.create_new(&format!("commitlog/{next:020}")).unwrap();
    half.set_len(FILE_BYTES / 3).unwrap();
    for name in ["next-1", "snapshot.new", "journal.new"] {
        let file = disk.create_new(&format!("mainstem/{name}")).unwrap();
        file.write_at(b"half", 0).unwrap();
    }
    let report = assert_sound(&disk);
    for name in [
        &format!("commitlog/{next:020}"),
        "mainstem/next-1",
        "mainstem/snapshot.new",
        "mainstem/journal.new",
    ] {
        let finding = report.findings.iter().find(|finding| finding.file == *name);
        assert_eq!(
            finding.map(|finding| finding.severity),
            Some(Severity::Expected),
            "{name}"
        );
    }
    let store = open(&disk).unwrap();
    await_max(&store, "a", MESSAGES / 4);
    store.close().unwrap();
    drop(store);
    assert!(assert_sound(&disk).findings.is_empty());
}

#[test]
fn a_rebuild_cut_short_by_a_power_cut_is_done_by_the_next_start() {
    let (sound, _) = written(true);
    rebuild(&sound);
    for operations in (0..400).step_by(7) {
        let disk = sound.crash(operations);
        disk.faults().cut_power_after(operations);
        let opened = open(&disk).map(|store| store.close());
        let done = matches!(opened, Ok(Ok(())));
        let disk = disk.crash(operations);
        // Nothing is lost or needs a command, and the next start leaves nothing to tell.
        let report = check(&disk);
        assert!(report.worst() <= Severity::Rebuilt, "{report:#?}");
        let store = open(&disk).unwrap();
        for topic in ["a", "b"] {
            assert_eq!(
                store.queue_bounds(topic, 0).max,
                MESSAGES / 4,
                "after {operations} operations"
            );
        }
        store.close().unwrap();
        drop(store);
        assert_sound(&disk);
        if done {
            return;
        }
    }
}
