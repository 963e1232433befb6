//! Reads that may wait tell the device beforehand what they will ask for.

use super::*;
use crate::outcome::Patience;

#[test]
fn a_read_that_may_wait_announces_the_old_records_that_it_will_ask_for_and_no_recent_ones() {
    let disk = SimDisk::new();
    let options = StoreOptions {
        mapped_window_bytes: 0,
        ..options(FlushMode::Async)
    };
    let store = Store::open_on(Arc::new(disk.clone()), options).unwrap();
    // Far from each other: between two of one topic lies more than what is read in one piece.
    for n in 0..10u8 {
        send(&store, "wanted", 0, &[n; 200]);
        send(&store, "other", 0, &[n; 20_000]);
    }
    await_bound(&store, "wanted", 0, 10);
    let limits = |patience| ReadLimits {
        max_messages: 4,
        max_bytes: 64 << 10,
        max_scanned: 1000,
        patience,
    };
    let read = |topic, patience| store.read(topic, 0, 0, &limits(patience), &|_| true);

    read("wanted", Patience::InMemoryOnly);
    assert!(disk.announced().is_empty(), "it would not wait for them");
    let outcome = read("wanted", Patience::Wait);
    assert_eq!(outcome.messages.len(), 4);
    let announced = disk.announced();
    assert_eq!(announced.len(), 10, "the next read's too: {announced:?}");
    assert!(announced.iter().all(|(_, len)| *len < 1000));

    read("other", Patience::Wait);
    // Near records are one range in each file.
    let announced = &disk.announced()[10..];
    assert!(announced.len() < 10, "{announced:?}");
    let bytes: usize = announced.iter().map(|(_, len)| len).sum();
    assert!(bytes > 200_000, "{announced:?}");
}
