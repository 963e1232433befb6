//! Comparing index files with the log, record by record in the log's order, without opening either:
//! every entry must be one of a key that its record has, every chain must be whole, and every slot
//! must lead to its newest entry (`chains`). Promises to read every file once; changes nothing.

mod chains;
mod known;

use std::io;

use self::chains::Reading;
use self::known::{Known, known};
use super::Geometry;
use super::file::{DIRECTORY, path_of};
use super::format::{Entry, HEADER_BYTES, Header};
use super::name;
use super::state::PATH;
use crate::disk::{Disk, OpenMode};
use crate::inspect::{Findings, Severity, Step};

/// The comparison.
#[derive(Debug)]
pub(crate) struct IndexVerifier<'a> {
    disk: &'a dyn Disk,
    geometry: Geometry,
    /// Files still to come, newest first.
    waiting: Vec<(String, Header, u32)>,
    current: Option<Reading>,
    /// Position of the first entry: records before it are not indexed any more.
    begins: Option<u64>,
    /// Records below are indexed.
    resume: u64,
    missing: u64,
    first_missing: Option<u64>,
    found: Vec<u32>,
    /// Entries compared.
    pub(crate) entries: u64,
}

impl<'a> IndexVerifier<'a> {
    /// Looks at state and files. `owner` is the state id of the directory's present life; `clean` says
    /// that the last stop was one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn open(
        disk: &'a dyn Disk,
        geometry: Geometry,
        owner: Option<u64>,
        clean: bool,
        findings: &mut Findings,
    ) -> io::Result<Self> {
        let known = owner.map_or(Ok(None), |owner| known(disk, owner, clean, findings))?;
        let mut verifier = Self {
            disk,
            geometry,
            waiting: Vec::new(),
            current: None,
            begins: None,
            resume: 0,
            missing: 0,
            first_missing: None,
            found: Vec::new(),
            entries: 0,
        };
        verifier.find_files(known.as_ref(), owner.is_some(), clean, findings)?;
        verifier.waiting.reverse();
        verifier.next_file()?;
        Ok(verifier)
    }

    fn find_files(
        &mut self,
        known: Option<&Known>,
        own: bool,
        clean: bool,
        findings: &mut Findings,
    ) -> io::Result<()> {
        let names = match self.disk.list(DIRECTORY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let newest = known.map(|known| known.file.as_str());
        let mut newest_there = false;
        // A crash leaves files that were being made, and those that it had no time to name.
        let severity = if clean {
            Severity::Rebuilt
        } else {
            Severity::Expected
        };
        for name in names.iter().filter(|name| name::is_name(name)) {
            if newest.is_some_and(|newest| name.as_str() > newest) {
                findings.add(
                    Severity::Expected,
                    &path_of(name),
                    None,
                    "an index file that was being made when the broker died",
                    "the next start removes it",
                );
                continue;
            }
            if self.disk.open(&path_of(name), OpenMode::Read)?.len()? == 0 {
                findings.add(
                    severity,
                    &path_of(name),
                    None,
                    "it has 0 bytes, as a crash leaves an index file that was being made",
                    "the next start removes it; keys that go with it are told for themselves",
                );
                continue;
            }
            let Some(mut header) = self.header(name, findings)? else {
                continue;
            };
            let mut slots_through = header.next_entry;
            if let Some(known) = known.filter(|known| known.file == *name) {
                newest_there = true;
                if header != known.header && clean {
                    findings.add(
                        Severity::Rebuilt,
                        &path_of(name),
                        Some(0),
                        "the header is not the one that mainstem/index names",
                        "the next start takes that of mainstem/index",
                    );
                }
                header = known.header;
                slots_through = known.slots_through;
            }
            // Without a state of ours, what a crash left in a file is not believed at all.
            if known.is_some() || (clean && !own) {
                self.waiting.push((name.clone(), header, slots_through));
            } else {
                findings.add(
                    severity,
                    &path_of(name),
                    None,
                    "index file that no state describes",
                    "the next start keeps it if it is full and older than the checkpoint, and indexes the rest again from the log",
                );
            }
        }
        self.resume = match known {
            Some(known) => known.resume,
            None => self
                .waiting
                .last()
                .map_or(0, |(_, header, _)| header.end_position),
        };
        if let Some(known) = known.filter(|known| !known.file.is_empty() && !newest_there) {
            findings.add_with(
                Severity::Rebuilt,
                &path_of(&known.file),
                None,
                "the newest index file is missing or cannot be used",
                "the next start indexes again from the log what it held; a file of a wrong length stays until it is moved away",
                &[Step::RebuildIndex],
            );
            self.resume = self
                .waiting
                .last()
                .map_or(0, |(_, header, _)| header.end_position);
        }
        // Ours goes back to the log's begin; what a Java broker left may begin anywhere.
        self.begins = match known {
            Some(_) => Some(0),
            None => self
                .waiting
                .first()
                .map(|(_, header, _)| header.begin_position),
        };
        Ok(())
    }

    fn header(&self, name: &str, findings: &mut Findings) -> io::Result<Option<Header>> {
        let file = self.disk.open(&path_of(name), OpenMode::Read)?;
        let (len, wanted) = (file.len()?, self.geometry.file_bytes());
        let mut unusable = |message: String| {
            findings.add_with(
                Severity::Repairable,
                &path_of(name),
                None,
                message,
                "a start leaves it alone, and its keys are not found; give the configured sizes by --config or --set, or index again",
                &[Step::RebuildIndex],
            );
        };
        if len != wanted {
            unusable(format!(
                "it has {len} bytes; {} slots (maxHashSlotNum) and {} entries (maxIndexNum) make {wanted}",
                self.geometry.slots, self.geometry.entries
            ));
            return Ok(None);
        }
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact_at(&mut bytes, 0)?;
        let header = Header::decode(&bytes);
        if header.next_entry > self.geometry.entries {
            unusable(format!(
                "its header counts {} of {} entries",
                header.next_entry, self.geometry.entries
            ));
            return Ok(None);
        }
        Ok(Some(header))
    }

    fn next_file(&mut self) -> io::Result<()> {
        let Some((name, header, slots_through)) = self.waiting.pop() else {
            self.current = None;
            return Ok(());
        };
        let path = path_of(&name);
        let file = self.disk.open(&path, OpenMode::Read)?;
        let slots = usize::try_from(self.geometry.slots).unwrap_or(0);
        self.current = Some(Reading::new(path, file, header, slots_through, slots));
        Ok(())
    }

    /// Takes the next record of the log with the hashes of its keys, and that of its tag.
    ///
    /// # Errors
    /// When an index file cannot be read.
    pub(crate) fn record(
        &mut self,
        position: u64,
        store_ms: i64,
        hashes: &[u32],
        tag: Option<u32>,
        findings: &mut Findings,
    ) -> io::Result<()> {
        self.found.clear();
        while let Some((entry, begin_ms)) = self.entry_up_to(position, findings)? {
            let is_of_record = hashes.contains(&entry.hash) || tag == Some(entry.hash);
            let header = Header {
                begin_ms,
                ..Header::default()
            };
            if !is_of_record {
                self.wrong("is of no key of its record".to_owned());
            } else if entry.seconds != header.seconds(store_ms) {
                self.wrong(format!(
                    "says {} seconds where its record was stored {} after the file's first",
                    entry.seconds,
                    header.seconds(store_ms)
                ));
            } else {
                self.found.push(entry.hash);
            }
            if let Some(reading) = &mut self.current {
                reading.compare_header(position, store_ms);
            }
        }
        let is_indexed =
            self.begins.is_some_and(|begins| position >= begins) && position < self.resume;
        if is_indexed && hashes.iter().any(|hash| !self.found.contains(hash)) {
            self.missing += 1;
            self.first_missing.get_or_insert(position);
        }
        Ok(())
    }

    /// A record whose keys nobody can tell, or that nobody finds any more: its entries are passed over.
    pub(crate) fn skip(
        &mut self,
        position: u64,
        store_ms: i64,
        findings: &mut Findings,
    ) -> io::Result<()> {
        while self.entry_up_to(position, findings)?.is_some() {
            if let Some(reading) = &mut self.current {
                reading.compare_header(position, store_ms);
            }
        }
        Ok(())
    }

    /// The next entry if it is one of the record at `position`; those of no record are told.
    fn entry_up_to(
        &mut self,
        position: u64,
        findings: &mut Findings,
    ) -> io::Result<Option<(Entry, i64)>> {
        loop {
            let Some(reading) = &mut self.current else {
                return Ok(None);
            };
            let Some(entry) = reading.peek(self.geometry)? else {
                self.end_file(findings)?;
                continue;
            };
            if entry.position > position && entry.position <= reading.header.end_position {
                return Ok(None);
            }
            let begin_ms = reading.header.begin_ms;
            reading.take(&entry, self.geometry);
            self.entries += 1;
            if entry.position == position {
                return Ok(Some((entry, begin_ms)));
            }
            self.wrong(format!(
                "points to {}, where no record begins",
                entry.position
            ));
        }
    }

    fn wrong(&mut self, what: String) {
        if let Some(reading) = &mut self.current {
            reading.wrong_before(what);
        }
    }

    /// Entries below the log's start are those of expired records.
    pub(crate) fn begin_at(&mut self, start: u64, findings: &mut Findings) -> io::Result<()> {
        while let Some(reading) = &mut self.current {
            match reading.peek(self.geometry)? {
                Some(entry) if entry.position < start => reading.take(&entry, self.geometry),
                Some(_) => break,
                None => self.end_file(findings)?,
            }
        }
        Ok(())
    }

    fn end_file(&mut self, findings: &mut Findings) -> io::Result<()> {
        if let Some(mut reading) = self.current.take() {
            reading.check_slots()?;
            reading.tell(self.geometry, findings);
        }
        self.next_file()
    }

    /// Tells what is left to tell when the log is at its end, `end`.
    pub(crate) fn finish(mut self, end: u64, findings: &mut Findings) -> io::Result<()> {
        while let Some(reading) = &mut self.current {
            match reading.peek(self.geometry)? {
                Some(entry) => {
                    reading.take(&entry, self.geometry);
                    self.wrong(format!(
                        "points to {}, behind the log's end {end}",
                        entry.position
                    ));
                }
                None => self.end_file(findings)?,
            }
        }
        if let Some(first) = self.first_missing {
            findings.add_with(
                Severity::Repairable,
                DIRECTORY,
                None,
                format!(
                    "keys of {} records are not in the index, the first at log position {first}",
                    self.missing
                ),
                "queries by key do not find them until the index is built anew; the log has them",
                &[Step::RebuildIndex],
            );
        }
        if self.resume > end {
            findings.add_with(
                Severity::Repairable,
                PATH,
                None,
                format!(
                    "it says that the log is indexed up to {}, but the log ends at {end}",
                    self.resume
                ),
                "messages between would not be indexed; build the index anew",
                &[Step::RebuildIndex],
            );
        }
        Ok(())
    }
}
