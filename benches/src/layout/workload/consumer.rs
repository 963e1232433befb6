//! Consumers: one kind follows the producers through the ready queue until every message has been read, the other reads
//! old data from the start as fast as it can. Both copy bodies into a buffer; what they do with them is nothing.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::ready::News;
use super::{NEWS_TIMEOUT, Run};

/// Bytes asked for in one read.
const READ_BYTES: usize = 64 << 10;
/// A message that was done and is not readable after so long is lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads every partition on from where this cell's consumers left it, whenever it has news, until all has been read.
pub(super) fn follow(run: &Run<'_>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(READ_BYTES * 2);
    loop {
        match run.ready.next(NEWS_TIMEOUT) {
            News::End => return last_look(run, &mut buffer),
            News::Nothing if run.failed.load(Ordering::Relaxed) => return Ok(()),
            News::Nothing => {}
            News::Partition(partition) => read_on(run, partition, &mut buffer)?,
        }
    }
}

/// A message may be done a moment before it is readable, and then its news found nothing.
fn last_look(run: &Run<'_>, buffer: &mut Vec<u8>) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let missing = || {
        run.cell.messages()
            - run
                .followed
                .load(Ordering::Relaxed)
                .min(run.cell.messages())
    };
    while missing() > 0 && !run.failed.load(Ordering::Relaxed) {
        for partition in 0..run.cell.all_partitions() {
            if missing() == 0 {
                break;
            }
            read_on(run, partition, buffer)?;
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!(
                "{} messages were done and cannot be read {} s later",
                missing(),
                PATIENCE.as_secs()
            )));
        }
        std::thread::yield_now();
    }
    Ok(())
}

fn read_on(run: &Run<'_>, partition: u32, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut cursor = run.cursors[partition as usize].lock();
    loop {
        let back = run.engine.read(partition, *cursor, READ_BYTES, buffer)?;
        if back.messages == 0 {
            return Ok(());
        }
        *cursor = back.next_offset;
        run.followed.fetch_add(back.messages, Ordering::Relaxed);
        std::hint::black_box(&buffer);
    }
}

/// Reads what was there before the clock started, partition by partition, each to the end that it had then.
pub(super) fn catch_up(run: &Run<'_>) -> io::Result<u64> {
    let mut buffer = Vec::with_capacity(READ_BYTES * 2);
    let mut messages = 0;
    for partition in 0..run.cell.all_partitions() {
        let end = run.prefilled[partition as usize];
        let mut offset = 0;
        while offset < end && !run.failed.load(Ordering::Relaxed) {
            let back = run
                .engine
                .read(partition, offset, READ_BYTES, &mut buffer)?;
            if back.messages == 0 {
                return Err(io::Error::other(format!(
                    "partition {partition} ends at offset {offset} of {end}"
                )));
            }
            // A read may run on into what the producers add meanwhile.
            messages += back.messages.min(end - offset);
            offset = back.next_offset;
        }
    }
    Ok(messages)
}
