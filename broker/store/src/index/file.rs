//! One index file: opening, creating and searching it. Promises that a search ends, whatever the
//! file holds, and finds every entry whose slot was written. Adding entries is the business of
//! `append`.

use std::io;

use super::format::{ENTRY_BYTES, Entry, Geometry, HEADER_BYTES, Header};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::sync::{Arc, Mutex};

/// Directory of the index files.
pub(super) const DIRECTORY: &str = "index";
/// Digits of a file's name, `yyyyMMddHHmmssSSS`.
pub(super) const NAME_DIGITS: usize = 17;
/// Entries read at once while a chain is followed; neighbours in a chain of a frequent key lie close.
const READ_ENTRIES: u32 = 200;

/// An index file.
#[derive(Debug)]
pub(super) struct IndexFile {
    name: String,
    geometry: Geometry,
    file: Arc<dyn DiskFile>,
    /// As far as slots are written.
    header: Mutex<Header>,
}

pub(super) fn path_of(name: &str) -> String {
    format!("{DIRECTORY}/{name}")
}

impl IndexFile {
    /// Opens an existing file. `InvalidData` when it has not the length of `geometry`.
    pub(super) fn open(disk: &dyn Disk, name: &str, geometry: Geometry) -> io::Result<Self> {
        let file = disk.open(&path_of(name), OpenMode::ReadWrite)?;
        let found = file.len()?;
        if found != geometry.file_bytes() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "it has {found} bytes, but {} slots and {} entries make {}",
                    geometry.slots,
                    geometry.entries,
                    geometry.file_bytes()
                ),
            ));
        }
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact_at(&mut bytes, 0)?;
        let header = Header::decode(&bytes);
        if header.next_entry > geometry.entries {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "its header counts {} of {} entries",
                    header.next_entry, geometry.entries
                ),
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            geometry,
            file,
            header: Mutex::new(header),
        })
    }

    /// Creates an empty file of full length, durable with its name.
    pub(super) fn create(disk: &dyn Disk, name: &str, geometry: Geometry) -> io::Result<Self> {
        disk.create_dir_all(DIRECTORY)?;
        let path = path_of(name);
        let file = disk.create_new(&path)?;
        let made = file
            .set_len(geometry.file_bytes())
            .and_then(|()| file.write_at(&Header::default().encode(), 0))
            .and_then(|()| file.sync_data())
            .and_then(|()| disk.sync_dir(DIRECTORY));
        if let Err(error) = made {
            // Half a file would be taken for a damaged one; the first error is the one that counts.
            let _ = disk.remove(&path);
            return Err(error);
        }
        Ok(Self {
            name: name.to_owned(),
            geometry,
            file,
            header: Mutex::new(Header::default()),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn geometry(&self) -> Geometry {
        self.geometry
    }

    pub(super) fn file(&self) -> &dyn DiskFile {
        &*self.file
    }

    pub(super) fn header(&self) -> Header {
        *self.header.lock()
    }

    /// Writes the header, after the slots that it counts.
    pub(super) fn set_header(&self, header: Header) -> io::Result<()> {
        self.file.write_at(&header.encode(), 0)?;
        *self.header.lock() = header;
        Ok(())
    }

    /// Takes a header that is known better than the file's own bytes.
    pub(super) fn assume_header(&self, header: Header) {
        *self.header.lock() = header;
    }

    pub(super) fn is_full(&self) -> bool {
        self.header().next_entry >= self.geometry.entries
    }

    /// Whether a record of the given time range may be in the file.
    pub(super) fn may_hold(&self, begin_ms: i64, end_ms: i64) -> bool {
        let header = self.header();
        header.next_entry > 1 && begin_ms <= header.end_ms && end_ms >= header.begin_ms
    }

    /// Hands the positions of entries with that hash to `found`, newest first, until it returns
    /// false; returns false when it did. Times count by the second: an entry may be of a record
    /// just outside of the range, none inside is left out.
    pub(super) fn find(
        &self,
        hash: u32,
        begin_ms: i64,
        end_ms: i64,
        found: &mut dyn FnMut(u64) -> bool,
    ) -> io::Result<bool> {
        let header = self.header();
        let mut slot = [0; 4];
        self.file.read_exact_at(
            &mut slot,
            Geometry::slot_position(self.geometry.slot_of(hash)),
        )?;
        let mut number = u32::from_be_bytes(slot);
        let mut reader = EntryReader::new(self);
        while number > 0 && number < self.geometry.entries {
            let entry = reader.read(number)?;
            let time_ms = header.time_ms(entry.seconds);
            if entry.hash == hash
                && time_ms.saturating_add(999) >= begin_ms
                && time_ms <= end_ms
                && !found(entry.position)
            {
                return Ok(false);
            }
            // Chains only lead to older entries; anything else is damage and ends the search.
            if entry.previous >= number {
                break;
            }
            number = entry.previous;
        }
        Ok(true)
    }
}

/// Reads entries one by one from blocks that end with the first one asked for.
pub(super) struct EntryReader<'a> {
    file: &'a IndexFile,
    block: Vec<[u8; ENTRY_BYTES]>,
    first: u32,
}

impl<'a> EntryReader<'a> {
    pub(super) fn new(file: &'a IndexFile) -> Self {
        Self {
            file,
            block: Vec::new(),
            first: 0,
        }
    }

    pub(super) fn read(&mut self, number: u32) -> io::Result<Entry> {
        let index = |first: u32| {
            number
                .checked_sub(first)
                .and_then(|at| usize::try_from(at).ok())
        };
        if let Some(bytes) = index(self.first).and_then(|at| self.block.get(at)) {
            return Ok(Entry::decode(bytes));
        }
        let first = number.saturating_sub(READ_ENTRIES - 1);
        self.block.resize(
            usize::try_from(number - first + 1).unwrap_or(0),
            [0; ENTRY_BYTES],
        );
        let position = self.file.geometry.entry_position(first);
        if let Err(error) = self
            .file
            .file
            .read_exact_at(self.block.as_flattened_mut(), position)
        {
            self.block.clear();
            return Err(error);
        }
        self.first = first;
        Ok(self.block.last().map_or(
            Entry {
                hash: 0,
                position: 0,
                seconds: 0,
                previous: 0,
            },
            Entry::decode,
        ))
    }
}
