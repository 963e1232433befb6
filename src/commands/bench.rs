//! `mainstem bench`: the load generator against a broker that is already running. Speaks to the broker's port directly, so that
//! any broker of the protocol can be measured with the same bytes.

use mainstem_load::Load;

use crate::failure::Failure;
use crate::output::Output;

/// Runs the load and prints its outcome; fails when the broker refused everything.
pub(crate) fn run(load: &Load) -> Result<(), Failure> {
    let outcome = mainstem_load::run(load).map_err(Failure::failed)?;
    let mut out = Output::stdout();
    out.line(outcome.to_string().as_bytes())?;
    out.flush()?;
    match &outcome.first_refusal {
        Some(refusal) if outcome.messages == 0 => Err(Failure::failed(format!(
            "the broker refused every request; the first with {refusal} (--create makes the topics first)"
        ))),
        _ => Ok(()),
    }
}
