//! `mainstem store repair`: the steps that were asked for, in an order that makes sense, and what was done.

use mainstem_store::inspect::{RepairError, Step, repair};

use super::{is_json, sizes};
use crate::arguments::{Format, StoreRepair};
use crate::failure::Failure;
use crate::output::Output;

/// Runs the command.
pub(crate) fn run(arguments: &StoreRepair) -> Result<(), Failure> {
    let directory = &arguments.directory;
    let done = repair(
        &directory.dir,
        &sizes(directory)?,
        &steps(arguments),
        &is_json,
    )
    .map_err(|error| match error {
        RepairError::Io { .. } => Failure::failed(error),
        RepairError::Inspect(_) | RepairError::Refused { .. } => Failure::Usage(error.to_string()),
    })?;
    let mut out = Output::stdout();
    match arguments.format {
        Format::Json => {
            let text = serde_json::to_string(&done).map_err(Failure::failed)?;
            out.line(text.as_bytes())?;
        }
        Format::Text => {
            for action in &done.actions {
                out.line(action.as_bytes())?;
            }
            out.line(
                match &done.saved_in {
                    Some(place) => format!(
                        "what was removed is in {place}; delete it when the store is as you want it"
                    ),
                    None => "nothing was removed".to_owned(),
                }
                .as_bytes(),
            )?;
        }
    }
    Ok(out.flush()?)
}

fn steps(arguments: &StoreRepair) -> Vec<Step> {
    let mut steps = Vec::new();
    steps.extend(arguments.cut_log_at.map(Step::CutLogAt));
    steps.extend(arguments.bury_at.iter().copied().map(Step::BuryAt));
    steps.extend(arguments.drop_log_before.map(Step::DropLogBefore));
    for (asked, step) in [
        (arguments.rebuild_queues, Step::RebuildQueues),
        (arguments.rebuild_index, Step::RebuildIndex),
        (arguments.drop_journal, Step::DropJournal),
        (arguments.drop_config, Step::DropConfig),
    ] {
        if asked {
            steps.push(step);
        }
    }
    steps
}
