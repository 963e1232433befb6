//! Repairs: each does what it says, saves what it removes, and leaves a directory that is sound and
//! opens.

use super::*;
use crate::error::OpenError;
use crate::inspect::{Severity, Step, repair_on};
use crate::outcome::ReadStatus;

pub(super) fn repair(disk: &SimDisk, steps: &[Step]) -> crate::inspect::Done {
    repair_on(Arc::new(disk.clone()), &sizes(), steps, &is_json).unwrap()
}

/// Messages of all four queues that are read, and of those that keys find.
fn served(disk: &SimDisk) -> (u64, u64) {
    let store = open(disk).unwrap();
    let mut read = 0;
    for topic in ["a", "b"] {
        for queue_id in 0..2 {
            let bounds = store.queue_bounds(topic, queue_id);
            for offset in bounds.min..bounds.max {
                let found = store.read(topic, queue_id, offset, &Default::default(), &|_| true);
                read += u64::from(found.status == ReadStatus::Found);
            }
        }
    }
    let keys = (0..MESSAGES).filter(|n| {
        let topic = ["a", "b"][(n % 2) as usize];
        let found = store.query_key(topic, &format!("k{n}"), 10, 0, i64::MAX);
        found.len() == 1
    });
    let keys = keys.count() as u64;
    // And it goes on.
    send(&store, "a", 0, "new");
    // Where its deletion is forgotten, the topic has its old message again.
    let gone = store.queue_bounds("gone", 0).max;
    send(&store, "gone", 0, "new");
    await_max(&store, "gone", gone + 1);
    store.close().unwrap();
    drop(store);
    let report = check(disk);
    assert!(report.is_sound(), "{report:#?}");
    (read, keys)
}

/// A message is durable a moment before it is readable.
fn await_max(store: &Store, topic: &str, max: u64) {
    for _ in 0..30_000 {
        if store.queue_bounds(topic, 0).max == max {
            return;
        }
        crate::sync::sleep(Duration::from_millis(1));
    }
    panic!("{:?}", store.queue_bounds(topic, 0));
}

/// Names below the directory where a repair put what it removed.
pub(super) fn saved(disk: &SimDisk, below: &str) -> Vec<String> {
    let directory = disk
        .list("mainstem")
        .unwrap()
        .into_iter()
        .find(|name| name.starts_with("repair-"))
        .expect("something was saved");
    disk.list(&format!("mainstem/{directory}/{below}"))
        .unwrap_or_default()
}

#[test]
fn the_command_that_a_refused_start_names_repairs_it() {
    let (disk, positions) = written(false);
    // Between the last snapshot and the floor.
    let at = positions[300];
    let file = format!("commitlog/{:020}", at / FILE_BYTES * FILE_BYTES);
    flip(&disk, &file, at % FILE_BYTES + 150);
    let OpenError::Damage {
        position, offset, ..
    } = open(&disk).expect_err("damage below the floor")
    else {
        panic!("another error")
    };
    assert_eq!((position, offset), (at, at % FILE_BYTES));
    let text = open(&disk).err().unwrap().to_string();
    let command = Step::CutLogAt(at).command("sim:");
    assert!(text.contains(&command) && text.contains(&file), "{text}");
    let report = check(&disk);
    assert_eq!(report.worst(), Severity::Lost);
    let finding = report
        .findings
        .iter()
        .find(|finding| finding.severity == Severity::Lost)
        .unwrap();
    assert!(finding.commands.contains(&command), "{finding:?}");
    assert_eq!(
        (&finding.file, finding.offset),
        (&file, Some(at % FILE_BYTES))
    );

    let done = repair(&disk, &[Step::CutLogAt(at)]);
    assert!(done.saved_in.is_some(), "{done:?}");
    let name = format!(
        "{:020}.from-{}",
        at / FILE_BYTES * FILE_BYTES,
        at % FILE_BYTES
    );
    assert!(
        saved(&disk, "commitlog").contains(&name),
        "{:?}",
        saved(&disk, "commitlog")
    );
    assert_sound(&disk);
    assert_eq!(served(&disk), (300, 300));
}

#[test]
fn the_log_is_cut_at_any_message_and_queues_keys_and_deletions_follow() {
    for (clean, n) in [
        (true, 0),
        (true, 100),
        (true, 399),
        (false, 200),
        (false, 390),
    ] {
        let (disk, positions) = written(clean);
        repair(&disk, &[Step::CutLogAt(positions[n])]);
        assert_sound(&disk);
        assert_eq!(served(&disk), (n as u64, n as u64), "{clean} {n}");
    }
}

#[test]
fn a_deletion_behind_the_cut_hides_nothing_that_comes_later() {
    let (disk, positions) = written(false);
    let store = open(&disk).unwrap();
    store.delete_topic("a").unwrap();
    store.close().unwrap();
    drop(store);
    repair(&disk, &[Step::CutLogAt(positions[50])]);
    assert_sound(&disk);
    let store = open(&disk).unwrap();
    send(&store, "a", 0, "again");
    await_max(&store, "a", 1);
    let found = store.read("a", 0, 0, &Default::default(), &|_| true);
    assert_eq!(found.status, ReadStatus::Found);
}

#[test]
fn older_log_files_are_given_up_as_if_they_had_expired() {
    let (disk, positions) = written(true);
    repair(&disk, &[Step::DropLogBefore(FILE_BYTES)]);
    assert_eq!(saved(&disk, "commitlog"), [format!("{:020}", 0)]);
    assert_sound(&disk);
    let left = positions.iter().filter(|at| **at >= FILE_BYTES).count() as u64;
    assert_eq!(served(&disk), (left, left));
}

#[test]
fn queues_and_index_are_built_anew() {
    let (disk, _) = written(true);
    let path = format!("consumequeue/b/1/{:020}", 0);
    flip(&disk, &path, 9);
    disk.remove(&format!("consumequeue/a/0/{:020}", 0)).unwrap();
    let index = format!("index/{}", disk.list("index").unwrap()[0]);
    flip(&disk, &index, 44);
    assert_eq!(check(&disk).worst(), Severity::Repairable);
    let done = repair(&disk, &[Step::RebuildQueues, Step::RebuildIndex]);
    assert_eq!(done.actions.len(), 2, "{done:?}");
    assert_eq!(saved(&disk, "consumequeue/b/1").len(), 2);
    assert_sound(&disk);
    assert_eq!(served(&disk), (MESSAGES, MESSAGES));
}

#[test]
fn journal_and_damaged_exports_are_moved_away() {
    let (disk, _) = written(true);
    flip(&disk, "mainstem/journal", 3);
    flip(&disk, "mainstem/journal", 24);
    truncate(&disk, "config/topics.json", 3);
    // With the journal goes the deletion of a topic, whose message need not be in the index.
    let steps = [Step::DropJournal, Step::DropConfig, Step::RebuildIndex];
    repair(&disk, &steps);
    assert_eq!(saved(&disk, "config"), ["topics.json"]);
    assert_eq!(saved(&disk, "mainstem"), ["index", "journal"]);
    let report = check(&disk);
    assert!(
        report
            .findings
            .iter()
            .all(|finding| !finding.file.starts_with("config")),
        "{report:#?}"
    );
    assert_eq!(served(&disk).0, MESSAGES);
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let (disk, positions) = written(true);
    let before = disk.list("mainstem").unwrap();
    for (step, says) in [
        (Step::CutLogAt(positions[5] + 1), "no record begins there"),
        (Step::CutLogAt(1 << 40), "the log has files for"),
        (Step::DropLogBefore(positions[5]), "the start of a log file"),
        (Step::DropLogBefore(0), "the start of a log file"),
    ] {
        let refused = repair_on(Arc::new(disk.clone()), &sizes(), &[step], &is_json).unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
    }
    assert_eq!(disk.list("mainstem").unwrap(), before);
    let store = open(&disk).unwrap();
    let steps = [Step::RebuildIndex];
    let refused = repair_on(Arc::new(disk.clone()), &sizes(), &steps, &is_json).unwrap_err();
    assert!(refused.to_string().contains("in use"), "{refused}");
    drop(store);
}

#[test]
fn a_repair_cut_short_by_a_power_cut_can_be_run_again() {
    for operations in 0..120 {
        let (disk, positions) = written(false);
        let cut = [Step::CutLogAt(positions[150])];
        disk.faults().cut_power_after(operations);
        let done = repair_on(Arc::new(disk.clone()), &sizes(), &cut, &is_json).is_ok();
        let disk = disk.crash(operations);
        if !done {
            repair(&disk, &cut);
        }
        assert_sound(&disk);
        assert_eq!(served(&disk), (150, 150), "after {operations} operations");
        if done {
            return;
        }
    }
    panic!("the repair takes more operations than were tried");
}
