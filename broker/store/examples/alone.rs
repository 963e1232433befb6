//! The store alone: how fast it takes messages of 1 KiB, next to a loop that does the least any
//! store must do (CRC and copy).
//!
//! ```text
//! cargo run --release -p mainstem-store --example alone -- [async|sync] [threads] [messages] [dir]
//! ```
//! In async mode each thread ends its batch after 16 messages, as a connection with pipelined sends
//! does; in sync mode each thread waits for its message before it sends the next.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstem_record::NewRecord;
use mainstem_store::{FlushMode, Store, StoreOptions};

const BODY_BYTES: usize = 1024;
const BATCH: usize = 16;
const QUEUES: i32 = 8;
const FLOOR_BYTES: usize = 256 << 20;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let flush = match arguments.next().as_deref() {
        None | Some("async") => FlushMode::Async,
        Some("sync") => FlushMode::Sync,
        Some(other) => return Err(format!("unknown mode {other}: use async or sync").into()),
    };
    let threads: usize = arguments.next().map_or(Ok(1), |n| n.parse())?;
    let default_messages = if flush == FlushMode::Async {
        1_500_000
    } else {
        50_000
    };
    let messages: usize = arguments
        .next()
        .map_or(Ok(default_messages), |n| n.parse())?;
    let dir = arguments.next().map_or_else(
        || std::env::temp_dir().join("mainstem-alone"),
        PathBuf::from,
    );
    if dir.exists() {
        return Err(format!("{} exists: name a directory that does not", dir.display()).into());
    }

    let store = Store::open(
        &dir,
        StoreOptions {
            flush,
            ..StoreOptions::default()
        },
    )?;
    let store = Arc::new(store);
    let each = messages / threads;
    let began = Instant::now();
    let cpu_began = cpu_time();
    let outcomes: Vec<Result<(), AnyError>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|_| {
                let store = &store;
                scope.spawn(move || match flush {
                    FlushMode::Async => append_async(store, each),
                    FlushMode::Sync => append_sync(store, each),
                })
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| {
                handle
                    .join()
                    .unwrap_or_else(|_| Err("a thread panicked".into()))
            })
            .collect()
    });
    outcomes.into_iter().collect::<Result<(), _>>()?;
    let took = began.elapsed();
    let cpu = cpu_time().saturating_sub(cpu_began);
    let done = (each * threads) as f64;
    let stats = store.stats();
    println!(
        "{flush:?}, {threads} threads, {done} messages of {BODY_BYTES} bytes: {:.0} ns and {:.2} us of CPU per message, {:.0} messages/s, {:.1} messages per fdatasync, {} bytes in the largest",
        took.as_nanos() as f64 / done,
        cpu.as_secs_f64() * 1e6 / done,
        done / took.as_secs_f64(),
        done / stats.flushes.max(1) as f64,
        stats.largest_flush_bytes,
    );
    if flush == FlushMode::Async {
        let least = least_work(each);
        println!(
            "CRC and copy alone: {:.0} ns per message; the store reaches {:.2} of it",
            least.as_nanos() as f64 / each as f64,
            least.as_secs_f64() / took.as_secs_f64() * threads as f64,
        );
    }
    store.close()?;
    Ok(std::fs::remove_dir_all(&dir)?)
}

fn record(body: &[u8], queue_id: i32) -> NewRecord<'_> {
    let host: SocketAddr = ([127, 0, 0, 1], 10911).into();
    NewRecord {
        topic: "alone",
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: 0,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: b"TAGS\x01a\x02",
    }
}

fn append_async(store: &Store, messages: usize) -> Result<(), AnyError> {
    let body = vec![b'x'; BODY_BYTES];
    let mut batch = store.batch();
    for n in 0..messages {
        batch.append(&record(&body, n as i32 % QUEUES))?;
        if n % BATCH == BATCH - 1 {
            batch.kick();
        }
    }
    Ok(())
}

fn append_sync(store: &Store, messages: usize) -> Result<(), AnyError> {
    let body = vec![b'x'; BODY_BYTES];
    let mut batch = store.batch();
    for n in 0..messages {
        let appended = batch.append(&record(&body, n as i32 % QUEUES))?;
        batch.kick();
        if !store.wait_durable(appended.durable_at, Duration::from_secs(60)) {
            return Err("a message did not become durable".into());
        }
    }
    Ok(())
}

/// The least a store must do: the CRC of the body and one copy into memory that is present.
fn least_work(messages: usize) -> Duration {
    let body = vec![b'x'; BODY_BYTES];
    let mut memory = vec![1u8; FLOOR_BYTES];
    let mut sum = 0u32;
    let began = Instant::now();
    for n in 0..messages {
        let at = (n * BODY_BYTES) % FLOOR_BYTES;
        let body = std::hint::black_box(&body);
        sum ^= crc32fast::hash(body);
        memory[at..at + BODY_BYTES].copy_from_slice(body);
    }
    let took = began.elapsed();
    std::hint::black_box((sum, memory));
    took
}

/// CPU time of this process, all threads.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
