//! The background's work: journal, tails, index, snapshot and checkpoint, whenever each is due.
//! Promises that memory drains as fast as the disk allows and that recovery stays short: the log
//! behind the last snapshot is kept to a few times what a snapshot costs to write. A failure loses
//! nothing and is tried again at the next tick.

use std::collections::VecDeque;
use std::io;

use super::Derived;
use crate::checkpoint::Checkpoint;
use crate::log_reader::LogReader;
use crate::queues::{Captured, Which};
use crate::snapshot::{Head, SnapshotWriter};
use crate::sync::{Arc, Duration, Instant, Ordering, now_ms};

/// Tails are settled when they fill so much of their memory.
const SETTLE_PERCENT: usize = 70;
/// Index entries are written when they fill so much of their memory.
const INDEX_PERCENT: usize = 40;
/// A snapshot is due early when the log grew by this.
const SNAPSHOT_LOG_BYTES: u64 = 1 << 30;
/// Between two snapshots the log grows by so many times what one has, or much time passes.
const SNAPSHOT_COST_FACTOR: u64 = 8;
/// Tails that were carried for so many intervals are settled, some in each: so that a clean stop does
/// not find the work of hours, and Apache's checkpoint moves on.
const CARRIED_INTERVALS: usize = 6;
/// A snapshot is due, however large, after so many times its interval.
const LATEST_INTERVALS: u32 = 6;

/// Kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Journal,
    Queues,
    Index,
    Expiry,
    Snapshot,
}

/// When what was done last.
#[derive(Debug)]
pub(super) struct Maintenance {
    interval: Duration,
    sequence: u64,
    snapshot_position: u64,
    snapshot_bytes: u64,
    snapshot_at: Instant,
    /// Position at the last look at tails.
    looked_at: u64,
    /// When old tails were looked for last.
    old_at: Instant,
    /// Old tails were settled since the last snapshot.
    files_moved_on: bool,
    /// Positions at the ends of the last intervals, oldest first.
    earlier_positions: VecDeque<u64>,
    /// The log's minimum when it was followed last.
    expired_to: u64,
    /// Kinds of work that failed and were told.
    failing: Vec<Work>,
}

impl Maintenance {
    pub(super) fn new(interval: Duration, sequence: u64, position: u64) -> Self {
        Self {
            interval,
            sequence,
            snapshot_position: position,
            snapshot_bytes: 0,
            snapshot_at: Instant::now(),
            looked_at: position,
            old_at: Instant::now(),
            files_moved_on: false,
            earlier_positions: VecDeque::new(),
            expired_to: 0,
            failing: Vec::new(),
        }
    }

    /// Tells a failure when it is new, and its end.
    fn tell(&mut self, work: Work, outcome: io::Result<()>) {
        let was_failing = self.failing.contains(&work);
        match outcome {
            Ok(()) if was_failing => {
                self.failing.retain(|failing| *failing != work);
                tracing::info!(?work, "the store's background work succeeds again");
            }
            Err(error) if !was_failing => {
                self.failing.push(work);
                tracing::error!(?work, %error, "the store's background work fails; nothing is lost, it is tried again");
            }
            _ => {}
        }
    }

    fn snapshot_due(&self, position: u64) -> bool {
        let grown = position.saturating_sub(self.snapshot_position);
        let waited = self.snapshot_at.elapsed();
        let due = waited >= self.interval || grown >= SNAPSHOT_LOG_BYTES;
        let worth_it = grown >= self.snapshot_bytes * SNAPSHOT_COST_FACTOR
            || waited >= self.interval * LATEST_INTERVALS;
        (grown > 0 || self.files_moved_on) && due && worth_it
    }
}

impl Derived {
    /// Whether memory is so full that [`tick`](Self::tick) should not wait.
    pub(crate) fn is_pressed(&self) -> bool {
        self.tail_percent() >= SETTLE_PERCENT
            || self
                .index
                .as_ref()
                .is_some_and(|index| index.memory_percent() >= INDEX_PERCENT)
    }

    fn tail_percent(&self) -> usize {
        self.queues.table().tail_bytes().saturating_mul(100) / self.limits.tail_bytes.max(1)
    }

    /// Does what is due. Called about once a second, and when [`is_pressed`](Self::is_pressed).
    /// `flush` makes the log durable and returns up to which position. Failures are told once
    /// until their kind of work succeeds again; each tick tries anew.
    pub(crate) fn tick(&self, log: &dyn LogReader, flush: &dyn Fn() -> Result<u64, Arc<str>>) {
        let maintenance = &mut *self.maintenance.lock();
        let outcomes = [
            (Work::Journal, self.journal.write()),
            (
                Work::Queues,
                self.tend_tails(maintenance)
                    .and_then(|()| self.tend_old_tails(maintenance)),
            ),
            (Work::Index, self.tend_index()),
            (Work::Expiry, self.follow_expiry(maintenance, log)),
            (Work::Snapshot, self.tend_snapshot(maintenance, log, flush)),
        ];
        for (work, outcome) in outcomes {
            maintenance.tell(work, outcome);
        }
    }

    fn tend_snapshot(
        &self,
        maintenance: &mut Maintenance,
        log: &dyn LogReader,
        flush: &dyn Fn() -> Result<u64, Arc<str>>,
    ) -> io::Result<()> {
        let position = self.dispatched();
        if !maintenance.snapshot_due(position) {
            return Ok(());
        }
        let flushed = flush().map_err(|cause| io::Error::other(cause.to_string()))?;
        if flushed < position {
            return Ok(());
        }
        self.checkpoint(maintenance, log, position)
    }

    fn tend_tails(&self, maintenance: &mut Maintenance) -> io::Result<()> {
        if self.tail_percent() >= SETTLE_PERCENT {
            self.queues.settle(Which::MostMemory)?;
        }
        let position = self.dispatched();
        if position != maintenance.looked_at {
            self.queues.settle(Which::Long)?;
            maintenance.looked_at = position;
        }
        Ok(())
    }

    /// Settles some of the tails that were carried along for long.
    fn tend_old_tails(&self, maintenance: &mut Maintenance) -> io::Result<()> {
        if maintenance.old_at.elapsed() < maintenance.interval {
            return Ok(());
        }
        maintenance.old_at = Instant::now();
        maintenance.earlier_positions.push_back(self.dispatched());
        if maintenance.earlier_positions.len() <= CARRIED_INTERVALS {
            return Ok(());
        }
        let Some(old) = maintenance.earlier_positions.pop_front() else {
            return Ok(());
        };
        let settled = self.queues.settle(Which::Older(old))?;
        maintenance.files_moved_on |= settled > 0;
        Ok(())
    }

    fn tend_index(&self) -> io::Result<()> {
        match &self.index {
            Some(index) if index.memory_percent() >= INDEX_PERCENT => {
                index.flush(now_ms(), || self.dispatched())
            }
            _ => Ok(()),
        }
    }

    fn follow_expiry(&self, maintenance: &mut Maintenance, log: &dyn LogReader) -> io::Result<()> {
        let min = log.min_position();
        if min <= maintenance.expired_to {
            return Ok(());
        }
        self.expire_to(maintenance, min)
    }

    /// Follows the log's minimum: queue files, index files, and what the journal must keep.
    fn expire_to(&self, maintenance: &mut Maintenance, min_position: u64) -> io::Result<()> {
        let emptied = self.queues.expire(min_position)?;
        let emptied = emptied
            .iter()
            .map(|queue| (queue.topic.as_str(), queue.queue_id, queue.next));
        self.journal
            .set_emptied_queues(emptied)
            .map_err(io::Error::other)?;
        for topic in self.queues.table().forget_deletions_below(min_position) {
            self.journal
                .remove_deletion(&topic)
                .map_err(io::Error::other)?;
        }
        if let Some(index) = &self.index {
            index.expire(min_position)?;
        }
        self.journal.write()?;
        maintenance.expired_to = min_position;
        Ok(())
    }

    /// Takes a snapshot at `position`, below which everything is dispatched and flushed, and moves
    /// the checkpoint.
    fn checkpoint(
        &self,
        maintenance: &mut Maintenance,
        log: &dyn LogReader,
        position: u64,
    ) -> io::Result<()> {
        let began = Instant::now();
        if let Some(index) = &self.index {
            index.flush(now_ms(), || self.dispatched())?;
        }
        // What the snapshot leaves out because of the journal must be in it first.
        self.journal.write()?;
        let head = Head {
            sequence: maintenance.sequence + 1,
            owner: self.owner,
            position,
        };
        let mut writer = SnapshotWriter::begin(&*self.disk, head)?;
        let captured = self.queues.capture(position, |queue| writer.add(queue))?;
        let bytes = writer.finish()?;
        maintenance.sequence = head.sequence;
        maintenance.snapshot_position = position;
        self.snapshot_position.store(position, Ordering::Release);
        maintenance.snapshot_bytes = bytes;
        maintenance.snapshot_at = Instant::now();
        maintenance.files_moved_on = false;
        self.write_checkpoint(log, position, captured)?;
        tracing::debug!(
            position,
            bytes,
            queues = captured.queues,
            settled_to = captured.settled_to,
            ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "snapshot"
        );
        Ok(())
    }

    /// Tells Apache what is on disk: the log up to `position`, the queue files up to
    /// `captured.settled_to`.
    fn write_checkpoint(
        &self,
        log: &dyn LogReader,
        position: u64,
        captured: Captured,
    ) -> io::Result<()> {
        let newest_ms = self.state.newest_store_ms();
        let old = Checkpoint::read(&*self.disk)?.unwrap_or_default();
        let queues_ms = if captured.settled_to == position {
            newest_ms
        } else {
            let record = log
                .record_at(captured.settled_to)
                .map_err(io::Error::other)?;
            let view = record
                .as_deref()
                .and_then(|bytes| mainstem_record::RecordView::parse(bytes).ok());
            view.map_or(old.queues_ms, |view| view.store_timestamp_ms())
        };
        let checkpoint = Checkpoint {
            log_ms: newest_ms,
            queues_ms,
            index_ms: self.index.as_ref().map_or(0, |index| index.sealed_ms()),
            queues_position: captured.settled_to,
            // Only a broker with replicas keeps it.
            confirmed: if old.confirmed == 0 { 0 } else { position },
            ..old
        };
        checkpoint.write(&*self.disk)
    }

    /// The last work, when nothing is appended or dispatched any more: all tails into files, all
    /// index entries too, a snapshot of the numbers, and the checkpoint.
    ///
    /// # Errors
    /// The first failure; what is missing then comes from the log at the next start.
    pub(crate) fn close(&self, log: &dyn LogReader, flushed: u64) -> io::Result<()> {
        let maintenance = &mut *self.maintenance.lock();
        let position = self.dispatched();
        debug_assert!(position <= flushed, "a closing log is flushed to its end");
        self.journal.write()?;
        self.queues.settle(Which::All)?;
        if let Some(index) = &self.index {
            index.close(now_ms(), || position)?;
        }
        // A store that was open for less than a tick has not looked yet whether a crash fell into a removal.
        self.follow_expiry(maintenance, log)?;
        self.checkpoint(maintenance, log, position)
    }

    /// Follows the log's minimum at once.
    ///
    /// # Errors
    /// When the disk refuses; the next tick goes on.
    pub(crate) fn expire(&self, min_position: u64) -> io::Result<()> {
        let maintenance = &mut *self.maintenance.lock();
        self.expire_to(maintenance, min_position)
    }
}
