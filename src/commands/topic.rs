//! Being built.

use crate::arguments::Topic;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run(_arguments: &Topic) -> Result<(), Failure> {
    Err(Failure::failed("being built"))
}
