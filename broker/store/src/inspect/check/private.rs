//! The files under `mainstem/`: floor, snapshots and journal, each by itself. What they say of log,
//! queues and index is compared later.

use std::collections::HashMap;

use crate::floor::{self, Floor, Slot};
use crate::inspect::{Findings, InspectError, Inspection, Severity, Step};
use crate::journal::{self, OwnTable};
use crate::layout;
use crate::snapshot::{self, Head, QueueState};

/// What the private files say.
#[derive(Debug, Default)]
pub(super) struct Private {
    /// The newest floor of the directory's present life.
    pub(super) floor: Option<Floor>,
    /// The snapshot that the next start will load.
    pub(super) snapshot: Option<Head>,
    /// Its queues.
    pub(super) states: Vec<QueueState>,
    /// Deleted topics and the log position of their deletion.
    pub(super) deletions: HashMap<String, u64>,
    /// There is a journal that the next start will read.
    pub(super) has_journal: bool,
}

impl Private {
    /// Position below which the log must be valid; `None` when nothing says so.
    pub(super) fn durable(&self) -> Option<u64> {
        let floor = self.floor.map(|floor| floor.position);
        floor.max(self.snapshot.map(|head| head.position))
    }
}

impl Inspection {
    pub(super) fn look_at_private(&self, findings: &mut Findings) -> Result<Private, InspectError> {
        let mut private = Private::default();
        let Some(state_id) = self.state_id() else {
            return Ok(private);
        };
        private.floor = self.look_at_floor(state_id, findings)?;
        self.look_at_journal(state_id, &mut private, findings)?;
        self.look_at_snapshots(state_id, &mut private, findings);
        self.look_at_leftovers(findings)?;
        Ok(private)
    }

    fn look_at_floor(
        &self,
        state_id: u64,
        findings: &mut Findings,
    ) -> Result<Option<Floor>, InspectError> {
        let disk = &*self.disk;
        let slots =
            floor::look(disk).map_err(InspectError::io("read", disk.display(layout::FLOOR)))?;
        let Some(slots) = slots else {
            findings.add(
                Severity::Rebuilt,
                layout::FLOOR,
                None,
                "it is missing: damage near the log's end cannot be told from a torn tail",
                "the next start writes it anew",
            );
            return Ok(None);
        };
        let newest = floor::newest(&slots).filter(|floor| floor.state_id == state_id);
        for (number, _) in slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| **slot == Slot::Damaged)
        {
            let (severity, remedy) = match newest {
                None => (
                    Severity::Rebuilt,
                    "the snapshot's position takes its place, and the next start writes it anew",
                ),
                Some(_) if self.clean() => (
                    Severity::Rebuilt,
                    "the other slot counts, which may be older; the next starts write it anew",
                ),
                Some(_) => (
                    Severity::Expected,
                    "torn by the stop; the other slot counts",
                ),
            };
            findings.add(
                severity,
                layout::FLOOR,
                Some(floor::slot_position(number)),
                format!("slot {number} is damaged"),
                remedy,
            );
        }
        if newest.is_none() && !slots.contains(&Slot::Damaged) {
            findings.add(
                Severity::Rebuilt,
                layout::FLOOR,
                None,
                "it holds no floor of this directory's present life",
                "the next start writes it anew",
            );
        }
        Ok(newest)
    }

    fn look_at_journal(
        &self,
        state_id: u64,
        private: &mut Private,
        findings: &mut Findings,
    ) -> Result<(), InspectError> {
        const PATH: &str = "mainstem/journal";
        let disk = &*self.disk;
        let look = journal::look(disk, |table, key, value| {
            if table != OwnTable::Deletions as u8 {
                return;
            }
            match value.and_then(|value| value.first_chunk()) {
                Some(position) => private
                    .deletions
                    .insert(key.to_owned(), u64::from_be_bytes(*position)),
                None => private.deletions.remove(key),
            };
        })
        .map_err(InspectError::io("read", disk.display(PATH)))?;
        let Some(look) = look else {
            let exported = disk
                .exists("config/topics.json")
                .map_err(InspectError::io("look for", disk.display("config")))?;
            let severity = if exported {
                Severity::Expected
            } else {
                Severity::Lost
            };
            findings.add(
                severity,
                PATH,
                None,
                "there is no journal: it would hold topics, groups, offsets and deletions",
                "the next start reads config/*.json instead, as far as those are there",
            );
            return Ok(());
        };
        match look.owner {
            Some(owner) if owner != state_id => {
                private.deletions.clear();
                findings.add(
                    Severity::Rebuilt,
                    PATH,
                    Some(8),
                    "it belongs to another life of the directory",
                    "the next start sets it aside and reads config/*.json instead",
                );
                return Ok(());
            }
            Some(_) => {}
            None if look.records == 0 => {
                findings.add_with(
                    Severity::Lost,
                    PATH,
                    Some(0),
                    "its head is damaged and no whole record is behind it",
                    "the next start sets it aside and reads config/*.json instead",
                    &[Step::DropJournal],
                );
                return Ok(());
            }
            None => findings.add(
                Severity::Rebuilt,
                PATH,
                Some(0),
                "its head is damaged; the records behind it are whole",
                "the next start keeps a copy and writes it anew",
            ),
        }
        private.has_journal = true;
        if look.damaged_bytes > 0 {
            findings.add(
                Severity::Lost,
                PATH,
                Some(look.damaged_at),
                format!(
                    "{} bytes are damaged: the changes in them are lost, and every key has its last good value",
                    look.damaged_bytes
                ),
                "the next start keeps a copy, says so and writes the journal anew",
            );
        }
        if look.torn_bytes > 0 {
            let (severity, what) = if self.clean() {
                (Severity::Lost, "though the last stop was clean")
            } else {
                (Severity::Expected, "torn by the stop")
            };
            findings.add(
                severity,
                PATH,
                Some(look.end),
                format!(
                    "the last {} bytes are no whole record, {what}",
                    look.torn_bytes
                ),
                "the next start writes the journal anew without them",
            );
        }
        Ok(())
    }

    fn look_at_snapshots(&self, state_id: u64, private: &mut Private, findings: &mut Findings) {
        let mut damaged = Vec::new();
        for slot in 0..2 {
            let mut states = Vec::new();
            let path = snapshot::path_of(slot);
            match snapshot::look(&*self.disk, slot, &mut |state| states.push(state)) {
                Ok(Some(head)) if head.owner == state_id => {
                    if private
                        .snapshot
                        .is_none_or(|known| known.sequence < head.sequence)
                    {
                        private.snapshot = Some(head);
                        private.states = states;
                    }
                }
                Ok(_) => {}
                Err(reason) => damaged.push((path, reason)),
            }
        }
        let remedy = if private.snapshot.is_some() {
            "the other one takes its place at the next start, which reads more of the log then"
        } else {
            "the next start takes queues from their files up to the checkpoint, and the rest from the log"
        };
        for (path, reason) in damaged {
            findings.add(Severity::Rebuilt, &path, None, reason, remedy);
        }
    }

    fn look_at_leftovers(&self, findings: &mut Findings) -> Result<(), InspectError> {
        let disk = &*self.disk;
        let names = match disk.list(layout::DIRECTORY) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(InspectError::io("list", disk.display(layout::DIRECTORY)))?,
        };
        for name in names {
            let (what, remedy) = match name.as_str() {
                "snapshot.new" | "journal.new" => (
                    "a file that was being written",
                    "the next one overwrites it",
                ),
                name if name.starts_with("next-") => (
                    "a log file that was being made",
                    "the next start removes it",
                ),
                _ => continue,
            };
            let path = format!("{}/{name}", layout::DIRECTORY);
            findings.add(Severity::Expected, &path, None, what, remedy);
        }
        Ok(())
    }
}
