//! `roll`: the latency of appends near the end of a log file and the beginning of the next, against all others. Small files
//! make many rolls; what a roll costs does not depend on the size of a file that was made ahead.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::load::Load;
use crate::layout::Mode;
use crate::measure::{Machine, Scratch, Spread, need_space};
use crate::table::Table;

/// How much.
#[derive(Debug, Clone, clap::Args)]
pub struct RollArgs {
    /// When an append is done
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "async,durable"
    )]
    mode: Vec<Mode>,
    /// Size of a log file, MiB
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(4..=1024))]
    file_mib: u64,
    /// Log files that are filled by an async run; a durable run fills a quarter
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(4..=1000))]
    files: u64,
    /// Runs of each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Directory for the data, which is removed after each run
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// So far from the border of two files is across the roll.
const NEAR_BYTES: u64 = 1 << 20;
/// Body bytes.
const SIZE: usize = 1024;

/// Latencies of one run, nanoseconds.
struct Latencies {
    across: Histogram<u64>,
    elsewhere: Histogram<u64>,
}

impl Latencies {
    fn new() -> Self {
        let histogram = || {
            Histogram::new_with_bounds(1, 60_000_000_000, 3)
                .unwrap_or_else(|_| unreachable!("the library accepts these constants"))
        };
        Self {
            across: histogram(),
            elsewhere: histogram(),
        }
    }

    fn add(&mut self, other: &Self) {
        // Same bounds, so nothing is out of range.
        let _ = self.across.add(&other.across);
        let _ = self.elsewhere.add(&other.elsewhere);
    }
}

/// Measures and prints a table.
///
/// # Errors
/// When the disk has no room or the store fails.
pub fn run(args: &RollArgs) -> io::Result<()> {
    println!("{}\n", Machine::describe(&args.dir));
    let dir = Scratch::new(
        args.dir
            .join(format!("mainstem-roll-{}", std::process::id())),
    )?;
    let mut table = Table::new([
        "flush",
        "rolls a run",
        "p99.9 across a roll, us",
        "p99.9 elsewhere, us",
        "ratio of the medians",
        "longest across, us",
        "longest elsewhere, us",
    ]);
    for mode in &args.mode {
        let (threads, window, files) = match mode {
            Mode::Async => (1, 1, args.files),
            Mode::Durable => (2, 64, (args.files / 4).max(2)),
        };
        let load = Load {
            mode: *mode,
            threads,
            window,
            size: SIZE,
            file_bytes: args.file_mib << 20,
            bytes: files * (args.file_mib << 20),
        };
        let mut runs = Vec::new();
        for round in 0..args.rounds {
            eprintln!("[round {}/{}] {}", round + 1, args.rounds, mode.name());
            runs.push(measure(&load, dir.path())?);
        }
        let of = |figure: &dyn Fn(&Latencies) -> u64| {
            Spread::of(
                runs.iter()
                    .map(|(latencies, _)| figure(latencies) as f64 / 1e3),
            )
        };
        let across = of(&|l| l.across.value_at_quantile(0.999));
        let elsewhere = of(&|l| l.elsewhere.value_at_quantile(0.999));
        let text = |spread: Option<Spread>| spread.map_or(String::new(), |s| s.short(0));
        table.row([
            mode.name().to_owned(),
            Spread::of(runs.iter().map(|(_, rolls)| *rolls as f64))
                .map_or(String::new(), |s| s.short(0)),
            text(across),
            text(elsewhere),
            across.zip(elsewhere).map_or(String::new(), |(a, e)| {
                format!("{:.2}", a.median / e.median)
            }),
            text(of(&|l| l.across.max())),
            text(of(&|l| l.elsewhere.max())),
        ]);
    }
    print!("{table}");
    Ok(())
}

fn measure(load: &Load, dir: &Path) -> io::Result<(Latencies, u64)> {
    rustix::fs::syncfs(std::fs::File::open(dir)?)?;
    let dir = Scratch::new(dir.join("store"))?;
    need_space(dir.path(), load.disk_bytes())?;
    let store = load.open(dir.path())?;
    let before = store.stats().rolls;
    let file_bytes = load.file_bytes;
    let tell = |latencies: &mut Latencies, position: u64, latency: Duration| {
        let in_file = position % file_bytes;
        // The first file has none before it.
        let near =
            (position >= file_bytes && in_file < NEAR_BYTES) || in_file >= file_bytes - NEAR_BYTES;
        let histogram = if near {
            &mut latencies.across
        } else {
            &mut latencies.elsewhere
        };
        histogram.saturating_record(latency.as_nanos() as u64);
    };
    let (_, notes) = load.run(&store, Latencies::new, tell)?;
    let rolls = store.stats().rolls - before;
    store.close().map_err(io::Error::other)?;
    let mut all = Latencies::new();
    notes.iter().for_each(|note| all.add(note));
    Ok((all, rolls))
}
