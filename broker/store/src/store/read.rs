//! Reading by queue, position, time and key. It promises that nothing past `readable` is returned
//! and that a failing disk never looks like an empty queue that a consumer may pass over.

use super::Store;
use crate::error::ReadError;
use crate::log_reader::LogReader;
use crate::outcome::{
    Arrival, Boundary, Progress, QueueBounds, ReadLimits, ReadOutcome, ReadStatus,
};
use crate::queues::{Queue, QueueUnit};
use crate::slice::RecordSlice;
use crate::sync::{Arc, Duration};

impl Store {
    fn queue(&self, topic: &str, queue_id: i32) -> Option<Arc<Queue>> {
        self.shared.derived.queues().table().get(topic, queue_id)
    }

    fn log(&self) -> &dyn LogReader {
        &*self.shared.log
    }

    /// Reads messages of a queue from `offset` on, as many as `limits` allow, that pass `filter`
    /// (called with a unit's tags code).
    ///
    /// # Errors
    /// When queue file or log cannot be read; the same read may succeed later.
    pub fn try_read(
        &self,
        topic: &str,
        queue_id: i32,
        offset: u64,
        limits: &ReadLimits,
        filter: &dyn Fn(i64) -> bool,
    ) -> Result<ReadOutcome, ReadError> {
        match self.queue(topic, queue_id) {
            Some(queue) => {
                self.shared
                    .derived
                    .queues()
                    .read(&queue, offset, limits, filter, self.log())
            }
            None => Ok(nothing(ReadStatus::NoSuchQueue, 0, QueueBounds::default())),
        }
    }

    /// Reads like [`try_read`](Store::try_read); where the disk refuses, the error is logged and the
    /// outcome is [`ReadStatus::OffsetAtEnd`] at the same offset, so that a consumer waits and asks
    /// again instead of passing over messages.
    pub fn read(
        &self,
        topic: &str,
        queue_id: i32,
        offset: u64,
        limits: &ReadLimits,
        filter: &dyn Fn(i64) -> bool,
    ) -> ReadOutcome {
        self.try_read(topic, queue_id, offset, limits, filter).unwrap_or_else(|error| {
            tracing::error!(topic, queue_id, offset, %error, "cannot read messages; the consumer waits");
            nothing(ReadStatus::OffsetAtEnd, offset, QueueBounds { min: 0, max: offset })
        })
    }

    /// Offsets of a queue that can be read; 0 and 0 for an unknown queue.
    pub fn queue_bounds(&self, topic: &str, queue_id: i32) -> QueueBounds {
        let Some(queue) = self.queue(topic, queue_id) else {
            return QueueBounds::default();
        };
        self.shared.derived.queues().bounds(&queue, self.log()).unwrap_or_else(|error| {
            tracing::error!(topic, queue_id, %error, "cannot read a queue's file; its minimum may be too low");
            queue.bounds()
        })
    }

    /// The unit at an offset; `None` outside of the bounds or when it cannot be read.
    pub fn queue_unit(&self, topic: &str, queue_id: i32, offset: u64) -> Option<QueueUnit> {
        let queue = self.queue(topic, queue_id)?;
        logged(
            self.shared.derived.queues().unit(&queue, offset),
            "a queue unit",
        )
        .flatten()
    }

    /// The first offset whose message was stored at or after a time, or the last one at or before
    /// it, within the queue's bounds.
    pub fn offset_by_time(
        &self,
        topic: &str,
        queue_id: i32,
        timestamp_ms: i64,
        boundary: Boundary,
    ) -> u64 {
        let Some(queue) = self.queue(topic, queue_id) else {
            return 0;
        };
        let found =
            self.shared
                .derived
                .queues()
                .offset_by_time(&queue, timestamp_ms, boundary, self.log());
        logged(found, "an offset by time").unwrap_or_else(|| queue.bounds().min)
    }

    /// Store time of the message at an offset, ms; `None` when there is none.
    pub fn store_time_at(&self, topic: &str, queue_id: i32, offset: u64) -> Option<i64> {
        let queue = self.queue(topic, queue_id)?;
        logged(
            self.shared
                .derived
                .queues()
                .store_time(&queue, offset, self.log()),
            "a store time",
        )
        .flatten()
    }

    /// The record at a log position; `None` outside of the readable log.
    ///
    /// # Errors
    /// When the disk refuses or no record starts there.
    pub fn record_at(&self, physical_offset: u64) -> Result<Option<RecordSlice>, ReadError> {
        self.log().record_at(physical_offset)
    }

    /// Messages of a topic with a key, stored between two times, newest first, at most `max`.
    pub fn query_key(
        &self,
        topic: &str,
        key: &str,
        max: usize,
        begin_ms: i64,
        end_ms: i64,
    ) -> Vec<RecordSlice> {
        logged(
            self.shared
                .derived
                .query_key(topic, key, max, begin_ms, end_ms, self.log()),
            "the key index",
        )
        .unwrap_or_default()
    }

    /// Messages of a topic with a unique key, stored between two times, newest first, at most `max`.
    pub fn query_unique_key(
        &self,
        topic: &str,
        key: &str,
        max: usize,
        begin_ms: i64,
        end_ms: i64,
    ) -> Vec<RecordSlice> {
        logged(
            self.shared
                .derived
                .query_unique_key(topic, key, max, begin_ms, end_ms, self.log()),
            "the key index",
        )
        .unwrap_or_default()
    }

    /// Messages of a topic with a tag, stored between two times, newest first, at most `max`.
    pub fn query_tag(
        &self,
        topic: &str,
        tag: &str,
        max: usize,
        begin_ms: i64,
        end_ms: i64,
    ) -> Vec<RecordSlice> {
        logged(
            self.shared
                .derived
                .query_tag(topic, tag, max, begin_ms, end_ms, self.log()),
            "the key index",
        )
        .unwrap_or_default()
    }

    /// Marks that somebody waits for the queue's next message: its arrivals are told to the
    /// [`on_arrival`](Store::on_arrival) callback until [`Arrival::unwatch`]. Whoever waits looks at
    /// the queue's bounds afterwards: what came before is not told. An unknown queue is created
    /// empty.
    pub fn watch_queue(&self, topic: &str, queue_id: i32) {
        if let Ok(queue) = self
            .shared
            .derived
            .queues()
            .table()
            .get_or_create(topic, queue_id)
        {
            queue.watch();
        }
    }

    /// Sets what is called for each message that becomes readable in a watched queue, on the
    /// dispatching thread: it must be quick and not call back into the store. Only the first call
    /// counts; `false` for later ones.
    pub fn on_arrival(&self, callback: Box<dyn Fn(&Arrival<'_>) + Send + Sync>) -> bool {
        self.shared.derived.set_on_arrival(callback)
    }

    /// Sets what is called when the durable mark moved or the store failed, on the flushing or an
    /// appending thread: it must be quick. Only the first call counts; `false` for later ones.
    pub fn on_progress(&self, callback: Box<dyn Fn(Progress) + Send + Sync>) -> bool {
        self.shared.progress.set(callback)
    }

    /// Blocks until a position is durable; `false` when it is not within `timeout`, or the store
    /// failed. For callers without an event loop of their own.
    pub fn wait_durable(&self, position: u64, timeout: Duration) -> bool {
        self.shared
            .progress
            .wait(&self.shared.log, position, timeout)
    }
}

fn nothing(status: ReadStatus, next_offset: u64, bounds: QueueBounds) -> ReadOutcome {
    ReadOutcome {
        status,
        next_offset,
        min_offset: bounds.min,
        max_offset: bounds.max,
        messages: Vec::new(),
        bytes: 0,
    }
}

fn logged<T, E: std::fmt::Display>(outcome: Result<T, E>, what: &str) -> Option<T> {
    outcome
        .inspect_err(|error| tracing::error!(%error, "cannot read {what}"))
        .ok()
}
