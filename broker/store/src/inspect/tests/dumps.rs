//! Dumps show what was written.

use super::*;
use crate::inspect::{InspectError, RecordFilter};

fn inspection(disk: &SimDisk) -> Inspection {
    Inspection::open_on(Arc::new(disk.clone()), &sizes()).unwrap()
}

#[test]
fn records_are_shown_from_a_position_of_a_topic_and_a_queue() {
    let (disk, positions) = written(true);
    let inspection = inspection(&disk);
    let shown = |filter: RecordFilter| {
        let mut shown = Vec::new();
        let stop = inspection
            .dump_records(&filter, |record| {
                shown.push(record.clone());
                true
            })
            .unwrap();
        (shown, stop)
    };
    let (all, stop) = shown(RecordFilter::default());
    assert_eq!(all.len() as u64, MESSAGES + 1);
    assert!(stop.reason.contains("zeros"), "{stop:?}");
    assert_eq!(all[1].position, positions[0]);
    assert!(
        all[1]
            .properties
            .contains(&("KEYS".to_owned(), "k0".to_owned()))
    );
    let (some, _) = shown(RecordFilter {
        from: Some(positions[100]),
        count: Some(3),
        topic: Some("b".to_owned()),
        queue_id: Some(0),
    });
    let keys: Vec<_> = some
        .iter()
        .map(|record| record.properties[0].1.as_str())
        .collect();
    assert_eq!(keys, ["k101", "k105", "k109"]);
    let beyond = RecordFilter {
        from: Some(1 << 40),
        ..RecordFilter::default()
    };
    let error = inspection.dump_records(&beyond, |_| true).unwrap_err();
    assert!(matches!(error, InspectError::NotFound(_)), "{error}");
}

#[test]
fn queue_entries_come_from_files_and_snapshot() {
    for clean in [true, false] {
        let (disk, positions) = written(clean);
        let mut entries = Vec::new();
        inspection(&disk)
            .dump_queue("a", 1, 0, |entry| {
                entries.push(entry.clone());
                true
            })
            .unwrap();
        assert!(entries.len() >= 50, "{}", entries.len());
        for (n, entry) in entries.iter().enumerate() {
            assert_eq!(
                (entry.offset, entry.position),
                (n as u64, positions[n * 4 + 2])
            );
        }
        let error = inspection(&disk)
            .dump_queue("none", 1, 0, |_| true)
            .unwrap_err();
        assert!(matches!(error, InspectError::NotFound(_)), "{error}");
    }
}

#[test]
fn floor_snapshot_journal_and_index_are_shown() {
    let (disk, positions) = written(true);
    let inspection = inspection(&disk);
    let floor = inspection.dump_floor().unwrap();
    let newest = floor.iter().max_by_key(|slot| slot.sequence).unwrap();
    assert_eq!((newest.state, newest.clean), ("whole", Some(true)));
    let snapshot = inspection.dump_snapshot().unwrap();
    assert_eq!(Some(snapshot.position), newest.position);
    assert_eq!(snapshot.queues.len(), 4);
    assert!(
        snapshot
            .queues
            .iter()
            .all(|queue| queue.next == MESSAGES / 4)
    );
    let mut journal = Vec::new();
    inspection
        .dump_journal(|entry| journal.push(entry.clone()))
        .unwrap();
    assert!(
        journal
            .iter()
            .any(|entry| entry.table == "topics" && entry.key == "a")
    );
    assert!(
        journal
            .iter()
            .any(|entry| entry.table == "deletions" && entry.key == "gone")
    );
    let (mut files, mut last) = (0, 0);
    inspection
        .dump_index(|_| files += 1, Some(&mut |entry| last = entry.position))
        .unwrap();
    assert!(files > 1);
    assert_eq!(last, *positions.last().unwrap());
}
