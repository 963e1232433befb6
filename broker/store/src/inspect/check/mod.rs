//! The check of a whole directory: private files first, since they say what must be there, then the
//! log with queues and index beside it in one pass, then what is Apache's beside them.

mod beside;
mod log;
mod private;

pub(crate) use beside::damaged_config;

use std::collections::HashMap;

use self::private::Private;
use super::finding::{LogExtent, Report};
use super::{Findings, InspectError, Inspection};
use crate::checkpoint::Checkpoint;
use crate::index::{Geometry, IndexVerifier};
use crate::owner::LastWriter;
use crate::queues::{Certain, QueueVerifier};
use crate::{apache, floor};

/// How far a check is, in bytes of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes looked at.
    pub done_bytes: u64,
    /// Bytes there are.
    pub total_bytes: u64,
}

/// What a check needs from its caller.
pub struct CheckOptions<'a> {
    /// Whether a text is JSON as RocketMQ writes it; the store itself does not read it.
    pub is_json: &'a dyn Fn(&str) -> Result<(), String>,
    /// Called now and then.
    pub progress: &'a mut dyn FnMut(Progress),
}

impl std::fmt::Debug for CheckOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckOptions").finish_non_exhaustive()
    }
}

impl Inspection {
    /// Checks everything in the directory; changes nothing.
    ///
    /// # Errors
    /// When the disk refuses. Damage is a finding, not an error.
    pub fn check(&self, options: &mut CheckOptions<'_>) -> Result<Report, InspectError> {
        let disk = &*self.disk;
        let mut findings = Findings::new(disk.display(""));
        let io = |path: &'static str| InspectError::io("read", disk.display(path));
        let mut private = self.look_at_private(&mut findings)?;
        let checkpoint = Checkpoint::read(disk).map_err(io("checkpoint"))?;
        let certain = self.certain(&private, checkpoint)?;
        let states = std::mem::take(&mut private.states);
        let mut queues =
            QueueVerifier::new(disk, &self.options, certain, &private.deletions, states);
        let geometry = Geometry {
            slots: self.options.index_slots,
            entries: self.options.index_entries,
        };
        let mut index =
            IndexVerifier::open(disk, geometry, self.state_id(), self.clean(), &mut findings)
                .map_err(io("index"))?;
        let extent = self.walk(
            &private,
            &mut queues,
            &mut index,
            &mut findings,
            options.progress,
        )?;
        private.compare(&extent, self.clean(), &mut findings);
        let (queue_count, units, index_entries) = (queues.queues(), queues.units, index.entries);
        let closed = self.clean() && private.floor.is_some_and(|floor| floor.clean);
        queues
            .finish(closed, &mut findings)
            .map_err(io("consumequeue"))?;
        index
            .finish(extent.end, &mut findings)
            .map_err(io("index"))?;
        self.look_beside(
            &extent,
            checkpoint,
            &private,
            options.is_json,
            &mut findings,
        )?;
        Ok(Report {
            directory: disk.display(""),
            last_writer: match self.last {
                LastWriter::Fresh => "nobody",
                LastWriter::Mainstem { .. } => "mainstem",
                LastWriter::Apache { .. } => "apache",
            },
            clean_stop: self.clean(),
            log: extent,
            queues: queue_count,
            units,
            index_entries,
            findings: findings.list,
            more_findings: findings.more,
        })
    }

    /// Up to which log position, and where, queue units are bound to be: as the next start will
    /// believe.
    fn certain(
        &self,
        private: &Private,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Certain, InspectError> {
        if let Some(head) = private.snapshot {
            return Ok(Certain::Snapshot(head.position));
        }
        let io = |path: &'static str| InspectError::io("read", self.disk.display(path));
        let there = self
            .disk
            .exists("consumequeue")
            .map_err(io("consumequeue"))?;
        Ok(Certain::Files(match self.last {
            _ if !there => 0,
            LastWriter::Fresh => 0,
            LastWriter::Apache { clean: true } => u64::MAX,
            LastWriter::Apache { clean: false } | LastWriter::Mainstem { .. } => {
                let safe_ms = checkpoint.map_or(0, |checkpoint| checkpoint.safe_ms());
                apache::log_start_at(&*self.disk, safe_ms)
                    .map_err(io("commitlog"))?
                    .unwrap_or(0)
            }
        }))
    }
}

/// What the private files say, gathered before the log is looked at.
impl Private {
    /// Whether the private files agree with the log that was found.
    fn compare(&self, extent: &LogExtent, clean: bool, findings: &mut Findings) {
        use super::Severity;
        if let (true, Some(newest)) = (clean, self.floor)
            && newest.clean
            && newest.position != extent.end
            && newest.position < extent.end
        {
            findings.add(
                Severity::Rebuilt,
                crate::layout::FLOOR,
                Some(floor::slot_position(0)),
                format!(
                    "it says that the log ended at {} when it was closed, but records go on to {}",
                    newest.position, extent.end
                ),
                "the next start looks for the end by itself",
            );
        }
        let stray: HashMap<_, _> = self
            .deletions
            .iter()
            .filter(|(_, at)| **at > extent.end)
            .collect();
        for (topic, at) in stray {
            findings.add_with(
                Severity::Repairable,
                "mainstem/journal",
                None,
                format!("topic {topic} was deleted at {at}, but the log ends at {}", extent.end),
                "messages sent to a topic of that name would stay invisible until the log is there; cutting the log at its end corrects the mark",
                &[super::Step::CutLogAt(extent.end)],
            );
        }
    }
}
