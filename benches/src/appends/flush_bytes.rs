//! `flush-bytes`: what the device takes for each flush, while one log file is filled from its first byte to its last, with
//! 128 appends waiting. A file whose pages the kernel keeps in large pieces would write whole pieces for small groups, and
//! do so in some parts of the file only: hence a row for each part.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::load::Load;
use crate::layout::Mode;
use crate::measure::{Device, DeviceCounters, Machine, Scratch, need_space};
use crate::table::Table;

/// How much.
#[derive(Debug, Clone, clap::Args)]
pub struct FlushBytesArgs {
    /// Size of the log file, MiB
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(16..=4096))]
    file_mib: u64,
    /// Body size, bytes
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    size: u32,
    /// Directory for the data, which is removed afterwards
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// Rows.
const PARTS: u64 = 16;
const POLL: Duration = Duration::from_millis(2);

/// The store's and the device's accounts at a moment.
#[derive(Clone, Copy)]
struct Account {
    flushed_bytes: u64,
    flushes: u64,
    device: DeviceCounters,
}

/// Fills a file and prints a table.
///
/// # Errors
/// When the disk has no room, the store fails, or the device has no counters ([`io::ErrorKind::Unsupported`]).
pub fn run(args: &FlushBytesArgs) -> io::Result<()> {
    println!("{}\n", Machine::describe(&args.dir));
    let dir = Scratch::new(
        args.dir
            .join(format!("mainstem-flush-bytes-{}", std::process::id())),
    )?;
    let file_bytes = args.file_mib << 20;
    let load = Load {
        mode: Mode::Durable,
        threads: 2,
        window: 64,
        size: args.size as usize,
        file_bytes,
        // The records' frames fill the rest of the file.
        bytes: file_bytes / u64::from(args.size + 160) * u64::from(args.size),
    };
    need_space(dir.path(), load.disk_bytes())?;
    let device = Device::of(dir.path())?.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::Unsupported,
            format!(
                "the kernel has no account of the device below {}: name a directory on a disk with --dir",
                dir.path().display()
            ),
        )
    })?;
    let store = load.open(dir.path())?;
    let account = || Account {
        flushed_bytes: store.stats().flushed_bytes,
        flushes: store.stats().flushes,
        device: device.read().unwrap_or_default(),
    };
    let over = AtomicBool::new(false);
    let mut accounts = vec![account()];
    let (outcome, watched) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = Vec::new();
            let mut next = file_bytes / PARTS;
            while !over.load(Ordering::Relaxed) {
                if store.stats().flushed_bytes >= next {
                    seen.push(account());
                    next += file_bytes / PARTS;
                }
                std::thread::sleep(POLL);
            }
            seen
        });
        let outcome = load.run(&store, || (), |(), _, _| {});
        over.store(true, Ordering::Relaxed);
        (outcome, watcher.join())
    });
    outcome?;
    accounts.extend(watched.map_err(|_| io::Error::other("the watching thread panicked"))?);
    accounts.push(account());
    store.close().map_err(io::Error::other)?;
    print!("{}", table(&accounts));
    println!(
        "\nThe next file's zeros are written to the device beside the flushes, in step with the use of this one. Consume queues are in \
         the device's bytes too."
    );
    Ok(())
}

fn table(accounts: &[Account]) -> Table {
    let mut table = Table::new([
        "log, MiB",
        "flushes",
        "log bytes a flush",
        "device bytes a flush",
        "device bytes per log byte",
    ]);
    let mut row = |what: String, from: Account, to: Account| {
        let flushes = (to.flushes - from.flushes).max(1) as f64;
        let log = (to.flushed_bytes - from.flushed_bytes) as f64;
        let device = (to.device - from.device).written_bytes as f64;
        table.row([
            what,
            format!("{flushes:.0}"),
            format!("{:.0}", log / flushes),
            format!("{:.0}", device / flushes),
            format!("{:.2}", device / log.max(1.0)),
        ]);
    };
    for pair in accounts.windows(2) {
        let mib = |account: &Account| account.flushed_bytes >> 20;
        row(
            format!("{} to {}", mib(&pair[0]), mib(&pair[1])),
            pair[0],
            pair[1],
        );
    }
    if let (Some(first), Some(last)) = (accounts.first(), accounts.last()) {
        row("all".to_owned(), *first, *last);
    }
    table
}
