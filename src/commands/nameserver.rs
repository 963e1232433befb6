//! Being built.

use crate::arguments::NameServer;
use crate::failure::Failure;

/// Runs the command.
pub(crate) fn run(_arguments: &NameServer) -> Result<(), Failure> {
    Err(Failure::failed("being built"))
}
