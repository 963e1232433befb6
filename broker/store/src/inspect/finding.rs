//! What a check says: findings with file, offset, weight and remedy, and the report that holds them.
//! Promises that every command it names exists and that a report stays small however much is wrong.

use serde::Serialize;

use super::repair::Step;

/// Findings that a report lists; more are only counted.
const MAX_FINDINGS: usize = 1_000;

/// How bad a finding is, from harmless to lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// What an unclean stop or a repair leaves behind; the next start deals with it. Nothing is wrong.
    Expected,
    /// Damaged, but derived or kept twice: the next start makes it good by itself.
    Rebuilt,
    /// Nothing is lost, but it takes a repair command until all of it can be read.
    Repairable,
    /// Data is lost, or nobody can tell that it is not.
    Lost,
}

/// One thing that a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file, relative to the data directory.
    pub file: String,
    /// Byte within the file.
    pub offset: Option<u64>,
    /// What is wrong there.
    pub message: String,
    /// What becomes of it, or what can be done.
    pub remedy: String,
    /// Commands that repair it; where there are several, they are a choice.
    pub commands: Vec<String>,
}

/// What is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LogExtent {
    /// Position of the oldest byte.
    pub start: u64,
    /// Position behind the last valid record.
    pub end: u64,
    /// Valid records.
    pub records: u64,
    /// Position below which everything must be valid; `None` in a directory that has no such mark.
    pub durable_floor: Option<u64>,
    /// Store time of the newest record, ms since the epoch.
    pub newest_store_timestamp_ms: i64,
}

/// The outcome of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The data directory.
    pub directory: String,
    /// Who wrote it last: `nobody`, `mainstem` or `apache`.
    pub last_writer: &'static str,
    /// Whether that ended by a clean stop.
    pub clean_stop: bool,
    /// The log.
    pub log: LogExtent,
    /// Queues whose messages were seen.
    pub queues: u64,
    /// Queue units that were compared with their records.
    pub units: u64,
    /// Index entries that were compared with their records.
    pub index_entries: u64,
    /// What is wrong, in the order in which it was found.
    pub findings: Vec<Finding>,
    /// Findings beyond those listed.
    pub more_findings: u64,
}

impl Report {
    /// Whether nothing is wrong: at most what an unclean stop leaves behind.
    pub fn is_sound(&self) -> bool {
        self.worst() <= Severity::Expected
    }

    /// The worst severity found.
    pub fn worst(&self) -> Severity {
        let listed = self.findings.iter().map(|finding| finding.severity).max();
        let worst = listed.unwrap_or(Severity::Expected);
        // What was not listed any more was at least worth a repair.
        if self.more_findings > 0 {
            worst.max(Severity::Repairable)
        } else {
            worst
        }
    }
}

/// Where the parts of a check put what they find.
#[derive(Debug)]
pub(crate) struct Findings {
    directory: String,
    pub(super) list: Vec<Finding>,
    pub(super) more: u64,
}

impl Findings {
    pub(super) fn new(directory: String) -> Self {
        Self {
            directory,
            list: Vec::new(),
            more: 0,
        }
    }

    /// Adds a finding that needs no command.
    pub(crate) fn add(
        &mut self,
        severity: Severity,
        file: &str,
        offset: Option<u64>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add_with(severity, file, offset, message, remedy, &[]);
    }

    /// Adds a finding with the repairs to choose from.
    pub(crate) fn add_with(
        &mut self,
        severity: Severity,
        file: &str,
        offset: Option<u64>,
        message: impl Into<String>,
        remedy: impl Into<String>,
        steps: &[Step],
    ) {
        if self.list.len() >= MAX_FINDINGS {
            self.more += 1;
            return;
        }
        let commands = steps.iter().map(|step| step.command(&self.directory));
        self.list.push(Finding {
            severity,
            file: file.to_owned(),
            offset,
            message: message.into(),
            remedy: remedy.into(),
            commands: commands.collect(),
        });
    }
}

/// Messages `from .. next` as a person reads them: the last one named, and how many they are.
pub(crate) fn messages(from: u64, next: u64) -> String {
    match next.saturating_sub(from) {
        0 | 1 => format!("message {from}"),
        count => format!("messages {from} to {} ({count})", next - 1),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn messages_are_told_with_the_last_one() {
        assert_eq!(super::messages(3, 4), "message 3");
        assert_eq!(super::messages(3, 7), "messages 3 to 6 (4)");
    }
}
