//! How far a group has come in each queue: kept in memory, written at intervals to where the group keeps it, the brokers or
//! (broadcasting) a file of this machine. Promises to write only what has changed, and to lose nothing that
//! could not be written: it is written the next time.

mod file;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use mainstem_common::protocol::MessageQueue;
use parking_lot::Mutex;
use tokio::task::JoinSet;

pub(crate) use file::OffsetFile;

use crate::error::ConsumeError;
use crate::instance::Instance;
use crate::queue_position;

/// Commits under way at once.
const MAX_COMMITS_AT_ONCE: usize = 64;

/// Where a group's offsets are kept.
#[derive(Debug)]
enum Keeper {
    /// On the brokers, under the group's name.
    Brokers { group: String },
    /// In a file.
    File(OffsetFile),
    /// Nowhere: every start is the first one.
    Nobody,
}

/// The committed and to-be-committed offsets of one consumer.
#[derive(Debug)]
pub(crate) struct Offsets {
    keeper: Keeper,
    queues: Mutex<HashMap<MessageQueue, Progress>>,
}

/// What is known of one queue.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// What the keeper has, as far as known.
    written: Option<i64>,
    reached: i64,
}

impl Offsets {
    pub(crate) fn on_brokers(group: &str) -> Self {
        Self::new(Keeper::Brokers {
            group: group.to_owned(),
        })
    }

    /// Opens the file of a broadcast consumer, which need not exist yet.
    pub(crate) fn in_file(path: PathBuf) -> Result<Self, ConsumeError> {
        Ok(Self::new(Keeper::File(OffsetFile::open(path)?)))
    }

    pub(crate) fn nowhere() -> Self {
        Self::new(Keeper::Nobody)
    }

    fn new(keeper: Keeper) -> Self {
        Self {
            keeper,
            queues: Mutex::default(),
        }
    }

    pub(crate) fn are_kept(&self) -> bool {
        !matches!(self.keeper, Keeper::Nobody)
    }

    /// What the keeper has for this queue.
    pub(crate) async fn fetch(
        &self,
        instance: &Instance,
        queue: &MessageQueue,
    ) -> Result<Option<i64>, ConsumeError> {
        match &self.keeper {
            Keeper::Brokers { group } => queue_position::committed(instance, group, queue).await,
            Keeper::File(file) => Ok(file.get(queue)),
            Keeper::Nobody => Ok(None),
        }
    }

    /// Notes where reading of a queue begins, and what the keeper has for it.
    pub(crate) fn begin(&self, queue: &MessageQueue, written: Option<i64>, start: i64) {
        self.queues.lock().insert(
            queue.clone(),
            Progress {
                written,
                reached: start,
            },
        );
    }

    /// Notes that everything below `offset` is done.
    pub(crate) fn reached(&self, queue: &MessageQueue, offset: i64) {
        if let Some(progress) = self.queues.lock().get_mut(queue) {
            progress.reached = offset;
        }
    }

    /// An offset that a pull may commit on its way, if there is anything to say.
    pub(crate) fn unwritten(&self, queue: &MessageQueue) -> Option<i64> {
        if !matches!(self.keeper, Keeper::Brokers { .. }) {
            return None;
        }
        let progress = *self.queues.lock().get(queue)?;
        progress.is_unwritten().then_some(progress.reached)
    }

    /// A pull has committed this offset.
    pub(crate) fn written(&self, queue: &MessageQueue, offset: i64) {
        if let Some(progress) = self.queues.lock().get_mut(queue) {
            progress.written = Some(offset);
        }
    }

    /// Where every queue stands.
    pub(crate) fn all(&self) -> Vec<(MessageQueue, i64)> {
        self.queues
            .lock()
            .iter()
            .map(|(queue, progress)| (queue.clone(), progress.reached))
            .collect()
    }

    /// Forgets a queue that is no longer this consumer's.
    pub(crate) fn forget(&self, queue: &MessageQueue) {
        self.queues.lock().remove(queue);
    }

    /// Writes what has changed of these queues, or of all. What cannot be written stays to be written; the first error is
    /// returned.
    pub(crate) async fn write(
        &self,
        instance: &Arc<Instance>,
        only: Option<&[MessageQueue]>,
    ) -> Result<(), ConsumeError> {
        let changed: Vec<(MessageQueue, i64)> = self
            .queues
            .lock()
            .iter()
            .filter(|(queue, progress)| {
                progress.is_unwritten() && only.is_none_or(|only| only.contains(queue))
            })
            .map(|(queue, progress)| (queue.clone(), progress.reached))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        match &self.keeper {
            Keeper::Brokers { group } => self.write_to_brokers(instance, group, changed).await,
            Keeper::File(file) => {
                file.write(&changed).await?;
                for (queue, offset) in &changed {
                    self.written(queue, *offset);
                }
                Ok(())
            }
            Keeper::Nobody => Ok(()),
        }
    }

    async fn write_to_brokers(
        &self,
        instance: &Arc<Instance>,
        group: &str,
        changed: Vec<(MessageQueue, i64)>,
    ) -> Result<(), ConsumeError> {
        let group: Arc<str> = group.into();
        let mut commits = JoinSet::new();
        let mut first_error = None;
        let mut changed = changed.into_iter();
        loop {
            while commits.len() < MAX_COMMITS_AT_ONCE
                && let Some((queue, offset)) = changed.next()
            {
                let (instance, group) = (Arc::clone(instance), Arc::clone(&group));
                commits.spawn(async move {
                    let outcome = queue_position::commit(&instance, &group, &queue, offset).await;
                    (queue, offset, outcome)
                });
            }
            match commits.join_next().await {
                Some(Ok((queue, offset, Ok(())))) => self.written(&queue, offset),
                Some(Ok((_, _, Err(error)))) => {
                    first_error.get_or_insert(error);
                }
                Some(Err(_)) => {}
                None => return first_error.map_or(Ok(()), Err),
            }
        }
    }
}

impl Progress {
    fn is_unwritten(&self) -> bool {
        self.written != Some(self.reached)
    }
}
