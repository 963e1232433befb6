//! Damage in the middle of the log, buried: what lay there is given up, and nothing else.

use super::repairs::{repair, saved};
use super::*;
use crate::inspect::{Severity, Step, repair_on};
use crate::outcome::ReadLimits;
use mainstem_record::RecordView;

/// Topic, queue, offset, body length and the property of every message that a consumer reads.
fn read_all(disk: &SimDisk) -> Vec<(String, i32, i64, usize, Option<String>)> {
    let store = open(disk).unwrap();
    let mut all = Vec::new();
    for topic in ["a", "b"] {
        for queue_id in 0..2 {
            let bounds = store.queue_bounds(topic, queue_id);
            for offset in bounds.min..bounds.max {
                let limits = ReadLimits {
                    max_messages: 1,
                    ..ReadLimits::default()
                };
                let found = store.read(topic, queue_id, offset, &limits, &|_| true);
                assert_eq!(found.messages.len(), 1, "{topic} {queue_id} {offset}");
                let record = RecordView::parse(&found.messages[0]).unwrap();
                assert!(record.body_crc_matches());
                all.push((
                    record.topic().to_owned(),
                    record.queue_id(),
                    record.queue_offset(),
                    record.body().len(),
                    record.properties().get("BURIED").map(str::to_owned),
                ));
            }
        }
    }
    store.close().unwrap();
    all
}

/// Queue and offset of the message with this number.
fn place_of(n: u64) -> (String, i32, i64) {
    let topic = ["a", "b"][(n % 2) as usize];
    // Messages 0, 1 go to queue 0, 2, 3 to queue 1, and so on.
    let queue_id = i32::try_from(n / 2 % 2).unwrap();
    (topic.to_owned(), queue_id, i64::try_from(n / 4).unwrap())
}

fn file_of(at: u64) -> String {
    format!("commitlog/{:020}", at / FILE_BYTES * FILE_BYTES)
}

/// Buries the damage at `at` and sees that of all messages only these are empty.
fn buried(disk: &SimDisk, at: u64, lost: &[u64]) {
    let done = repair(disk, &[Step::BuryAt(at)]);
    assert!(done.saved_in.is_some(), "{done:?}");
    let name = format!(
        "{:020}.bytes-{}",
        at / FILE_BYTES * FILE_BYTES,
        at % FILE_BYTES
    );
    assert!(saved(disk, "commitlog").contains(&name), "{done:?}");
    assert_sound(disk);
    let all = read_all(disk);
    assert_eq!(all.len() as u64, MESSAGES, "no queue has a hole");
    let mut empty: Vec<_> = all
        .iter()
        .filter(|message| message.3 != 300)
        .map(|message| {
            assert_eq!(message.3, 0);
            (message.0.clone(), message.1, message.2)
        })
        .collect();
    let mut expected: Vec<_> = lost.iter().map(|n| place_of(*n)).collect();
    expected.sort();
    empty.sort();
    assert_eq!(empty, expected);
    assert_sound(disk);
}

#[test]
fn one_damaged_record_is_buried_wherever_it_is_hurt() {
    // Size, magic, CRC, queue offset, position, length of the body, body.
    for byte in [1, 5, 9, 27, 35, 86, 150] {
        for clean in [true, false] {
            let (disk, positions) = written(clean);
            let at = positions[300];
            flip(&disk, &file_of(at), at % FILE_BYTES + byte);
            assert_eq!(check(&disk).worst(), Severity::Lost, "byte {byte}");
            buried(&disk, at, &[300]);
        }
    }
}

#[test]
fn a_start_that_refused_goes_on_after_a_burial() {
    let (disk, positions) = written(false);
    let at = positions[300];
    flip(&disk, &file_of(at), at % FILE_BYTES + 150);
    let refused = open(&disk).unwrap_err().to_string();
    let command = Step::BuryAt(at).command("sim:");
    assert!(refused.contains(&command), "{refused}");
    let report = check(&disk);
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.commands.contains(&command)),
        "{report:#?}"
    );
    buried(&disk, at, &[300]);
}

#[test]
fn the_last_message_of_a_queue_keeps_its_place_if_its_record_still_names_it() {
    let (disk, positions) = written(true);
    // No later message in its queue tells of the loss.
    let n = MESSAGES - 4;
    let at = positions[usize::try_from(n).unwrap()];
    flip(&disk, &file_of(at), at % FILE_BYTES + 150);
    buried(&disk, at, &[n]);
}

#[test]
fn several_records_in_a_row_leave_as_many_empty_messages() {
    let (disk, positions) = written(true);
    let at = positions[200];
    let end = positions[205];
    assert_eq!(at / FILE_BYTES, end / FILE_BYTES);
    let zeros = vec![0; usize::try_from(end - at).unwrap()];
    disk.damage(&file_of(at), at % FILE_BYTES, &zeros).unwrap();
    buried(&disk, at, &[200, 201, 202, 203, 204]);
}

#[test]
fn damage_at_the_end_of_a_file_is_buried_up_to_the_next() {
    let (disk, positions) = written(true);
    let n = positions.iter().position(|at| *at >= FILE_BYTES).unwrap() - 1;
    let at = positions[n];
    // The record and the blank behind it.
    let zeros = vec![0; usize::try_from(FILE_BYTES - at).unwrap()];
    disk.damage(&file_of(at), at, &zeros).unwrap();
    buried(&disk, at, &[n as u64]);
}

#[test]
fn two_places_are_buried_by_one_command() {
    let (disk, positions) = written(true);
    let places = [positions[100], positions[300]];
    for at in places {
        flip(&disk, &file_of(at), at % FILE_BYTES + 150);
    }
    repair(&disk, &places.map(Step::BuryAt));
    assert_sound(&disk);
    let all = read_all(&disk);
    assert_eq!(all.len() as u64, MESSAGES);
    let buried: Vec<_> = all.iter().filter_map(|message| message.4.clone()).collect();
    assert_eq!(buried.len(), 2);
}

#[test]
fn sound_places_and_the_log_s_end_are_not_buried() {
    let (disk, positions) = written(true);
    let last = *positions.last().unwrap();
    let before = disk.list("mainstem").unwrap();
    for (at, says) in [
        (positions[5], "valid"),
        (positions[5] + 1, "neither a record nor damage"),
        (last + 100_000_000, "the log has files"),
    ] {
        let steps = [Step::BuryAt(at)];
        let refused = repair_on(Arc::new(disk.clone()), &sizes(), &steps, &is_json).unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
    }
    flip(&disk, &file_of(last), last % FILE_BYTES + 150);
    let steps = [Step::BuryAt(last)];
    let refused = repair_on(Arc::new(disk.clone()), &sizes(), &steps, &is_json).unwrap_err();
    assert!(refused.to_string().contains("--cut-log-at"), "{refused}");
    assert_eq!(disk.list("mainstem").unwrap(), before);
}

#[test]
fn a_burial_cut_short_by_a_power_cut_can_be_run_again() {
    for operations in 0..120 {
        let (disk, positions) = written(false);
        let at = positions[300];
        flip(&disk, &file_of(at), at % FILE_BYTES + 150);
        let steps = [Step::BuryAt(at)];
        disk.faults().cut_power_after(operations);
        let done = repair_on(Arc::new(disk.clone()), &sizes(), &steps, &is_json).is_ok();
        let disk = disk.crash(operations);
        if !done && check(&disk).worst() == Severity::Lost {
            repair(&disk, &steps);
        }
        assert_sound(&disk);
        let all = read_all(&disk);
        assert_eq!(all.len() as u64, MESSAGES, "after {operations} operations");
        if done {
            return;
        }
    }
    panic!("the burial takes more operations than were tried");
}
