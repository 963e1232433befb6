//! `layout`: one cell, or every combination of the values given, by the engines named, in turns. Owns the options and the
//! printed table; what is measured is the workload's matter.

use std::io;
use std::path::PathBuf;

use super::engine::{EngineKind, Mode};
use super::sweep::{self, ENGINES, Run, Step};
use super::workload::{Cell, CellResult, Consumers};
use crate::measure::{Machine, Scratch, Spread};
use crate::results::Results;
use crate::table::Table;

/// Which cells to run.
#[derive(Debug, Clone, clap::Args)]
pub struct LayoutArgs {
    /// Engines to compare, separated by commas [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    engine: Vec<EngineKind>,
    /// Topics; several values, separated by commas, are run one after the other (as with the next four)
    #[arg(long, value_delimiter = ',', default_value = "64", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    topics: Vec<u32>,
    /// Partitions of each topic
    #[arg(long, value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1000))]
    partitions: Vec<u32>,
    /// Body size, bytes
    #[arg(long, value_delimiter = ',', default_value = "1024", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    size: Vec<u32>,
    /// Messages in one append
    #[arg(long, value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u32).range(1..=4096))]
    batch: Vec<u32>,
    /// When an append is done
    #[arg(long, value_enum, value_delimiter = ',', default_value = "async")]
    mode: Vec<Mode>,
    /// Shorthand for --mode durable
    #[arg(long, conflicts_with = "mode")]
    durable: bool,
    /// Producing threads
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=256))]
    producers: u32,
    /// Appends that each producer has under way
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    window: u32,
    /// Where consumers read
    #[arg(long, value_enum, default_value = "tail")]
    consumers: Consumers,
    /// Consuming threads at the tail
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    consumer_threads: u32,
    /// Body bytes of a cell, MiB
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..))]
    mib: u64,
    /// Messages a second, open loop; 0 is as fast as it goes
    #[arg(long, default_value_t = 0)]
    rate: u64,
    /// Most memory, page cache included, MiB; 0 is all there is. Needs root and cgroup v1
    #[arg(long, default_value_t = 0)]
    memory_mib: u64,
    /// Runs of each cell by each engine
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Directory for the data, which is removed after each run
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Keep every run in this file, one JSON object a line; a run that was broken off goes on from it
    #[arg(long)]
    json: Option<PathBuf>,
}

impl LayoutArgs {
    fn steps(&self) -> Vec<Step> {
        let modes = if self.durable {
            &[Mode::Durable][..]
        } else {
            &self.mode
        };
        let mut steps = Vec::new();
        for &mode in modes {
            for &topics in &self.topics {
                for &partitions in &self.partitions {
                    for &size in &self.size {
                        for &batch in &self.batch {
                            steps.push(self.step(mode, topics, partitions, size, batch));
                        }
                    }
                }
            }
        }
        steps
    }

    fn step(&self, mode: Mode, topics: u32, partitions: u32, size: u32, batch: u32) -> Step {
        let cell = Cell {
            topics,
            partitions,
            size: size as usize,
            batch: batch as usize,
            mode,
            producers: self.producers,
            window: self.window as usize,
            consumers: self.consumers,
            consumer_threads: self.consumer_threads,
            bytes: self.mib << 20,
            rate: self.rate,
            memory_mib: self.memory_mib,
        };
        Step {
            factor: "cell".to_owned(),
            value: format!("{topics} x {partitions}, {size} B x {batch}"),
            cell,
        }
    }
}

/// Runs the cells and prints a table.
///
/// # Errors
/// See [`run_cell`](super::workload::run_cell); with `--json` what was measured until then is kept.
pub fn run(args: &LayoutArgs) -> io::Result<()> {
    let engines = if args.engine.is_empty() {
        &ENGINES[..]
    } else {
        &args.engine
    };
    let steps = args.steps();
    let mut results = match &args.json {
        Some(path) => Results::open(path)?,
        None => Results::in_memory(),
    };
    println!("{}\n", Machine::describe(&args.dir));
    let dir = Scratch::new(
        args.dir
            .join(format!("mainstem-layout-{}", std::process::id())),
    )?;
    let outcome = sweep::run(
        &steps,
        engines,
        args.rounds as usize,
        dir.path(),
        &mut results,
        |done, total, step, engine| {
            eprintln!("[{}/{total}] {} {}", done + 1, step.value, engine.name());
        },
    );
    if !results.items().is_empty() {
        print!("{}", table(&steps, engines, &results));
    }
    outcome
}

fn table(steps: &[Step], engines: &[EngineKind], results: &Results<Run>) -> Table {
    let mut table = Table::new([
        "cell",
        "mode",
        "engine",
        "messages/s",
        "MB/s",
        "p50 us",
        "p99 us",
        "p99.9 us",
        "CPU us/msg",
        "messages/sync",
        "device B/B",
        "writes/msg",
        "faults/msg",
        "switches/msg",
        "last sync s",
    ]);
    for step in steps {
        for &engine in engines {
            let runs: Vec<&CellResult> = results
                .items()
                .iter()
                .filter(|r| r.step == *step && r.engine == engine)
                .map(|r| &r.result)
                .collect();
            if runs.is_empty() {
                continue;
            }
            let of = |figure: &dyn Fn(&CellResult) -> f64, digits: usize| {
                let spread = Spread::of(runs.iter().map(|r| figure(r)));
                spread.map_or(String::new(), |s| s.short(digits))
            };
            let per = |n: u64, r: &CellResult| n as f64 / r.messages.max(1) as f64;
            table.row([
                step.value.clone(),
                step.cell.mode.name().to_owned(),
                engine.name().to_owned(),
                of(&|r| r.rate(), 0),
                of(&|r| r.mb_per_second(), 0),
                of(&|r| r.latency.p50_us, 0),
                of(&|r| r.latency.p99_us, 0),
                of(&|r| r.latency.p99_9_us, 0),
                of(&|r| r.cpu_us_per_message(), 2),
                of(&|r| r.messages_per_sync().unwrap_or(0.0), 1),
                of(&|r| r.write_amplification().unwrap_or(0.0), 2),
                of(&|r| per(r.counters.write_calls, r), 2),
                of(
                    &|r| per(r.counters.minor_faults + r.counters.major_faults, r),
                    3,
                ),
                of(&|r| per(r.counters.waits + r.counters.preemptions, r), 3),
                of(&|r| r.settle_seconds, 2),
            ]);
        }
    }
    table
}
