//! The journal's file: opening, appending, and replacing it by a compact one. Promises that records
//! are durable when a call returns, and that a file that fails is never appended to again but
//! replaced. Knows nothing of what waits to be written.

use std::io;

use super::read::{self, ReadUp};
use super::record::{self, Change, RECORD_BYTES};
use super::tables::{TABLES, Tables};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::layout::DIRECTORY;
use crate::sync::{Arc, Mutex};

pub(super) const PATH: &str = "mainstem/journal";
const TEMPORARY: &str = "mainstem/journal.new";
const MAGIC: &[u8; 8] = b"MSJOURN1";
/// What a journal's copy is called that is damaged.
const DAMAGED: &str = "damaged";
/// Magic, owner, CRC32 of both.
pub(super) const HEAD_BYTES: usize = 8 + 8 + 4;
/// A file up to this size is not worth compacting.
const COMPACT_MIN_BYTES: u64 = 1 << 20;
/// A file is compacted when it is so many times as long as its live entries.
const COMPACT_FACTOR: u64 = 4;

/// The open file. Whoever writes holds it exclusively.
#[derive(Debug)]
pub(super) struct JournalFile {
    disk: Arc<dyn Disk>,
    owner: u64,
    file: Option<Arc<dyn DiskFile>>,
    end: u64,
    sequence: u64,
}

fn head(owner: u64) -> [u8; HEAD_BYTES] {
    let mut bytes = [0; HEAD_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&owner.to_be_bytes());
    let crc = crc32fast::hash(&bytes[..16]);
    bytes[16..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// How a journal was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// There was none.
    None,
    /// One of another life of the directory, or one whose head is damaged; renamed.
    SetAside,
    /// This one.
    Own(ReadUp),
}

impl JournalFile {
    /// Opens the journal that belongs to `owner` and applies it to `tables`. A file with damage or
    /// a torn end is kept under another name, and a compact one takes its place at the first write.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        owner: u64,
        tables: &mut Tables,
    ) -> io::Result<(Self, Found)> {
        disk.create_dir_all(DIRECTORY)?;
        let mut journal = Self {
            disk,
            owner,
            file: None,
            end: 0,
            sequence: 0,
        };
        let file = match journal.disk.open(PATH, OpenMode::ReadWrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((journal, Found::None));
            }
            other => other?,
        };
        let mut bytes = [0; HEAD_BYTES];
        let read = file.read_at(&mut bytes, 0)?;
        let damaged_head = bytes != head(owner);
        if damaged_head && owner_of_head(&bytes).is_some() {
            journal.set_aside("foreign")?;
            return Ok((journal, Found::SetAside));
        }
        // A damaged head says nothing of the records behind it.
        let mut up = read::read(&*file, (HEAD_BYTES as u64).min(read as u64), |change| {
            tables.apply(change)
        })?;
        if damaged_head && up.records == 0 {
            journal.set_aside(DAMAGED)?;
            return Ok((journal, Found::SetAside));
        }
        journal.sequence = up.sequence;
        up.damaged_head = damaged_head;
        if damaged_head || up.damaged_bytes > 0 {
            journal.keep_copy(&*file)?;
        }
        if !damaged_head && up.damaged_bytes == 0 && up.torn_bytes == 0 {
            journal.file = Some(file);
            journal.end = up.end;
        }
        Ok((journal, Found::Own(up)))
    }

    fn free_name(&self, what: &str) -> io::Result<String> {
        let mut number = 0;
        loop {
            let path = format!("{PATH}.{what}-{number}");
            if !self.disk.exists(&path)? {
                return Ok(path);
            }
            number += 1;
        }
    }

    fn set_aside(&self, what: &str) -> io::Result<()> {
        let path = self.free_name(what)?;
        self.disk.rename(PATH, &path)?;
        self.disk.sync_dir(DIRECTORY)?;
        let (journal, kept_as) = (self.disk.display(PATH), self.disk.display(&path));
        if what == DAMAGED {
            tracing::error!(
                journal,
                kept_as,
                "journal is damaged and holds no whole record: it is not used"
            );
        } else {
            tracing::warn!(
                journal,
                kept_as,
                "journal is not that of this directory's present life and is not used"
            );
        }
        Ok(())
    }

    /// Copies a damaged journal, so that it can be looked at after it was replaced.
    fn keep_copy(&self, file: &dyn DiskFile) -> io::Result<()> {
        let path = self.free_name(DAMAGED)?;
        let copy = self.disk.create_new(&path)?;
        let mut buffer = vec![0; 1 << 20];
        let mut at = 0;
        loop {
            let read = file.read_at(&mut buffer, at)?;
            if read == 0 {
                break;
            }
            copy.write_at(&buffer[..read], at)?;
            at += read as u64;
        }
        copy.sync_data()?;
        self.disk.sync_dir(DIRECTORY)
    }

    /// Makes the next write a compaction: what the page cache shows after an unclean stop need not
    /// be on the device, and a file written anew is.
    pub(super) fn distrust(&mut self) {
        self.file = None;
    }

    /// Whether the next write must be a compaction, or should be one.
    pub(super) fn wants_compaction(&self, live_bytes: usize) -> bool {
        self.file.is_none() || self.end > COMPACT_MIN_BYTES.max(live_bytes as u64 * COMPACT_FACTOR)
    }

    /// Appends records for the changes and makes them durable.
    pub(super) fn append<'a>(
        &mut self,
        changes: impl Iterator<Item = Change<'a>>,
    ) -> io::Result<()> {
        let mut out = Vec::new();
        self.encode(changes, &mut out);
        let Some(file) = &self.file else {
            return Err(io::Error::other(
                "the journal failed and was not replaced yet",
            ));
        };
        if let Err(error) = file
            .write_at(&out, self.end)
            .and_then(|()| file.sync_data())
        {
            // What is on the device now, nobody knows.
            self.file = None;
            return Err(error);
        }
        self.end += out.len() as u64;
        Ok(())
    }

    fn encode<'a>(&mut self, changes: impl Iterator<Item = Change<'a>>, out: &mut Vec<u8>) {
        let mut start = None;
        for change in changes {
            let at = *start.get_or_insert_with(|| {
                self.sequence += 1;
                record::begin(self.sequence, out)
            });
            record::push(&change, out);
            if out.len() - at >= RECORD_BYTES {
                record::finish(at, out);
                start = None;
            }
        }
        if let Some(at) = start {
            record::finish(at, out);
        }
    }

    /// Replaces the file by one that holds the live entries only.
    pub(super) fn compact(&mut self, tables: &Mutex<Tables>) -> io::Result<()> {
        let file = self.disk.open(TEMPORARY, OpenMode::Create)?;
        file.set_len(0)?;
        file.write_at(&head(self.owner), 0)?;
        let mut end = HEAD_BYTES as u64;
        let mut out = Vec::new();
        for table in 0..TABLES {
            let table = u8::try_from(table).unwrap_or(u8::MAX);
            out.clear();
            {
                let tables = tables.lock();
                let entries = tables.entries(table).map(|(key, value)| Change {
                    table,
                    key,
                    value: Some(value),
                });
                self.encode(entries, &mut out);
            }
            file.write_at(&out, end)?;
            end += out.len() as u64;
        }
        file.sync_data()?;
        self.disk.rename(TEMPORARY, PATH)?;
        // If this fails, the old file may come back: neither is appended to before it succeeds.
        self.file = None;
        self.disk.sync_dir(DIRECTORY)?;
        self.file = Some(file);
        self.end = end;
        Ok(())
    }
}

/// The owner that a whole head names.
pub(super) fn owner_of_head(bytes: &[u8; HEAD_BYTES]) -> Option<u64> {
    let mut owner = [0; 8];
    owner.copy_from_slice(&bytes[8..16]);
    let owner = u64::from_be_bytes(owner);
    (*bytes == head(owner)).then_some(owner)
}
