//! Being built.

use crate::arguments::Standalone;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run(_arguments: &Standalone) -> Result<(), Failure> {
    Err(Failure::failed("being built"))
}
