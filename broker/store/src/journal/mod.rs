//! The journal: a durable key-value store for what the log cannot give back. Promises that a change
//! is seen at once, is durable after [`Journal::sync`] or at the latest after the next tick of the
//! store's background, and that a damaged file gives each key its last good value and is talked
//! about. Keys and values are the business of those who put them.
//!
//! `mainstem/journal` is a head and checksummed records, appended in batches; when most of it is
//! old, a compact file takes its place by rename.

mod file;
mod look;
mod read;
mod record;
mod tables;
#[cfg(test)]
mod tests;

use std::io;

pub(crate) use self::look::{look, table_name, value_text};

use self::file::{Found, JournalFile};
use self::record::{Change, MAX_VALUE_BYTES};
use self::tables::Tables;
use crate::disk::Disk;
use crate::sync::{Arc, Mutex};

/// Changed keys that may wait for a tick; beyond it the next change writes them.
const MAX_WAITING: usize = 64 * 1024;

/// The tables of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Table {
    /// Topic configurations.
    Topics = 0,
    /// Subscription groups.
    Groups = 1,
    /// Committed consumer offsets.
    Offsets = 2,
    /// Progress of the delay levels.
    DelayOffsets = 3,
    /// Anything else that a broker keeps.
    BrokerState = 4,
}

/// The store's own tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum OwnTable {
    /// `TOPIC@QUEUE` to the next offset of a queue all of whose messages expired (8 bytes).
    EmptiedQueues = 5,
    /// Topic to the log position of its deletion (8 bytes), and a byte that is 1 when its files
    /// are gone.
    Deletions = 6,
}

/// Why a change was not taken or not made durable.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Key or value is too long.
    #[error(
        "a journal entry of {key_bytes} + {value_bytes} bytes is too long: keys have up to 65,535 bytes, values up to {MAX_VALUE_BYTES}"
    )]
    TooLong {
        /// Length of the key.
        key_bytes: usize,
        /// Length of the value.
        value_bytes: usize,
    },
    /// The disk refused. The change is in memory and is tried again at each tick.
    #[error("cannot write {path}: {source}; the change is kept in memory and tried again")]
    Io {
        /// The file.
        path: String,
        /// The disk's answer.
        #[source]
        source: io::Error,
    },
}

/// The journal of one store.
#[derive(Debug)]
pub struct Journal {
    disk: Arc<dyn Disk>,
    tables: Mutex<Tables>,
    /// Locked before `tables` where both are.
    file: Mutex<JournalFile>,
    /// Whether there was nothing to begin with.
    is_new: bool,
}

impl Journal {
    /// Opens the journal of the directory's present life.
    pub(crate) fn open(disk: Arc<dyn Disk>, owner: u64) -> io::Result<Self> {
        let mut tables = Tables::default();
        let (file, found) = JournalFile::open(Arc::clone(&disk), owner, &mut tables)?;
        let path = disk.display(file::PATH);
        let is_new = match found {
            Found::None | Found::SetAside => true,
            Found::Own(up) => {
                if up.damaged_bytes > 0 {
                    tracing::error!(
                        journal = path,
                        damaged_bytes = up.damaged_bytes,
                        records = up.records,
                        "journal is damaged: changes in the damaged part are lost, every key has its last good value; a copy is kept beside it"
                    );
                } else if up.damaged_head {
                    tracing::error!(
                        journal = path,
                        records = up.records,
                        "journal's head is damaged: the records behind it are whole and used; a copy is kept beside it"
                    );
                } else if up.torn_bytes > 0 {
                    tracing::info!(
                        journal = path,
                        bytes = up.torn_bytes,
                        "journal ends with a record torn by the crash, which was never confirmed"
                    );
                }
                false
            }
        };
        Ok(Self {
            disk,
            tables: Mutex::new(tables),
            file: Mutex::new(file),
            is_new,
        })
    }

    /// Writes everything anew after an unclean stop, before anything is done because of it: a record
    /// that was only in the page cache would be taken back by a power cut, and what was done would
    /// not.
    ///
    /// # Errors
    /// When the disk refuses; the next write tries again.
    pub(crate) fn confirm(&self) -> io::Result<()> {
        if self.is_new {
            return Ok(());
        }
        self.file.lock().distrust();
        self.write()
    }

    /// Whether the journal was empty when it was opened: then Apache's JSON files, if there are
    /// any, are all that is known.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Sets a key. Durable later; see [`sync`](Self::sync).
    ///
    /// # Errors
    /// [`JournalError::TooLong`]; or that of the disk, when very many changes wait already.
    pub fn put(&self, table: Table, key: &str, value: &[u8]) -> Result<(), JournalError> {
        self.change_all(&[change(table as u8, key, Some(value))])
    }

    /// Removes a key. Durable later; see [`sync`](Self::sync).
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn remove(&self, table: Table, key: &str) -> Result<(), JournalError> {
        self.change_all(&[change(table as u8, key, None)])
    }

    /// Sets several keys of a table; readers see all of them or none.
    ///
    /// # Errors
    /// As [`put`](Self::put); nothing was set when an entry is too long.
    pub fn put_many<'a>(
        &self,
        table: Table,
        entries: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<(), JournalError> {
        let changes: Vec<_> = entries
            .into_iter()
            .map(|(key, value)| change(table as u8, key, Some(value)))
            .collect();
        self.change_all(&changes)
    }

    /// The value of a key.
    pub fn get(&self, table: Table, key: &str) -> Option<Vec<u8>> {
        self.tables.lock().get(table as u8, key).map(<[u8]>::to_vec)
    }

    /// All entries of a table, in no order.
    pub fn get_all(&self, table: Table) -> Vec<(String, Vec<u8>)> {
        self.all(table as u8)
    }

    fn all(&self, table: u8) -> Vec<(String, Vec<u8>)> {
        self.tables
            .lock()
            .entries(table)
            .map(|(key, value)| (key.to_owned(), value.to_vec()))
            .collect()
    }

    /// Makes every change made so far durable.
    ///
    /// # Errors
    /// When the disk refuses; the changes stay in memory and are tried again.
    pub fn sync(&self) -> Result<(), JournalError> {
        self.write().map_err(|source| JournalError::Io {
            path: self.disk.display(file::PATH),
            source,
        })
    }

    fn change_all(&self, changes: &[Change<'_>]) -> Result<(), JournalError> {
        for change in changes {
            let (key_bytes, value_bytes) = (change.key.len(), change.value.map_or(0, <[u8]>::len));
            if key_bytes > usize::from(u16::MAX) || value_bytes > MAX_VALUE_BYTES {
                return Err(JournalError::TooLong {
                    key_bytes,
                    value_bytes,
                });
            }
        }
        let waiting = {
            let mut tables = self.tables.lock();
            changes.iter().for_each(|change| tables.change(change));
            tables.changed_len()
        };
        if waiting > MAX_WAITING {
            self.sync()
        } else {
            Ok(())
        }
    }

    /// Writes what waits. Called by the background's tick too.
    pub(crate) fn write(&self) -> io::Result<()> {
        let mut file = self.file.lock();
        let (keys, live_bytes) = {
            let mut tables = self.tables.lock();
            (tables.take_changed(), tables.live_bytes())
        };
        let outcome = if keys.is_empty() && !file.wants_compaction(live_bytes) {
            Ok(())
        } else if file.wants_compaction(live_bytes) {
            file.compact(&self.tables)
        } else {
            // Copied out, so that nobody waits for the disk to read or change a table.
            let values: Vec<_> = {
                let tables = self.tables.lock();
                keys.iter()
                    .map(|(table, key)| tables.get(*table, key).map(<[u8]>::to_vec))
                    .collect()
            };
            let changes = keys
                .iter()
                .zip(&values)
                .map(|((table, key), value)| change(*table, key, value.as_deref()));
            file.append(changes)
        };
        if outcome.is_err() {
            self.tables.lock().not_written(keys);
        }
        outcome
    }

    /// The next offsets of queues all of whose messages expired.
    pub(crate) fn emptied_queues(&self) -> Vec<(String, i32, u64)> {
        let entries = self.all(OwnTable::EmptiedQueues as u8);
        entries
            .iter()
            .filter_map(|(key, value)| {
                let (topic, queue_id) = key.rsplit_once('@')?;
                Some((
                    topic.to_owned(),
                    queue_id.parse().ok()?,
                    u64::from_be_bytes(*value.first_chunk()?),
                ))
            })
            .collect()
    }

    /// Keeps the next offsets of queues all of whose messages expired.
    pub(crate) fn set_emptied_queues<'a>(
        &self,
        queues: impl IntoIterator<Item = (&'a str, i32, u64)>,
    ) -> Result<(), JournalError> {
        queues.into_iter().try_for_each(|(topic, queue_id, next)| {
            let key = format!("{topic}@{queue_id}");
            self.change_all(&[change(
                OwnTable::EmptiedQueues as u8,
                &key,
                Some(&next.to_be_bytes()),
            )])
        })
    }

    /// Deleted topics, the log position of the deletion, and whether their files are gone.
    pub(crate) fn deletions(&self) -> Vec<(String, u64, bool)> {
        let entries = self.all(OwnTable::Deletions as u8);
        entries
            .into_iter()
            .filter_map(|(topic, value)| {
                let (position, done) = value.split_first_chunk()?;
                Some((topic, u64::from_be_bytes(*position), done == [1]))
            })
            .collect()
    }

    pub(crate) fn put_deletion(
        &self,
        topic: &str,
        position: u64,
        files_gone: bool,
    ) -> Result<(), JournalError> {
        let mut value = position.to_be_bytes().to_vec();
        value.push(u8::from(files_gone));
        let mut changes = vec![change(OwnTable::Deletions as u8, topic, Some(&value))];
        // What was kept of its emptied queues goes with the topic.
        let prefix = format!("{topic}@");
        let emptied = self.all(OwnTable::EmptiedQueues as u8);
        let keys: Vec<_> = emptied
            .iter()
            .map(|(key, _)| key)
            .filter(|key| key.starts_with(&prefix))
            .collect();
        changes.extend(
            keys.into_iter()
                .map(|key| change(OwnTable::EmptiedQueues as u8, key, None)),
        );
        self.change_all(&changes)
    }

    /// Gives the deletions of these topics another position, in a journal that nobody has open.
    ///
    /// # Errors
    /// When the disk refuses; the file is as before then.
    pub(crate) fn rewrite_deletions(
        disk: &Arc<dyn Disk>,
        owner: u64,
        position: u64,
        topics: &[(String, bool)],
    ) -> io::Result<()> {
        let journal = Self::open(Arc::clone(disk), owner)?;
        for (topic, files_gone) in topics {
            journal
                .put_deletion(topic, position, *files_gone)
                .map_err(io::Error::other)?;
        }
        journal.confirm()
    }

    pub(crate) fn remove_deletion(&self, topic: &str) -> Result<(), JournalError> {
        self.change_all(&[change(OwnTable::Deletions as u8, topic, None)])
    }
}

fn change<'a>(table: u8, key: &'a str, value: Option<&'a [u8]>) -> Change<'a> {
    Change { table, key, value }
}
