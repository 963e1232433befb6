//! How the store bears very many queues: writes to all of them in turn, closes, opens again, and
//! prints rates, memory, disk use and opening times.
//!
//! `cargo run --release -p mainstem-store --example many_queues -- [QUEUES] [ROUNDS] [BODY] [DIR]`
//! (default 100000 queues, 40 messages of 1024 bytes in each, a temporary directory).

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mainstem_record::NewRecord;
use mainstem_store::{FlushMode, Store, StoreOptions};

const QUEUES_PER_TOPIC: usize = 10;
const BATCH: usize = 64;

fn options() -> StoreOptions {
    StoreOptions {
        flush: FlushMode::Async,
        ..StoreOptions::default()
    }
}

/// Anonymous resident memory of this process, in MB.
fn anonymous_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok())
        .map_or(0.0, |kb| kb / 1024.0)
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Blocks in use below a directory, in MB.
fn used_mb(dir: &Path) -> f64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0.0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => used_mb(&entry.path()),
            Ok(meta) => meta.blocks() as f64 * 512.0 / 1_048_576.0,
            Err(_) => 0.0,
        })
        .sum()
}

fn write(
    store: &Store,
    queues: usize,
    rounds: usize,
    body_bytes: usize,
) -> Result<(), Box<dyn Error>> {
    let host = ([127, 0, 0, 1], 10911).into();
    let topics: Vec<_> = (0..queues.div_ceil(QUEUES_PER_TOPIC))
        .map(|n| format!("topic-{n}"))
        .collect();
    let body = vec![b'x'; body_bytes];
    let mut batch = store.batch();
    let mut most_mb = 0.0f64;
    let began = Instant::now();
    let mut count = 0usize;
    for round in 0..rounds {
        let round_began = Instant::now();
        for queue in 0..queues {
            let properties = format!(
                "UNIQ_KEY\x017F00000167FF5FFD2B27{count:012X}\x02KEYS\x01key{count}\x02TAGS\x01A\x02"
            );
            batch.append(&NewRecord {
                topic: &topics[queue / QUEUES_PER_TOPIC],
                queue_id: i32::try_from(queue % QUEUES_PER_TOPIC)?,
                flag: 0,
                sys_flag: 0,
                born_timestamp_ms: 0,
                born_host: host,
                store_host: host,
                reconsume_times: 0,
                prepared_transaction_offset: 0,
                body: &body,
                properties: properties.as_bytes(),
            })?;
            count += 1;
            if count.is_multiple_of(BATCH) {
                batch.kick();
            }
        }
        batch.kick();
        most_mb = most_mb.max(anonymous_mb());
        if round < 2 || round + 1 == rounds || round.is_multiple_of(rounds.div_ceil(8)) {
            let rate = queues as f64 / round_began.elapsed().as_secs_f64();
            println!(
                "  round {round:3}: {rate:8.0} messages/s, anonymous {:6.1} MB, descriptors {}",
                anonymous_mb(),
                descriptors()
            );
        }
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    println!("  all: {count} messages, {rate:.0} messages/s, at most {most_mb:.1} MB anonymous");
    Ok(())
}

fn open(dir: &Path, what: &str) -> Result<Store, Box<dyn Error>> {
    let began = Instant::now();
    let store = Store::open(dir, options())?;
    println!(
        "open {what}: {:.3} s, anonymous {:.1} MB",
        began.elapsed().as_secs_f64(),
        anonymous_mb()
    );
    Ok(store)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let queues = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let rounds = arguments.next().map_or(Ok(40), |text| text.parse())?;
    let body_bytes = arguments.next().map_or(Ok(1024), |text| text.parse())?;
    let dir = arguments.next().map_or_else(
        || std::env::temp_dir().join(format!("many-queues-{}", std::process::id())),
        PathBuf::from,
    );
    let store = open(&dir, "new")?;
    write(&store, queues, rounds, body_bytes)?;
    std::thread::sleep(Duration::from_secs(2));
    let began = Instant::now();
    drop(store);
    println!("drop without close: {:.3} s", began.elapsed().as_secs_f64());
    let store = open(&dir, "after a crash")?;
    let bounds = store.queue_bounds("topic-0", 0);
    if bounds.max != rounds as u64 {
        return Err(format!("queue 0 has {bounds:?}").into());
    }
    let began = Instant::now();
    store.close()?;
    println!("close: {:.3} s", began.elapsed().as_secs_f64());
    drop(store);
    let store = open(&dir, "after a clean stop")?;
    store.close()?;
    drop(store);
    for part in ["commitlog", "consumequeue", "index", "mainstem"] {
        println!("{part}: {:.1} MB on disk", used_mb(&dir.join(part)));
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
