//! Being built.

use crate::arguments::Produce;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run(_arguments: &Produce) -> Result<(), Failure> {
    Err(Failure::failed("being built"))
}
