//! Queries by key: candidates from the index, checked against the records themselves. Promises
//! that every message with the key and a store time in the range is found, newest first, and none
//! without; looks at a bounded number of candidates.

use std::ops::RangeInclusive;

use mainstem_record::{RecordView, property};

use super::Derived;
use crate::error::ReadError;
use crate::index::KeyPrefix;
use crate::log_reader::LogReader;
use crate::slice::RecordSlice;

/// Most records looked at for one query, so that a key whose hash many others share (or all
/// messages of a topic) costs no more than this.
const MAX_CANDIDATES: usize = 20_000;

/// What of a message is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// A word of its keys, or its unique key.
    Key,
    /// Its unique key only.
    UniqueKey,
    /// Its tag.
    Tag,
}

impl Derived {
    /// Messages of `topic` with `key` among their keys or as their unique key; see
    /// [`query`](Self::query).
    ///
    /// # Errors
    /// When index or log cannot be read.
    pub(crate) fn query_key(
        &self,
        topic: &str,
        key: &str,
        max: usize,
        begin_ms: i64,
        end_ms: i64,
        log: &dyn LogReader,
    ) -> Result<Vec<RecordSlice>, ReadError> {
        self.query(topic, KeyKind::Key, key, max, begin_ms..=end_ms, log)
    }

    /// Messages of `topic` with a unique key; see [`query`](Self::query).
    ///
    /// # Errors
    /// When index or log cannot be read.
    pub(crate) fn query_unique_key(
        &self,
        topic: &str,
        key: &str,
        max: usize,
        begin_ms: i64,
        end_ms: i64,
        log: &dyn LogReader,
    ) -> Result<Vec<RecordSlice>, ReadError> {
        self.query(topic, KeyKind::UniqueKey, key, max, begin_ms..=end_ms, log)
    }

    /// Messages of `topic` with a tag; see [`query`](Self::query).
    ///
    /// # Errors
    /// When index or log cannot be read.
    pub(crate) fn query_tag(
        &self,
        topic: &str,
        tag: &str,
        max: usize,
        begin_ms: i64,
        end_ms: i64,
        log: &dyn LogReader,
    ) -> Result<Vec<RecordSlice>, ReadError> {
        self.query(topic, KeyKind::Tag, tag, max, begin_ms..=end_ms, log)
    }

    /// Messages of `topic` with `key`, stored in `times_ms`, newest first.
    ///
    /// # Errors
    /// When index or log cannot be read.
    pub(crate) fn query(
        &self,
        topic: &str,
        kind: KeyKind,
        key: &str,
        max: usize,
        times_ms: RangeInclusive<i64>,
        log: &dyn LogReader,
    ) -> Result<Vec<RecordSlice>, ReadError> {
        let mut records = Vec::new();
        let Some(index) = self.index.as_ref().filter(|_| max > 0) else {
            return Ok(records);
        };
        let prefix = KeyPrefix::of_topic(topic);
        let hash = match kind {
            KeyKind::Key | KeyKind::UniqueKey => prefix.key(key.as_bytes()),
            KeyKind::Tag => prefix.tag(key.as_bytes()),
        };
        let deleted_at = self.queues.table().deleted_at(topic).unwrap_or(0);
        let mut looked_at = 0;
        let mut failure = None;
        let searched = index.find(hash, *times_ms.start(), *times_ms.end(), &mut |position| {
            looked_at += 1;
            if position < log.min_position() || position < deleted_at || looked_at > MAX_CANDIDATES
            {
                return false;
            }
            match log.record_at(position) {
                Ok(Some(record)) => {
                    let view = RecordView::parse(&record).ok();
                    let hit = view.is_some_and(|view| {
                        times_ms.contains(&view.store_timestamp_ms())
                            && has_key(&view, topic, kind, key)
                    });
                    if hit {
                        records.push(record);
                    }
                }
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
            records.len() < max && failure.is_none()
        });
        if let Err(source) = searched {
            return Err(ReadError::Io {
                position: 0,
                bytes: 0,
                source,
            });
        }
        failure.map_or(Ok(records), Err)
    }
}

fn has_key(record: &RecordView<'_>, topic: &str, kind: KeyKind, key: &str) -> bool {
    if record.topic() != topic {
        return false;
    }
    let properties = record.properties();
    let is = |name: &str| properties.get(name) == Some(key);
    let has_word = || {
        let keys = properties.get(property::KEYS);
        keys.is_some_and(|keys| keys.split(property::KEY_SEPARATOR).any(|word| word == key))
    };
    match kind {
        KeyKind::Key => is(property::UNIQ_KEY) || has_word(),
        KeyKind::UniqueKey => is(property::UNIQ_KEY),
        KeyKind::Tag => is(property::TAGS),
    }
}
