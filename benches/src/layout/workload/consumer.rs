//! Consumers: one kind follows the producers through the ready queue, the other reads old data from the start as fast
//! as it can. Both copy bodies into a buffer; what they do with them is nothing.

use std::io;
use std::sync::atomic::Ordering;

use super::ready::News;
use super::{NEWS_TIMEOUT, Run};

/// Bytes asked for in one read.
const READ_BYTES: usize = 64 << 10;

/// Reads every partition on from where this cell's consumers left it, whenever it has news; the messages read.
pub(super) fn follow(run: &Run<'_>) -> io::Result<u64> {
    let mut buffer = Vec::with_capacity(READ_BYTES * 2);
    let mut messages = 0;
    loop {
        match run.ready.next(NEWS_TIMEOUT) {
            News::End => return Ok(messages + sweep(run, &mut buffer)?),
            News::Nothing if run.failed.load(Ordering::Relaxed) => return Ok(messages),
            News::Nothing => {}
            News::Partition(partition) => messages += read_on(run, partition, &mut buffer)?,
        }
    }
}

/// How often every partition is found at its end before the consumer believes it.
const QUIET_SWEEPS: u32 = 5;

/// The last look: a message may be done a moment before it is readable, and then its news found nothing.
fn sweep(run: &Run<'_>, buffer: &mut Vec<u8>) -> io::Result<u64> {
    let (mut messages, mut quiet) = (0, 0);
    while quiet < QUIET_SWEEPS && !run.failed.load(Ordering::Relaxed) {
        let mut found = 0;
        for partition in 0..run.cell.all_partitions() {
            found += read_on(run, partition, buffer)?;
        }
        messages += found;
        if found == 0 {
            quiet += 1;
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
    Ok(messages)
}

fn read_on(run: &Run<'_>, partition: u32, buffer: &mut Vec<u8>) -> io::Result<u64> {
    let mut messages = 0;
    let mut cursor = run.cursors[partition as usize].lock();
    loop {
        let back = run.engine.read(partition, *cursor, READ_BYTES, buffer)?;
        if back.messages == 0 {
            return Ok(messages);
        }
        *cursor = back.next_offset;
        messages += back.messages;
        std::hint::black_box(&buffer);
    }
}

/// Reads what was there before the clock started, partition by partition, each to the end that it has when reached.
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
                break;
            }
            // A read may run on into what the producers add meanwhile.
            messages += back.messages.min(end - offset);
            offset = back.next_offset;
        }
    }
    Ok(messages)
}
