//! The classic comparison: a file sent to a socket by read and write, by mmap and write, by `sendfile` and by `splice`.
//! Owns the file, the loopback pair and the table; the ways themselves are in `ways`. Figures are the sender's alone.

pub mod pulls;
mod ways;

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::measure::{Counters, Machine, Scope, Scratch, Spread, alternate, need_space};
use crate::table::Table;
pub use ways::{ALL_WAYS, Way};

/// What to send and how often.
#[derive(Debug, Clone, clap::Args)]
pub struct CopiesArgs {
    /// Directory for the file
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Size of the file, MB
    #[arg(long, default_value_t = 200)]
    megabytes: u64,
    /// Counted rounds; every way runs once a round
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Bodies of the pulls, MiB
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..))]
    pull_mib: u64,
}

/// One transfer.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Transfer {
    /// From the first call to the last byte taken by the socket, seconds.
    pub seconds: f64,
    /// Bytes that arrived.
    pub bytes: u64,
    /// The sender's account.
    pub sender: Counters,
    /// Copies of a byte by a processor on the sending side, by construction of the way.
    pub copies: u32,
}

/// Where the file's pages are when a transfer starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cache {
    /// In memory.
    Warm,
    /// On the device only.
    Cold,
}

/// Measures every way, warm and cold, and prints tables.
///
/// # Errors
/// When disk or network refuse.
pub fn run(args: &CopiesArgs) -> io::Result<()> {
    let dir = Scratch::new(
        args.dir
            .join(format!("mainstem-copies-{}", std::process::id())),
    )?;
    let path = write_file(dir.path(), args.megabytes * 1_000_000)?;
    println!("{}", Machine::describe(&args.dir));
    println!(
        "{} MB over a loopback connection, {} rounds in turns; medians, least and greatest in brackets\n",
        args.megabytes, args.rounds
    );
    for cache in [Cache::Warm, Cache::Cold] {
        let runs = alternate(&ALL_WAYS, args.rounds, |way| transfer(*way, &path, cache))?;
        println!("{cache:?} page cache\n\n{}", table(&runs));
    }
    std::fs::remove_file(&path)?;
    println!(
        "Pulls of {} MiB out of the store, 32 messages of 1 KiB at a time\n",
        args.pull_mib
    );
    let cases = pulls::cases();
    let runs = alternate(&cases, args.rounds, |case| {
        pulls::run_case(case, args.pull_mib, dir.path())
    })?;
    println!("{}", pulls::table(&cases, &runs));
    Ok(())
}

/// A row for each way, in the order of [`ALL_WAYS`].
pub fn table(runs: &[Vec<Transfer>]) -> Table {
    let mut table = Table::new([
        "way",
        "ms",
        "MB/s",
        "sender CPU ms",
        "minor faults",
        "major faults",
        "waits",
        "copies by the processor",
    ]);
    for (way, runs) in ALL_WAYS.iter().zip(runs) {
        let spread = |figure: &dyn Fn(&Transfer) -> f64| {
            Spread::of(runs.iter().map(figure)).map_or(String::new(), |s| s.to_string())
        };
        let median = |figure: &dyn Fn(&Transfer) -> f64| {
            Spread::of(runs.iter().map(figure)).map_or(0.0, |s| s.median)
        };
        table.row([
            way.name().to_owned(),
            spread(&|t| t.seconds * 1e3),
            format!("{:.0}", median(&|t| t.bytes as f64 / 1e6 / t.seconds)),
            spread(&|t| t.sender.cpu_ns as f64 / 1e6),
            format!("{:.0}", median(&|t| t.sender.minor_faults as f64)),
            format!("{:.0}", median(&|t| t.sender.major_faults as f64)),
            format!("{:.0}", median(&|t| t.sender.waits as f64)),
            way.copies().to_string(),
        ]);
    }
    table
}

/// Sends the file once, to a reader that throws everything away.
pub fn transfer(way: Way, path: &Path, cache: Cache) -> io::Result<Transfer> {
    let file = File::open(path)?;
    prepare(&file, cache)?;
    let len = file.metadata()?.len();
    let transfer = timed_to_a_reader(way.copies(), |socket| way.send(&file, len, socket))?;
    if transfer.bytes == len {
        Ok(transfer)
    } else {
        Err(io::Error::other(format!(
            "{} sent {} bytes of {len}",
            way.name(),
            transfer.bytes
        )))
    }
}

/// Times `send` over a loopback connection, at whose other end a thread throws everything away.
fn timed_to_a_reader(
    copies: u32,
    send: impl FnOnce(&TcpStream) -> io::Result<()>,
) -> io::Result<Transfer> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let socket = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || -> io::Result<u64> {
            let mut buffer = vec![0; 256 << 10];
            let mut total = 0;
            loop {
                match receiver.read(&mut buffer)? {
                    0 => return Ok(total),
                    n => total += n as u64,
                }
            }
        });
        let before = Counters::read(Scope::Thread);
        let start = Instant::now();
        let outcome = send(&socket);
        let seconds = start.elapsed().as_secs_f64();
        let sender = Counters::read(Scope::Thread) - before;
        drop(socket);
        let bytes = reader
            .join()
            .map_err(|_| io::Error::other("the receiving thread panicked"))??;
        outcome.map(|()| Transfer {
            seconds,
            bytes,
            sender,
            copies,
        })
    })
}

fn prepare(file: &File, cache: Cache) -> io::Result<()> {
    use rustix::fs::{Advice, fadvise};
    match cache {
        Cache::Cold => Ok(fadvise(file, 0, None, Advice::DontNeed)?),
        Cache::Warm => {
            io::copy(&mut &*file, &mut io::sink()).and_then(|_| io::Seek::rewind(&mut &*file))
        }
    }
}

/// Writes a file of `len` bytes to `dir` and syncs it.
pub fn write_file(dir: &Path, len: u64) -> io::Result<PathBuf> {
    need_space(dir, len)?;
    let path = dir.join("file");
    let mut file = File::create(&path)?;
    let chunk: Vec<u8> = (0..1_000_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut rest = len;
    while rest > 0 {
        let n = rest.min(chunk.len() as u64) as usize;
        file.write_all(&chunk[..n])?;
        rest -= n as u64;
    }
    file.sync_all()?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_way_sends_every_byte_warm_and_cold() {
        let dir = tempfile::tempdir().unwrap();
        let path = write_file(dir.path(), 3_000_001).unwrap();
        for way in ALL_WAYS {
            for cache in [Cache::Warm, Cache::Cold] {
                assert!(transfer(way, &path, cache).unwrap().seconds > 0.0);
            }
        }
    }
}
