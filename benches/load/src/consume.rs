//! Pulls every queue from its start to the end that it has when first asked: each connection takes its share of the
//! queues one after the other, one pull in flight, as a consumer does.

use std::time::Instant;

use crate::connection::Connection;
use crate::outcome::Tally;
use crate::progress::Progress;
use crate::requests;
use crate::{ConsumeArgs, LoadError, Outcome, ServerProcess};
use mainstem_common::remoting::code::response;

pub(super) fn run(args: &ConsumeArgs) -> Result<Outcome, LoadError> {
    let progress = Progress::new(None);
    let server = args
        .target
        .pid
        .map(ServerProcess::new)
        .and_then(|p| Some((p, p.cpu_us()?)));
    let start = Instant::now();
    let mut total = Tally::new();
    std::thread::scope(|scope| {
        let progress = &progress;
        let threads: Vec<_> = (0..args.target.connections)
            .map(|lane| scope.spawn(move || consume_share(args, lane, progress)))
            .collect();
        for thread in threads {
            total.add(
                thread.join().map_err(|_| {
                    LoadError::Options("a connection's thread panicked".to_owned())
                })??,
            );
        }
        Ok::<_, LoadError>(())
    })?;
    progress.finish();
    Ok(total.outcome(start.elapsed(), server))
}

fn consume_share(args: &ConsumeArgs, lane: u32, progress: &Progress) -> Result<Tally, LoadError> {
    let mut connection = Connection::open(&args.target.broker)?;
    let mut tally = Tally::new();
    let queues = args.target.topics * args.target.queues;
    for number in (lane..queues).step_by(args.target.connections as usize) {
        let topic = args.target.topic_name(number / args.target.queues);
        let queue = number % args.target.queues;
        let mut offset = 0;
        while let Some(next) = pull_once(
            &mut connection,
            args,
            &topic,
            queue,
            offset,
            &mut tally,
            progress,
        )? {
            offset = next;
        }
    }
    Ok(tally)
}

/// One pull; the next offset to ask for, or `None` at the queue's end.
fn pull_once(
    connection: &mut Connection,
    args: &ConsumeArgs,
    topic: &str,
    queue: u32,
    offset: i64,
    tally: &mut Tally,
    progress: &Progress,
) -> Result<Option<i64>, LoadError> {
    let mut out = Vec::with_capacity(512);
    requests::pull(&mut out, 1, topic, queue, offset, args.max, 0);
    let start = Instant::now();
    connection.send(&out)?;
    let mut next = None;
    let mut answered = false;
    while !answered {
        connection.receive(None, |answer| {
            answered = true;
            tally.record(start.elapsed());
            let begin = answer
                .ext
                .get("nextBeginOffset")
                .and_then(|v| v.parse::<i64>().ok());
            match answer.code {
                response::SUCCESS => {
                    let messages = count_records(answer.body);
                    tally.messages += messages;
                    tally.bytes += answer.body.len() as u64;
                    progress.add(messages);
                    next = begin;
                }
                response::PULL_RETRY_IMMEDIATELY
                | response::PULL_OFFSET_MOVED
                | response::PULL_NOT_FOUND => {
                    next = begin.filter(|b| *b > offset);
                }
                code => tally.refuse(code, answer.remark),
            }
        })?;
    }
    Ok(next)
}

/// Number of records that lie back to back in a pull's body.
pub(super) fn count_records(mut body: &[u8]) -> u64 {
    let mut count = 0;
    while let Some(size) = body
        .first_chunk::<4>()
        .map(|b| u32::from_be_bytes(*b) as usize)
    {
        match body.get(size..) {
            Some(rest) if size >= 4 => body = rest,
            _ => break,
        }
        count += 1;
    }
    count
}
