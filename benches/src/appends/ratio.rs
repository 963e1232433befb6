//! `append`: the store's async append by one thread against a loop that only computes the checksum and copies into memory
//! that is there; its durable append with 256 waiting against plain synced writes of the same groups. In turns.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::load::Load;
use crate::layout::Mode;
use crate::measure::{Machine, Scratch, Spread, need_space};
use crate::table::Table;

/// How much.
#[derive(Debug, Clone, clap::Args)]
pub struct AppendArgs {
    /// Body size, bytes
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    size: u32,
    /// Body bytes of an async run, MiB; a durable run writes a quarter
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u64).range(4..))]
    mib: u64,
    /// Runs of each, in turns
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Directory for the data, which is removed after each run
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// Threads and their windows of the durable run: 256 appends wait.
const WAITING: (u32, usize) = (2, 128);

/// Measures both and prints a table.
///
/// # Errors
/// When the disk has no room or the store fails.
pub fn run(args: &AppendArgs) -> io::Result<()> {
    println!("{}\n", Machine::describe(&args.dir));
    let dir = Scratch::new(
        args.dir
            .join(format!("mainstem-append-{}", std::process::id())),
    )?;
    let load = |mode, threads, window, bytes| Load {
        mode,
        threads,
        window,
        size: args.size as usize,
        file_bytes: 1 << 30,
        bytes,
    };
    let one = load(Mode::Async, 1, 1, args.mib << 20);
    let many = load(Mode::Durable, WAITING.0, WAITING.1, args.mib << 18);
    need_space(dir.path(), one.disk_bytes().max(2 * many.disk_bytes()))?;
    let (mut copies, mut appends) = (Vec::new(), Vec::new());
    let (mut groups, mut plain, mut durable) = (Vec::new(), Vec::new(), Vec::new());
    let (mut flush_us, mut sync_us) = (Vec::new(), Vec::new());
    for round in 0..args.rounds {
        eprintln!("[round {}/{}]", round + 1, args.rounds);
        copies.push(copy_with_checksum(&one));
        appends.push(store(&one, dir.path())?.rate);
        let ours = store(&many, dir.path())?;
        durable.push(ours.rate);
        groups.push(ours.group as f64);
        flush_us.push(ours.flush_us);
        let rate = synced_writes(dir.path(), ours.group, many.bytes)?;
        plain.push(rate);
        sync_us.push(ours.group as f64 / rate);
    }
    let mut table = Table::new([
        "what",
        "MB/s",
        "the least that it could cost",
        "MB/s",
        "part of it",
    ]);
    let mut row = |what: &str, ours: Vec<f64>, least: &str, theirs: Vec<f64>| {
        if let (Some(ours), Some(theirs)) = (Spread::of(ours), Spread::of(theirs)) {
            table.row([
                what.to_owned(),
                ours.short(0),
                least.to_owned(),
                theirs.short(0),
                format!("{:.2}", ours.median / theirs.median),
            ]);
        }
    };
    row(
        "async append, one thread",
        appends,
        "checksum and copy into as much memory, faulted before",
        copies,
    );
    let group = Spread::of(groups).map_or(0.0, |g| g.median);
    row(
        "durable append, 256 waiting",
        durable,
        &format!("writes of the same groups ({group:.0} B), each synced"),
        plain,
    );
    print!("{table}");
    if let (Some(flush), Some(sync)) = (Spread::of(flush_us), Spread::of(sync_us)) {
        println!(
            "\nA flush took {} us, a plain write with its sync {} us. While 256 appends wait, none is made: their time comes on top.",
            flush.short(0),
            sync.short(0)
        );
    }
    Ok(())
}

/// MB/s of computing each body's CRC32 and copying it, over as much memory as the load fills: less would stay in the
/// processor's caches. The memory is there before the clock starts.
fn copy_with_checksum(load: &Load) -> f64 {
    let body = vec![7u8; load.size];
    let mut memory = vec![1u8; load.bytes as usize];
    let start = Instant::now();
    for place in memory.chunks_exact_mut(body.len()) {
        std::hint::black_box(crc32fast::hash(std::hint::black_box(&body)));
        place.copy_from_slice(&body);
    }
    std::hint::black_box(&memory);
    load.bytes as f64 / 1e6 / start.elapsed().as_secs_f64()
}

/// A run of the store.
struct Run {
    /// Body MB/s; durable, log MB/s: what the device has to take.
    rate: f64,
    /// Log bytes of a flush.
    group: usize,
    /// Time of a flush.
    flush_us: f64,
}

fn store(load: &Load, dir: &Path) -> io::Result<Run> {
    rustix::fs::syncfs(File::open(dir)?)?;
    let dir = Scratch::new(dir.join("store"))?;
    let store = load.open(dir.path())?;
    let (before, before_ns) = (store.stats(), store.histograms().flush_ns.sum);
    let (time, _) = load.run(&store, || (), |(), _, _| {})?;
    let (after, after_ns) = (store.stats(), store.histograms().flush_ns.sum);
    store.close().map_err(io::Error::other)?;
    let flushes = (after.flushes - before.flushes).max(1);
    let flushed = after.flushed_bytes - before.flushed_bytes;
    let bytes = match load.mode {
        Mode::Async => load.bytes,
        Mode::Durable => flushed,
    };
    Ok(Run {
        rate: bytes as f64 / 1e6 / time.as_secs_f64(),
        group: (flushed / flushes) as usize,
        flush_us: (after_ns - before_ns) as f64 / flushes as f64 / 1e3,
    })
}

/// MB/s of writes of `group` bytes into space that was written before, each synced.
fn synced_writes(dir: &Path, group: usize, bytes: u64) -> io::Result<f64> {
    let dir = Scratch::new(dir.join("plain"))?;
    let file = File::create(dir.path().join("file"))?;
    let group = vec![b'w'; group.max(1)];
    let times = (bytes / group.len() as u64).max(1);
    for i in 0..times {
        file.write_all_at(&group, i * group.len() as u64)?;
    }
    file.sync_all()?;
    let start = Instant::now();
    for i in 0..times {
        file.write_all_at(&group, i * group.len() as u64)?;
        file.sync_data()?;
    }
    Ok((times * group.len() as u64) as f64 / 1e6 / start.elapsed().as_secs_f64())
}
