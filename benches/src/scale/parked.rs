//! Very many pulls that wait: what they cost while nothing arrives, and how soon one of them is answered once its message
//! may be read. The wake is timed from the send's acknowledgement, which comes when the message is readable (or, with a
//! synchronous flush, on disk), to the pull's answer; both are taken by one thread, so neither clock nor scheduler is in it
//! twice.

use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mainstem_load::{Connection, requests};

use super::many_topics::produce;
use super::{Place, SMALL_INDEX, Standalone};
use crate::table::Table;

/// How many wait.
#[derive(Debug, Clone, clap::Args)]
pub struct ParkedArgs {
    /// Waiting pulls, one a queue
    #[arg(long, default_value_t = 10_000)]
    pulls: u32,
    /// Connections that they come by
    #[arg(long, default_value_t = 100)]
    connections: u32,
    /// Messages sent, each to a queue whose pull waits
    #[arg(long, default_value_t = 5_000)]
    messages: u32,
    /// How long nothing happens, seconds
    #[arg(long, default_value_t = 10)]
    quiet_seconds: u64,
    /// Flush mode: async or sync
    #[arg(long, default_value = "async")]
    mode: String,
    #[command(flatten)]
    place: Place,
}

const QUEUES: u32 = 10;
/// Longer than the run.
const SUSPEND_MS: u32 = 110_000;

/// What a run gave.
struct Waited {
    idle_percent: f64,
    anonymous_mib: f64,
    /// From acknowledgement to the waiting pull's answer, microseconds; 0 when the answer came first.
    wake_us: Histogram<u64>,
    /// From send to that answer.
    whole_us: Histogram<u64>,
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3)
        .unwrap_or_else(|_| unreachable!("the bounds are constants that the library accepts"))
}

fn measure(broker: &Standalone, args: &ParkedArgs, pulls: u32) -> io::Result<Waited> {
    let place = |n: u32| (format!("p-{}", n / QUEUES), n % QUEUES);
    let mut connections = (0..args.connections)
        .map(|_| Connection::open(&broker.broker).map_err(io::Error::other))
        .collect::<io::Result<Vec<_>>>()?;
    let mut sender = Connection::open(&broker.broker).map_err(io::Error::other)?;
    let mut offsets = (0..pulls)
        .map(|n| {
            let (topic, queue) = place(n);
            let (mut out, mut offset) = (Vec::new(), 0);
            requests::max_offset(&mut out, 0, &topic, queue);
            sender.send(&out).map_err(io::Error::other)?;
            sender
                .receive(None, |r| {
                    offset = r
                        .ext
                        .get("offset")
                        .and_then(|v| v.parse().ok())
                        .unwrap_or(0);
                })
                .map_err(io::Error::other)?;
            Ok(offset)
        })
        .collect::<io::Result<Vec<i64>>>()?;
    let ask = |out: &mut Vec<u8>, n: u32, offset: i64| {
        let (topic, queue) = place(n);
        requests::pull(out, n as i32, &topic, queue, offset, 32, SUSPEND_MS);
    };
    for n in 0..pulls {
        let mut out = Vec::new();
        ask(&mut out, n, offsets[n as usize]);
        connections[(n % args.connections) as usize]
            .send(&out)
            .map_err(io::Error::other)?;
    }
    std::thread::sleep(Duration::from_secs(1));
    let before = broker.cpu_us();
    let quiet = Duration::from_secs(args.quiet_seconds);
    std::thread::sleep(quiet);
    let idle_percent = (broker.cpu_us() - before) / quiet.as_micros() as f64 * 100.0;
    let anonymous_mib = broker.anonymous_mib();

    let (mut wake_us, mut whole_us) = (histogram(), histogram());
    let body = [b'x'; 1024];
    let mut turn = 0u64;
    for number in 0..args.messages {
        turn = turn
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let n = ((turn >> 33) % u64::from(pulls)) as u32;
        let (topic, queue) = place(n);
        let mut out = Vec::new();
        let message = requests::Message {
            topic: &topic,
            queue,
            queues: QUEUES,
            number: number.into(),
            born_ms: 0,
            body: &body,
        };
        requests::send(&mut out, 1, &message);
        let consumer = &mut connections[(n % args.connections) as usize];
        let began = Instant::now();
        sender.send(&out).map_err(io::Error::other)?;
        let mut refused = None;
        sender
            .receive(None, |r| refused = (r.code != 0).then_some(r.code))
            .map_err(io::Error::other)?;
        if let Some(code) = refused {
            return Err(io::Error::other(format!(
                "a send was refused with code {code}"
            )));
        }
        let acknowledged = Instant::now();
        let mut answered = None;
        while answered.is_none() {
            consumer
                .receive(None, |r| {
                    answered = (r.opaque == n as i32 && r.code == 0).then(Instant::now);
                })
                .map_err(io::Error::other)?;
        }
        if let Some(at) = answered {
            wake_us
                .saturating_record(at.saturating_duration_since(acknowledged).as_micros() as u64);
            whole_us.saturating_record(at.saturating_duration_since(began).as_micros() as u64);
        }
        offsets[n as usize] += 1;
        out.clear();
        ask(&mut out, n, offsets[n as usize]);
        consumer.send(&out).map_err(io::Error::other)?;
    }
    Ok(Waited {
        idle_percent,
        anonymous_mib,
        wake_us,
        whole_us,
    })
}

/// Runs it and prints its table.
///
/// # Errors
/// When the broker cannot be started or a message does not come.
pub fn run(args: &ParkedArgs) -> io::Result<()> {
    let program = args.place.program()?;
    println!("{}", args.place.machine());
    let dir = args.place.scratch("parked")?;
    let flush = format!("flushDiskType={}_FLUSH", args.mode.to_uppercase());
    let settings = [flush.as_str(), SMALL_INDEX[0], SMALL_INDEX[1]];
    let broker = Standalone::start(&program, dir.path(), &settings)?;
    let topics = args.pulls.div_ceil(QUEUES).max(2);
    produce(&broker, "p", topics, QUEUES, 0, true)
        .target
        .create_topics()
        .map_err(io::Error::other)?;
    let mut table = Table::new([
        "flush",
        "waiting pulls",
        "CPU of a core while nothing arrives, %",
        "anonymous MiB",
        "wake p50 us",
        "p99 us",
        "p99.9 us",
        "send to arrival p50 us",
        "p99 us",
    ]);
    for pulls in [args.connections.min(args.pulls), args.pulls] {
        let waited = measure(&broker, args, pulls)?;
        let at = |h: &Histogram<u64>, q| h.value_at_quantile(q).to_string();
        table.row([
            args.mode.clone(),
            pulls.to_string(),
            format!("{:.2}", waited.idle_percent),
            format!("{:.0}", waited.anonymous_mib),
            at(&waited.wake_us, 0.5),
            at(&waited.wake_us, 0.99),
            at(&waited.wake_us, 0.999),
            at(&waited.whole_us, 0.5),
            at(&waited.whole_us, 0.99),
        ]);
    }
    print!("{table}");
    Ok(())
}
