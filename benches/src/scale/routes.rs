//! Route queries to a name server that knows 10,000 topics: pipelined connections, the client's own work in the same run;
//! alone, and while the broker registers all its topics anew every second and sends its heartbeats.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use mainstem_common::protocol::DataVersion;
use mainstem_load::Connection;

use super::{NameServerProcess, Place, frames};
use crate::measure::{Spread, alternate};
use crate::table::Table;

/// How many topics and queries.
#[derive(Debug, Clone, clap::Args)]
pub struct RoutesArgs {
    /// Topics
    #[arg(long, default_value_t = 10_000)]
    topics: u32,
    /// Connections that ask
    #[arg(long, default_value_t = 4)]
    connections: u32,
    /// Queries in flight on each
    #[arg(long, default_value_t = 64)]
    window: u32,
    /// Seconds of one run
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[command(flatten)]
    place: Place,
}

/// Between two registrations, and between two heartbeats.
const REGISTER: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_millis(100);

struct Asked {
    rate: f64,
    cpu_us: f64,
    latency_us: Histogram<u64>,
    registrations: Vec<f64>,
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3)
        .unwrap_or_else(|_| unreachable!("the bounds are constants that the library accepts"))
}

/// One connection that keeps its window full until the time is over.
fn ask(
    address: &str,
    names: &[String],
    lane: usize,
    args: &RoutesArgs,
    until: Instant,
) -> io::Result<Histogram<u64>> {
    let mut connection = Connection::open(address).map_err(io::Error::other)?;
    let mut latency_us = histogram();
    let window = args.window as usize;
    let mut sent_at = vec![Instant::now(); window];
    let mut free: Vec<usize> = (0..window).collect();
    let mut next = lane * names.len() / args.connections as usize;
    let mut out = Vec::new();
    let mut wrong = None;
    loop {
        out.clear();
        let now = Instant::now();
        if now < until {
            for slot in free.drain(..) {
                frames::route(&mut out, slot as i32, &names[next % names.len()]);
                sent_at[slot] = now;
                next += 1;
            }
            connection.send(&out).map_err(io::Error::other)?;
        } else if free.len() == window {
            return Ok(latency_us);
        }
        connection
            .receive(None, |r| {
                if r.code != 0 || r.body.is_empty() {
                    wrong = Some(r.code);
                }
                if let Some(at) = usize::try_from(r.opaque)
                    .ok()
                    .and_then(|slot| sent_at.get(slot))
                {
                    latency_us.saturating_record(at.elapsed().as_micros() as u64);
                    free.push(r.opaque as usize);
                }
            })
            .map_err(io::Error::other)?;
        if let Some(code) = wrong {
            return Err(io::Error::other(format!(
                "a route query was answered with code {code}"
            )));
        }
    }
}

/// The broker: its connection is its life, so it is made once.
struct Broker {
    connection: Connection,
    version: DataVersion,
}

impl Broker {
    /// Registers everything as changed; how long the answer took, milliseconds.
    fn register(&mut self, names: &[String]) -> io::Result<f64> {
        let now_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_millis());
        self.version.bump(now_ms as i64);
        let began = Instant::now();
        let version = self.version;
        let (code, remark) = self
            .connection
            .call(|out, opaque| frames::registration(out, opaque, names, version))
            .map_err(io::Error::other)?;
        if code != 0 {
            return Err(io::Error::other(format!(
                "the registration was refused: {code}, {remark}"
            )));
        }
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }

    /// Heartbeats and registrations until told to stop.
    fn live(&mut self, names: &[String], running: &AtomicBool) -> io::Result<Vec<f64>> {
        let mut times = Vec::new();
        let mut next = Instant::now();
        while running.load(Ordering::Relaxed) {
            let version = self.version;
            self.connection
                .call(|out, opaque| frames::data_version(out, opaque, version))
                .map_err(io::Error::other)?;
            if Instant::now() >= next {
                next += REGISTER;
                times.push(self.register(names)?);
            }
            std::thread::sleep(HEARTBEAT);
        }
        Ok(times)
    }
}

fn measure(
    server: &NameServerProcess,
    names: &[String],
    broker: &mut Broker,
    busy: bool,
    args: &RoutesArgs,
) -> io::Result<Asked> {
    let running = AtomicBool::new(true);
    let cpu = |server: &NameServerProcess| server.account().cpu_us().unwrap_or(0.0);
    let (before, began) = (cpu(server), Instant::now());
    let until = began + Duration::from_secs(args.seconds);
    std::thread::scope(|scope| {
        let living = busy.then(|| scope.spawn(|| broker.live(names, &running)));
        let lanes: Vec<_> = (0..args.connections as usize)
            .map(|lane| scope.spawn(move || ask(&server.address, names, lane, args, until)))
            .collect();
        let mut latency_us = histogram();
        let mut outcome = Ok(());
        for lane in lanes {
            match lane.join() {
                // Same bounds, so nothing is out of range.
                Ok(Ok(theirs)) => drop(latency_us.add(theirs)),
                Ok(Err(e)) => outcome = Err(e),
                Err(_) => outcome = Err(io::Error::other("a connection's thread panicked")),
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        let spent = cpu(server) - before;
        running.store(false, Ordering::Relaxed);
        let registrations = match living.map(|living| living.join()) {
            None => Vec::new(),
            Some(Ok(times)) => times?,
            Some(Err(_)) => return Err(io::Error::other("the broker's thread panicked")),
        };
        outcome?;
        let queries = latency_us.len().max(1) as f64;
        Ok(Asked {
            rate: queries / seconds,
            cpu_us: spent / queries,
            latency_us,
            registrations,
        })
    })
}

/// Runs it and prints its table.
///
/// # Errors
/// When the name server cannot be started or refuses.
pub fn run(args: &RoutesArgs) -> io::Result<()> {
    let program = args.place.program()?;
    println!("{}", args.place.machine());
    let dir = args.place.scratch("routes")?;
    let server = NameServerProcess::start(&program, dir.path())?;
    let names: Vec<String> = (0..args.topics).map(|i| format!("topic-{i:06}")).collect();
    let mut broker = Broker {
        connection: Connection::open(&server.address).map_err(io::Error::other)?,
        version: DataVersion::default(),
    };
    broker.register(&names)?;
    let contestants = [
        ("queries alone", false),
        ("with registrations and heartbeats", true),
    ];
    let results = alternate(&contestants, args.rounds, |&(what, busy)| {
        let asked = measure(&server, &names, &mut broker, busy, args)?;
        eprintln!("{what}: {:.0} queries/s", asked.rate);
        Ok::<_, io::Error>(asked)
    })?;
    let mut table = Table::new([
        "10,000 routes",
        "queries/s",
        "CPU us",
        "p50 us",
        "p99 us",
        "p99.9 us",
        "registration ms",
    ]);
    for ((what, _), runs) in contestants.iter().zip(&results) {
        let text = |figure: &dyn Fn(&Asked) -> f64, digits| {
            Spread::of(runs.iter().map(figure)).map_or(String::new(), |s| s.short(digits))
        };
        let at = |q: f64| move |r: &Asked| r.latency_us.value_at_quantile(q) as f64;
        let registrations = runs.iter().flat_map(|r| r.registrations.iter().copied());
        table.row([
            (*what).to_owned(),
            text(&|r| r.rate, 0),
            text(&|r| r.cpu_us, 2),
            text(&at(0.5), 0),
            text(&at(0.99), 0),
            text(&at(0.999), 0),
            Spread::of(registrations).map_or(String::new(), |s| s.short(0)),
        ]);
    }
    print!("{table}");
    Ok(())
}
