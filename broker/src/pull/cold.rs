//! Reads that need the disk: they run on blocking threads, a bounded number at a time, so that a slow device cannot
//! take every thread of the process.

use std::sync::Arc;

use mainstem_store::Patience;
use tokio::sync::Semaphore;

use super::{AnswerPull, ColdPull};
use crate::broker_core::BrokerCore;

/// The permits of cold reads.
pub(crate) struct ColdReads {
    permits: Arc<Semaphore>,
}

impl ColdReads {
    pub(crate) fn new(limit: usize) -> Self {
        ColdReads {
            permits: Arc::new(Semaphore::new(limit)),
        }
    }
}

impl BrokerCore {
    /// Reads from disk on a blocking thread and hands the result to `answer`. Needs a runtime.
    pub fn read_cold(self: &Arc<Self>, pull: ColdPull, answer: AnswerPull) {
        let core = self.clone();
        tokio::spawn(async move {
            // The semaphore is never closed; without a permit the broker is going away.
            let Ok(permit) = core.cold_reads.permits.clone().acquire_owned().await else {
                return;
            };
            tokio::task::spawn_blocking(move || {
                let result = core.read_again(&pull.request, &pull.filter, Patience::Wait);
                drop(permit);
                // A read that may wait always has a result.
                if let Some(result) = result {
                    answer(result);
                }
            });
        });
    }
}
