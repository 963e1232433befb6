//! Delayed messages: the levels, and the thread that moves each message to its real queue when its time has come.

mod levels;
mod scheduler;

pub use levels::{DEFAULT_DELAY_LEVELS, DelayLevels, DelayLevelsError};
pub(crate) use scheduler::{DelayProgress, DelayScheduler};
