//! Sends over 1, 100, 1,000 and 10,000 topics in turns to one broker, asynchronous and synchronous: what a topic more
//! costs. The topics of every contestant exist and hold a message in each queue before anything is timed.

use std::io;
use std::time::Instant;

use mainstem_load::{Load, Outcome, ProduceArgs, Target};

use super::group::MemoryArgs;
use super::{Place, Standalone};
use crate::measure::{MemoryGroup, Spread, alternate, need_space};
use crate::table::Table;

/// Which numbers of topics.
#[derive(Debug, Clone, clap::Args)]
pub struct ManyTopicsArgs {
    /// Numbers of topics, in turns; each is compared with the first
    #[arg(long, value_delimiter = ',', default_value = "1,100,1000,10000")]
    topics: Vec<u32>,
    /// Flush modes: async, sync
    #[arg(long, value_delimiter = ',', default_value = "async,sync")]
    mode: Vec<String>,
    /// Queues of each topic
    #[arg(long, default_value_t = 4)]
    queues: u32,
    /// Messages of one run
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    place: Place,
}

/// A load of 1 KiB sends, 4 connections with 64 in flight each.
pub(super) fn produce(
    broker: &Standalone,
    name: &str,
    topics: u32,
    queues: u32,
    count: u64,
    create: bool,
) -> ProduceArgs {
    ProduceArgs {
        target: Target {
            broker: broker.broker.clone(),
            topic: name.to_owned(),
            topics,
            queues,
            connections: 4,
            pid: Some(broker.pid()),
            json: None,
            create,
        },
        count,
        size: 1024,
        payload: None,
        window: 64,
        batch: 1,
        rate: 0,
    }
}

/// Runs a load; a refusal is a failure here.
pub(super) fn load(args: ProduceArgs) -> io::Result<Outcome> {
    let outcome = mainstem_load::run(&Load::Produce(args)).map_err(io::Error::other)?;
    match &outcome.first_refusal {
        Some(refusal) => Err(io::Error::other(format!(
            "the broker refused {} sends: {refusal}",
            outcome.refused
        ))),
        None => Ok(outcome),
    }
}

/// Runs it and prints its table.
///
/// # Errors
/// When the broker cannot be started or refuses, or the disk has no room.
pub fn run(args: &ManyTopicsArgs) -> io::Result<()> {
    let program = args.place.program()?;
    println!("{}", args.place.machine());
    let mut table = Table::new([
        "flush",
        "topics",
        "messages/s",
        "of the first",
        "CPU us",
        "p99 us",
        "create s",
        "first touch/s",
        "anonymous MiB",
    ]);
    for mode in &args.mode {
        let runs = args.topics.len() as u64 * (args.rounds as u64 + 1);
        need_space(
            &args.place.dir,
            (runs * args.count + args.memory.messages()) * 1400 + (1 << 30),
        )?;
        let dir = args.place.scratch("many-topics")?;
        let flush = format!("flushDiskType={}_FLUSH", mode.to_uppercase());
        let group = args.memory.group()?;
        let inside = group.as_ref().map(MemoryGroup::path);
        let broker = Standalone::start_in(&program, dir.path(), &[&flush], inside)?;
        args.memory.fill(&broker)?;
        let mut created = Vec::new();
        for &topics in &args.topics {
            let name = format!("t{topics}");
            let began = Instant::now();
            produce(&broker, &name, topics, args.queues, 0, true)
                .target
                .create_topics()
                .map_err(io::Error::other)?;
            let seconds = began.elapsed().as_secs_f64();
            let touches = u64::from(topics) * u64::from(args.queues);
            let first = load(produce(
                &broker,
                &name,
                topics,
                args.queues,
                touches.max(10_000),
                false,
            ))?;
            created.push((seconds, first.rate()));
        }
        let results = alternate(&args.topics, args.rounds, |&topics| {
            let name = format!("t{topics}");
            let outcome = load(produce(
                &broker,
                &name,
                topics,
                args.queues,
                args.count,
                false,
            ))?;
            eprintln!("{mode}, {topics} topics: {:.0} messages/s", outcome.rate());
            Ok::<_, io::Error>((outcome, broker.anonymous_mib()))
        })?;
        let spread = |i: usize, figure: &dyn Fn(&(Outcome, f64)) -> f64| {
            Spread::of(results[i].iter().map(figure))
        };
        let base = spread(0, &|r| r.0.rate()).map_or(1.0, |s| s.median);
        for (i, topics) in args.topics.iter().enumerate() {
            let text = |figure: &dyn Fn(&(Outcome, f64)) -> f64, digits| {
                spread(i, figure).map_or(String::new(), |s| s.short(digits))
            };
            let rate = spread(i, &|r| r.0.rate()).map_or(0.0, |s| s.median);
            table.row([
                mode.clone(),
                topics.to_string(),
                text(&|r| r.0.rate(), 0),
                format!("{:.2}", rate / base),
                text(&|r| r.0.server_cpu_us_per_message.unwrap_or(0.0), 2),
                text(&|r| r.0.latency.map_or(0.0, |l| l.p99_us as f64), 0),
                format!("{:.1}", created[i].0),
                format!("{:.0}", created[i].1),
                text(&|r| r.1, 0),
            ]);
        }
        let stopped = broker.stop()?;
        eprintln!("{mode}: stopped in {stopped:.1?}");
    }
    print!("{table}");
    Ok(())
}
