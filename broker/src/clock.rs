//! Wall-clock time as the protocol and the settings count it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970; 0 for a clock set before it.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

/// The hour of the day in the machine's time zone.
pub(crate) fn hour_of_day() -> i8 {
    jiff::ZonedDateTime::now().hour()
}
