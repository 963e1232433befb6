//! Reads that may not wait for the device.

use super::*;
use crate::outcome::Patience;
use crate::slice::RecordSlice;

const IMPATIENT: ReadLimits = ReadLimits {
    max_messages: 32,
    max_bytes: 64 << 10,
    max_scanned: 1000,
    patience: Patience::InMemoryOnly,
};

#[test]
fn a_read_that_may_not_wait_gets_recent_messages_and_leaves_old_ones_to_one_that_may() {
    let disk = SimDisk::new();
    let options = StoreOptions {
        mapped_window_bytes: 4 << 10,
        ..options(FlushMode::Async)
    };
    let store = Store::open_on(Arc::new(disk.clone()), options).unwrap();
    for n in 0..100u8 {
        send(&store, "T", 0, &[n; 200]);
    }
    await_bound(&store, "T", 0, 100);
    let read = |offset, limits: &ReadLimits| store.read("T", 0, offset, limits, &|_| true);

    let cached = read(0, &IMPATIENT);
    assert_eq!(cached.status, ReadStatus::Found, "the page cache has it");
    assert!(cached.messages.iter().all(|message| !message.is_mapped()));

    disk.faults().set_nothing_cached(true);
    let old = read(0, &IMPATIENT);
    assert_eq!(old.status, ReadStatus::NotInMemory);
    assert_eq!((old.next_offset, old.messages.len()), (0, 0));
    let waited = read(
        0,
        &ReadLimits {
            patience: Patience::Wait,
            ..IMPATIENT
        },
    );
    assert_eq!(waited.status, ReadStatus::Found);
    assert_eq!(waited.messages.len(), 32);
    assert_eq!(waited.messages[0][..], cached.messages[0][..]);

    let recent = read(95, &IMPATIENT);
    assert_eq!(recent.status, ReadStatus::Found);
    assert_eq!(recent.messages.len(), 5);
    assert!(recent.messages.iter().all(|message| message.is_mapped()));
    assert_eq!(read(100, &IMPATIENT).status, ReadStatus::OffsetAtEnd);
}

#[test]
fn what_was_there_before_the_open_is_not_taken_for_being_in_memory() {
    for flush in [FlushMode::Sync, FlushMode::Async] {
        let disk = SimDisk::new();
        let store = open(&disk, flush);
        for n in 0..5u8 {
            send(&store, "T", 0, &[n; 200]);
        }
        store.close().unwrap();
        drop(store);
        let store = open(&disk, flush);
        for n in 5..10u8 {
            send(&store, "T", 0, &[n; 200]);
        }
        await_bound(&store, "T", 0, 10);
        let patient = ReadLimits {
            patience: Patience::Wait,
            ..IMPATIENT
        };
        let all = store.read("T", 0, 0, &patient, &|_| true);
        let mapped: Vec<bool> = all.messages.iter().map(RecordSlice::is_mapped).collect();
        assert_eq!(mapped, [[false; 5], [true; 5]].concat());
        disk.faults().set_nothing_cached(true);
        let old = store.read("T", 0, 0, &IMPATIENT, &|_| true);
        assert_eq!(old.status, ReadStatus::NotInMemory);
        let new = store.read("T", 0, 5, &IMPATIENT, &|_| true);
        assert_eq!(new.messages.len(), 5);
    }
}

#[test]
fn what_was_gathered_before_the_first_message_on_the_device_is_an_answer() {
    let disk = SimDisk::new();
    let options = StoreOptions {
        mapped_window_bytes: 0,
        ..options(FlushMode::Async)
    };
    let store = Store::open_on(Arc::new(disk.clone()), options).unwrap();
    for n in 0..10u8 {
        send(&store, "T", 0, &[n; 200]);
    }
    await_bound(&store, "T", 0, 10);
    let looked_at = AtomicU64::new(0);
    let outcome = store.read("T", 0, 0, &IMPATIENT, &|_| {
        // From the fourth message on the page cache has forgotten them.
        disk.faults()
            .set_nothing_cached(looked_at.fetch_add(1, Ordering::SeqCst) == 3);
        true
    });
    assert_eq!(outcome.status, ReadStatus::Found);
    assert_eq!((outcome.next_offset, outcome.messages.len()), (3, 3));
}
