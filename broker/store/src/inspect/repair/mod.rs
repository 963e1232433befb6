//! Repair: what a check proposes, done when it is told. Promises to save whatever it removes under
//! `mainstem/repair-TIME/` before it removes it, to do nothing it was not told to, and that a repair
//! which is cut short can be run again. Only under the directory's exclusive lock.

mod bury;
mod cut;
mod save;

use std::fmt;
use std::io;
use std::path::Path;

use serde::Serialize;

use self::save::Saved;
use super::check::damaged_config;
use super::files::LogFilesFound;
use super::{FileSizes, InspectError, locked_or};
use crate::disk::Disk;
use crate::layout;
use crate::owner::{LastWriter, last_writer};
use crate::sync::{Arc, now_ms};

/// One thing that a repair can be told to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Remove the log from this position on, the start of a record, a file or of damage. What is lost
    /// is every later message.
    CutLogAt(u64),
    /// Write over damage in the middle of the log, which begins at this position and ends with the
    /// next valid record or the file. What is lost is what lay there; an empty message stands for each
    /// one that can be told.
    BuryAt(u64),
    /// Remove the log files that lie whole below this position, the start of a log file. What is lost
    /// is every earlier message, as if it had expired.
    DropLogBefore(u64),
    /// Remove all queue files with snapshots and checkpoint: the next start builds them from the log.
    RebuildQueues,
    /// Remove the key index: the next start builds it from the log.
    RebuildIndex,
    /// Remove the journal: the next start takes topics, groups and offsets from `config/*.json`.
    DropJournal,
    /// Remove the files in `config/` that are no JSON.
    DropConfig,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutLogAt(position) => write!(f, "--cut-log-at {position}"),
            Self::BuryAt(position) => write!(f, "--bury-at {position}"),
            Self::DropLogBefore(position) => write!(f, "--drop-log-before {position}"),
            Self::RebuildQueues => f.write_str("--rebuild-queues"),
            Self::RebuildIndex => f.write_str("--rebuild-index"),
            Self::DropJournal => f.write_str("--drop-journal"),
            Self::DropConfig => f.write_str("--drop-config"),
        }
    }
}

impl Step {
    /// The command that does it.
    pub fn command(&self, directory: &str) -> String {
        format!("mainstem store repair {} {self}", quoted(directory))
    }
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%=,".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Where everything that was removed lies; `None` when nothing was.
    pub saved_in: Option<String>,
    /// What was done, in order, a sentence each.
    pub actions: Vec<String>,
}

/// Why a repair was not done.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The directory cannot be looked at.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// What was asked for makes no sense here. Nothing was changed.
    #[error("{step}: {reason}. Nothing was changed")]
    Refused {
        /// The step.
        step: String,
        /// Why.
        reason: String,
    },
    /// The disk refused in the middle. Everything removed until then is saved; run it again.
    #[error(
        "cannot {action} {path}: {source}. What was removed before is saved in {saved_in}; run the repair again"
    )]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// Where the removed files are.
        saved_in: String,
        /// The disk's answer.
        #[source]
        source: io::Error,
    },
}

/// Repairs a directory. `is_json` tells whether a text is JSON as RocketMQ writes it.
///
/// # Errors
/// See [`RepairError`].
pub fn repair(
    dir: &Path,
    sizes: &FileSizes,
    steps: &[Step],
    is_json: &dyn Fn(&str) -> Result<(), String>,
) -> Result<Done, RepairError> {
    let directory = dir.display().to_string();
    if !dir.join("commitlog").is_dir() {
        return Err(InspectError::NoStore { directory }.into());
    }
    let disk = crate::store::real_disk(dir).map_err(InspectError::io("open", directory))?;
    repair_on(disk, sizes, steps, is_json)
}

/// Repairs a directory on any disk.
///
/// # Errors
/// See [`RepairError`].
pub fn repair_on(
    disk: Arc<dyn Disk>,
    sizes: &FileSizes,
    steps: &[Step],
    is_json: &dyn Fn(&str) -> Result<(), String>,
) -> Result<Done, RepairError> {
    disk.create_dir_all(layout::DIRECTORY)
        .map_err(InspectError::io(
            "create the directory",
            disk.display(layout::DIRECTORY),
        ))?;
    let lock = disk
        .lock(layout::OWN_LOCK, layout::LOCK)
        .map_err(|error| locked_or(&*disk, error))?;
    let text = lock
        .text()
        .map_err(InspectError::io("read", disk.display(layout::LOCK)))?;
    let last =
        last_writer(&*disk, &text).map_err(InspectError::io("read", disk.display(layout::LOCK)))?;
    let options = sizes.complete(&*disk)?;
    let log = LogFilesFound::find(&*disk, options.commit_log_file_bytes)
        .map_err(InspectError::io("read", disk.display("commitlog")))?;
    let repair = Repair {
        disk: &disk,
        last,
        log: &log,
        is_json,
    };
    for step in steps {
        repair.judge(step).map_err(|reason| RepairError::Refused {
            step: step.to_string(),
            reason,
        })?;
    }
    let mut saved = Saved::new(&*disk, now_ms());
    let mut actions = Vec::new();
    for step in steps {
        repair
            .take(step, &mut saved, &mut actions)
            .map_err(|failed| RepairError::Io {
                action: failed.action,
                path: failed.path,
                saved_in: disk.display(saved.directory()),
                source: failed.source,
            })?;
    }
    let saved_in = saved.used().then(|| disk.display(saved.directory()));
    Ok(Done { saved_in, actions })
}

/// An operation that the disk refused.
#[derive(Debug)]
struct Failed {
    action: &'static str,
    path: String,
    source: io::Error,
}

fn failed(action: &'static str, path: impl Into<String>) -> impl FnOnce(io::Error) -> Failed {
    let path = path.into();
    move |source| Failed {
        action,
        path,
        source,
    }
}

fn files(count: u64) -> String {
    if count == 1 {
        "1 file".to_owned()
    } else {
        format!("{count} files")
    }
}

/// A directory under repair.
struct Repair<'a> {
    disk: &'a Arc<dyn Disk>,
    last: LastWriter,
    log: &'a LogFilesFound,
    is_json: &'a dyn Fn(&str) -> Result<(), String>,
}

impl Repair<'_> {
    /// Whether a step makes sense, before anything is changed.
    fn judge(&self, step: &Step) -> Result<(), String> {
        match step {
            Step::CutLogAt(position) => self.judge_cut(*position),
            Step::BuryAt(position) => self.judge_bury(*position).map(drop),
            Step::DropLogBefore(position) => self.judge_drop(*position),
            Step::DropJournal if !matches!(self.last, LastWriter::Mainstem { .. }) => Err(
                "Mainstem did not write this directory last, so its journal is not used".to_owned(),
            ),
            Step::RebuildQueues | Step::RebuildIndex | Step::DropJournal | Step::DropConfig => {
                Ok(())
            }
        }
    }

    fn take(
        &self,
        step: &Step,
        saved: &mut Saved<'_>,
        actions: &mut Vec<String>,
    ) -> Result<(), Failed> {
        match step {
            Step::CutLogAt(position) => self.cut(*position, saved, actions),
            Step::BuryAt(position) => self.bury(*position, saved, actions),
            Step::DropLogBefore(position) => self.drop_before(*position, saved, actions),
            Step::RebuildQueues => self.rebuild_queues(saved, actions),
            Step::RebuildIndex => self.rebuild_index(saved, actions),
            Step::DropJournal => self.drop_journal(saved, actions),
            Step::DropConfig => self.drop_config(saved, actions),
        }
    }

    fn rebuild_queues(
        &self,
        saved: &mut Saved<'_>,
        actions: &mut Vec<String>,
    ) -> Result<(), Failed> {
        // The files first: without them a snapshot that is left is noticed, and so is the reverse.
        let mut moved = 0;
        for path in ["mainstem/snapshot-0", "mainstem/snapshot-1", "checkpoint"] {
            moved += u64::from(saved.take(path)?);
        }
        moved += saved.take_tree("consumequeue")?;
        actions.push(if moved == 0 {
            "no queue files, snapshots of the queues or checkpoint were there to move away; the next start builds all queues from the log anyway".to_owned()
        } else {
            format!(
                "moved {} away: queue files, snapshots of the queues and checkpoint; the next start builds all queues from the log",
                files(moved)
            )
        });
        Ok(())
    }

    fn rebuild_index(
        &self,
        saved: &mut Saved<'_>,
        actions: &mut Vec<String>,
    ) -> Result<(), Failed> {
        let mut moved = u64::from(saved.take("mainstem/index")?);
        moved += saved.take_tree("index")?;
        actions.push(if moved == 0 {
            "no key index was there to move away; the next start indexes all of the log anyway"
                .to_owned()
        } else {
            format!(
                "moved {} of the key index away; the next start indexes all of the log",
                files(moved)
            )
        });
        Ok(())
    }

    fn drop_journal(&self, saved: &mut Saved<'_>, actions: &mut Vec<String>) -> Result<(), Failed> {
        let moved = saved.take("mainstem/journal")?;
        actions.push(if moved {
            "moved the journal away; the next start takes topics, groups and offsets from config/*.json, and knows of no deletion before".to_owned()
        } else {
            "there was no journal".to_owned()
        });
        Ok(())
    }

    fn drop_config(&self, saved: &mut Saved<'_>, actions: &mut Vec<String>) -> Result<(), Failed> {
        let damaged = damaged_config(&**self.disk, self.is_json)
            .map_err(failed("read", self.disk.display("config")))?;
        for (path, reason) in &damaged {
            saved.take(path)?;
            actions.push(format!("moved {path} away: {reason}"));
        }
        if damaged.is_empty() {
            actions.push("every file in config/ is JSON; none was moved".to_owned());
        }
        Ok(())
    }
}
