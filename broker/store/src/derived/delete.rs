//! Deleting a topic: its queues, their files, and a mark in the journal by which a rebuild ignores
//! its records. Promises that a topic made anew under the name starts at offset 0, and that a
//! deletion that was cut short either did not happen or is finished at the next start.

use super::Derived;
use crate::error::DeleteTopicError;
use crate::sync::Arc;

impl Derived {
    /// Deletes a topic. `hold` runs what it is given under the append lock, with the position of
    /// the next record; `flush` makes the log durable up to there, for a deletion must not lie
    /// behind the end that a power cut leaves, or it would take later messages with it. Nothing
    /// happens when there is no such topic. The caller lets the dispatcher forget removed queues
    /// afterwards.
    ///
    /// # Errors
    /// See [`DeleteTopicError`].
    pub(crate) fn delete_topic(
        &self,
        topic: &str,
        hold: impl Fn(&mut dyn FnMut(u64)),
        flush: impl FnOnce() -> Result<(), Arc<str>>,
    ) -> Result<(), DeleteTopicError> {
        // Neither a snapshot nor an expiry may see half of it.
        let _maintenance = self.maintenance.lock();
        let table = self.queues.table();
        let mut removal = None;
        hold(&mut |position| {
            let queues = table.begin_removal(topic);
            let nexts: Vec<_> = queues.iter().map(|queue| queue.counter().next()).collect();
            queues.iter().for_each(|queue| queue.counter().close());
            removal = Some((position, queues, nexts));
        });
        let Some((position, queues, nexts)) = removal.filter(|(_, queues, _)| !queues.is_empty())
        else {
            return Ok(());
        };
        let refused = |reason: String| DeleteTopicError::Refused {
            topic: topic.to_owned(),
            reason,
        };
        let mark = || {
            let marked = self.journal.put_deletion(topic, position, false);
            marked.and_then(|()| self.journal.sync())
        };
        let durable = flush()
            .map_err(|cause| cause.to_string())
            .and_then(|()| mark().map_err(|error| error.to_string()));
        if let Err(reason) = durable {
            // The mark must not become durable later, when the topic has gone on.
            let _ = self.journal.remove_deletion(topic);
            hold(&mut |_| {
                table.cancel_removal(&queues);
                queues
                    .iter()
                    .zip(&nexts)
                    .for_each(|(queue, next)| queue.counter().set(*next));
            });
            return Err(refused(reason));
        }
        let removed = self.queues.remove_files(topic, &queues);
        table.finish_removal(topic, position);
        removed.map_err(|error| {
            refused(format!(
                "it is gone, but files of its queues remain until the next start: {error}"
            ))
        })?;
        // If this is lost, the files are looked for again, in vain.
        let _ = self.journal.put_deletion(topic, position, true);
        Ok(())
    }
}
