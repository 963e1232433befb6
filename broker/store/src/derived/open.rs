//! Opening: from the best that is left of the last run to a state at one log position, from which
//! the log makes it whole. Promises to use nothing that another program has made stale; says what
//! was lost and what that costs.

use std::collections::HashMap;
use std::io;

use super::maintain::Maintenance;
use super::{Derived, Resume};
use crate::apache;
use crate::checkpoint::Checkpoint;
use crate::disk::Disk;
use crate::dispatch::{DispatchLimits, DispatchState, Dispatcher, Schedule};
use crate::error::OpenError;
use crate::index::{Foreign, Geometry, KeyIndex};
use crate::journal::Journal;
use crate::options::StoreOptions;
use crate::owner::LastWriter;
use crate::queues::ConsumeQueues;
use crate::snapshot;
use crate::sync::{Arc, AtomicU64, Mutex};

/// Memory of all queue tails together; 100,000 queues get 32 units each.
pub(crate) const TAIL_MEMORY_BYTES: usize = 64 << 20;
/// Memory of index entries that are not in files yet; a million entries.
pub(crate) const INDEX_MEMORY_BYTES: usize = 16 << 20;

/// Limits on memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryLimits {
    /// All queue tails together, in bytes.
    pub(crate) tail_bytes: usize,
    /// Index entries that are not in files yet, in bytes.
    pub(crate) index_bytes: usize,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self {
            tail_bytes: TAIL_MEMORY_BYTES,
            index_bytes: INDEX_MEMORY_BYTES,
        }
    }
}

impl Derived {
    /// Opens everything but the log. `min_position` is the start of the log's oldest file, `last`
    /// says who wrote the directory last, and `owner` is the state id of its present life.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        options: &StoreOptions,
        owner: u64,
        last: LastWriter,
        min_position: u64,
    ) -> Result<(Self, Dispatcher), OpenError> {
        Self::open_with(
            disk,
            options,
            MemoryLimits::default(),
            owner,
            last,
            min_position,
        )
    }

    pub(super) fn open_with(
        disk: &Arc<dyn Disk>,
        options: &StoreOptions,
        limits: MemoryLimits,
        owner: u64,
        last: LastWriter,
        min_position: u64,
    ) -> Result<(Self, Dispatcher), OpenError> {
        let clean = matches!(
            last,
            LastWriter::Fresh
                | LastWriter::Mainstem { clean: true, .. }
                | LastWriter::Apache { clean: true }
        );
        let journal = Journal::open(Arc::clone(disk), owner)
            .map_err(OpenError::io("read", disk.display("mainstem/journal")))?;
        if journal.is_new() && matches!(last, LastWriter::Mainstem { .. }) {
            tracing::error!(
                journal = %disk.display("mainstem/journal"), used = %disk.display("config"),
                "there is no journal that can be used (a run that ended in its first second has none): topics, groups and offsets are those of the JSON files, as of the last export, and deletions of topics are forgotten"
            );
        }
        let deletions = journal.deletions();
        if !clean && let Err(error) = journal.confirm() {
            // Only a deletion that is to be finished cannot wait for space.
            if deletions.iter().any(|(_, _, files_gone)| !files_gone) {
                return Err(OpenError::io("write", disk.display("mainstem/journal"))(
                    error,
                ));
            }
            tracing::warn!(%error, "the journal cannot be written yet; its changes wait in memory");
        }
        let positions: HashMap<_, _> = deletions
            .iter()
            .map(|(topic, at, _)| (topic.clone(), *at))
            .collect();
        let queues = ConsumeQueues::new(
            Arc::clone(disk),
            options.queue_file_units,
            positions.clone(),
            !clean,
        );
        for (topic, position, _) in deletions.iter().filter(|(_, _, files_gone)| !files_gone) {
            // The last run did not come to it.
            queues.remove_files(topic, &[]).map_err(OpenError::io(
                "remove",
                disk.display(&format!("consumequeue/{topic}")),
            ))?;
            journal
                .put_deletion(topic, *position, true)
                .map_err(part("journal"))?;
        }
        let checkpoint =
            Checkpoint::read(&**disk).map_err(OpenError::io("read", disk.display("checkpoint")))?;
        let snapshot = match last {
            LastWriter::Mainstem { .. } => load_snapshot(&**disk, owner, &queues, &positions)
                .map_err(OpenError::io(
                    "read the snapshot in",
                    disk.display("mainstem"),
                ))?,
            LastWriter::Fresh | LastWriter::Apache { .. } => None,
        };
        let resume = match snapshot {
            Some(head) => Resume {
                position: head.position,
                is_exact: true,
            },
            None => {
                let position = find_queues(&**disk, &queues, last, checkpoint, min_position)?;
                Resume {
                    position,
                    is_exact: false,
                }
            }
        };
        for (topic, queue_id, next) in journal.emptied_queues() {
            if let Ok(queue) = queues.table().get_or_create(&topic, queue_id) {
                queues.restore_empty(&queue, next);
            }
        }
        let index = open_index(disk, options, limits, last, owner, checkpoint)?;
        let queues = Arc::new(queues);
        let state = Arc::new(DispatchState::default());
        let schedule = Schedule {
            topic: options.schedule_topic.clone(),
            delays_ms: options.schedule_levels_ms.clone(),
        };
        let dispatcher = Dispatcher::new(
            Arc::clone(&queues),
            index.clone(),
            Arc::clone(&state),
            schedule,
            DispatchLimits {
                tail_bytes: limits.tail_bytes,
            },
        );
        let sequence = snapshot.map_or(0, |head| head.sequence);
        let maintenance = Maintenance::new(options.checkpoint_interval, sequence, resume.position);
        let derived = Self {
            disk: Arc::clone(disk),
            owner,
            limits,
            resume,
            queues,
            index,
            journal,
            state,
            snapshot_position: AtomicU64::new(if resume.is_exact { resume.position } else { 0 }),
            maintenance: Mutex::new(maintenance),
        };
        Ok((derived, dispatcher))
    }
}

pub(super) fn part<E: std::fmt::Display>(part: &'static str) -> impl Fn(E) -> OpenError {
    move |error| OpenError::Part {
        part,
        reason: error.to_string(),
    }
}

fn load_snapshot(
    disk: &dyn Disk,
    owner: u64,
    queues: &ConsumeQueues,
    deletions: &HashMap<String, u64>,
) -> io::Result<Option<snapshot::Head>> {
    snapshot::load(disk, owner, |head, queue| {
        if deletions
            .get(&queue.topic)
            .is_some_and(|deleted_at| *deleted_at >= head.position)
        {
            return;
        }
        if let Err(reason) = queues.restore(&queue) {
            tracing::error!(
                topic = queue.topic,
                queue_id = queue.queue_id,
                reason,
                "queue in the snapshot is left out"
            );
        }
    })
}

/// Looks for queues where no snapshot tells them; returns the position that they reach.
fn find_queues(
    disk: &dyn Disk,
    queues: &ConsumeQueues,
    last: LastWriter,
    checkpoint: Option<Checkpoint>,
    min_position: u64,
) -> Result<u64, OpenError> {
    let failed = || OpenError::io("read the consume queues in", disk.display("consumequeue"));
    let whole_to = match last {
        LastWriter::Fresh => return Ok(min_position),
        LastWriter::Apache { clean: true } => u64::MAX,
        LastWriter::Apache { clean: false } | LastWriter::Mainstem { .. } => {
            let safe_ms = checkpoint.map_or(0, |checkpoint| checkpoint.safe_ms());
            apache::log_start_at(disk, safe_ms)
                .map_err(OpenError::io(
                    "read the commit log in",
                    disk.display("commitlog"),
                ))?
                .unwrap_or(min_position)
        }
    };
    let found = queues.discover(whole_to).map_err(failed())?;
    let reached = if whole_to == u64::MAX {
        found.end
    } else {
        whole_to
    }
    .max(min_position);
    if found.queues > 0 {
        tracing::info!(
            queues = found.queues,
            from = reached,
            ?last,
            "consume queues taken from their files, since no snapshot of this program describes them; the rest comes from the log"
        );
    }
    Ok(reached)
}

fn open_index(
    disk: &Arc<dyn Disk>,
    options: &StoreOptions,
    limits: MemoryLimits,
    last: LastWriter,
    owner: u64,
    checkpoint: Option<Checkpoint>,
) -> Result<Option<Arc<KeyIndex>>, OpenError> {
    if !options.index_enabled {
        return Ok(None);
    }
    let geometry = Geometry {
        slots: options.index_slots,
        entries: options.index_entries,
    };
    let foreign = match last {
        LastWriter::Fresh | LastWriter::Apache { clean: true } => Foreign::Whole,
        LastWriter::Apache { clean: false } | LastWriter::Mainstem { .. } => {
            Foreign::SealedBy(checkpoint.map_or(0, |checkpoint| checkpoint.index_ms))
        }
    };
    KeyIndex::open(
        Arc::clone(disk),
        geometry,
        limits.index_bytes,
        owner,
        foreign,
    )
    .map(|index| Some(Arc::new(index)))
    .map_err(OpenError::io(
        "open the key index in",
        disk.display("index"),
    ))
}
