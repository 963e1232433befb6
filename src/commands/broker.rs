//! Being built.

use crate::arguments::Broker;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run(_arguments: &Broker) -> Result<(), Failure> {
    Err(Failure::failed("being built"))
}
