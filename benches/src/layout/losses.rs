//! Where a single log should lose: one topic of many that has left memory is read from its start, and topics are deleted
//! of which the disk should get the space back. Promises the same bytes to every engine.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::engine::{EngineKind, EngineOptions};
use super::sweep;
use super::workload::{Cell, cooled};
use crate::measure::{Device, Machine, Scratch, Spread, disk_usage, need_space};
use crate::table::Table;

/// What one engine did.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Losses {
    /// Bodies of one cold topic read from start to end, MB/s.
    pub cold_mb_per_second: f64,
    /// Bytes that the device read for each byte of a body, where it is known.
    pub cold_read_amplification: Option<f64>,
    /// Time to delete half of the topics, seconds.
    pub delete_seconds: f64,
    /// Part of their bodies' bytes that the disk got back at once.
    pub freed: f64,
}

const TOPICS: u32 = 64;
const READ_BYTES: usize = 64 << 10;
/// A file small enough to be filled, so that the space reserved ahead does not blur what deletion frees.
const FILE_BYTES: u64 = 64 << 20;

/// What is written and by which rules.
fn experiment(mib: u64) -> (Cell, EngineOptions) {
    let cell = Cell {
        topics: TOPICS,
        bytes: mib << 20,
        ..Cell::default()
    };
    let options = EngineOptions {
        file_bytes: FILE_BYTES,
        ..sweep::options(&cell)
    };
    (cell, options)
}

/// Room on the disk that so many MiB of bodies need.
pub fn disk_bytes(mib: u64) -> u64 {
    let (cell, options) = experiment(mib);
    cell.disk_bytes(&options)
}

/// Writes `mib` MiB over 64 topics in turns, reads one of them cold, and deletes half of them.
///
/// # Errors
/// When the disk refuses or a message is missing.
pub fn run_case(kind: EngineKind, mib: u64, dir: &Path) -> io::Result<Losses> {
    let dir = Scratch::new(dir.join("losses"))?;
    let (cell, options) = experiment(mib);
    need_space(dir.path(), cell.disk_bytes(&options))?;
    let mut engine = kind.open(dir.path(), &options)?;
    let body = vec![b'l'; cell.size];
    for i in 0..cell.messages() {
        engine.append((i % u64::from(TOPICS)) as u32, &[&body])?;
    }
    engine.settle()?;
    engine = cooled(kind, engine, dir.path(), &options)?;

    let device = Device::of(dir.path())?;
    let before = device.as_ref().and_then(Device::read);
    let start = Instant::now();
    let (mut buffer, mut offset, mut bytes) = (Vec::new(), 0, 0);
    // A topic in the middle: the newest bytes are in use by the engine itself.
    let per_topic = cell.messages() / u64::from(TOPICS);
    while offset < per_topic {
        let back = engine.read(TOPICS / 2, offset, READ_BYTES, &mut buffer)?;
        if back.messages == 0 {
            return Err(io::Error::other(format!(
                "the topic ends at offset {offset} of {per_topic}"
            )));
        }
        offset = back.next_offset;
        bytes += buffer.len();
    }
    let seconds = start.elapsed().as_secs_f64();
    let after = device.as_ref().and_then(Device::read);

    let full = disk_usage(dir.path())?;
    let start = Instant::now();
    for topic in 0..TOPICS / 2 {
        engine.delete_topic(topic)?;
    }
    engine.settle()?;
    let delete_seconds = start.elapsed().as_secs_f64();
    let freed = full.saturating_sub(disk_usage(dir.path())?);
    engine.close()?;
    Ok(Losses {
        cold_mb_per_second: bytes as f64 / 1e6 / seconds,
        cold_read_amplification: after
            .zip(before)
            .map(|(after, before)| (after - before).read_bytes as f64 / bytes.max(1) as f64),
        delete_seconds,
        freed: freed as f64 / (cell.bytes / 2) as f64,
    })
}

/// Who is to lose.
#[derive(Debug, Clone, clap::Args)]
pub struct LossesArgs {
    /// Engines to compare, separated by commas [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    engine: Vec<EngineKind>,
    /// Body bytes over all topics, MiB
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..))]
    mib: u64,
    /// Runs of each engine, in turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Directory for the data, which is removed after each run
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// Runs it and prints a table.
///
/// # Errors
/// See [`run_case`].
pub fn run(args: &LossesArgs) -> io::Result<()> {
    let engines = if args.engine.is_empty() {
        &sweep::ENGINES[..]
    } else {
        &args.engine
    };
    println!("{}\n", Machine::describe(&args.dir));
    let dir = Scratch::new(
        args.dir
            .join(format!("mainstem-losses-{}", std::process::id())),
    )?;
    let mut runs = vec![Vec::new(); engines.len()];
    for round in 0..args.rounds {
        for (engine, runs) in engines.iter().zip(&mut runs) {
            eprintln!("[round {}/{}] {}", round + 1, args.rounds, engine.name());
            runs.push(run_case(*engine, args.mib, dir.path())?);
        }
    }
    let named: Vec<_> = engines.iter().copied().zip(runs).collect();
    print!("{}", table(&named));
    Ok(())
}

/// A row for each engine.
pub fn table(engines: &[(EngineKind, Vec<Losses>)]) -> Table {
    let mut table = Table::new([
        "engine",
        "cold topic, MB/s",
        "device bytes read per byte",
        "deletion, ms",
        "space given back at once",
    ]);
    for (engine, runs) in engines {
        let of = |figure: fn(&Losses) -> Option<f64>, digits: usize| {
            Spread::of(runs.iter().filter_map(figure))
                .map_or(String::new(), |spread| spread.short(digits))
        };
        table.row([
            engine.name().to_owned(),
            of(|l| Some(l.cold_mb_per_second), 0),
            of(|l| l.cold_read_amplification, 1),
            of(|l| Some(l.delete_seconds * 1e3), 0),
            Spread::of(runs.iter().map(|l| l.freed * 100.0))
                .map_or(String::new(), |s| format!("{:.0} %", s.median)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn a_log_per_partition_gives_the_space_back_and_a_single_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        for kind in EngineKind::value_variants() {
            let losses = run_case(*kind, 16, dir.path()).unwrap();
            let single = matches!(kind, EngineKind::Mainstem | EngineKind::ControlOne);
            assert_eq!(losses.freed < 0.1, single, "{kind:?} {losses:?}");
        }
    }
}
