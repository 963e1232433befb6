//! Delivers delayed messages. One thread reads the schedule queues, sleeps until the earliest message is due, and
//! appends a copy to the real queue. Its progress counts a delivery only once that copy is durable, so that a crash may
//! repeat a message and never loses one.

use std::collections::VecDeque;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use mainstem_record::{NewRecord, RecordView, property, topic};
use mainstem_store::{AppendError, Batch, ReadError};
use parking_lot::{Condvar, Mutex};

use crate::broker_core::BrokerCore;
use crate::clock::now_ms;

/// Longest sleep of the thread; arrivals and the stop wake it earlier.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Wait after a delivery that failed; it blocks its level only.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Most deliveries of a level before the others get their turn.
const MAX_DELIVERIES_IN_A_ROW: usize = 256;

/// How far a level has been delivered.
#[derive(Debug, Default)]
struct Level {
    /// Next offset of the schedule queue to deliver.
    next: u64,
    /// Offset after the last delivery that is durable.
    durable_next: u64,
    /// Deliveries that are not durable yet: offset after each, and the log position at which it is.
    in_flight: VecDeque<(u64, u64)>,
}

/// Progress of all levels, shared by the thread and those who save or show it.
#[derive(Debug)]
pub(crate) struct DelayProgress {
    levels: Mutex<Vec<Level>>,
}

impl DelayProgress {
    /// Progress from saved offsets, level 1 first; missing ones are 0.
    pub(crate) fn new(level_count: usize, saved: &[(i32, u64)]) -> Self {
        let mut levels: Vec<Level> = (0..level_count).map(|_| Level::default()).collect();
        for (level, offset) in saved {
            if let Some(level) = usize::try_from(level - 1)
                .ok()
                .and_then(|index| levels.get_mut(index))
            {
                level.next = *offset;
                level.durable_next = *offset;
            }
        }
        DelayProgress {
            levels: Mutex::new(levels),
        }
    }

    /// Level and offset of every level that has delivered anything, as far as it is durable.
    pub(crate) fn durable(&self, durable: u64) -> Vec<(i32, u64)> {
        let mut levels = self.levels.lock();
        for level in levels.iter_mut() {
            while let Some((next, position)) = level.in_flight.front().copied() {
                if position > durable {
                    break;
                }
                level.durable_next = next;
                level.in_flight.pop_front();
            }
        }
        levels
            .iter()
            .enumerate()
            .filter(|(_, level)| level.durable_next > 0)
            .map(|(index, level)| (index as i32 + 1, level.durable_next))
            .collect()
    }

    /// Number of levels.
    pub(crate) fn levels(&self) -> usize {
        self.levels.lock().len()
    }

    fn next(&self, index: usize) -> u64 {
        self.levels.lock()[index].next
    }

    fn skip_to(&self, index: usize, next: u64) {
        let mut levels = self.levels.lock();
        let level = &mut levels[index];
        level.next = next;
        if level.in_flight.is_empty() {
            level.durable_next = next;
        }
    }

    fn delivered(&self, index: usize, next: u64, durable_at: u64) {
        let mut levels = self.levels.lock();
        let level = &mut levels[index];
        debug_assert_eq!(
            level.next + 1,
            next,
            "a level delivers its messages one after the other"
        );
        level.next = next;
        level.in_flight.push_back((next, durable_at));
    }
}

struct Alarm {
    /// When the thread wakes by itself, milliseconds since 1970.
    sleeps_until_ms: AtomicI64,
    rung: Mutex<bool>,
    bell: Condvar,
    stopping: AtomicBool,
}

/// Handle of the delivering thread.
pub(crate) struct DelayScheduler {
    alarm: Arc<Alarm>,
}

/// The thread's side.
pub(crate) struct DelayWorker {
    core: Arc<BrokerCore>,
    alarm: Arc<Alarm>,
    /// For each level: a message whose time lies further ahead than its delay allows, because the clock went back, and
    /// when it is delivered instead.
    capped: Vec<Option<(u64, Instant)>>,
    failed_until: Vec<Option<Instant>>,
}

enum Turn {
    /// Something was delivered or skipped; look again.
    Progress,
    /// Nothing waits.
    Idle,
    /// The next message is due after so long.
    DueIn(Duration),
}

#[derive(Debug, thiserror::Error)]
enum DeliverError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl DelayScheduler {
    pub(crate) fn new() -> Self {
        DelayScheduler {
            alarm: Arc::new(Alarm {
                sleeps_until_ms: AtomicI64::new(0),
                rung: Mutex::new(false),
                bell: Condvar::new(),
                stopping: AtomicBool::new(false),
            }),
        }
    }

    /// A delayed message was stored; called by the store's dispatcher, so it must be quick.
    pub(crate) fn arrived(&self, due_ms: i64) {
        if due_ms < self.alarm.sleeps_until_ms.load(Ordering::Acquire) {
            self.alarm.ring();
        }
    }

    /// The thread's loop, to be run by one thread until [`DelayScheduler::stop`].
    pub(crate) fn worker(&self, core: Arc<BrokerCore>) -> DelayWorker {
        let levels = core.config.delay_levels.delays_ms().len();
        DelayWorker {
            core,
            alarm: self.alarm.clone(),
            capped: vec![None; levels],
            failed_until: vec![None; levels],
        }
    }

    /// Ends the loop after the delivery at hand.
    pub(crate) fn stop(&self) {
        self.alarm.stopping.store(true, Ordering::Release);
        self.alarm.ring();
    }
}

impl Alarm {
    fn ring(&self) {
        *self.rung.lock() = true;
        self.bell.notify_one();
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn sleep(&self, time: Duration) {
        let mut rung = self.rung.lock();
        if !*rung && !self.is_stopping() {
            self.bell.wait_for(&mut rung, time);
        }
        *rung = false;
    }
}

impl DelayWorker {
    pub(crate) fn run(mut self) {
        let mut batch = self.core.store.batch();
        while !self.alarm.is_stopping() {
            // Announced before the queues are read: a message that arrives meanwhile rings the bell.
            self.announce_sleep(LONGEST_SLEEP);
            let mut sleep = LONGEST_SLEEP;
            for index in 0..self.capped.len() {
                self.core.store.watch_queue(topic::SCHEDULE, index as i32);
                sleep = sleep.min(self.run_level(index, &mut batch));
            }
            batch.kick();
            if !sleep.is_zero() {
                self.announce_sleep(sleep);
                self.alarm.sleep(sleep);
            }
        }
    }

    fn announce_sleep(&self, sleep: Duration) {
        self.alarm
            .sleeps_until_ms
            .store(now_ms() + sleep.as_millis() as i64, Ordering::Release);
    }

    /// Delivers what is due in a level; returns how long the level can do without attention.
    fn run_level(&mut self, index: usize, batch: &mut Batch) -> Duration {
        if let Some(until) = self.failed_until[index] {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return left;
            }
            self.failed_until[index] = None;
        }
        for _ in 0..MAX_DELIVERIES_IN_A_ROW {
            match self.deliver_next(index, batch) {
                Ok(Turn::Progress) => {}
                Ok(Turn::Idle) => return LONGEST_SLEEP,
                Ok(Turn::DueIn(wait)) => return wait,
                Err(error) => {
                    tracing::error!(level = index + 1, %error, retry_after = ?RETRY_AFTER,
                        "a delayed message could not be delivered; its level waits");
                    self.failed_until[index] = Some(Instant::now() + RETRY_AFTER);
                    return RETRY_AFTER;
                }
            }
        }
        Duration::ZERO
    }

    fn deliver_next(&mut self, index: usize, batch: &mut Batch) -> Result<Turn, DeliverError> {
        let core = self.core.clone();
        let progress = &core.delay_progress;
        let queue_id = index as i32;
        let offset = progress.next(index);
        let Some(unit) = core.store.queue_unit(topic::SCHEDULE, queue_id, offset) else {
            let bounds = core.store.queue_bounds(topic::SCHEDULE, queue_id);
            if offset < bounds.min {
                tracing::error!(
                    level = index + 1,
                    from = offset,
                    to = bounds.min,
                    "delayed messages were expired before their delivery: they are skipped"
                );
                progress.skip_to(index, bounds.min);
                return Ok(Turn::Progress);
            }
            if offset > bounds.max {
                tracing::warn!(
                    level = index + 1,
                    from = offset,
                    to = bounds.max,
                    "the saved progress of a delay level lies beyond its queue: it is moved back"
                );
                progress.skip_to(index, bounds.max);
            }
            return Ok(Turn::Idle);
        };
        if let Some(wait) = self.wait_for(index, offset, unit.tags_code) {
            return Ok(Turn::DueIn(wait));
        }
        let Some(record) = core.store.record_at(unit.physical_offset)? else {
            tracing::error!(
                level = index + 1,
                offset,
                "a delayed message is gone from the log: it is skipped"
            );
            progress.skip_to(index, offset + 1);
            return Ok(Turn::Progress);
        };
        match self.append_copy(&record, batch)? {
            Some(durable_at) => progress.delivered(index, offset + 1, durable_at),
            None => {
                tracing::error!(
                    level = index + 1,
                    offset,
                    "a delayed message names no real topic: it is skipped"
                );
                progress.skip_to(index, offset + 1);
            }
        }
        Ok(Turn::Progress)
    }

    /// How long a message has to wait; `None` when it is due. A time further ahead than the level's delay means that the
    /// clock was set back: then the message waits its delay from now on, by a clock that cannot go back.
    fn wait_for(&mut self, index: usize, offset: u64, due_ms: i64) -> Option<Duration> {
        let delay = self.core.config.delay_levels.delay(index as i32 + 1);
        let ahead_ms = due_ms.saturating_sub(now_ms());
        if ahead_ms <= 0 {
            self.capped[index] = None;
            return None;
        }
        let ahead = Duration::from_millis(ahead_ms.unsigned_abs());
        let capped_at = match self.capped[index] {
            Some((capped, at)) if capped == offset => Some(at),
            _ if ahead > delay => {
                let at = Instant::now() + delay;
                self.capped[index] = Some((offset, at));
                Some(at)
            }
            _ => None,
        };
        let wait = capped_at.map_or(ahead, |at| {
            at.saturating_duration_since(Instant::now()).min(ahead)
        });
        (!wait.is_zero()).then_some(wait)
    }

    fn append_copy(&self, record: &[u8], batch: &mut Batch) -> Result<Option<u64>, DeliverError> {
        let Ok(view) = RecordView::parse(record) else {
            return Ok(None);
        };
        let properties = view.properties();
        let Some(real_topic) = properties.get(property::REAL_TOPIC) else {
            return Ok(None);
        };
        let queue_id = properties
            .get(property::REAL_QID)
            .and_then(|text| i32::from_str(text).ok())
            .unwrap_or(0);
        let appended = batch.append(&NewRecord {
            topic: real_topic,
            queue_id,
            flag: view.flag(),
            sys_flag: view.sys_flag(),
            born_timestamp_ms: view.born_timestamp_ms(),
            born_host: view.born_host(),
            store_host: self.core.store_host,
            reconsume_times: view.reconsume_times(),
            prepared_transaction_offset: 0,
            body: view.body(),
            properties: properties.as_bytes(),
        })?;
        Ok(Some(appended.durable_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_counts_only_durable_deliveries() {
        let progress = DelayProgress::new(3, &[(2, 7)]);
        progress.delivered(1, 8, 100);
        progress.delivered(1, 9, 200);
        assert_eq!(progress.durable(99), [(2, 7)]);
        assert_eq!(progress.durable(100), [(2, 8)]);
        assert_eq!(progress.durable(500), [(2, 9)]);
        assert_eq!(progress.next(1), 9);
    }

    #[test]
    fn saved_levels_out_of_range_are_left_out() {
        let progress = DelayProgress::new(1, &[(0, 5), (9, 5), (1, 5)]);
        assert_eq!(progress.durable(0), [(1, 5)]);
    }
}
