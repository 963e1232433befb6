//! The whole store over the simulated disk and over a real directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod announce;
mod faults;
mod patience;
mod power;
mod removal;

use std::net::SocketAddr;

use mainstem_record::{NewRecord, RecordView};

use super::Store;
use crate::disk::sim::SimDisk;
use crate::error::{AppendError, OpenError};
use crate::options::{FlushMode, StoreOptions};
use crate::outcome::{Appended, ReadLimits, ReadStatus};
use crate::queues::QueueSlots;
use crate::sync::{Arc, AtomicU64, Duration, Mutex, Ordering};

fn options(flush: FlushMode) -> StoreOptions {
    StoreOptions {
        commit_log_file_bytes: 64 << 10,
        index_slots: 100,
        index_entries: 400,
        flush,
        flush_interval: Duration::from_millis(20),
        ..StoreOptions::default()
    }
}

fn open(disk: &SimDisk, flush: FlushMode) -> Store {
    Store::open_on(Arc::new(disk.clone()), options(flush)).unwrap()
}

fn record<'a>(
    topic: &'a str,
    queue_id: i32,
    body: &'a [u8],
    properties: &'a [u8],
) -> NewRecord<'a> {
    let host: SocketAddr = ([127, 0, 0, 1], 10911).into();
    NewRecord {
        topic,
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: 1,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties,
    }
}

fn send(store: &Store, topic: &str, queue_id: i32, body: &[u8]) -> u64 {
    let appended = store
        .append(
            &record(topic, queue_id, body, b"TAGS\x01red\x02"),
            Default::default(),
        )
        .unwrap();
    assert!(store.wait_durable(appended.durable_at, Duration::from_secs(30)));
    appended.queue_offset
}

/// Bodies of a queue, read in small steps; an error when a message lies at a wrong offset.
fn try_bodies(store: &Store, topic: &str, queue_id: i32) -> Result<Vec<Vec<u8>>, String> {
    let mut all = Vec::new();
    let mut offset = store.queue_bounds(topic, queue_id).min;
    loop {
        let limits = ReadLimits {
            max_messages: 7,
            ..ReadLimits::default()
        };
        let outcome = store.read(topic, queue_id, offset, &limits, &|_| true);
        if outcome.status != ReadStatus::Found {
            return Ok(all);
        }
        for message in &outcome.messages {
            let view = RecordView::parse(message).map_err(|e| e.to_string())?;
            if view.queue_offset() as u64 != offset {
                return Err(format!(
                    "{topic}/{queue_id}: the message at {offset} says it is number {} at {}",
                    view.queue_offset(),
                    view.physical_offset()
                ));
            }
            all.push(view.body().to_vec());
            offset += 1;
        }
        if outcome.next_offset != offset {
            return Err(format!(
                "{topic}/{queue_id}: goes on at {} after {offset}",
                outcome.next_offset
            ));
        }
    }
}

fn bodies(store: &Store, topic: &str, queue_id: i32) -> Vec<Vec<u8>> {
    try_bodies(store, topic, queue_id).unwrap()
}

fn await_bound(store: &Store, topic: &str, queue_id: i32, max: u64) {
    for _ in 0..30_000 {
        if store.queue_bounds(topic, queue_id).max >= max {
            return;
        }
        crate::sync::sleep(Duration::from_millis(1));
    }
    panic!("queue {topic}/{queue_id} did not reach {max}");
}

#[test]
fn messages_are_read_by_queue_before_and_after_a_restart() {
    for flush in [FlushMode::Sync, FlushMode::Async] {
        let disk = SimDisk::new();
        let store = open(&disk, flush);
        for n in 0..200u32 {
            send(&store, "orders", (n % 3) as i32, &n.to_be_bytes());
        }
        let expected: Vec<Vec<u8>> = (0..200u32)
            .filter(|n| n % 3 == 1)
            .map(|n| n.to_be_bytes().to_vec())
            .collect();
        await_bound(&store, "orders", 1, expected.len() as u64);
        assert_eq!(bodies(&store, "orders", 1), expected);
        store.close().unwrap();
        store.close().unwrap();
        let refused = store.append(&record("orders", 0, b"x", b""), Default::default());
        assert!(matches!(refused, Err(AppendError::Closed)));
        assert_eq!(
            bodies(&store, "orders", 1),
            expected,
            "reads go on after the close"
        );
        drop(store);
        let store = open(&disk, flush);
        assert_eq!(bodies(&store, "orders", 1), expected);
        assert_eq!(send(&store, "orders", 1, b"next"), expected.len() as u64);
        // A kill: dropped without a close.
        await_bound(&store, "orders", 1, expected.len() as u64 + 1);
        drop(store);
        let store = open(&disk, flush);
        assert_eq!(bodies(&store, "orders", 1).len(), expected.len() + 1);
    }
}

#[test]
fn in_async_mode_a_message_is_readable_when_its_batch_is_kicked() {
    let disk = SimDisk::new();
    let store = open(&disk, FlushMode::Async);
    let mut batch = store.batch();
    for n in 0..100u64 {
        batch.append(&record("t", 0, b"x", b"")).unwrap();
        if n % 10 == 9 {
            batch.kick();
            assert_eq!(store.queue_bounds("t", 0).max, n + 1);
        }
    }
}

#[test]
fn threads_that_end_batches_at_once_leave_nothing_undispatched() {
    let disk = SimDisk::new();
    let store = open(&disk, FlushMode::Async);
    for round in 1..=30u64 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        store
                            .append(&record("t", 0, b"x", b""), Default::default())
                            .unwrap();
                    }
                });
            }
        });
        assert_eq!(store.queue_bounds("t", 0).max, round * 40);
    }
}

#[test]
fn progress_and_arrivals_are_told() {
    let disk = SimDisk::new();
    let store = open(&disk, FlushMode::Sync);
    let durable = Arc::new(AtomicU64::new(0));
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&durable);
    assert!(store.on_progress(Box::new(move |progress| {
        seen.fetch_max(progress.durable, Ordering::SeqCst);
    })));
    let arrived = Arc::clone(&arrivals);
    assert!(
        store.on_arrival(Box::new(move |arrival| arrived.lock().push((
            arrival.queue_id,
            arrival.offset,
            arrival.tags_code
        ))))
    );
    store.watch_queue("t", 1);
    send(&store, "t", 0, b"unwatched");
    send(&store, "t", 1, b"watched");
    await_bound(&store, "t", 1, 1);
    assert_eq!(
        *arrivals.lock(),
        [(1, 0, mainstem_record::hash::tags_code("red"))]
    );
    assert_eq!(durable.load(Ordering::SeqCst), store.watermarks().durable());
}

#[test]
fn arrivals_are_told_until_nobody_waits_and_again_when_somebody_does() {
    let disk = SimDisk::new();
    let store = open(&disk, FlushMode::Sync);
    let told = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&told);
    store.on_arrival(Box::new(move |arrival| {
        seen.fetch_add(1, Ordering::SeqCst);
        arrival.unwatch();
    }));
    // A message behind a told one is dispatched after its callback has returned.
    for round in 1..=3u64 {
        store.watch_queue("t", 0);
        for _ in 0..10 {
            send(&store, "t", 0, b"x");
        }
        await_bound(&store, "t", 0, round * 10);
        assert_eq!(told.load(Ordering::SeqCst), round);
    }
}

/// A checkpoint may flush the log between an append and its kick; the flusher then finds nothing to
/// do, and whoever waits for that append must hear of it all the same.
#[test]
fn a_flush_by_another_thread_is_told_to_those_who_wait() {
    let disk = SimDisk::new();
    let store = open(&disk, FlushMode::Sync);
    let told = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&told);
    store.on_progress(Box::new(move |progress| {
        seen.fetch_max(progress.durable, Ordering::SeqCst);
    }));
    for round in 0..crate::disk::sim::repeated(200) {
        let mut batch = store.batch();
        let appended = batch.append(&record("t", 0, b"x", b"")).unwrap();
        assert!(store.shared.log.flush().is_ok());
        batch.finish();
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while told.load(Ordering::SeqCst) < appended.durable_at {
            assert!(
                std::time::Instant::now() < deadline,
                "round {round}: nobody was told"
            );
            std::thread::yield_now();
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri cannot map files")]
fn two_stores_on_one_directory_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), options(FlushMode::Sync)).unwrap();
    let error =
        Store::open(dir.path(), options(FlushMode::Sync)).expect_err("the directory is in use");
    assert!(
        matches!(&error, OpenError::InUse { directory, .. } if directory.contains(dir.path().to_str().unwrap())),
        "{error}"
    );
    drop(store);
    Store::open(dir.path(), options(FlushMode::Sync)).unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "Miri cannot map files")]
fn a_store_on_a_real_directory_keeps_everything_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    for life in 0..4u64 {
        let store = Store::open(dir.path(), options(FlushMode::Sync)).unwrap();
        assert_eq!(bodies(&store, "t", 0).len() as u64, life * 50);
        let mut last = 0;
        for n in 0..50u64 {
            let body = vec![n as u8; 3000];
            last = store
                .append(&record("t", 0, &body, b""), Default::default())
                .unwrap()
                .durable_at;
        }
        assert!(store.wait_durable(last, Duration::from_secs(30)));
        await_bound(&store, "t", 0, (life + 1) * 50);
        if life % 2 == 0 {
            store.close().unwrap();
        }
    }
}

#[test]
fn a_deleted_topic_starts_again_at_zero() {
    let disk = SimDisk::new();
    let store = open(&disk, FlushMode::Sync);
    let mut batch = store.batch();
    let slots = QueueSlots::new("t".into(), 1);
    batch.append(&record("t", 0, b"old", b"")).unwrap();
    batch
        .append_with(&slots, &record("t", 0, b"old", b""))
        .unwrap();
    send(&store, "t", 0, b"old");
    await_bound(&store, "t", 0, 3);
    store.delete_topic("t").unwrap();
    assert_eq!(store.queue_bounds("t", 0).max, 0);
    // Batch and slots remember the removed queue, and must find the new one.
    let offset = |appended: Appended| appended.queue_offset;
    assert_eq!(
        offset(batch.append(&record("t", 0, b"new", b"")).unwrap()),
        0
    );
    let with_slots = batch.append_with(&slots, &record("t", 0, b"two", b""));
    assert_eq!(offset(with_slots.unwrap()), 1);
    batch.kick();
    await_bound(&store, "t", 0, 2);
    assert_eq!(bodies(&store, "t", 0), [b"new", b"two"]);
}

#[test]
#[cfg_attr(miri, ignore = "Miri cannot map files")]
fn zeros_written_ahead_of_many_appenders_never_hit_a_record() {
    const THREADS: u8 = 4;
    const EACH: usize = 6_000;
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        commit_log_file_bytes: 4 << 20,
        ..options(FlushMode::Async)
    };
    let store = Store::open(dir.path(), options).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                let mut batch = store.batch();
                for n in 0..EACH {
                    let body = vec![thread + 1; 700 + n % 900];
                    let record = record("T", i32::from(thread), &body, b"");
                    batch.append(&record).unwrap();
                }
            });
        }
    });
    for thread in 0..THREADS {
        await_bound(&store, "T", i32::from(thread), EACH as u64);
        let found = bodies(&store, "T", i32::from(thread));
        assert_eq!(found.len(), EACH);
        for (n, body) in found.iter().enumerate() {
            assert_eq!(body.len(), 700 + n % 900);
            assert!(body.iter().all(|byte| *byte == thread + 1), "message {n}");
        }
    }
}
