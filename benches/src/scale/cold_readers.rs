//! What a consumer that reads old data costs the others: producers and tail consumers at a fixed rate, with and without
//! consumers that read from the start of a log of which memory holds but a part. The broker runs in a memory control
//! group of its own, page cache included, so that old means on the device.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use mainstem_load::{Connection, EndToEndArgs, Latency, Load, ProduceArgs, requests};

use super::group::broker_group;
use super::many_topics::{load, produce};
use super::{Place, SMALL_INDEX, Standalone};
use crate::measure::{Spread, alternate, need_space};
use crate::table::Table;

/// How much memory, data and load.
#[derive(Debug, Clone, clap::Args)]
pub struct ColdReadersArgs {
    /// Memory of the broker with its page cache, MiB
    #[arg(long, default_value_t = 512)]
    memory_mib: u64,
    /// Old data, MiB
    #[arg(long, default_value_t = 2048)]
    old_mib: u64,
    /// Consumers that read it
    #[arg(long, default_value_t = 2)]
    laggards: u32,
    /// Messages a second to the tail, and as many from producers whose acknowledgements are timed
    #[arg(long, default_value_t = 2_500)]
    rate: u64,
    /// Seconds of one run
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Flush mode: async or sync
    #[arg(long, default_value = "async")]
    mode: String,
    #[command(flatten)]
    place: Place,
}

const OLD_QUEUES: u32 = 4;
const OLD_BYTES: usize = 4096;

/// Reads the old queues from their start, again and again; bytes received.
fn lag(broker: &str, lane: u32, running: &AtomicBool) -> io::Result<u64> {
    let mut connection = Connection::open(broker).map_err(io::Error::other)?;
    let mut bytes = 0;
    let mut queue = lane % OLD_QUEUES;
    let mut offset = 0;
    while running.load(Ordering::Relaxed) {
        let mut out = Vec::new();
        requests::pull(&mut out, 1, "old", queue, offset, 32, 0);
        connection.send(&out).map_err(io::Error::other)?;
        let mut next = None;
        connection
            .receive(None, |r| {
                bytes += r.body.len() as u64;
                next = (r.code == 0)
                    .then(|| {
                        r.ext
                            .get("nextBeginOffset")
                            .and_then(|v| v.parse::<i64>().ok())
                    })
                    .flatten();
            })
            .map_err(io::Error::other)?;
        match next {
            Some(next) => offset = next,
            None => (queue, offset) = ((queue + 1) % OLD_QUEUES, 0),
        }
    }
    Ok(bytes)
}

struct Seen {
    tail: Latency,
    producers: Latency,
    old_mb_per_s: f64,
}

fn measure(broker: &Standalone, args: &ColdReadersArgs, laggards: u32) -> io::Result<Seen> {
    let paced = |name: &str| ProduceArgs {
        rate: args.rate,
        ..produce(broker, name, 1, 4, args.rate * args.seconds, true)
    };
    let running = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let lagging: Vec<_> = (0..laggards)
            .map(|lane| {
                scope.spawn({
                    let running = &running;
                    move || lag(&broker.broker, lane, running)
                })
            })
            .collect();
        let producers = scope.spawn(|| load(paced("produced")));
        let tail = mainstem_load::run(&Load::EndToEnd(EndToEndArgs {
            produce: paced("tail"),
        }));
        let producers = producers.join();
        running.store(false, Ordering::Relaxed);
        let mut bytes = 0;
        for lagging in lagging {
            bytes += lagging
                .join()
                .map_err(|_| io::Error::other("a consumer's thread panicked"))??;
        }
        let none = || io::Error::other("nothing was sent; give a greater --rate");
        let producers =
            producers.map_err(|_| io::Error::other("the producer's thread panicked"))??;
        Ok(Seen {
            tail: tail.map_err(io::Error::other)?.latency.ok_or_else(none)?,
            producers: producers.latency.ok_or_else(none)?,
            old_mb_per_s: bytes as f64 / 1e6 / producers.seconds,
        })
    })
}

/// Runs it and prints its table.
///
/// # Errors
/// When memory cannot be limited, the broker cannot be started or refuses, or the disk has no room.
pub fn run(args: &ColdReadersArgs) -> io::Result<()> {
    let program = args.place.program()?;
    need_space(&args.place.dir, (args.old_mib << 20) * 2 + (2 << 30))?;
    println!("{}", args.place.machine());
    let dir = args.place.scratch("cold-readers")?;
    let group = broker_group(args.memory_mib)?;
    let flush = format!("flushDiskType={}_FLUSH", args.mode.to_uppercase());
    let settings = [flush.as_str(), SMALL_INDEX[0], SMALL_INDEX[1]];
    let broker = Standalone::start_in(&program, dir.path(), &settings, Some(group.path()))?;
    load(ProduceArgs {
        size: OLD_BYTES,
        ..produce(
            &broker,
            "old",
            1,
            OLD_QUEUES,
            (args.old_mib << 20) / OLD_BYTES as u64,
            true,
        )
    })?;
    measure(&broker, args, 0)?;
    let contestants = [0, args.laggards];
    let results = alternate(&contestants, args.rounds, |&laggards| {
        let seen = measure(&broker, args, laggards)?;
        eprintln!(
            "{laggards} laggards: tail p99 {} us, producers p99 {} us, old {:.0} MB/s",
            seen.tail.p99_us, seen.producers.p99_us, seen.old_mb_per_s
        );
        Ok::<_, io::Error>(seen)
    })?;
    let mut table = Table::new([
        "readers of old data",
        "old MB/s",
        "tail p50 us",
        "p99",
        "p99.9",
        "producers p50 us",
        "p99",
        "p99.9",
    ]);
    for (laggards, runs) in contestants.iter().zip(&results) {
        let text = |figure: &dyn Fn(&Seen) -> f64| {
            Spread::of(runs.iter().map(figure)).map_or(String::new(), |s| s.short(0))
        };
        table.row([
            laggards.to_string(),
            text(&|r| r.old_mb_per_s),
            text(&|r| r.tail.p50_us as f64),
            text(&|r| r.tail.p99_us as f64),
            text(&|r| r.tail.p99_9_us as f64),
            text(&|r| r.producers.p50_us as f64),
            text(&|r| r.producers.p99_us as f64),
            text(&|r| r.producers.p99_9_us as f64),
        ]);
    }
    print!("{table}");
    drop(broker);
    Ok(())
}
