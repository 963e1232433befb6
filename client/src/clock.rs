//! Times as the protocol carries them: milliseconds since the epoch.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now.
pub(crate) fn now_ms() -> i64 {
    to_ms(SystemTime::now())
}

/// A time; those before the epoch count as the epoch.
pub(crate) fn to_ms(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
