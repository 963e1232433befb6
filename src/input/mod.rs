//! What a person gives to `produce` and `consume`: lines, the part of a line that is its key, and the place to begin reading.

mod from;
mod lines;
mod selector;

pub(crate) use from::From;
pub(crate) use lines::{Line, LineError, Lines};
pub(crate) use selector::Selector;
