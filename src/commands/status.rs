//! Being built.

use crate::arguments::Status;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run(_arguments: &Status) -> Result<(), Failure> {
    Err(Failure::failed("being built"))
}
