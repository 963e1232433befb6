//! What the factors other than topics say of the single log beside Kafka's layout: where it is faster, where slower, and
//! where the runs do not tell. Memory, volume and lagging consumers have statements of their own.

use super::{overlap, rate, ratio};
use crate::layout::sweep::{MEMORY, VOLUME};
use crate::layout::workload::Consumers;
use crate::layout::{EngineKind, Mode};
use crate::report::figures::Published;

pub(super) fn beside_topics(run: &Published) -> Option<String> {
    let modes: Vec<String> = [Mode::Async, Mode::Durable]
        .into_iter()
        .filter_map(|mode| of_mode(run, mode))
        .collect();
    (!modes.is_empty()).then(|| {
        format!(
            "**Beside the topics**, mainstem against Kafka's layout, 64 topics. {}.",
            modes.join(". ")
        )
    })
}

fn of_mode(run: &Published, mode: Mode) -> Option<String> {
    let (mut faster, mut slower, mut level) = (Vec::new(), Vec::new(), Vec::new());
    for factor in run.other_factors() {
        if factor == MEMORY || factor == VOLUME {
            continue;
        }
        for step in run.steps(&factor, mode) {
            // In an open loop all have the rate that they are asked for.
            if step.cell.consumers == Consumers::Behind || step.cell.rate > 0 {
                continue;
            }
            let ours = rate(run, &step, EngineKind::Mainstem)?;
            let theirs = rate(run, &step, EngineKind::Kafka)?;
            let side = match (overlap(ours, theirs), ours.median > theirs.median) {
                (true, _) => &mut level,
                (false, true) => &mut faster,
                (false, false) => &mut slower,
            };
            side.push(format!(
                "{factor} {} ({:.2} times)",
                step.value,
                ratio(ours, theirs)
            ));
        }
    }
    let named = [
        ("slower", slower),
        ("faster", faster),
        ("not told apart", level),
    ];
    let parts: Vec<String> = named
        .into_iter()
        .filter(|(_, steps)| !steps.is_empty())
        .map(|(word, steps)| format!("{word} with {}", steps.join(", ")))
        .collect();
    (!parts.is_empty())
        .then(|| format!("{}: {}", super::capitalised(mode.name()), parts.join("; ")))
}
