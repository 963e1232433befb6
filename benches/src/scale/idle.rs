//! A broker that nobody sends to: 10,000 topics and 100 consumers that do what clients do all day. Each waits in long
//! pulls of 15 s on every queue of its topic, sends a heartbeat every 30 s, asks for the members of its group every 20 s
//! and commits the offset of every queue every 5 s.

use std::io;
use std::time::{Duration, Instant};

use mainstem_load::{Connection, requests};

use super::many_topics::produce;
use super::{Place, SMALL_INDEX, Standalone, frames};
use crate::measure::Spread;
use crate::table::Table;

/// How many of each.
#[derive(Debug, Clone, clap::Args)]
pub struct IdleArgs {
    /// Topics
    #[arg(long, default_value_t = 10_000)]
    topics: u32,
    /// Consumers, each of its own group and topic
    #[arg(long, default_value_t = 100)]
    consumers: u32,
    /// Queues of each topic
    #[arg(long, default_value_t = 8)]
    queues: u32,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Measurements
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[command(flatten)]
    place: Place,
}

const SUSPEND_MS: u32 = 15_000;
const HEARTBEAT: Duration = Duration::from_secs(30);
const MEMBERS: Duration = Duration::from_secs(20);
const COMMIT: Duration = Duration::from_secs(5);

struct Consumer {
    connection: Connection,
    group: String,
    topic: String,
    queues: u32,
    next_heartbeat: Instant,
    next_members: Instant,
    next_commit: Instant,
}

impl Consumer {
    fn pull(&self, out: &mut Vec<u8>, queue: u32) {
        requests::pull(out, queue as i32, &self.topic, queue, 0, 32, SUSPEND_MS);
    }

    /// Does what is due, and answers pulls that came back with new ones.
    fn tend(&mut self, now: Instant) -> io::Result<()> {
        let mut out = Vec::new();
        if now >= self.next_heartbeat {
            self.next_heartbeat += HEARTBEAT;
            let client = format!("client-{}", self.group);
            frames::heartbeat(&mut out, HOUSEKEEPING, &client, &self.group, &self.topic);
        }
        if now >= self.next_members {
            self.next_members += MEMBERS;
            frames::members(&mut out, HOUSEKEEPING, &self.group);
        }
        if now >= self.next_commit {
            self.next_commit += COMMIT;
            for queue in 0..self.queues {
                frames::commit(&mut out, &self.group, &self.topic, queue, 0);
            }
        }
        let mut back = Vec::new();
        self.connection
            .receive(Some(now), |r| {
                if let Ok(queue) = u32::try_from(r.opaque) {
                    back.push(queue);
                }
            })
            .map_err(io::Error::other)?;
        for queue in back {
            self.pull(&mut out, queue);
        }
        if !out.is_empty() {
            self.connection.send(&out).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// The opaque of what is no pull.
const HOUSEKEEPING: i32 = -1;
/// How often each consumer is looked after: as often as an answered pull may wait.
const TURN: Duration = Duration::from_millis(20);

/// Runs it and prints its table.
///
/// # Errors
/// When the broker cannot be started or a connection breaks.
pub fn run(args: &IdleArgs) -> io::Result<()> {
    let program = args.place.program()?;
    println!("{}", args.place.machine());
    let dir = args.place.scratch("idle")?;
    let settings = [SMALL_INDEX[0], SMALL_INDEX[1]];
    let broker = Standalone::start(&program, dir.path(), &settings)?;
    let empty_mib = broker.anonymous_mib();
    produce(&broker, "i", args.topics.max(2), args.queues, 0, true)
        .target
        .create_topics()
        .map_err(io::Error::other)?;
    let start = Instant::now();
    let mut consumers = Vec::new();
    for n in 0..args.consumers {
        // Clients do not start all at once.
        let phase = f64::from(n) / f64::from(args.consumers);
        let mut consumer = Consumer {
            connection: Connection::open(&broker.broker).map_err(io::Error::other)?,
            group: format!("group-{n}"),
            topic: format!("i-{}", n % args.topics.max(2)),
            queues: args.queues,
            next_heartbeat: start,
            next_members: start + MEMBERS.mul_f64(phase),
            next_commit: start + COMMIT.mul_f64(phase),
        };
        consumer.tend(start)?;
        consumer.next_heartbeat = start + HEARTBEAT.mul_f64(phase);
        let mut out = Vec::new();
        for queue in 0..args.queues {
            consumer.pull(&mut out, queue);
        }
        consumer.connection.send(&out).map_err(io::Error::other)?;
        consumers.push(consumer);
    }
    let mut tend_for = |span: Duration| {
        let until = Instant::now() + span;
        while Instant::now() < until {
            let began = Instant::now();
            for consumer in &mut consumers {
                consumer.tend(Instant::now())?;
            }
            std::thread::sleep(TURN.saturating_sub(began.elapsed()));
        }
        Ok::<_, io::Error>(())
    };
    // What the creation left to be done: journal, exports, memory to be given back.
    tend_for(Duration::from_secs(20))?;
    let (mut percent, mut mib) = (Vec::new(), Vec::new());
    for round in 0..args.rounds {
        let before = (broker.cpu_us(), Instant::now());
        tend_for(Duration::from_secs(args.seconds))?;
        let used = (broker.cpu_us() - before.0) / before.1.elapsed().as_micros() as f64 * 100.0;
        eprintln!(
            "round {}: {used:.2} % of a core, {:.1} MiB",
            round + 1,
            broker.anonymous_mib()
        );
        percent.push(used);
        mib.push(broker.anonymous_mib());
    }
    let mut table = Table::new([
        "topics",
        "consumers",
        "waiting pulls",
        "CPU of a core, %",
        "anonymous MiB",
        "of it before topics and consumers",
    ]);
    let text =
        |values: Vec<f64>, digits| Spread::of(values).map_or(String::new(), |s| s.short(digits));
    table.row([
        args.topics.to_string(),
        args.consumers.to_string(),
        (args.consumers * args.queues).to_string(),
        text(percent, 2),
        text(mib, 1),
        format!("{empty_mib:.1}"),
    ]);
    print!("{table}");
    Ok(())
}
