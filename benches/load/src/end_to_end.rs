//! Producers and consumers together: every queue has a pull parked at its tail, and a message's latency runs from the
//! moment it was due to be sent until it has arrived at the consumer. Stamps travel in the bodies' first 8 bytes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mainstem_common::remoting::code::response;
use mainstem_record::RecordView;

use crate::connection::Connection;
use crate::outcome::Tally;
use crate::produce::Plan;
use crate::progress::Progress;
use crate::requests;
use crate::{LoadError, Outcome, ProduceArgs, ServerProcess};

const STAMP_BYTES: usize = 8;
const PULL_MAX: u32 = 32;
/// A parked pull comes back after so long, so that the end is noticed.
const SUSPEND_MS: u32 = 1000;
/// How long after the last acknowledgement a consumer may still wait for its messages.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn run(args: &ProduceArgs) -> Result<Outcome, LoadError> {
    if args.size < STAMP_BYTES {
        return Err(LoadError::Options(format!(
            "end-to-end needs a --size of at least {STAMP_BYTES} bytes for its time stamp"
        )));
    }
    args.target.create_topics()?;
    let mut plan = Plan::new(args)?;
    plan.stamp_bodies = true;
    let tails = Tails::of_all_queues(args)?;
    let progress = Progress::new(Some(args.count));
    let server = args
        .target
        .pid
        .map(ServerProcess::new)
        .and_then(|p| Some((p, p.cpu_us()?)));
    let run = Run {
        start: Instant::now(),
        arrived: AtomicU64::new(0),
        sent: AtomicU64::new(u64::MAX),
        give_up: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let consumer = scope.spawn(|| tails.consume(args, &run, &progress));
        let produced = plan
            .run(run.start, &Progress::new(None))
            .inspect_err(|_| run.give_up.store(true, Ordering::Relaxed))?;
        run.sent.store(produced.messages, Ordering::Relaxed);
        let deadline = Instant::now() + PATIENCE;
        while !consumer.is_finished() {
            if Instant::now() > deadline {
                run.give_up.store(true, Ordering::Relaxed);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut tally = consumer
            .join()
            .map_err(|_| LoadError::Options("the consumer's thread panicked".to_owned()))??;
        tally.refused += produced.refused;
        tally.first_refusal = tally.first_refusal.take().or(produced.first_refusal);
        progress.finish();
        Ok(tally.outcome(run.start.elapsed(), server))
    })
}

struct Run {
    start: Instant,
    arrived: AtomicU64,
    sent: AtomicU64,
    give_up: AtomicBool,
}

impl Run {
    fn over(&self) -> bool {
        self.give_up.load(Ordering::Relaxed)
            || self.arrived.load(Ordering::Relaxed) >= self.sent.load(Ordering::Relaxed)
    }
}

/// Where each queue ended before the run.
struct Tails(Vec<(String, u32, i64)>);

impl Tails {
    fn of_all_queues(args: &ProduceArgs) -> Result<Self, LoadError> {
        let mut connection = Connection::open(&args.target.broker)?;
        let mut tails = Vec::new();
        for topic in (0..args.target.topics).map(|i| args.target.topic_name(i)) {
            for queue in 0..args.target.queues {
                let mut out = Vec::new();
                requests::max_offset(&mut out, 1, &topic, queue);
                connection.send(&out)?;
                let mut offset = None;
                while offset.is_none() {
                    connection.receive(None, |r| {
                        offset = Some(
                            r.ext
                                .get("offset")
                                .and_then(|v| v.parse().ok())
                                .unwrap_or(0),
                        )
                    })?;
                }
                tails.push((topic.clone(), queue, offset.unwrap_or(0)));
            }
        }
        Ok(Self(tails))
    }

    /// One connection with a pull parked on every queue; the opaque is the queue's number.
    fn consume(
        &self,
        args: &ProduceArgs,
        run: &Run,
        progress: &Progress,
    ) -> Result<Tally, LoadError> {
        let mut connection = Connection::open(&args.target.broker)?;
        let mut offsets: Vec<i64> = self.0.iter().map(|(_, _, offset)| *offset).collect();
        let mut tally = Tally::new();
        let mut ask: Vec<usize> = (0..offsets.len()).collect();
        let mut out = Vec::new();
        while !run.over() {
            out.clear();
            for number in ask.drain(..) {
                let (topic, queue, _) = &self.0[number];
                requests::pull(
                    &mut out,
                    number as i32,
                    topic,
                    *queue,
                    offsets[number],
                    PULL_MAX,
                    SUSPEND_MS,
                );
            }
            if !out.is_empty() {
                connection.send(&out)?;
            }
            connection.receive(Some(Instant::now() + Duration::from_millis(50)), |answer| {
                let Some(number) = usize::try_from(answer.opaque)
                    .ok()
                    .filter(|n| *n < offsets.len())
                else {
                    return;
                };
                ask.push(number);
                if let Some(next) = answer
                    .ext
                    .get("nextBeginOffset")
                    .and_then(|v| v.parse().ok())
                {
                    offsets[number] = next;
                }
                match answer.code {
                    response::SUCCESS => {
                        let messages = arrive(answer.body, run, &mut tally);
                        run.arrived.fetch_add(messages, Ordering::Relaxed);
                        progress.add(messages);
                    }
                    response::PULL_NOT_FOUND
                    | response::PULL_RETRY_IMMEDIATELY
                    | response::PULL_OFFSET_MOVED => {}
                    code => tally.refuse(code, answer.remark),
                }
            })?;
        }
        Ok(tally)
    }
}

fn arrive(mut body: &[u8], run: &Run, tally: &mut Tally) -> u64 {
    let now = run.start.elapsed();
    let mut count = 0;
    while let Ok(record) = RecordView::parse(body) {
        if let Some(stamp) = record.body().first_chunk::<STAMP_BYTES>() {
            tally.record(now.saturating_sub(Duration::from_nanos(u64::from_be_bytes(*stamp))));
        }
        count += 1;
        tally.bytes += record.body().len() as u64;
        body = &body[record.total_size()..];
    }
    tally.messages += count;
    count
}
