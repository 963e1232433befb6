//! A producer thread: appends to its share of the partitions in turn, with a window of appends under way, closed or open
//! loop. In an open loop an append's latency counts from the moment it was due.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::Run;
use crate::group_flush::Ticket;

/// Up to a minute in nanoseconds, three digits; longer counts as a minute.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3)
        .unwrap_or_else(|_| unreachable!("the bounds are constants that the library accepts"))
}

struct UnderWay {
    ticket: Ticket,
    due: Instant,
    partition: u32,
}

impl UnderWay {
    fn note(&self, run: &Run<'_>, latency: &mut Histogram<u64>) {
        latency.saturating_record(self.due.elapsed().as_nanos() as u64);
        run.ready.announce(self.partition);
    }
}

/// Writes this producer's share of the cell's messages; the latency of each append, nanoseconds.
pub(super) fn produce(run: &Run<'_>, number: u32, start: Instant) -> io::Result<Histogram<u64>> {
    let cell = &run.cell;
    let (producers, number) = (u64::from(cell.producers), u64::from(number));
    let share = (cell.messages() + producers - 1 - number) / producers;
    let body: Vec<u8> = (0..cell.size).map(|i| b'a' + (i * 7 % 26) as u8).collect();
    let gap = (cell.rate > 0)
        .then(|| Duration::from_secs_f64(producers as f64 * cell.batch as f64 / cell.rate as f64));
    let mut latency = histogram();
    let mut under_way: VecDeque<UnderWay> = VecDeque::with_capacity(cell.window);
    let (mut written, mut appends) = (0u64, 0u64);
    while written < share {
        if run.failed.load(Ordering::Relaxed) {
            break;
        }
        if under_way.len() == cell.window {
            finish_oldest(run, &mut under_way, &mut latency)?;
            finish_done(run, &mut under_way, &mut latency);
        }
        let due = gap.map_or_else(Instant::now, |gap| start + gap.mul_f64(appends as f64));
        while due > Instant::now() {
            // What is under way ends while the next is not yet due.
            if under_way.is_empty() {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            } else {
                finish_oldest(run, &mut under_way, &mut latency)?;
            }
        }
        let count = (cell.batch as u64).min(share - written);
        let partition = ((number + appends * producers) % u64::from(cell.all_partitions())) as u32;
        let bodies = vec![&body[..]; count as usize];
        let ticket = run.engine.append(partition, &bodies)?;
        under_way.push_back(UnderWay {
            ticket,
            due,
            partition,
        });
        finish_done(run, &mut under_way, &mut latency);
        written += count;
        appends += 1;
    }
    while !under_way.is_empty() {
        finish_oldest(run, &mut under_way, &mut latency)?;
    }
    Ok(latency)
}

/// Takes off whatever is done already, so that neither its latency nor its readers wait for the window to fill.
fn finish_done(run: &Run<'_>, under_way: &mut VecDeque<UnderWay>, latency: &mut Histogram<u64>) {
    while under_way
        .front()
        .is_some_and(|oldest| run.engine.is_done(oldest.ticket))
    {
        if let Some(oldest) = under_way.pop_front() {
            oldest.note(run, latency);
        }
    }
}

fn finish_oldest(
    run: &Run<'_>,
    under_way: &mut VecDeque<UnderWay>,
    latency: &mut Histogram<u64>,
) -> io::Result<()> {
    if let Some(oldest) = under_way.pop_front() {
        run.engine.wait(oldest.ticket)?;
        oldest.note(run, latency);
    }
    Ok(())
}
