//! A group commit over many files: appends mark their file dirty, a flusher syncs all dirty files in rounds, and every
//! append that came before a round began is durable when it ends. What a sync is, its owner says; no timer in between.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Proof of an append, to wait on.
#[derive(Debug, Clone, Copy)]
pub struct Ticket(u64);

impl Ticket {
    /// For an append that nothing more is promised of.
    pub const DURABLE_AS_IT_IS: Self = Self(0);

    /// A ticket that names a position, for an engine with a watermark of its own.
    pub fn at(position: u64) -> Self {
        Self(position)
    }

    /// What [`Ticket::at`] was given.
    pub fn position(self) -> u64 {
        self.0
    }
}

/// When a round begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As soon as a file is dirty and the last round is over.
    AtOnce,
    /// So often; nobody waits for it.
    Every(Duration),
}

#[derive(Default)]
struct Round {
    dirty: Vec<u32>,
    /// Whether a file stands in `dirty`. Kept under the same lock: a flag set before the list has the file would let a
    /// round pass it by.
    is_dirty: Vec<bool>,
    /// Appends so far; a ticket is its value after the append.
    appended: u64,
    failed: Option<String>,
    stop: bool,
}

struct Shared {
    pace: Pace,
    round: Mutex<Round>,
    /// Every ticket up to here is durable. Changes under the lock of `round` only.
    durable: AtomicU64,
    wake_flusher: Condvar,
    wake_waiters: Condvar,
}

/// The flusher of `files` files, numbered from 0.
pub struct GroupFlush {
    shared: Arc<Shared>,
    flusher: Option<JoinHandle<()>>,
}

impl GroupFlush {
    /// Starts it; `sync` makes the named files durable.
    pub fn start(
        files: usize,
        pace: Pace,
        sync: impl Fn(&[u32]) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            pace,
            round: Mutex::new(Round {
                is_dirty: vec![false; files],
                ..Round::default()
            }),
            durable: AtomicU64::new(0),
            wake_flusher: Condvar::new(),
            wake_waiters: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        let flusher = std::thread::Builder::new()
            .name("group-flush".into())
            .spawn(move || theirs.run(&sync))?;
        Ok(Self {
            shared,
            flusher: Some(flusher),
        })
    }

    /// Notes an append to `file`, which must have happened before.
    pub fn appended(&self, file: u32) -> Ticket {
        let shared = &self.shared;
        let mut round = shared.round.lock();
        if !std::mem::replace(&mut round.is_dirty[file as usize], true) {
            round.dirty.push(file);
        }
        round.appended += 1;
        let ticket = Ticket(round.appended);
        drop(round);
        if shared.pace == Pace::AtOnce {
            shared.wake_flusher.notify_one();
        }
        ticket
    }

    /// Whether the ticket's append is durable, or need not be waited for.
    pub fn is_durable(&self, ticket: Ticket) -> bool {
        self.shared.pace != Pace::AtOnce || self.shared.durable.load(Ordering::Acquire) >= ticket.0
    }

    /// Waits until the ticket's append is durable; at once at any other pace than [`Pace::AtOnce`].
    pub fn wait(&self, ticket: Ticket) -> io::Result<()> {
        if self.is_durable(ticket) {
            return Ok(());
        }
        let mut round = self.shared.round.lock();
        while self.shared.durable.load(Ordering::Acquire) < ticket.0 {
            if let Some(cause) = &round.failed {
                return Err(io::Error::other(format!(
                    "an earlier flush failed: {cause}"
                )));
            }
            self.shared.wake_waiters.wait(&mut round);
        }
        Ok(())
    }
}

impl Drop for GroupFlush {
    fn drop(&mut self) {
        self.shared.round.lock().stop = true;
        self.shared.wake_flusher.notify_all();
        if let Some(flusher) = self.flusher.take() {
            // A panic of the flusher has been printed by its thread; there is nothing to add.
            let _ = flusher.join();
        }
    }
}

impl Shared {
    fn run(&self, sync: &impl Fn(&[u32]) -> io::Result<()>) {
        loop {
            let (dirty, upto) = {
                let mut round = self.round.lock();
                match self.pace {
                    Pace::Every(interval) if !round.stop => {
                        self.wake_flusher.wait_for(&mut round, interval);
                    }
                    _ => {
                        while round.dirty.is_empty() && !round.stop {
                            self.wake_flusher.wait(&mut round);
                        }
                    }
                }
                if round.stop && round.dirty.is_empty() {
                    return;
                }
                let dirty = std::mem::take(&mut round.dirty);
                for &file in &dirty {
                    round.is_dirty[file as usize] = false;
                }
                (dirty, round.appended)
            };
            let outcome = sync(&dirty);
            let mut round = self.round.lock();
            match outcome {
                Ok(()) => self.durable.store(upto, Ordering::Release),
                Err(e) => round.failed = Some(e.to_string()),
            }
            let failed = round.failed.is_some();
            drop(round);
            self.wake_waiters.notify_all();
            if failed {
                return;
            }
        }
    }
}

/// Runs `sync` for every file, `parallel` at a time.
pub fn sync_in_parallel(
    files: &[u32],
    parallel: usize,
    sync: impl Fn(u32) -> io::Result<()> + Sync,
) -> io::Result<()> {
    let each = |part: &[u32]| part.iter().try_for_each(|&file| sync(file));
    if parallel <= 1 || files.len() <= 1 {
        return each(files);
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = files
            .chunks(files.len().div_ceil(parallel))
            .map(|part| scope.spawn(|| each(part)))
            .collect();
        threads.into_iter().try_for_each(|t| {
            t.join()
                .unwrap_or_else(|_| Err(io::Error::other("a syncing thread panicked")))
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_wait_returns_only_after_a_round_that_began_after_the_append() {
        let written: Arc<Vec<AtomicU64>> = Arc::new((0..8).map(|_| AtomicU64::new(0)).collect());
        let synced: Arc<Vec<AtomicU64>> = Arc::new((0..8).map(|_| AtomicU64::new(0)).collect());
        let (from, to) = (Arc::clone(&written), Arc::clone(&synced));
        let flush = GroupFlush::start(8, Pace::AtOnce, move |files| {
            for &f in files {
                to[f as usize].fetch_max(from[f as usize].load(Ordering::SeqCst), Ordering::SeqCst);
            }
            Ok(())
        })
        .unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for i in 0..500u32 {
                        let file = i % 8;
                        let value = written[file as usize].fetch_add(1, Ordering::SeqCst) + 1;
                        flush.wait(flush.appended(file)).unwrap();
                        assert!(synced[file as usize].load(Ordering::SeqCst) >= value);
                    }
                });
            }
        });
    }

    #[test]
    fn a_failed_sync_fails_every_waiter() {
        let flush = GroupFlush::start(1, Pace::AtOnce, |_| {
            Err(io::Error::other("the device is gone"))
        })
        .unwrap();
        let error = flush.wait(flush.appended(0)).unwrap_err();
        assert!(error.to_string().contains("the device is gone"));
    }
}
