//! What lies beside log, queues and index: checkpoint, abort marker, and RocketMQ's JSON files.

use std::io;

use super::private::Private;
use crate::checkpoint::{self, Checkpoint};
use crate::disk::OpenMode;
use crate::inspect::finding::LogExtent;
use crate::inspect::{Findings, InspectError, Inspection, Severity, Step};
use crate::layout;
use crate::queues::UNIT_BYTES;

impl Inspection {
    pub(super) fn look_beside(
        &self,
        extent: &LogExtent,
        checkpoint: Option<Checkpoint>,
        private: &Private,
        is_json: &dyn Fn(&str) -> Result<(), String>,
        findings: &mut Findings,
    ) -> Result<(), InspectError> {
        if !self.clean() {
            findings.add(
                Severity::Expected,
                layout::ABORT,
                None,
                "it is there: the last run did not stop cleanly",
                "the next start recovers",
            );
        }
        if self.clean() && private.floor.is_some_and(|floor| !floor.clean) {
            findings.add(
                Severity::Expected,
                layout::ABORT,
                None,
                "it is missing, though the durable floor says that the store was not closed",
                "the next start recovers all the same",
            );
        }
        self.look_at_checkpoint(extent, checkpoint, findings)?;
        self.look_at_queue_files(findings)?;
        self.look_at_config(private.has_journal, is_json, findings)
    }

    fn look_at_checkpoint(
        &self,
        extent: &LogExtent,
        checkpoint: Option<Checkpoint>,
        findings: &mut Findings,
    ) -> Result<(), InspectError> {
        let disk = &*self.disk;
        let Some(checkpoint) = checkpoint else {
            if disk
                .exists(checkpoint::PATH)
                .map_err(InspectError::io("look for", disk.display(checkpoint::PATH)))?
            {
                let severity = if self.clean() {
                    Severity::Rebuilt
                } else {
                    Severity::Expected
                };
                findings.add(
                    severity,
                    checkpoint::PATH,
                    None,
                    "it is too short to be a checkpoint",
                    "the next snapshot writes it anew; until then it counts as none",
                );
            }
            return Ok(());
        };
        let newest = extent.newest_store_timestamp_ms;
        let times = [
            (0, "log", checkpoint.log_ms),
            (8, "queues", checkpoint.queues_ms),
            (16, "index", checkpoint.index_ms),
        ];
        // Times of records that have expired since are as good as any.
        for (offset, what, ms) in times {
            if ms > newest && extent.records > 0 || ms < 0 {
                findings.add_with(
                    Severity::Repairable,
                    checkpoint::PATH,
                    Some(offset),
                    format!("its time of the {what}, {ms}, is later than that of the newest record, {newest}"),
                    "queues and index could be believed too far by a start without a snapshot; building the queues anew removes it",
                    &[Step::RebuildQueues],
                );
            }
        }
        if checkpoint.queues_position > extent.end {
            findings.add_with(
                Severity::Repairable,
                checkpoint::PATH,
                Some(40),
                format!(
                    "it says that queues are on disk up to {}, but the log ends at {}",
                    checkpoint.queues_position, extent.end
                ),
                "a Java broker would believe it; building the queues anew removes it",
                &[Step::RebuildQueues],
            );
        }
        Ok(())
    }

    /// Names and lengths of all queue files; their units are compared with the log elsewhere.
    fn look_at_queue_files(&self, findings: &mut Findings) -> Result<(), InspectError> {
        const DIRECTORY: &str = "consumequeue";
        let full = self.options.queue_file_units * UNIT_BYTES as u64;
        let list = |path: &str| match self.disk.list(path) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(Vec::new())
            }
            other => other.map_err(InspectError::io("list", self.disk.display(path))),
        };
        for topic in list(DIRECTORY)? {
            for queue in list(&format!("{DIRECTORY}/{topic}"))? {
                for name in list(&format!("{DIRECTORY}/{topic}/{queue}"))? {
                    let path = format!("{DIRECTORY}/{topic}/{queue}/{name}");
                    let len = self
                        .disk
                        .open(&path, OpenMode::Read)
                        .and_then(|file| file.len())
                        .map_err(InspectError::io("open", self.disk.display(&path)))?;
                    if len != full {
                        // A crash may leave a name without its length.
                        let severity = if self.clean() || len > 0 {
                            Severity::Rebuilt
                        } else {
                            Severity::Expected
                        };
                        findings.add(
                            severity,
                            &path,
                            Some(len.min(full)),
                            format!("it has {len} bytes where a queue file has {full}"),
                            "a file that is too short gets its length back when it is used; units that went with it are told for themselves",
                        );
                    }
                }
            }
        }
        Ok(())
    }

    fn look_at_config(
        &self,
        has_journal: bool,
        is_json: &dyn Fn(&str) -> Result<(), String>,
        findings: &mut Findings,
    ) -> Result<(), InspectError> {
        let io = InspectError::io("read", self.disk.display("config"));
        let damaged = damaged_config(&*self.disk, is_json).map_err(io)?;
        let is_damaged = |path: &str| damaged.iter().any(|(damaged, _)| damaged == path);
        for (path, reason) in &damaged {
            let backup = format!("{path}.bak");
            let has_backup = !is_damaged(&backup)
                && self
                    .disk
                    .exists(&backup)
                    .map_err(InspectError::io("look for", self.disk.display(&backup)))?;
            let (severity, remedy) = if path.ends_with(".bak") {
                (
                    Severity::Rebuilt,
                    "only the version before; the next export replaces it",
                )
            } else if has_journal {
                (
                    Severity::Rebuilt,
                    "an export: the journal has its content; the next start says so, and the next export writes it anew",
                )
            } else if has_backup {
                (
                    Severity::Rebuilt,
                    "there is no journal: the next start uses the .bak beside it and says so; what changed since that was written is lost",
                )
            } else {
                (
                    Severity::Lost,
                    "there is neither a journal nor a .bak that is whole: a broker refuses to start; restore one of them, or go on without",
                )
            };
            findings.add_with(
                severity,
                path,
                None,
                reason.clone(),
                remedy,
                &[Step::DropConfig],
            );
        }
        Ok(())
    }
}

/// RocketMQ's JSON files that are none, with the reason.
pub(crate) fn damaged_config(
    disk: &dyn crate::disk::Disk,
    is_json: &dyn Fn(&str) -> Result<(), String>,
) -> io::Result<Vec<(String, String)>> {
    /// A longer file is not read: a table of a hundred thousand topics has a tenth of it.
    const MAX_FILE_BYTES: u64 = 512 << 20;
    let names = match disk.list("config") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut damaged = Vec::new();
    for name in names
        .iter()
        .filter(|name| name.ends_with(".json") || name.ends_with(".json.bak"))
    {
        let path = format!("config/{name}");
        let file = disk.open(&path, OpenMode::Read)?;
        let len = file.len()?;
        if len == 0 || len > MAX_FILE_BYTES {
            damaged.push((path, format!("it has {len} bytes")));
            continue;
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0)?;
        let reason = match std::str::from_utf8(&bytes) {
            Ok(text) => is_json(text).err(),
            Err(error) => Some(error.to_string()),
        };
        if let Some(reason) = reason {
            damaged.push((path, reason));
        }
    }
    Ok(damaged)
}
