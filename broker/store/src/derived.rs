//! What is derived from the log, as one thing: queues, key index, journal. For now rebuilt from
//! the log at every start.

use std::io;

use mainstem_record::RecordView;

use crate::commit_log::KnownQueues;
use crate::disk::Disk;
use crate::dispatch::{DispatchLimits, DispatchState, Dispatcher, OnArrival, Schedule};
use crate::error::{DeleteTopicError, OpenError, ReadError};
use crate::journal::Journal;
use crate::log_reader::LogReader;
use crate::options::StoreOptions;
use crate::owner::LastWriter;
use crate::queues::ConsumeQueues;
use crate::slice::RecordSlice;
use crate::sync::Arc;

/// Memory for the units of all queues that are not in files yet.
const TAIL_BYTES: usize = 1 << 30;

/// Queues, index and journal.
#[derive(Debug)]
pub(crate) struct Derived {
    queues: Arc<ConsumeQueues>,
    journal: Journal,
    state: Arc<DispatchState>,
}

impl Derived {
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        options: &StoreOptions,
        state_id: u64,
        last: LastWriter,
    ) -> Result<(Self, Dispatcher), OpenError> {
        let journal = Journal::open(Arc::clone(disk), state_id)
            .map_err(OpenError::io("open", disk.display("mainstem/journal")))?;
        let crashed = !matches!(
            last,
            LastWriter::Fresh | LastWriter::Mainstem { clean: true, .. }
        );
        let queues = Arc::new(ConsumeQueues::new(
            Arc::clone(disk),
            options.queue_file_units,
            Default::default(),
            crashed,
        ));
        let state = Arc::new(DispatchState::default());
        let dispatcher = Dispatcher::new(
            Arc::clone(&queues),
            None,
            Arc::clone(&state),
            Schedule {
                topic: options.schedule_topic.clone(),
                delays_ms: options.schedule_levels_ms.clone(),
            },
            DispatchLimits {
                tail_bytes: TAIL_BYTES,
            },
        );
        Ok((
            Self {
                queues,
                journal,
                state,
            },
            dispatcher,
        ))
    }

    pub(crate) fn resume_from(&self) -> u64 {
        0
    }

    pub(crate) fn durable_position(&self) -> u64 {
        0
    }

    pub(crate) fn queues(&self) -> &ConsumeQueues {
        &self.queues
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) fn set_on_arrival(&self, callback: OnArrival) -> bool {
        self.state.set_on_arrival(callback)
    }

    pub(crate) fn tick(&self, _log: &dyn LogReader, _flush: &dyn Fn() -> Result<u64, Arc<str>>) {
        let _ = self.journal.sync();
    }

    pub(crate) fn close(&self, _log: &dyn LogReader, _flushed: u64) -> Result<(), io::Error> {
        self.journal.sync().map_err(io::Error::other)
    }

    pub(crate) fn expire(&self, min_position: u64) -> io::Result<()> {
        self.queues.expire(min_position).map(|_| ())
    }

    pub(crate) fn delete_topic(
        &self,
        topic: &str,
        hold: impl FnOnce(&mut dyn FnMut(u64)),
    ) -> Result<(), DeleteTopicError> {
        let table = self.queues.table();
        let mut at = 0;
        hold(&mut |position| {
            at = position;
            for queue in table.begin_removal(topic) {
                queue.counter().close();
            }
        });
        table.finish_removal(topic, at);
        Ok(())
    }

    pub(crate) fn query_key(
        &self,
        topic: &str,
        key: &str,
        max: usize,
        begin_ms: i64,
        end_ms: i64,
        log: &dyn LogReader,
    ) -> Result<Vec<RecordSlice>, ReadError> {
        let mut found = Vec::new();
        let mut positions = Vec::new();
        log.scan(
            log.min_position(),
            log.readable(),
            &mut |position, record: &RecordView<'_>| {
                let properties = record.properties();
                let keys = properties.get("KEYS").unwrap_or_default();
                let hit = keys.split(' ').any(|word| word == key)
                    || properties.get("UNIQ_KEY") == Some(key);
                if hit
                    && record.topic() == topic
                    && (begin_ms..=end_ms).contains(&record.store_timestamp_ms())
                {
                    positions.push(position);
                }
                true
            },
        )?;
        for position in positions.into_iter().rev().take(max) {
            found.extend(log.record_at(position)?);
        }
        Ok(found)
    }

    pub(crate) fn query_unique_key(
        &self,
        topic: &str,
        key: &str,
        max: usize,
        begin_ms: i64,
        end_ms: i64,
        log: &dyn LogReader,
    ) -> Result<Vec<RecordSlice>, ReadError> {
        self.query_key(topic, key, max, begin_ms, end_ms, log)
    }
}

impl KnownQueues for Derived {
    fn next_offset(&self, topic: &str, queue_id: i32) -> Option<u64> {
        self.queues
            .table()
            .get(topic, queue_id)
            .map(|queue| queue.max())
    }

    fn deleted_at(&self, topic: &str) -> Option<u64> {
        self.queues.table().deleted_at(topic)
    }
}
