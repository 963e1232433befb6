//! `reserve`: the append lock that places and copies a record, as the store's does, against one that only reserves position
//! and queue offset, with the copy outside of it and publication in order. A prototype in memory, which the store does not
//! have; every record that it published is looked at, and the checksums of some.

mod log;
mod run;

use std::io;
use std::time::Duration;

use self::log::{Memory, Way};
use self::run::{Cell, Run, run as run_cell};
use crate::locks::{LOCKS, Lock};
use crate::measure::{Machine, Spread, alternate};
use crate::table::Table;

/// How much.
#[derive(Debug, Clone, clap::Args)]
pub struct ReserveArgs {
    /// Appending threads
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,16,64", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Vec<u32>,
    /// Body sizes, bytes
    #[arg(long, value_delimiter = ',', default_value = "100,1024,16384", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    size: Vec<u32>,
    /// Work of a thread between two appends, nanoseconds, besides encoding the record: a send is more than its append
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    beside_ns: u64,
    /// Time of one run, milliseconds; it ends earlier when the memory is full
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    millis: u64,
    /// Memory that takes the log of a run, MiB
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(16..=16_384))]
    mib: u64,
    /// Runs of each way with each lock, in turns
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
}

/// The first is what the store does.
const WAYS: [Way; 3] = [Way::Copy, Way::ReserveInOrder, Way::ReserveAndHandOn];
/// A way that reserves wins clearly where it is faster by more than this, beyond the spreads.
const CLEARLY: f64 = 1.05;

/// Measures all ways and prints a table.
///
/// # Errors
/// When there is no memory, or when published bytes are not whole.
pub fn run(args: &ReserveArgs) -> io::Result<()> {
    println!("{}\n", Machine::describe(std::path::Path::new(".")));
    let mut memory = Memory::new((args.mib << 20) as usize)?;
    let mut table = Table::new([
        "body B",
        "threads",
        "lock",
        "copy, appends/s",
        "reserve, in order",
        "of copy",
        "faster",
        "reserve, handed on",
        "of copy",
        "faster",
        "p99 us until published",
        "CPU us",
        "CPU of others",
    ]);
    let mut round = 0;
    for size in &args.size {
        for threads in &args.threads {
            eprintln!("{size} B, {threads} threads");
            let cell = Cell {
                threads: *threads,
                size: *size as usize,
                beside: Duration::from_nanos(args.beside_ns),
                time: Duration::from_millis(args.millis),
            };
            let contestants = LOCKS.map(|lock| WAYS.map(|way| (lock, way)));
            let runs = alternate(
                contestants.as_flattened(),
                args.rounds as usize,
                |(lock, way)| {
                    round += 1;
                    run_cell(&mut memory, *lock, *way, &cell, round)
                },
            )?;
            for (lock, runs) in LOCKS.iter().zip(runs.chunks(WAYS.len())) {
                table.row(row(&cell, *lock, runs));
            }
        }
    }
    print!("{table}");
    println!(
        "\nLatency and CPU are medians of the three ways in the same order; CPU of others is what other processes had of one \
         processor meanwhile, which should be nothing. Each thread is bound to a processor, in turns; beside encoding and \
         appending it works {} ns.",
        args.beside_ns
    );
    Ok(())
}

/// The runs of all ways with one lock.
fn row(cell: &Cell, lock: Lock, runs: &[Vec<Run>]) -> Vec<String> {
    let spreads = |figure: fn(&Run) -> f64| -> Vec<Spread> {
        let of = |runs: &Vec<Run>| Spread::of(runs.iter().map(figure));
        runs.iter().filter_map(of).collect()
    };
    let rates = spreads(|run| run.rate);
    let mut row = vec![
        cell.size.to_string(),
        cell.threads.to_string(),
        lock.name().to_owned(),
    ];
    if let Some((copy, others)) = rates.split_first() {
        row.push(copy.short(0));
        for rate in others {
            row.push(rate.short(0));
            row.push(format!("{:.2}", rate.median / copy.median));
            row.push(better(*rate, *copy).to_owned());
        }
    }
    let medians = |spreads: Vec<Spread>, digits: usize| {
        let texts: Vec<String> = spreads
            .iter()
            .map(|spread| format!("{:.digits$}", spread.median))
            .collect();
        texts.join(" / ")
    };
    row.push(medians(spreads(|run| run.p99_us), 1));
    row.push(medians(spreads(|run| run.cpu_us), 2));
    let others: Vec<f64> = runs.iter().flatten().map(|run| run.others).collect();
    let mean = others.iter().sum::<f64>() / others.len().max(1) as f64;
    row.push(format!("{:.1}", mean.max(0.0)));
    row
}

/// Which is faster, beyond both spreads.
fn better(reserve: Spread, copy: Spread) -> &'static str {
    if reserve.min > copy.max && reserve.median > CLEARLY * copy.median {
        "reserve"
    } else if copy.min > reserve.max && copy.median > CLEARLY * reserve.median {
        "copy"
    } else {
        "either"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_win_is_one_beyond_both_spreads() {
        let spread = |min, median, max| Spread { min, median, max };
        let copy = spread(9.0, 10.0, 11.0);
        assert_eq!(better(spread(11.5, 12.0, 13.0), copy), "reserve");
        assert_eq!(better(spread(10.5, 12.0, 13.0), copy), "either");
        assert_eq!(better(spread(5.0, 6.0, 8.0), copy), "copy");
        assert_eq!(better(spread(11.1, 10.4, 11.2), copy), "either");
    }
}
