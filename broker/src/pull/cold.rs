//! Reads that need the disk: they run on blocking threads, a bounded number at a time, so that a slow device cannot
//! take every thread of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mainstem_store::Patience;
use tokio::sync::Semaphore;

use super::{AnswerPull, ColdPull, PullError};
use crate::broker_core::BrokerCore;

/// The permits of cold reads.
pub(crate) struct ColdReads {
    permits: Arc<Semaphore>,
    /// Reads that run or wait for a permit.
    under_way: AtomicUsize,
    max_under_way: usize,
}

impl ColdReads {
    /// `limit` run at a time; with `max_under_way` a further one is refused.
    pub(crate) fn new(limit: usize, max_under_way: usize) -> Self {
        ColdReads {
            permits: Arc::new(Semaphore::new(limit)),
            under_way: AtomicUsize::new(0),
            max_under_way,
        }
    }
}

/// Counts a read for as long as it lives.
struct UnderWay(Arc<BrokerCore>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.cold_reads.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl BrokerCore {
    /// Reads from disk on a blocking thread and hands the result to `answer`. Needs a runtime.
    pub fn read_cold(self: &Arc<Self>, pull: ColdPull, answer: AnswerPull) {
        let waiting = self.cold_reads.under_way.fetch_add(1, Ordering::Relaxed);
        let core = UnderWay(self.clone());
        if waiting >= self.cold_reads.max_under_way {
            return answer(Err(PullError::DiskBusy { waiting }));
        }
        tokio::spawn(async move {
            // The semaphore is never closed; without a permit the broker is going away.
            let Ok(permit) = core.0.cold_reads.permits.clone().acquire_owned().await else {
                return;
            };
            tokio::task::spawn_blocking(move || {
                let result = core
                    .0
                    .read_again(&pull.request, &pull.filter, Patience::Wait);
                drop(permit);
                // A read that may wait always has a result.
                if let Some(result) = result {
                    answer(result);
                }
            });
        });
    }
}
