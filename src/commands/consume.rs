//! Being built.

use crate::arguments::Consume;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run(_arguments: &Consume) -> Result<(), Failure> {
    Err(Failure::failed("being built"))
}
