//! Closing: the order in which a store comes to rest. It promises that after a clean close the next
//! start reads nothing twice, and that after a failed one the directory is as after a crash.

use super::{Shared, Store};
use crate::error::CloseError;
use crate::owner;
use crate::sync::{Arc, Duration, Instant};

/// How long a close waits for a dispatcher whose memory is full.
const DISPATCH_WAIT: Duration = Duration::from_secs(10);

impl Store {
    /// Stops appends, flushes, writes queues, index, snapshot and journal, and marks the directory
    /// as cleanly stopped. Later appends fail with
    /// [`AppendError::Closed`](crate::AppendError::Closed); reads go on until the store is dropped.
    /// A second call does nothing.
    ///
    /// # Errors
    /// See [`CloseError`].
    pub fn close(&self) -> Result<(), CloseError> {
        self.shared.log.stop_appends();
        let mut threads = self.threads.lock();
        let Some(running) = threads.take() else {
            return Ok(());
        };
        self.shared.stop_threads();
        for thread in running {
            // A thread that panicked has said so; what it left undone shows below.
            let _ = thread.join();
        }
        self.shared.come_to_rest()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.log.stop_appends();
        self.shared.stop_threads();
        for thread in self.threads.get_mut().take().into_iter().flatten() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    pub(super) fn stop_threads(&self) {
        self.log.stop_maker();
        self.log.stop_ahead();
        self.log.stop_flusher();
        self.background.stop();
    }

    fn come_to_rest(&self) -> Result<(), CloseError> {
        if let Some(cause) = self.log.failure() {
            return Err(CloseError::Failed(Arc::clone(cause)));
        }
        self.log.flush().map_err(CloseError::Failed)?;
        self.progress.moved(&self.log);
        self.dispatch_rest()?;
        let flushed = self.log.watermarks().flushed();
        self.derived
            .close(&*self.log, flushed)
            .map_err(|e| CloseError::Part {
                part: "queues, index and journal",
                reason: e.to_string(),
            })?;
        self.log
            .write_clean_floor()
            .map_err(|source| CloseError::Io {
                action: "write the durable floor",
                source,
            })?;
        owner::mark_stopped(&*self.disk).map_err(|source| CloseError::Io {
            action: "remove the abort marker",
            source,
        })
    }

    fn dispatch_rest(&self) -> Result<(), CloseError> {
        let deadline = Instant::now() + DISPATCH_WAIT;
        let end = self.log.watermarks().readable();
        while self.dispatching.position() < end {
            self.dispatching.resume();
            self.dispatch_readable();
            if self.dispatching.is_paused() {
                self.derived
                    .tick(&*self.log, &|| Ok(self.log.watermarks().flushed()));
            }
            if Instant::now() > deadline {
                return Err(CloseError::Part {
                    part: "queues",
                    reason: "the disk does not take what they hold in memory".to_owned(),
                });
            }
        }
        Ok(())
    }
}
