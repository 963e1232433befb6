//! Settling: moving tails from memory into queue files for good. Promises that a unit leaves memory
//! only when its file is synced, so that memory (and the snapshot, which holds the tails) has
//! exactly what is not certain to be in a file; a failed write or sync loses nothing and is tried
//! again. Only one thread settles at a time.
//!
//! Few files are synced one by one. Many are synced with everything else on the file system by a
//! single call, since 100,000 single syncs take half a minute.

use std::io;

use super::queue::Queue;
use super::{ConsumeQueues, UNIT_BYTES};
use crate::sync::Arc;

/// Up to so many queues are synced one by one.
const SYNC_EACH_MAX: usize = 512;
/// A tail this long (320 KB) is settled whatever the memory of all others.
const LONG_TAIL_BYTES: usize = 16 * 1024 * UNIT_BYTES;
/// Under pressure, the longest tails are settled until this part of the memory is free, in percent.
const FREED_PERCENT: usize = 90;
/// Most old tails settled at once: the work of a fraction of a second.
const OLD_MAX: usize = 4096;
/// Fewer queues than this are not worth leaving any out.
const SELECT_MIN: usize = 64;

/// Which tails to settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those that are long.
    Long,
    /// The longest ones, until most of the memory is free.
    MostMemory,
    /// Those whose first unit points below this log position, up to [`OLD_MAX`] of them.
    Older(u64),
    /// All.
    All,
}

/// One tail on its way into its file.
struct Moving {
    queue: Arc<Queue>,
    from: u64,
    to: u64,
    created: bool,
}

impl ConsumeQueues {
    /// Settles tails; returns how many.
    ///
    /// # Errors
    /// When the disk refuses; everything that was not settled is still in memory.
    pub(crate) fn settle(&self, which: Which) -> io::Result<usize> {
        if which == Which::Long && self.table.tail_memory().take_longest() < LONG_TAIL_BYTES {
            return Ok(0);
        }
        let writer = &mut *self.writer.lock();
        let mut moving = self.select(which);
        if moving.is_empty() {
            return Ok(0);
        }
        // Until this ends well, names of created files may be less than durable.
        let sync_everything =
            std::mem::replace(&mut writer.names_uncertain, true) || moving.len() > SYNC_EACH_MAX;
        let mut buffer = Vec::new();
        for tail in &mut moving {
            tail.to = {
                let memory = tail.queue.tail.lock();
                tail.from = memory.start();
                buffer.clear();
                buffer.extend_from_slice(memory.bytes(memory.start(), memory.end()));
                memory.end()
            };
            if !tail.queue.is_removed() {
                tail.created = self.files.write(&tail.queue, tail.from, &buffer)?;
            }
        }
        // A topic that is deleted meanwhile takes its files with it only after this.
        if sync_everything {
            self.files.disk().sync_everything()?;
        } else {
            let alive = || moving.iter().filter(|tail| !tail.queue.is_removed());
            for tail in alive() {
                self.files.sync(&tail.queue, tail.from, tail.to)?;
            }
            let created = alive().filter(|tail| tail.created).map(|tail| &*tail.queue);
            self.files.sync_names(created)?;
        }
        writer.names_uncertain = false;
        for tail in &moving {
            let mut memory = tail.queue.tail.lock();
            if memory.start() == tail.from {
                let freed = memory.settled(tail.to);
                self.table.tail_memory().shrank(freed);
            }
        }
        Ok(moving.len())
    }

    fn select(&self, which: Which) -> Vec<Moving> {
        let mut tails: Vec<(usize, Arc<Queue>)> = Vec::new();
        self.table.for_each(|queue| {
            let tail = queue.tail.lock();
            let chosen = match which {
                Which::Long => tail.memory_bytes() >= LONG_TAIL_BYTES,
                Which::Older(position) => {
                    let first = tail.get(tail.start());
                    tails.len() < OLD_MAX
                        && first.is_some_and(|first| first.physical_offset < position)
                }
                Which::MostMemory | Which::All => tail.start() < tail.end(),
            };
            if chosen {
                tails.push((tail.memory_bytes(), Arc::clone(queue)));
            }
        });
        if which == Which::MostMemory && tails.len() > SELECT_MIN {
            tails.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
            let mut wanted = self.table.tail_bytes() / 100 * FREED_PERCENT;
            let enough = tails.iter().position(|(bytes, _)| {
                let done = wanted == 0;
                wanted = wanted.saturating_sub(*bytes);
                done
            });
            tails.truncate(enough.unwrap_or(tails.len()));
        }
        let start = |(_, queue)| Moving {
            queue,
            from: 0,
            to: 0,
            created: false,
        };
        tails.into_iter().map(start).collect()
    }
}
