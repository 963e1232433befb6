//! The store inside another program: open a directory, append, flush, read by queue and by key, close,
//! and open again.
//!
//! `cargo run -p mainstem-store --example embedded -- [DIR]` (default: a new temporary directory).

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstem_record::{NewRecord, RecordView};
use mainstem_store::{AppendOptions, ReadLimits, Store, StoreOptions};

const TOPIC: &str = "readings";
const MESSAGES: u64 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args_os().nth(1).map_or_else(
        || std::env::temp_dir().join(format!("mainstem-embedded-{}", std::process::id())),
        PathBuf::from,
    );
    for life in 1..=2 {
        one_life(&dir, life)?;
    }
    println!(
        "the directory {} stays; `mainstem store check` reads it too",
        dir.display()
    );
    Ok(())
}

fn one_life(dir: &Path, life: u64) -> Result<(), Box<dyn Error>> {
    let store = Store::open(
        dir,
        StoreOptions {
            commit_log_file_bytes: 16 << 20,
            ..StoreOptions::default()
        },
    )?;
    let before = store.queue_bounds(TOPIC, 0);
    println!(
        "life {life}: queue 0 of {TOPIC} has messages {} to {}",
        before.min, before.max
    );

    // Groups: encoded outside of the lock, one flush for all of them.
    let mut durable_at = 0;
    for number in 0..MESSAGES {
        let body = format!("reading {number} of life {life}");
        let properties = format!("KEYS\u{1}{life}-{number}\u{2}");
        let record = NewRecord {
            topic: TOPIC,
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp_ms: 0,
            born_host: ([127, 0, 0, 1], 0).into(),
            store_host: ([127, 0, 0, 1], 0).into(),
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: body.as_bytes(),
            properties: properties.as_bytes(),
        };
        durable_at = store.append(&record, AppendOptions::default())?.durable_at;
    }
    if !store.wait_durable(durable_at, Duration::from_secs(30)) {
        return Err("the messages are not on the device after 30 s".into());
    }
    let end = before.max + MESSAGES;
    while store.queue_bounds(TOPIC, 0).max < end {
        std::thread::sleep(Duration::from_millis(1));
    }

    let mut offset = before.max;
    let mut read = 0;
    while offset < end {
        let found = store.read(TOPIC, 0, offset, &ReadLimits::default(), &|_| true);
        for message in &found.messages {
            let record = RecordView::parse(message)?;
            assert_eq!(record.queue_offset(), i64::try_from(before.max + read)?);
            read += 1;
        }
        offset = found.next_offset;
    }
    let key = format!("{life}-{}", MESSAGES / 2);
    let by_key = store.query_key(TOPIC, &key, 10, 0, i64::MAX);
    let stats = store.stats();
    println!(
        "life {life}: {read} read by offset, {} found by key {key}; {} flushes covered {} bytes",
        by_key.len(),
        stats.flushes,
        stats.flushed_bytes
    );
    store.close()?;
    Ok(())
}
