//! 100,000 queues on one broker with the default limits: rates against one queue, memory while all are written in turn,
//! whether the checkpoint moves, what they take on disk, and how long a start over them takes, warm and cold.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::group::MemoryArgs;
use super::many_topics::{load, produce};
use super::{Place, SMALL_INDEX, Standalone, disk_mib, drop_all_caches};
use crate::measure::{MemoryGroup, Spread, alternate, need_space};
use crate::table::Table;

/// How many queues.
#[derive(Debug, Clone, clap::Args)]
pub struct ManyQueuesArgs {
    /// Topics
    #[arg(long, default_value_t = 10_000)]
    topics: u32,
    /// Queues of each topic
    #[arg(long, default_value_t = 10)]
    queues: u32,
    /// Messages of one run
    #[arg(long, default_value_t = 200_000)]
    count: u64,
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Flush mode: async or sync
    #[arg(long, default_value = "async")]
    mode: String,
    /// Also open after the page cache of the whole machine was emptied, as root
    #[arg(long)]
    cold: bool,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    place: Place,
}

/// The position in Apache's checkpoint and the time of our snapshot: either moving says that recovery stays short.
fn checkpoint(data: &Path) -> Option<(Vec<u8>, std::time::SystemTime)> {
    let newest = ["snapshot-0", "snapshot-1"]
        .iter()
        .filter_map(|name| {
            fs::metadata(data.join("mainstem").join(name))
                .ok()?
                .modified()
                .ok()
        })
        .max()?;
    Some((
        fs::read(data.join("checkpoint")).unwrap_or_default(),
        newest,
    ))
}

/// Runs it and prints its tables.
///
/// # Errors
/// When the broker cannot be started or refuses, or the disk has no room.
pub fn run(args: &ManyQueuesArgs) -> io::Result<()> {
    let program = args.place.program()?;
    let all = u64::from(args.topics) * u64::from(args.queues);
    let messages = (args.rounds as u64 + 1) * 2 * args.count + all + args.memory.messages();
    need_space(&args.place.dir, messages * 1400 + all * 8192 + (1 << 30))?;
    println!("{}", args.place.machine());
    let dir = args.place.scratch("many-queues")?;
    let data = dir.path().join("data");
    let flush = format!("flushDiskType={}_FLUSH", args.mode.to_uppercase());
    let settings = [flush.as_str(), SMALL_INDEX[0], SMALL_INDEX[1]];
    let group = args.memory.group()?;
    let inside = group.as_ref().map(MemoryGroup::path);
    let broker = Standalone::start_in(&program, dir.path(), &settings, inside)?;
    args.memory.fill(&broker)?;

    let began = Instant::now();
    produce(&broker, "m", args.topics, args.queues, 0, true)
        .target
        .create_topics()
        .map_err(io::Error::other)?;
    let created = began.elapsed();
    let first = load(produce(&broker, "m", args.topics, args.queues, all, false))?;
    load(produce(&broker, "one", 1, 1, args.count, true))?;

    let before = checkpoint(&data);
    let began = Instant::now();
    let running = AtomicBool::new(true);
    let (results, most_mib) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = 0.0f64;
            while running.load(Ordering::Relaxed) {
                most = most.max(broker.anonymous_mib());
                std::thread::sleep(Duration::from_millis(20));
            }
            most
        });
        let results = alternate(&[true, false], args.rounds, |&many| {
            let outcome = if many {
                load(produce(
                    &broker,
                    "m",
                    args.topics,
                    args.queues,
                    args.count,
                    false,
                ))?
            } else {
                load(produce(&broker, "one", 1, 1, args.count, false))?
            };
            eprintln!(
                "{}: {:.0} messages/s",
                if many { "many" } else { "one" },
                outcome.rate()
            );
            Ok::<_, io::Error>(outcome)
        });
        running.store(false, Ordering::Relaxed);
        Ok::<_, io::Error>((results?, watcher.join().unwrap_or(f64::NAN)))
    })?;
    // A snapshot is due every ten seconds.
    while began.elapsed() < Duration::from_secs(12) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let moved = checkpoint(&data) != before;
    let descriptors = fs::read_dir(format!("/proc/{}/fd", broker.pid()))?.count();
    let maps = fs::read_to_string(format!("/proc/{}/maps", broker.pid()))?
        .lines()
        .count();

    let mut table = Table::new(["queues", "messages/s", "of one", "CPU us", "p99 us"]);
    let rate = |i: usize| Spread::of(results[i].iter().map(|o| o.rate()));
    let one = rate(1).map_or(1.0, |s| s.median);
    for (i, queues) in [(1, 1), (0, all)] {
        let text = |values: Vec<f64>, digits| {
            Spread::of(values).map_or(String::new(), |s| s.short(digits))
        };
        table.row([
            queues.to_string(),
            rate(i).map_or(String::new(), |s| s.short(0)),
            format!("{:.2}", rate(i).map_or(0.0, |s| s.median) / one),
            text(
                results[i]
                    .iter()
                    .filter_map(|o| o.server_cpu_us_per_message)
                    .collect(),
                2,
            ),
            text(
                results[i]
                    .iter()
                    .filter_map(|o| Some(o.latency?.p99_us as f64))
                    .collect(),
                0,
            ),
        ]);
    }
    println!("{table}");

    let stop = broker.stop()?;
    let mut facts = Table::new(["what", "value"]);
    facts.row([
        "topics created, one request each",
        &format!("{:.1} s", created.as_secs_f64()),
    ]);
    facts.row([
        "first message of every queue, messages/s",
        &format!("{:.0}", first.rate()),
    ]);
    facts.row(["most anonymous memory", &format!("{most_mib:.0} MiB")]);
    facts.row(["open descriptors", &descriptors.to_string()]);
    facts.row(["maps", &maps.to_string()]);
    facts.row(["checkpoint moved", if moved { "yes" } else { "no" }]);
    facts.row(["clean stop", &format!("{:.2} s", stop.as_secs_f64())]);
    for part in ["consumequeue", "mainstem", "index", "config"] {
        let mib = disk_mib(&data.join(part)).unwrap_or(0.0);
        facts.row([format!("{part} on disk"), format!("{mib:.0} MiB")]);
    }
    let per_queue = disk_mib(&data.join("consumequeue"))? * 1024.0 / all as f64;
    facts.row(["of it a queue", &format!("{per_queue:.1} KiB")]);
    let mut opened = |what: &str, cold: bool| {
        let mut times = Vec::new();
        for _ in 0..args.rounds {
            if cold {
                drop_all_caches()?;
            }
            let broker = Standalone::start(&program, dir.path(), &settings)?;
            times.push(broker.started_in().as_secs_f64());
            broker.stop()?;
        }
        let text = Spread::of(times).map_or(String::new(), |s| s.short(2));
        facts.row([format!("start to ready, {what}, s"), text]);
        Ok::<_, io::Error>(())
    };
    opened("files in the page cache", false)?;
    if args.cold {
        opened("page cache emptied", true)?;
    }
    print!("{facts}");
    Ok(())
}
