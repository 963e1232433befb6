//! One run: threads that encode and append until the memory is full or the time is over, with samples of what is published
//! meanwhile and a walk over all of it afterwards. Promises to fail when a published record is not at its place and in its queue's order, or one of
//! those whose checksum is computed is not whole.

use std::io;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use crossbeam::utils::Backoff;
use hdrhistogram::Histogram;
use mainstem_record::{NewRecord, RecordView};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::log::{Log, Memory, QUEUES, Way};
use crate::locks::Lock;
use crate::measure::{Counters, Scope};
use crate::record::plain;

/// What is appended, by how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) threads: u32,
    /// Body bytes.
    pub(super) size: usize,
    /// What a thread works between two appends, besides encoding the record.
    pub(super) beside: Duration,
    pub(super) time: Duration,
}

/// What a run gave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// Appends a second.
    pub(super) rate: f64,
    /// From the beginning of an append until it is published, microseconds.
    pub(super) p99_us: f64,
    /// CPU of the process per append, microseconds.
    pub(super) cpu_us: f64,
    /// Processors that other processes had meanwhile. The kernel counts in ticks: only the mean of several runs says much.
    pub(super) others: f64,
}

/// Every so many appends the time is taken.
const TIMED_EVERY: u64 = 16;
/// Every so many appends a few records behind the mark are read.
const SAMPLED_EVERY: u64 = 4096;
/// Records of a sample.
const SAMPLE: usize = 4;
/// The walk afterwards computes the checksum of one body of so many.
const CHECKED_EVERY: usize = 8;

const TOPIC: &str = "topic";

/// Runs one way with one lock. `round` tells its records from those that an earlier run left in the memory.
pub(super) fn run(
    memory: &mut Memory,
    lock: Lock,
    way: Way,
    cell: &Cell,
    round: i32,
) -> io::Result<Run> {
    let log = Log::new(memory, lock, way);
    let barrier = Barrier::new(cell.threads as usize + 1);
    let (latency, seconds, wall, cpu_ns, machine_ns) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cell.threads)
            .map(|number| {
                let (log, barrier) = (&log, &barrier);
                scope.spawn(move || {
                    let bound = bind(number);
                    let appended = append(log, cell, round, barrier);
                    bound.and(appended)
                })
            })
            .collect();
        let (before, machine, start) =
            (Counters::read(Scope::Process), machine_ns(), Instant::now());
        barrier.wait();
        let mut latency = histogram();
        let (mut first, mut last) = (None, None);
        for thread in threads {
            let (theirs, began, ended) = thread
                .join()
                .map_err(|_| io::Error::other("an appending thread panicked"))??;
            // Same bounds, so nothing is out of range.
            let _ = latency.add(theirs);
            // The threads' own times: this one may be the last to run again.
            first = first.map_or(Some(began), |at| Some(began.min(at)));
            last = last.max(Some(ended));
        }
        let seconds = match (first, last) {
            (Some(first), Some(last)) => (last - first).as_secs_f64(),
            _ => 0.0,
        };
        let wall = start.elapsed().as_secs_f64();
        let machine_ns = machine_ns().saturating_sub(machine);
        let cpu_ns = (Counters::read(Scope::Process) - before).cpu_ns;
        Ok::<_, io::Error>((latency, seconds, wall, cpu_ns, machine_ns))
    })?;
    let appends = walk(&log, round)?.max(1) as f64;
    Ok(Run {
        rate: appends / seconds,
        p99_us: latency.value_at_quantile(0.99) as f64 / 1e3,
        cpu_us: cpu_ns as f64 / 1e3 / appends,
        others: (machine_ns as f64 - cpu_ns as f64) / 1e9 / wall,
    })
}

/// Time that all processors were busy since the machine began, whoever's; 0 where the kernel does not say.
fn machine_ns() -> u64 {
    const TICK_NS: u64 = 10_000_000;
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    // user nice system idle iowait irq softirq steal
    let busy = [0, 1, 2, 5, 6, 7];
    busy.iter().filter_map(|i| fields.get(*i)).sum::<u64>() * TICK_NS
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3)
        .unwrap_or_else(|_| unreachable!("the bounds are constants that the library accepts"))
}

fn work(time: Duration) {
    if time > Duration::ZERO {
        let start = Instant::now();
        while start.elapsed() < time {
            std::hint::spin_loop();
        }
    }
}

/// Binds the calling thread to one processor, the threads in turns to all of them, so that where they run is the same in
/// every run and in every way.
fn bind(number: u32) -> io::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let processors: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|processor| allowed.is_set(*processor))
        .collect();
    let mut one = CpuSet::new();
    if let Some(processor) = processors.get(number as usize % processors.len().max(1)) {
        one.set(*processor);
        sched_setaffinity(None, &one)?;
    }
    Ok(())
}

fn append(
    log: &Log<'_>,
    cell: &Cell,
    round: i32,
    barrier: &Barrier,
) -> io::Result<(Histogram<u64>, Instant, Instant)> {
    // Another round's bytes under this round's head do not have its checksum.
    let body = vec![round as u8; cell.size];
    let new = |queue: usize| NewRecord {
        flag: round,
        ..plain(TOPIC, queue as i32, &body)
    };
    let mut record = Vec::new();
    let mut latency = histogram();
    barrier.wait();
    let began = Instant::now();
    let deadline = began + cell.time;
    for number in 0u64.. {
        let queue = number as usize % QUEUES;
        record.clear();
        new(queue)
            .encode_into(&mut record)
            .map_err(io::Error::other)?;
        work(cell.beside);
        let sampled = number % SAMPLED_EVERY == SAMPLED_EVERY / 2;
        let seen = if sampled { log.published() } else { 0 };
        let start = number.is_multiple_of(TIMED_EVERY).then(Instant::now);
        let Some(end) = log.append(&mut record, queue, 1) else {
            break;
        };
        if let Some(start) = start {
            let backoff = Backoff::new();
            while log.published() < end {
                backoff.snooze();
            }
            let now = Instant::now();
            latency.saturating_record((now - start).as_nanos() as u64);
            if now > deadline {
                break;
            }
        }
        if sampled {
            Records::of(log, seen, log.published(), round)
                .take(SAMPLE)
                .try_for_each(|record| intact(&record?))?;
        }
    }
    Ok((latency, began, Instant::now()))
}

/// The records between two published marks.
struct Records<'a> {
    bytes: &'a [u8],
    position: u64,
    round: i32,
}

impl<'a> Records<'a> {
    fn of(log: &'a Log<'_>, from: u64, to: u64, round: i32) -> Self {
        Self {
            bytes: log.read(from, to),
            position: from,
            round,
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = io::Result<RecordView<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            return None;
        }
        let position = self.position;
        let broken = |what: &dyn std::fmt::Display| {
            Some(Err(io::Error::other(format!(
                "what was published at {position} is not whole: {what}"
            ))))
        };
        let record = match RecordView::parse(self.bytes) {
            Ok(record) => record,
            Err(e) => return broken(&e),
        };
        if record.physical_offset() as u64 != position {
            return broken(&"another physical offset");
        }
        if record.flag() != self.round {
            return broken(&"a record of another run");
        }
        self.bytes = &self.bytes[record.total_size()..];
        self.position += record.total_size() as u64;
        Some(Ok(record))
    }
}

fn intact(record: &RecordView<'_>) -> io::Result<()> {
    if record.body_crc_matches() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "the body published at {} is not whole",
        record.physical_offset()
    )))
}

/// Checks that everything published is whole and that queue offsets follow each other; returns how many records there are.
fn walk(log: &Log<'_>, round: i32) -> io::Result<usize> {
    let mut next = [0; QUEUES];
    let mut count = 0;
    for record in Records::of(log, 0, log.published(), round) {
        let record = record?;
        let expected = usize::try_from(record.queue_id())
            .ok()
            .and_then(|queue| next.get_mut(queue));
        match expected {
            Some(expected) if *expected == record.queue_offset() => *expected += 1,
            _ => {
                return Err(io::Error::other(format!(
                    "queue offset {} at {} does not go on where its queue was",
                    record.queue_offset(),
                    record.physical_offset()
                )));
            }
        }
        if count % CHECKED_EVERY == 0 {
            intact(&record)?;
        }
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::appends::reserve::WAYS;
    use crate::locks::LOCKS;

    #[test]
    fn whatever_is_published_is_whole_in_every_way_and_with_both_locks() {
        let mut memory = Memory::new(4 << 20).unwrap();
        let mut round = 0;
        for threads in [1, 2, 8] {
            for way in WAYS {
                for lock in LOCKS {
                    round += 1;
                    let cell = Cell {
                        threads,
                        size: 700,
                        beside: Duration::from_nanos(round as u64 % 2 * 500),
                        time: Duration::from_secs(60),
                    };
                    // Ends with the memory, and fails where a byte is not as appended.
                    let run = run(&mut memory, lock, way, &cell, round).unwrap();
                    assert!(run.rate > 0.0 && run.p99_us > 0.0, "{way:?}");
                }
            }
        }
    }

    #[test]
    fn a_walk_finds_what_an_earlier_run_left() {
        let mut memory = Memory::new(1 << 20).unwrap();
        let cell = Cell {
            threads: 1,
            size: 100,
            beside: Duration::ZERO,
            time: Duration::from_secs(60),
        };
        run(&mut memory, Lock::Spin, Way::Copy, &cell, 1).unwrap();
        let log = Log::new(&mut memory, Lock::Spin, Way::Copy);
        let barrier = Barrier::new(1);
        append(&log, &cell, 2, &barrier).unwrap();
        assert!(walk(&log, 2).unwrap() > 1_000);
        let error = walk(&log, 1).unwrap_err().to_string();
        assert!(
            error.contains("at 0") && error.contains("another run"),
            "{error}"
        );
    }

    #[test]
    fn more_appends_than_places_in_flight_are_all_published() {
        let mut memory = Memory::new(1 << 20).unwrap();
        let log = Log::new(&mut memory, Lock::Reentrant, Way::ReserveAndHandOn);
        let cell = Cell {
            threads: 3,
            size: 10,
            beside: Duration::ZERO,
            time: Duration::from_secs(60),
        };
        let barrier = Barrier::new(3);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| append(&log, &cell, 7, &barrier).unwrap());
            }
        });
        let count = walk(&log, 7).unwrap();
        let record = log.published() as usize / count;
        assert_eq!(
            count,
            (1 << 20) / record,
            "nothing reserved was left unpublished"
        );
    }
}
