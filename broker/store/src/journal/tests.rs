#![allow(clippy::unwrap_used)]
use super::*;
use crate::disk::sim::SimDisk;

const OWNER: u64 = 5;

fn open(disk: &SimDisk) -> Journal {
    Journal::open(Arc::new(disk.clone()), OWNER).unwrap()
}

fn sorted(journal: &Journal, table: Table) -> Vec<(String, Vec<u8>)> {
    let mut all = journal.get_all(table);
    all.sort();
    all
}

#[test]
fn changes_are_seen_at_once_and_are_there_after_a_sync_and_a_power_cut() {
    let disk = SimDisk::new();
    let journal = open(&disk);
    assert!(journal.is_new());
    journal.put(Table::Topics, "T", b"1").unwrap();
    journal.put(Table::Groups, "T", b"g").unwrap();
    journal.put(Table::Topics, "T", b"2").unwrap();
    journal.put(Table::Topics, "gone", b"x").unwrap();
    journal.remove(Table::Topics, "gone").unwrap();
    assert_eq!(journal.get(Table::Topics, "T").unwrap(), b"2");
    journal.sync().unwrap();
    journal
        .put_many(Table::Offsets, [("a", &b"1"[..]), ("b", &b"2"[..])])
        .unwrap();
    journal.sync().unwrap();
    journal.put(Table::Offsets, "never synced", b"3").unwrap();
    for seed in 0..crate::disk::sim::repeated(20) {
        let journal = open(&disk.crash(seed));
        assert!(!journal.is_new());
        assert_eq!(
            sorted(&journal, Table::Topics),
            [("T".to_owned(), b"2".to_vec())]
        );
        assert_eq!(
            sorted(&journal, Table::Groups),
            [("T".to_owned(), b"g".to_vec())]
        );
        assert_eq!(journal.get_all(Table::Offsets).len(), 2);
    }
}

#[test]
fn a_key_that_did_not_change_is_not_written_again() {
    let disk = SimDisk::new();
    let journal = open(&disk);
    journal.put(Table::Offsets, "k", b"1").unwrap();
    journal.sync().unwrap();
    let len = disk.read_whole(file::PATH).unwrap().len();
    journal.put(Table::Offsets, "k", b"1").unwrap();
    journal.sync().unwrap();
    assert_eq!(disk.read_whole(file::PATH).unwrap().len(), len);
}

#[test]
fn damage_at_any_byte_costs_one_record_at_most_and_a_copy_is_kept() {
    let disk = SimDisk::new();
    let journal = open(&disk);
    journal.sync().unwrap();
    for n in 0..6u8 {
        journal
            .put(Table::Offsets, &format!("k{n}"), &[n; 9])
            .unwrap();
        journal.put(Table::Offsets, "all", &[n]).unwrap();
        journal.sync().unwrap();
    }
    let bytes = disk.read_whole(file::PATH).unwrap();
    for (at, byte) in bytes.iter().enumerate() {
        let copy = disk.crash(1);
        copy.damage(file::PATH, at as u64, &[byte ^ 0x41]).unwrap();
        let journal = open(&copy);
        let entries = sorted(&journal, Table::Offsets);
        assert!(entries.len() >= 6, "byte {at}: {entries:?}");
        for (key, value) in &entries {
            let whole = key == "all" || value.len() == 9;
            assert!(whole, "byte {at}: {key}");
        }
        // The next write goes into a fresh file, which is whole.
        journal.put(Table::Offsets, "new", b"v").unwrap();
        journal.sync().unwrap();
        let again = open(&copy.crash(2));
        let mut expected = entries;
        expected.push(("new".to_owned(), b"v".to_vec()));
        expected.sort();
        assert_eq!(sorted(&again, Table::Offsets), expected);
    }
}

#[test]
fn a_journal_cut_anywhere_is_its_longest_whole_part() {
    let disk = SimDisk::new();
    let journal = open(&disk);
    journal.sync().unwrap();
    let mut ends = vec![0];
    for n in 0..5u8 {
        journal
            .put(Table::Offsets, &format!("k{n}"), &[n; 9])
            .unwrap();
        journal.sync().unwrap();
        ends.push(disk.read_whole(file::PATH).unwrap().len());
    }
    let bytes = disk.read_whole(file::PATH).unwrap();
    for len in 0..bytes.len() {
        let copy = disk.crash(1);
        copy.open(file::PATH, crate::disk::OpenMode::ReadWrite)
            .unwrap()
            .set_len(len as u64)
            .unwrap();
        let whole = ends[1..].iter().filter(|end| **end <= len).count();
        let journal = open(&copy);
        assert_eq!(journal.get_all(Table::Offsets).len(), whole, "cut to {len}");
        journal.put(Table::Topics, "T", b"v").unwrap();
        journal.sync().unwrap();
        let again = open(&copy);
        assert_eq!(again.get_all(Table::Offsets).len(), whole);
        assert_eq!(again.get(Table::Topics, "T").unwrap(), b"v");
    }
}

#[test]
fn the_file_stays_small_however_often_a_key_changes() {
    let disk = SimDisk::new();
    let journal = open(&disk);
    for n in 0..300u32 {
        let value = [n.to_be_bytes().as_slice(), &[0; 20_000]].concat();
        journal.put(Table::Offsets, "k", &value).unwrap();
        journal
            .put(Table::Offsets, &format!("k{}", n % 7), &n.to_be_bytes())
            .unwrap();
        journal.sync().unwrap();
        assert!(disk.read_whole(file::PATH).unwrap().len() < 1_200_000);
    }
    let again = open(&disk.crash(3));
    assert_eq!(
        sorted(&again, Table::Offsets),
        sorted(&journal, Table::Offsets)
    );
}

#[test]
fn a_failed_sync_loses_nothing_that_was_put() {
    for failure in [
        crate::disk::sim::SyncFailure::DropsDirty,
        crate::disk::sim::SyncFailure::KeepsDirty,
    ] {
        let disk = SimDisk::new();
        let journal = open(&disk);
        journal.put(Table::Topics, "T", b"1").unwrap();
        journal.sync().unwrap();
        journal.put(Table::Topics, "T", b"2").unwrap();
        disk.faults().fail_sync_after(0, failure);
        assert!(matches!(journal.sync(), Err(JournalError::Io { .. })));
        assert_eq!(journal.get(Table::Topics, "T").unwrap(), b"2");
        journal.put(Table::Topics, "U", b"3").unwrap();
        journal.sync().unwrap();
        let again = open(&disk.crash(1));
        assert_eq!(
            sorted(&again, Table::Topics),
            [
                ("T".to_owned(), b"2".to_vec()),
                ("U".to_owned(), b"3".to_vec())
            ]
        );
    }
}

#[test]
fn a_power_cut_at_any_step_keeps_what_was_confirmed() {
    for seed in 0..crate::disk::sim::repeated(300) {
        let disk = SimDisk::new();
        let journal = open(&disk);
        disk.faults().cut_power_after(seed % 60);
        let mut confirmed = 0u32;
        for n in 1..200u32 {
            let value = [n.to_be_bytes().as_slice(), &[7; 30_000]].concat();
            if journal.put(Table::Offsets, "k", &value).is_err() || journal.sync().is_err() {
                break;
            }
            confirmed = n;
        }
        let again = open(&disk.crash(seed));
        let found = again
            .get(Table::Offsets, "k")
            .map_or(0, |v| u32::from_be_bytes(*v.first_chunk().unwrap()));
        assert!(
            found >= confirmed,
            "seed {seed}: {found} after {confirmed} was confirmed"
        );
    }
}

#[test]
fn the_journal_of_another_life_is_set_aside() {
    let disk = SimDisk::new();
    let journal = open(&disk);
    journal.put(Table::Topics, "T", b"1").unwrap();
    journal.sync().unwrap();
    let other = Journal::open(Arc::new(disk.clone()), OWNER + 1).unwrap();
    assert!(other.is_new() && other.get_all(Table::Topics).is_empty());
    other.put(Table::Topics, "U", b"1").unwrap();
    other.sync().unwrap();
    assert!(disk.exists("mainstem/journal.foreign-0").unwrap());
}

#[test]
fn what_is_too_long_is_refused_and_changes_nothing() {
    let journal = open(&SimDisk::new());
    let long = vec![0; MAX_VALUE_BYTES + 1];
    let entries = [("ok", &b"1"[..]), ("long", &long[..])];
    assert!(matches!(
        journal.put_many(Table::Topics, entries),
        Err(JournalError::TooLong { .. })
    ));
    assert!(matches!(
        journal.put(Table::Topics, &"k".repeat(70_000), b""),
        Err(JournalError::TooLong { .. })
    ));
    assert!(journal.get_all(Table::Topics).is_empty());
}

#[test]
fn the_stores_own_tables_survive() {
    let disk = SimDisk::new();
    let journal = open(&disk);
    journal
        .set_emptied_queues([("T", 3, 99), ("U@x", 4, 7)])
        .unwrap();
    journal.put_deletion("T", 1234, false).unwrap();
    journal.sync().unwrap();
    let again = open(&disk);
    assert_eq!(again.emptied_queues(), [("U@x".to_owned(), 4, 7)]);
    assert_eq!(again.deletions(), [("T".to_owned(), 1234, false)]);
    again.remove_deletion("T").unwrap();
    assert!(again.deletions().is_empty());
}
