//! The first failure that ends a log's life as a writer. It promises to keep the first cause and
//! to be cheap to ask; who fails the log also stops its appends.

use crate::sync::{Arc, OnceLock};

/// Set once, never cleared: after a failed `fdatasync` the pages may be clean and lost, so only a
/// restart, which reads what the device has, can tell what is there.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    cause: OnceLock<Arc<str>>,
}

impl Failure {
    /// Records the cause unless there is one already; returns the one that holds.
    pub(crate) fn set(&self, cause: impl Into<Arc<str>>) -> Arc<str> {
        Arc::clone(self.cause.get_or_init(|| cause.into()))
    }

    /// The cause, if the log has failed.
    #[inline]
    pub(crate) fn get(&self) -> Option<&Arc<str>> {
        self.cause.get()
    }
}
