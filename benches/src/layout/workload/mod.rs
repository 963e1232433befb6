//! One cell of the sweep: producers append to an engine while consumers read, until the cell's bytes are written, read
//! and settled. Owns the cell's parameters and the result; threads are in `producer` and `consumer`.

mod consumer;
mod producer;
mod ready;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use super::engine::{Engine, EngineKind, EngineOptions, Mode};
use crate::measure::{Counters, Device, DeviceCounters, Scope};
use ready::Ready;

/// Where consumers read.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Consumers {
    /// Nobody reads
    None,
    /// Each message soon after it is done
    Tail,
    /// One more consumer reads, from the start, as many bytes again that were written before the clock started
    Behind,
}

/// The parameters of a cell.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Cell {
    /// Topics.
    pub topics: u32,
    /// Partitions of each.
    pub partitions: u32,
    /// Body bytes.
    pub size: usize,
    /// Messages in one append.
    pub batch: usize,
    /// When an append is done.
    pub mode: Mode,
    /// Producing threads.
    pub producers: u32,
    /// Appends that a producer has under way.
    pub window: usize,
    /// Who reads.
    pub consumers: Consumers,
    /// Consuming threads at the tail.
    pub consumer_threads: u32,
    /// Body bytes to write in all.
    pub bytes: u64,
    /// Messages a second over all producers, open loop; 0: closed loop.
    pub rate: u64,
}

impl Default for Cell {
    /// The base point of the sweep.
    fn default() -> Self {
        Self {
            topics: 64,
            partitions: 1,
            size: 1024,
            batch: 1,
            mode: Mode::Async,
            producers: 2,
            window: 64,
            consumers: Consumers::Tail,
            consumer_threads: 1,
            bytes: 256 << 20,
            rate: 0,
        }
    }
}

impl Cell {
    /// Messages to write in all.
    pub fn messages(&self) -> u64 {
        (self.bytes / self.size.max(1) as u64).max(1)
    }

    fn all_partitions(&self) -> u32 {
        self.topics * self.partitions
    }
}

/// Latency of appends at the usual percentiles, microseconds, from the intended start until done.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Percentiles {
    /// Median.
    pub p50_us: f64,
    /// 99 of 100 are below.
    pub p99_us: f64,
    /// 999 of 1,000.
    pub p99_9_us: f64,
    /// 9,999 of 10,000.
    pub p99_99_us: f64,
}

/// What a run of a cell gave.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CellResult {
    /// Messages written.
    pub messages: u64,
    /// Messages read.
    pub consumed: u64,
    /// Until written, read and settled, seconds.
    pub seconds: f64,
    /// Of it the settling at the end.
    pub settle_seconds: f64,
    /// Append latency.
    pub latency: Percentiles,
    /// The process's account.
    pub counters: Counters,
    /// The device's, where it is known.
    pub device: Option<DeviceCounters>,
    /// Syncs.
    pub syncs: u64,
}

impl CellResult {
    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds.max(1e-9)
    }

    /// CPU of the whole process, per message written, microseconds.
    pub fn cpu_us_per_message(&self) -> f64 {
        self.counters.cpu_ns as f64 / 1e3 / self.messages.max(1) as f64
    }
}

/// State shared by a cell's threads.
struct Run<'a> {
    engine: &'a dyn Engine,
    cell: Cell,
    ready: Ready,
    /// Where the following consumers are, by partition.
    cursors: Vec<Mutex<u64>>,
    /// Messages per partition that were there before the clock started.
    prefilled: Vec<u64>,
    /// A thread failed: the others stop.
    failed: AtomicBool,
}

/// Opens a fresh engine in `dir` (emptied before and after) and runs the cell.
pub fn run_cell(
    kind: EngineKind,
    cell: &Cell,
    dir: &Path,
    options: &EngineOptions,
) -> io::Result<CellResult> {
    let dir = dir.join("cell");
    remove_if_there(&dir)?;
    let engine = kind.open(&dir, options)?;
    let result = measure(&*engine, cell, &dir);
    let closed = engine.close();
    remove_if_there(&dir)?;
    let result = result?;
    closed?;
    Ok(result)
}

fn remove_if_there(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn measure(engine: &dyn Engine, cell: &Cell, dir: &Path) -> io::Result<CellResult> {
    let prefilled = if cell.consumers == Consumers::Behind {
        prefill(engine, cell)?
    } else {
        vec![0; cell.all_partitions() as usize]
    };
    let run = Run {
        engine,
        cell: *cell,
        ready: Ready::new(cell.all_partitions()),
        cursors: prefilled.iter().map(|&end| Mutex::new(end)).collect(),
        prefilled,
        failed: AtomicBool::new(false),
    };
    let device = Device::of(dir)?;
    let device_before = device.as_ref().and_then(Device::read);
    let (counters_before, syncs_before) = (Counters::read(Scope::Process), engine.syncs());
    let start = Instant::now();
    let (latency, consumed, thread_counters) = run.threads(start)?;
    let settle_start = Instant::now();
    engine.settle()?;
    let settle = settle_start.elapsed();
    let seconds = start.elapsed().as_secs_f64();
    let at = |q: f64| latency.value_at_quantile(q) as f64 / 1e3;
    Ok(CellResult {
        messages: cell.messages(),
        consumed,
        seconds,
        settle_seconds: settle.as_secs_f64(),
        latency: Percentiles {
            p50_us: at(0.5),
            p99_us: at(0.99),
            p99_9_us: at(0.999),
            p99_99_us: at(0.9999),
        },
        counters: with_switches_of_ended(
            Counters::read(Scope::Process) - counters_before,
            &thread_counters,
        ),
        device: device
            .as_ref()
            .and_then(Device::read)
            .zip(device_before)
            .map(|(after, before)| after - before),
        syncs: engine.syncs() - syncs_before,
    })
}

impl Run<'_> {
    fn threads(&self, start: Instant) -> io::Result<(Histogram<u64>, u64, Counters)> {
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
            let mut latency = producer::histogram();
            let mut counters = Counters::default();
            let mut outcome = Ok(());
            for thread in producers {
                match join(thread) {
                    // Same bounds, so nothing is out of range.
                    Ok((histogram, spent)) => {
                        let _ = latency.add(histogram);
                        counters = counters.plus(&spent);
                    }
                    Err(e) => outcome = Err(e),
                }
            }
            self.ready.close();
            let mut consumed = 0;
            for thread in tails.into_iter().chain(behind) {
                match join(thread) {
                    Ok((messages, spent)) => {
                        consumed += messages;
                        counters = counters.plus(&spent);
                    }
                    Err(e) => outcome = Err(e),
                }
            }
            outcome.map(|()| (latency, consumed, counters))
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

/// Threads that have ended take their context switches with them, so they hand them in themselves.
fn with_switches_of_ended(process: Counters, ended: &Counters) -> Counters {
    Counters {
        waits: process.waits + ended.waits,
        preemptions: process.preemptions + ended.preemptions,
        ..process
    }
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
    use clap::ValueEnum;

    #[test]
    fn every_engine_writes_and_reads_every_message_of_a_cell() {
        for kind in EngineKind::value_variants() {
            for (mode, consumers, rate) in [
                (Mode::Async, Consumers::Tail, 0),
                (Mode::Durable, Consumers::Tail, 20_000),
                (Mode::Durable, Consumers::Behind, 0),
            ] {
                let cell = Cell {
                    topics: 5,
                    partitions: 2,
                    size: 100,
                    batch: 3,
                    mode,
                    consumers,
                    bytes: 100_000,
                    rate,
                    ..Cell::default()
                };
                let dir = tempfile::tempdir().unwrap();
                let options = EngineOptions {
                    topics: 5,
                    partitions: 2,
                    mode,
                    parallel_syncs: 2,
                    open_files: 16,
                    file_bytes: 1 << 20,
                };
                let result = run_cell(*kind, &cell, dir.path(), &options).unwrap();
                assert_eq!(result.messages, 1000);
                let expected = if consumers == Consumers::Behind {
                    2008
                } else {
                    1000
                };
                assert_eq!(result.consumed, expected, "{kind:?} {mode:?} {consumers:?}");
                assert!(mode == Mode::Async || result.syncs > 0);
                assert!(!dir.path().join("cell").exists());
            }
        }
    }
}
