//! The state in `mainstem/index` as a check sees it: the newest whole slot of the directory's present
//! life. It promises to tell a slot that is damaged; changes nothing.

use std::io;

use crate::disk::Disk;
use crate::index::format::Header;
use crate::index::state::{self, PATH, SlotLook};
use crate::inspect::{Findings, Severity};

/// Stands for slots that the next start writes again, all of them.
pub(super) const SLOTS_DOUBTFUL: u32 = 0;

/// The state in `mainstem/index`, as a check sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) resume: u64,
    pub(super) file: String,
    pub(super) header: Header,
    pub(super) slots_through: u32,
}

/// The newest whole state that belongs to the directory's present life.
pub(super) fn known(
    disk: &dyn Disk,
    owner: u64,
    clean: bool,
    findings: &mut Findings,
) -> io::Result<Option<Known>> {
    let Some(slots) = state::look(disk)? else {
        return Ok(None);
    };
    let mut newest: Option<(u64, Known)> = None;
    for slot in &slots {
        if let SlotLook::Whole {
            sequence,
            owner: of,
            state,
        } = slot
            && *of == owner
            && newest.as_ref().is_none_or(|(number, _)| sequence > number)
        {
            let known = Known {
                resume: state.resume,
                file: state.file.clone(),
                header: state.header,
                slots_through: state.slots_through,
            };
            newest = Some((*sequence, known));
        }
    }
    for (number, slot) in slots.iter().enumerate() {
        if *slot == SlotLook::Damaged {
            let (severity, remedy) = if newest.is_none() {
                (
                    Severity::Rebuilt,
                    "the next start indexes again from the log what the checkpoint does not vouch for",
                )
            } else if clean {
                (
                    Severity::Rebuilt,
                    "the other slot counts; the next start writes the slots of the newest file again",
                )
            } else {
                (
                    Severity::Expected,
                    "torn by the stop; the other slot counts",
                )
            };
            findings.add(
                severity,
                PATH,
                Some(state::slot_position(number)),
                format!("slot {number} is damaged"),
                remedy,
            );
        }
    }
    let doubtful = slots.contains(&SlotLook::Damaged);
    Ok(newest.map(|(_, mut known)| {
        if doubtful {
            known.slots_through = SLOTS_DOUBTFUL;
        }
        known
    }))
}
