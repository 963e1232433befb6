//! The limit on open descriptors, which is the limit on connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit as far as the hard limit allows, and says what it is then; `None` is unlimited.
pub(crate) fn raise_descriptor_limit() -> Option<u64> {
    let limits = getrlimit(Resource::Nofile);
    if limits.current == limits.maximum {
        return limits.current;
    }
    let raised = Rlimit {
        current: limits.maximum,
        maximum: limits.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limits.maximum,
        Err(error) => {
            tracing::warn!(%error, soft = ?limits.current, hard = ?limits.maximum, "the descriptor limit could not be raised");
            limits.current
        }
    }
}
