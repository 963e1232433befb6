//! Sends with a fixed window, or open-loop at a rate: then every latency counts from the moment the message was due,
//! so a broker that stalls is charged for all that could not be sent meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::connection::Connection;
use crate::outcome::Tally;
use crate::progress::Progress;
use crate::requests::{self, Message};
use crate::{LoadError, Outcome, ProduceArgs, ServerProcess};

/// Frames gathered before they are written, bytes.
const WRITE_BYTES: usize = 256 << 10;

pub(super) fn run(args: &ProduceArgs) -> Result<Outcome, LoadError> {
    args.target.create_topics()?;
    let plan = Plan::new(args)?;
    let progress = Progress::new(Some(args.count));
    let server = args
        .target
        .pid
        .map(ServerProcess::new)
        .and_then(|p| Some((p, p.cpu_us()?)));
    let start = Instant::now();
    let tally = plan.run(start, &progress)?;
    progress.finish();
    Ok(tally.outcome(start.elapsed(), server))
}

/// What the connections share.
pub(super) struct Plan {
    args: ProduceArgs,
    topics: Vec<String>,
    payload: Arc<[u8]>,
    /// Puts the due time, nanoseconds since the run's start, into the body's first 8 bytes, for `end_to_end`.
    pub(super) stamp_bodies: bool,
}

impl Plan {
    pub(super) fn new(args: &ProduceArgs) -> Result<Self, LoadError> {
        let payload = match &args.payload {
            Some(path) => std::fs::read(path).map_err(|cause| LoadError::File {
                what: "read",
                path: path.clone(),
                cause,
            })?,
            None => (0..args.size.max(1) * 2)
                .map(|i| b'a' + (i * 7 % 26) as u8)
                .collect(),
        };
        if payload.len() < args.size {
            return Err(LoadError::Options(format!(
                "the payload file has {} bytes, --size asks for {}",
                payload.len(),
                args.size
            )));
        }
        let topics = (0..args.target.topics)
            .map(|i| args.target.topic_name(i))
            .collect();
        Ok(Self {
            args: args.clone(),
            topics,
            payload: payload.into(),
            stamp_bodies: false,
        })
    }

    /// Runs every connection to its end.
    pub(super) fn run(&self, start: Instant, progress: &Progress) -> Result<Tally, LoadError> {
        let connections = u64::from(self.args.target.connections);
        let requests = self.args.count.div_ceil(u64::from(self.args.batch));
        let mut total = Tally::new();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..connections)
                .map(|lane| {
                    let lane_requests = (requests + connections - 1 - lane) / connections;
                    scope.spawn(move || Lane::new(self, lane, lane_requests)?.run(start, progress))
                })
                .collect();
            for thread in threads {
                let tally = thread.join().map_err(|_| {
                    LoadError::Options("a connection's thread panicked".to_owned())
                })??;
                total.add(tally);
            }
            Ok(total)
        })
    }

    /// Time between two requests of one connection, when a rate is set.
    fn gap(&self) -> Option<Duration> {
        let per_second = self.args.rate as f64
            / f64::from(self.args.batch)
            / f64::from(self.args.target.connections);
        (self.args.rate > 0).then(|| Duration::from_secs_f64(1.0 / per_second))
    }
}

/// One connection's share of the run.
struct Lane<'a> {
    plan: &'a Plan,
    lane: u64,
    requests: u64,
    connection: Connection,
    /// When each request in flight was due, by opaque modulo the window.
    due: Vec<Instant>,
    tally: Tally,
    body: Vec<u8>,
}

impl<'a> Lane<'a> {
    fn new(plan: &'a Plan, lane: u64, requests: u64) -> Result<Self, LoadError> {
        let connection = Connection::open(&plan.args.target.broker)?;
        // Answers may overtake, so an opaque's slot is reused only a whole window later.
        let due = vec![Instant::now(); requests as usize];
        Ok(Self {
            plan,
            lane,
            requests,
            connection,
            due,
            tally: Tally::new(),
            body: vec![0; plan.args.size],
        })
    }

    fn run(mut self, start: Instant, progress: &Progress) -> Result<Tally, LoadError> {
        let window = u64::from(self.plan.args.window);
        let gap = self.plan.gap();
        let (mut sent, mut answered) = (0u64, 0u64);
        let mut out = Vec::with_capacity(WRITE_BYTES * 2);
        while answered < self.requests {
            out.clear();
            let mut next_due = None;
            while sent < self.requests && sent - answered < window && out.len() < WRITE_BYTES {
                let now = Instant::now();
                let due = gap.map_or(now, |gap| start + gap.mul_f64(sent as f64));
                if due > now {
                    next_due = Some(due);
                    break;
                }
                self.write(&mut out, sent, due, start);
                sent += 1;
            }
            if !out.is_empty() {
                self.connection.send(&out)?;
            }
            if sent == answered {
                // Nothing is in flight: sleep until the next is due.
                if let Some(due) = next_due {
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                continue;
            }
            let Self {
                connection,
                tally,
                due,
                plan,
                ..
            } = &mut self;
            let (batch, size) = (u64::from(plan.args.batch), plan.args.size as u64);
            let done = connection.receive(next_due, |response| {
                if let Some(due) = usize::try_from(response.opaque)
                    .ok()
                    .and_then(|i| due.get(i))
                {
                    tally.record(due.elapsed());
                }
                if response.code == 0 {
                    tally.messages += batch;
                    tally.bytes += batch * size;
                } else {
                    tally.refuse(response.code, response.remark);
                }
            })? as u64;
            answered += done;
            if done > 0 {
                progress.add(done * batch);
            }
        }
        Ok(self.tally)
    }

    fn write(&mut self, out: &mut Vec<u8>, request: u64, due: Instant, start: Instant) {
        let plan = self.plan;
        let args = &plan.args;
        let n = self.lane + request * u64::from(args.target.connections);
        let topics = plan.topics.len() as u64;
        let from = (n as usize * 61) % (plan.payload.len() - args.size + 1);
        self.body
            .copy_from_slice(&plan.payload[from..from + args.size]);
        if plan.stamp_bodies {
            let stamp = (due.saturating_duration_since(start).as_nanos() as u64).to_be_bytes();
            self.body[..8].copy_from_slice(&stamp);
        }
        let message = Message {
            topic: &plan.topics[(n % topics) as usize],
            queue: (n / topics % u64::from(args.target.queues)) as u32,
            queues: args.target.queues,
            number: n * u64::from(args.batch),
            born_ms: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| d.as_millis() as u64),
            body: &self.body,
        };
        self.due[request as usize] = due;
        if args.batch == 1 {
            requests::send(out, request as i32, &message);
        } else {
            requests::send_batch(out, request as i32, &message, args.batch);
        }
    }
}
