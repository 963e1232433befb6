//! One cell of the sweep: producers append to an engine while consumers read, until the cell's bytes are written, read by
//! every consumer, and synced. Owns the run and its threads; parameters are in `cell`, figures in `result`.

mod cell;
mod consumer;
mod producer;
mod ready;
mod result;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use super::engine::{Engine, EngineKind, EngineOptions};
use crate::measure::{Counters, Device, MemoryLimit, Scope, Scratch, drop_page_cache, need_space};
pub use cell::{Cell, Consumers};
use ready::Ready;
pub use result::{CellResult, Percentiles};

/// State shared by a cell's threads.
struct Run<'a> {
    engine: &'a dyn Engine,
    cell: Cell,
    ready: Ready,
    /// Where the following consumers are, by partition.
    cursors: Vec<Mutex<u64>>,
    /// Messages per partition that were there before the clock started.
    prefilled: Vec<u64>,
    /// Messages that the following consumers have read, all of them together.
    followed: AtomicU64,
    /// A thread failed: the others stop.
    failed: AtomicBool,
}

/// Opens a fresh engine below `dir` and runs the cell; nothing of it is left afterwards.
///
/// # Errors
/// When the disk has too little room or refuses, a message is not read back in time, or the machine does not let this
/// process limit its memory as the cell asks ([`io::ErrorKind::Unsupported`]).
pub fn run_cell(
    kind: EngineKind,
    cell: &Cell,
    dir: &Path,
    options: &EngineOptions,
) -> io::Result<CellResult> {
    let _limit = (cell.memory_mib > 0)
        .then(|| MemoryLimit::enter(cell.memory_mib))
        .transpose()?;
    let dir = Scratch::new(dir.join("cell"))?;
    need_space(dir.path(), cell.disk_bytes(options))?;
    let mut engine = kind.open(dir.path(), options)?;
    let mut prefilled = vec![0; cell.all_partitions() as usize];
    if cell.consumers == Consumers::Behind {
        prefilled = prefill(&*engine, cell)?;
        engine = cooled(kind, engine, dir.path(), options)?;
    }
    // What others have left unwritten is not this cell's.
    rustix::fs::syncfs(std::fs::File::open(dir.path())?)?;
    let device = Device::of(dir.path())?;
    let device_before = device.as_ref().and_then(Device::read);
    let result = measure(&*engine, cell, prefilled);
    let close_start = Instant::now();
    engine.close()?;
    let mut result = result?;
    result.close_seconds = close_start.elapsed().as_secs_f64();
    rustix::fs::syncfs(std::fs::File::open(dir.path())?)?;
    result.device = device
        .as_ref()
        .and_then(Device::read)
        .zip(device_before)
        .map(|(after, before)| after - before);
    Ok(result)
}

/// The engine with none of its files' pages in memory. Mapped pages stay whatever the kernel is advised, so the engine
/// that maps its log is closed and opened anew; the control has its index in memory only and stays open.
pub(super) fn cooled(
    kind: EngineKind,
    engine: Box<dyn Engine>,
    dir: &Path,
    options: &EngineOptions,
) -> io::Result<Box<dyn Engine>> {
    let engine = if kind == EngineKind::Mainstem {
        engine.close()?;
        kind.open(dir, options)?
    } else {
        engine
    };
    drop_page_cache(dir)?;
    Ok(engine)
}

fn measure(engine: &dyn Engine, cell: &Cell, prefilled: Vec<u64>) -> io::Result<CellResult> {
    let run = Run {
        engine,
        cell: *cell,
        ready: Ready::new(cell.all_partitions()),
        cursors: prefilled.iter().map(|&end| Mutex::new(end)).collect(),
        prefilled,
        followed: AtomicU64::new(0),
        failed: AtomicBool::new(false),
    };
    let (counters_before, syncs_before) = (Counters::read(Scope::Process), engine.syncs());
    let start = Instant::now();
    let threads = run.threads(start)?;
    let settle_start = Instant::now();
    engine.settle()?;
    let settle = settle_start.elapsed();
    Ok(CellResult {
        messages: cell.messages(),
        bytes: cell.messages() * cell.size as u64,
        consumed: run.followed.load(Ordering::Relaxed) + threads.caught_up,
        seconds: start.elapsed().as_secs_f64(),
        settle_seconds: settle.as_secs_f64(),
        close_seconds: 0.0,
        catch_up_seconds: threads.catch_up_seconds,
        latency: Percentiles::of_ns(&threads.latency),
        // Threads that have ended took their context switches with them, so they handed them in themselves.
        counters: (Counters::read(Scope::Process) - counters_before)
            .with_switches_of(&threads.counters),
        device: None,
        syncs: engine.syncs() - syncs_before,
    })
}

/// What a cell's threads brought together.
struct Threads {
    latency: Histogram<u64>,
    counters: Counters,
    caught_up: u64,
    catch_up_seconds: Option<f64>,
}

impl Run<'_> {
    fn threads(&self, start: Instant) -> io::Result<Threads> {
        std::thread::scope(|scope| {
            let producers: Vec<_> = (0..self.cell.producers)
                .map(|i| {
                    scope.spawn(move || {
                        self.guard(|| accounted(|| producer::produce(self, i, start)))
                    })
                })
                .collect();
            let tail_threads = if self.cell.consumers == Consumers::None {
                0
            } else {
                self.cell.consumer_threads
            };
            let tails: Vec<_> = (0..tail_threads)
                .map(|_| scope.spawn(|| self.guard(|| accounted(|| consumer::follow(self)))))
                .collect();
            let behind = (self.cell.consumers == Consumers::Behind)
                .then(|| scope.spawn(|| self.guard(|| accounted(|| consumer::catch_up(self)))));
            let mut all = Threads {
                latency: producer::histogram(),
                counters: Counters::default(),
                caught_up: 0,
                catch_up_seconds: None,
            };
            let mut outcome = Ok(());
            let mut note = |ended: io::Result<Counters>, all: &mut Threads| match ended {
                Ok(spent) => all.counters = all.counters.plus(&spent),
                Err(e) if outcome.is_ok() => outcome = Err(e),
                Err(_) => {}
            };
            for thread in producers {
                let ended = join(thread).map(|(histogram, spent)| {
                    // Same bounds, so nothing is out of range.
                    let _ = all.latency.add(histogram);
                    spent
                });
                note(ended, &mut all);
            }
            self.ready.close();
            for thread in tails {
                note(join(thread).map(|((), spent)| spent), &mut all);
            }
            if let Some(thread) = behind {
                let ended = join(thread).map(|(messages, spent)| {
                    all.caught_up = messages;
                    all.catch_up_seconds = Some(start.elapsed().as_secs_f64());
                    spent
                });
                note(ended, &mut all);
            }
            outcome.map(|()| all)
        })
    }

    /// Makes a thread's failure stop the others.
    fn guard<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        work().inspect_err(|_| {
            self.failed.store(true, Ordering::Relaxed);
            self.ready.close();
        })
    }
}

/// Messages in an append of the prefill.
const PREFILL_BATCH: usize = 16;

/// Writes the cell's bytes once before the clock starts, for the consumer that lags behind; messages per partition.
fn prefill(engine: &dyn Engine, cell: &Cell) -> io::Result<Vec<u64>> {
    let body = vec![b'p'; cell.size];
    let batch = vec![&body[..]; PREFILL_BATCH];
    let mut ends = vec![0; cell.all_partitions() as usize];
    let mut last = None;
    for i in 0..cell.messages().div_ceil(PREFILL_BATCH as u64) {
        let partition = (i % u64::from(cell.all_partitions())) as u32;
        last = Some(engine.append(partition, &batch)?);
        ends[partition as usize] += PREFILL_BATCH as u64;
    }
    last.map_or(Ok(()), |ticket| engine.wait(ticket))?;
    engine.settle()?;
    Ok(ends)
}

fn accounted<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<(T, Counters)> {
    let before = Counters::read(Scope::Thread);
    let value = work()?;
    Ok((value, Counters::read(Scope::Thread) - before))
}

fn join<T>(thread: std::thread::ScopedJoinHandle<'_, io::Result<T>>) -> io::Result<T> {
    thread
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("a thread of the cell panicked")))
}

/// How long an idle consumer waits for news before it looks whether the run has failed.
const NEWS_TIMEOUT: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::layout::Mode;
    use clap::ValueEnum;

    fn options(mode: Mode) -> EngineOptions {
        EngineOptions {
            topics: 5,
            partitions: 2,
            mode,
            parallel_syncs: 2,
            open_files: 16,
            file_bytes: 1 << 20,
        }
    }

    fn cell(mode: Mode, consumers: Consumers, rate: u64) -> Cell {
        Cell {
            topics: 5,
            partitions: 2,
            size: 100,
            batch: 3,
            mode,
            consumers,
            bytes: 100_000,
            rate,
            ..Cell::default()
        }
    }

    #[test]
    fn every_engine_writes_and_reads_every_message_of_a_cell() {
        for kind in EngineKind::value_variants() {
            for (mode, consumers, rate, consumed) in [
                (Mode::Async, Consumers::Tail, 0, 1000),
                (Mode::Async, Consumers::None, 0, 0),
                (Mode::Durable, Consumers::Tail, 20_000, 1000),
                (Mode::Durable, Consumers::Behind, 0, 2008),
            ] {
                let dir = tempfile::tempdir().unwrap();
                let cell = cell(mode, consumers, rate);
                let result = run_cell(*kind, &cell, dir.path(), &options(mode)).unwrap();
                assert_eq!((result.messages, result.bytes), (1000, 100_000));
                assert_eq!(result.consumed, consumed, "{kind:?} {mode:?} {consumers:?}");
                assert!(mode == Mode::Async || result.syncs > 0);
                assert!(!dir.path().join("cell").exists());
            }
        }
    }

    #[test]
    fn a_cell_that_the_disk_has_no_room_for_is_refused_before_it_writes() {
        let dir = tempfile::tempdir().unwrap();
        let huge = Cell {
            bytes: 1 << 50,
            ..cell(Mode::Async, Consumers::Tail, 0)
        };
        let error =
            run_cell(EngineKind::Kafka, &huge, dir.path(), &options(Mode::Async)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("--dir"), "{error}");
    }
}
