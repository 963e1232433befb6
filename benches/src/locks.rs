//! The study of append locks: threads that append to one store, with the spinning lock and with the parking one, in both
//! flush modes. Goes through the store's own options; promises that both locks get the same appends in turns.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mainstem_store::{FlushMode, LockKind, Store, StoreOptions};

use crate::layout::Mode;
use crate::measure::{Counters, Machine, Scope, Scratch, Spread, need_space};
use crate::record::plain;
use crate::table::Table;

/// One point of the study.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LockCell {
    /// Appending threads, one append of each under way.
    pub threads: u32,
    /// Flush mode; durable appends wait for their group commit.
    pub mode: Mode,
    /// Body bytes.
    pub size: usize,
    /// Time limit, milliseconds; large messages end earlier, by `MAX_BYTES`.
    pub millis: u64,
}

/// How appenders wait, in the words of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lock {
    /// Spin with back-off.
    Spin,
    /// Park.
    Reentrant,
}

/// Both, in turns.
pub const LOCKS: [Lock; 2] = [Lock::Spin, Lock::Reentrant];

impl Lock {
    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spin => "spin",
            Self::Reentrant => "reentrant",
        }
    }

    fn kind(self) -> LockKind {
        match self {
            Self::Spin => LockKind::Spin,
            Self::Reentrant => LockKind::Reentrant,
        }
    }
}

/// What a run gave.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LockResult {
    /// Appends a second, all threads together.
    pub rate: f64,
    /// Median latency of an append, microseconds; durable ones until they are on disk.
    pub p50_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// 999 of 1,000.
    pub p99_9_us: f64,
    /// CPU of the process per append, microseconds.
    pub cpu_us: f64,
    /// Context switches per append.
    pub switches: f64,
    /// Appends per sync, in durable mode.
    pub per_sync: Option<f64>,
}

/// Most bytes of bodies in one run.
const MAX_BYTES: i64 = 448 << 20;
/// Large enough that no run changes files, which is another study.
const FILE_BYTES: u64 = 512 << 20;
/// Room for a run: the file and the one reserved behind it.
pub const DISK_BYTES: u64 = 2 * FILE_BYTES;
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);
/// Queues of each thread's own topic, so that nothing but the log is shared.
const QUEUES: i32 = 4;

/// Runs one point with one lock in a fresh store below `dir`.
///
/// # Errors
/// When the disk has no room or the store fails.
pub fn run_cell(cell: &LockCell, lock: Lock, dir: &Path) -> io::Result<LockResult> {
    let dir = Scratch::new(dir.join("locks"))?;
    need_space(dir.path(), DISK_BYTES)?;
    let flush = match cell.mode {
        Mode::Async => FlushMode::Async,
        Mode::Durable => FlushMode::Sync,
    };
    let options = StoreOptions {
        flush,
        append_lock: Some(lock.kind()),
        commit_log_file_bytes: FILE_BYTES,
        ..StoreOptions::default()
    };
    let store = Store::open(dir.path(), options).map_err(io::Error::other)?;
    // Untimed: the queues are made and the first pages are there.
    append_until(&store, cell, 0, &AtomicI64::new(2_000), None)?;
    let left = AtomicI64::new(MAX_BYTES / cell.size as i64);
    let before = (Counters::read(Scope::Process), store.stats().flushes);
    let start = Instant::now();
    let deadline = start + Duration::from_millis(cell.millis);
    let (latency, switches) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cell.threads)
            .map(|number| {
                let (store, left) = (&store, &left);
                scope.spawn(move || append_until(store, cell, number, left, Some(deadline)))
            })
            .collect();
        let (mut latency, mut switches) = (histogram(), 0);
        for thread in threads {
            let (theirs, spent) = thread
                .join()
                .map_err(|_| io::Error::other("an appending thread panicked"))??;
            // Same bounds, so nothing is out of range.
            let _ = latency.add(theirs);
            switches += spent.waits + spent.preemptions;
        }
        Ok::<_, io::Error>((latency, switches))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let spent = Counters::read(Scope::Process) - before.0;
    let flushes = store.stats().flushes - before.1;
    store.close().map_err(io::Error::other)?;
    let appends = latency.len().max(1) as f64;
    let at = |q: f64| latency.value_at_quantile(q) as f64 / 1e3;
    Ok(LockResult {
        rate: appends / seconds,
        p50_us: at(0.5),
        p99_us: at(0.99),
        p99_9_us: at(0.999),
        cpu_us: spent.cpu_ns as f64 / 1e3 / appends,
        switches: switches as f64 / appends,
        per_sync: (cell.mode == Mode::Durable && flushes > 0).then(|| appends / flushes as f64),
    })
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3)
        .unwrap_or_else(|_| unreachable!("the bounds are constants that the library accepts"))
}

/// Appends one after the other until the shared number is used up or the time is over.
fn append_until(
    store: &Store,
    cell: &LockCell,
    number: u32,
    left: &AtomicI64,
    deadline: Option<Instant>,
) -> io::Result<(Histogram<u64>, Counters)> {
    let body = vec![b'x'; cell.size];
    let topic = format!("topic-{number}");
    let mut latency = histogram();
    let mut batch = store.batch();
    let counters = Counters::read(Scope::Thread);
    let mut i = 0;
    while left.fetch_sub(1, Ordering::Relaxed) > 0 {
        let start = Instant::now();
        if deadline.is_some_and(|deadline| start > deadline) {
            break;
        }
        let record = plain(&topic, i % QUEUES, &body);
        let placed = batch.append(&record).map_err(io::Error::other)?;
        batch.kick();
        if deadline.is_some()
            && cell.mode == Mode::Durable
            && !store.wait_durable(placed.durable_at, FLUSH_TIMEOUT)
        {
            return Err(io::Error::other("a flush took longer than a minute"));
        }
        latency.saturating_record(start.elapsed().as_nanos() as u64);
        i += 1;
    }
    Ok((latency, Counters::read(Scope::Thread) - counters))
}

/// Every point of the full study.
pub fn full_study(millis: u64) -> Vec<LockCell> {
    study(&[1, 2, 4, 16, 64], &[100, 1024, 16 << 10], millis)
}

/// A few points.
pub fn short_study(millis: u64) -> Vec<LockCell> {
    study(&[1, 4, 64], &[1024], millis)
}

fn study(threads: &[u32], sizes: &[usize], millis: u64) -> Vec<LockCell> {
    let mut cells = Vec::new();
    for mode in [Mode::Async, Mode::Durable] {
        for &size in sizes {
            for &threads in threads {
                cells.push(LockCell {
                    threads,
                    mode,
                    size,
                    millis,
                });
            }
        }
    }
    cells
}

/// Which points to run.
#[derive(Debug, Clone, clap::Args)]
pub struct LocksArgs {
    /// Appending threads
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,16,64", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Vec<u32>,
    /// Body sizes, bytes
    #[arg(long, value_delimiter = ',', default_value = "100,1024,16384", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    size: Vec<u32>,
    /// Time of one run, milliseconds
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    millis: u64,
    /// Runs of each point with each lock, in turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Directory for the data, which is removed after each run
    #[arg(long, default_value = ".")]
    dir: std::path::PathBuf,
}

/// Runs the study and prints its table.
///
/// # Errors
/// See [`run_cell`].
pub fn run(args: &LocksArgs) -> io::Result<()> {
    let sizes: Vec<usize> = args.size.iter().map(|s| *s as usize).collect();
    let cells = study(&args.threads, &sizes, args.millis);
    println!("{}\n", Machine::describe(&args.dir));
    let dir = Scratch::new(
        args.dir
            .join(format!("mainstem-locks-{}", std::process::id())),
    )?;
    let mut runs = Vec::new();
    for round in 0..args.rounds {
        for cell in &cells {
            for lock in LOCKS {
                eprintln!(
                    "[round {}/{}] {} threads, {}, {} B, {}",
                    round + 1,
                    args.rounds,
                    cell.threads,
                    cell.mode.name(),
                    cell.size,
                    lock.name()
                );
                runs.push((*cell, lock, run_cell(cell, lock, dir.path())?));
            }
        }
    }
    print!("{}", table(&runs));
    Ok(())
}

/// A lock is better where it is faster by more than this.
const BETTER: f64 = 1.05;

/// Which of two rates is higher, beyond both spreads.
pub fn better(spin: Spread, reentrant: Spread) -> Option<Lock> {
    if spin.min > reentrant.max && spin.median > BETTER * reentrant.median {
        Some(Lock::Spin)
    } else if reentrant.min > spin.max && reentrant.median > BETTER * spin.median {
        Some(Lock::Reentrant)
    } else {
        None
    }
}

/// The lock that a broker takes by itself.
pub fn default_lock(mode: Mode) -> Lock {
    let options = StoreOptions {
        flush: match mode {
            Mode::Async => FlushMode::Async,
            Mode::Durable => FlushMode::Sync,
        },
        ..StoreOptions::default()
    };
    match options.lock_kind() {
        LockKind::Spin => Lock::Spin,
        LockKind::Reentrant => Lock::Reentrant,
    }
}

/// Spin and reentrant side by side.
pub fn table(runs: &[(LockCell, Lock, LockResult)]) -> Table {
    let mut table = Table::new([
        "flush",
        "body B",
        "threads",
        "appends/s spin",
        "reentrant",
        "ratio",
        "better",
        "p99 us spin",
        "reentrant",
        "p99.9 us spin",
        "reentrant",
        "CPU us spin",
        "reentrant",
        "switches spin",
        "reentrant",
        "per sync spin",
        "reentrant",
    ]);
    let mut cells: Vec<LockCell> = Vec::new();
    for (cell, _, _) in runs {
        if !cells.contains(cell) {
            cells.push(*cell);
        }
    }
    for cell in cells {
        let of = |lock: Lock, figure: &dyn Fn(&LockResult) -> Option<f64>| {
            let values = runs
                .iter()
                .filter(|(c, l, _)| *c == cell && *l == lock)
                .filter_map(|(_, _, r)| figure(r));
            Spread::of(values)
        };
        let mut row = vec![
            cell.mode.name().to_owned(),
            cell.size.to_string(),
            cell.threads.to_string(),
        ];
        let mut pair = |figure: &dyn Fn(&LockResult) -> Option<f64>, digits: usize| {
            let both = LOCKS.map(|lock| of(lock, figure));
            for spread in both {
                row.push(spread.map_or(String::new(), |s| s.short(digits)));
            }
            both
        };
        let rates = pair(&|r| Some(r.rate), 0);
        let ratio = match rates {
            [Some(spin), Some(reentrant)] => format!("{:.2}", spin.median / reentrant.median),
            _ => String::new(),
        };
        pair(&|r| Some(r.p99_us), 0);
        pair(&|r| Some(r.p99_9_us), 0);
        pair(&|r| Some(r.cpu_us), 2);
        pair(&|r| Some(r.switches), 3);
        pair(&|r| r.per_sync, 1);
        row.insert(5, ratio);
        let better = match rates {
            [Some(spin), Some(reentrant)] => better(spin, reentrant).map_or("either", Lock::name),
            _ => "",
        };
        row.insert(6, better.to_owned());
        table.row(row);
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_locks_append_in_both_modes() {
        let dir = tempfile::tempdir().unwrap();
        let mut runs = Vec::new();
        for cell in study(&[1, 3], &[100], 20) {
            for lock in LOCKS {
                let result = run_cell(&cell, lock, dir.path()).unwrap();
                assert!(result.rate > 0.0 && result.p50_us > 0.0);
                assert_eq!(result.per_sync.is_some(), cell.mode == Mode::Durable);
                runs.push((cell, lock, result));
            }
        }
        assert_eq!(table(&runs).to_string().lines().count(), 2 + 4);
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
    }
}
