//! What the sweep over topics says: whether a single log stays flat, whether a log per partition does not, and how far one
//! sync serves all. A fall is one only where the spreads do not meet.

use super::{capitalised, overlap, rate, ratio, times};
use crate::layout::sweep::{self, CONCLUSIVE, ENGINES, Step};
use crate::layout::workload::CellResult;
use crate::layout::{EngineKind, Mode};
use crate::measure::Spread;
use crate::report::figures::Published;

pub(super) fn statements(run: &Published) -> Vec<String> {
    let mut lines = Vec::new();
    for mode in [Mode::Async, Mode::Durable] {
        lines.extend(flatness(run, mode));
    }
    lines.extend(under_writeback(run));
    lines.extend(one_sync_for_all(run));
    lines.extend(map_or_write(run));
    lines
}

/// The largest number of topics that was measured often enough.
fn conclusive_step(run: &Published, mode: Mode) -> Option<Step> {
    let steps = run.steps("topics", mode);
    steps
        .into_iter()
        .rfind(|s| CONCLUSIVE.contains(&s.cell.topics))
}

/// Still flat: no less than this part of the rate with one topic.
const FLAT: f64 = 0.9;
/// So much more than with one topic is a gain that wants to be told.
const GAIN: f64 = 1.1;

/// Fewer rounds than this give no spread to speak of.
const FEW: usize = 3;

/// What is left of a rate with one topic.
#[derive(Debug, Clone, Copy)]
struct Part {
    of_one: f64,
    /// The runs do not tell it from all of it.
    uncertain: bool,
}

impl Part {
    fn new(last: Spread, first: Spread) -> Self {
        Self {
            of_one: ratio(last, first),
            uncertain: overlap(last, first),
        }
    }

    fn falls(self) -> bool {
        self.of_one < FLAT && !self.uncertain
    }

    fn text(self) -> String {
        let within = if self.uncertain && (self.of_one - 1.0).abs() > 1.0 - FLAT {
            " (within the spread)"
        } else {
            ""
        };
        format!("{:.0} %{within}", self.of_one * 100.0)
    }
}

/// The same by engine; `control-one` is not in every comparison.
#[derive(Debug, Clone, Copy)]
struct Kept {
    ours: Part,
    theirs: Part,
    one: Option<Part>,
    many: Part,
}

fn kept(run: &Published, first: &Step, last: &Step) -> Option<Kept> {
    let of = |engine| {
        Some(Part::new(
            rate(run, last, engine)?,
            rate(run, first, engine)?,
        ))
    };
    Some(Kept {
        ours: of(EngineKind::Mainstem)?,
        theirs: of(EngineKind::Kafka)?,
        one: of(EngineKind::ControlOne),
        many: of(EngineKind::ControlMany)?,
    })
}

impl Kept {
    fn verdict(&self) -> &'static str {
        let single_falls = self.ours.falls() || self.one.is_some_and(Part::falls);
        let many_fall = [self.theirs, self.many].map(Part::falls);
        match (single_falls, many_fall) {
            (false, [true, true]) => {
                "The claim holds: a single log stays flat, a log per partition does not."
            }
            (false, [false, false]) => {
                "The claim fails as far as this: a single log stays flat, but so does a log per partition."
            }
            (false, _) => {
                "The claim holds in part: a single log stays flat, and of the two engines with a log per partition one does not."
            }
            (true, [true, true]) if self.many_lose_more() => {
                "The claim holds in part: a log per partition loses far more, but not every single log is flat."
            }
            (true, [true, true]) => "The claim fails: both kinds of layout lose.",
            (true, _) => {
                "The claim fails as far as this: a log per partition does not lose where a single log does."
            }
        }
    }

    fn many_lose_more(&self) -> bool {
        let single = self
            .one
            .map_or(self.ours.of_one, |one| one.of_one)
            .min(self.ours.of_one);
        self.theirs.of_one.max(self.many.of_one) < single
    }

    fn text(&self) -> String {
        let one = self.one.map_or(String::new(), |one| {
            format!(", control in one log {}", one.text())
        });
        format!(
            "mainstem {}, Kafka's layout {}{one}, control in a log per partition {}",
            self.ours.text(),
            self.theirs.text(),
            self.many.text()
        )
    }
}

/// How mainstem compares with Kafka's layout at a step.
fn head_to_head(run: &Published, step: &Step) -> Option<String> {
    Some(times(
        rate(run, step, EngineKind::Mainstem)?,
        rate(run, step, EngineKind::Kafka)?,
    ))
}

/// Parts of a rate say nothing of the rate: who is fastest, and who is not told from it.
fn fastest(run: &Published, step: &Step) -> Option<String> {
    let mut rates: Vec<(EngineKind, Spread)> = ENGINES
        .into_iter()
        .filter_map(|engine| Some((engine, rate(run, step, engine)?)))
        .collect();
    rates.sort_by(|a, b| b.1.median.total_cmp(&a.1.median));
    let (first, best) = *rates.first()?;
    let level: Vec<&str> = rates[1..]
        .iter()
        .filter(|(_, other)| overlap(best, *other))
        .map(|(engine, _)| engine.name())
        .collect();
    let level = if level.is_empty() {
        String::new()
    } else {
        format!(" (its spread meets that of {})", level.join(" and "))
    };
    Some(format!("fastest is {}{level}", first.name()))
}

/// Why a log per partition may gain: with one topic every producer wants the same file.
fn gain(run: &Published, first: &Step, last: &Step, kept: &Kept) -> Option<String> {
    let switches = |step: &Step, engine| {
        run.cell(step, engine, |r| {
            let switches = r.counters.waits + r.counters.preemptions;
            Some(switches as f64 / r.messages.max(1) as f64)
        })
    };
    let mut parts = Vec::new();
    for (engine, part) in [
        (EngineKind::Kafka, kept.theirs),
        (EngineKind::ControlMany, kept.many),
    ] {
        let (before, after) = (switches(first, engine)?, switches(last, engine)?);
        if part.of_one > GAIN && !part.uncertain && after.max < before.min {
            parts.push(format!(
                "{} from {:.3} to {:.3}",
                engine.name(),
                before.median,
                after.median
            ));
        }
    }
    (!parts.is_empty()).then(|| {
        format!(
            " More than 100 % is a slow start, not a gain by topics: with one topic the producers wait for each other at one partition. \
             Context switches a message go, {}.",
            parts.join(" and ")
        )
    })
}

/// The verdict rests on cells with the most rounds; beyond them only the figures are told.
fn flatness(run: &Published, mode: Mode) -> Option<String> {
    let steps = run.steps("topics", mode);
    let (first, last) = (steps.first()?, &conclusive_step(run, mode)?);
    let rests_on = kept(run, first, last)?;
    let mut text = format!(
        "**{} appends, from 1 to {} topics.** {} Kept of the rate with one topic: {}. With {} topics {}, and mainstem has {} the rate \
         of Kafka's layout.{}",
        capitalised(mode.name()),
        last.cell.topics,
        rests_on.verdict(),
        rests_on.text(),
        last.cell.topics,
        fastest(run, last)?,
        head_to_head(run, last)?,
        gain(run, first, last, &rests_on).unwrap_or_default(),
    );
    let farthest = steps.last()?;
    if farthest != last
        && let (Some(kept), Some(times)) = (kept(run, first, farthest), head_to_head(run, farthest))
    {
        text += &format!(
            " With {} topics there is left: {}; {}, and mainstem has {times} the rate of Kafka's layout.",
            farthest.cell.topics,
            kept.text(),
            fastest(run, farthest)?,
        );
    }
    Some(text)
}

/// The same where the kernel cannot put the writing off: more data than memory, or than may lie unwritten.
fn under_writeback(run: &Published) -> Vec<String> {
    let of = |factor: &str, title: &str| {
        let steps = run.steps(factor, Mode::Async);
        let (first, last) = (steps.first()?, steps.last()?);
        let kept = kept(run, first, last)?;
        let rounds = run.rounds_of(last, EngineKind::Mainstem);
        let caution = if rounds < FEW {
            format!(" Rounds: {rounds}, so what is less than a tenth apart says nothing.")
        } else {
            String::new()
        };
        Some(format!(
            "**{title}, async, from {} to {} topics.** {}{caution} Kept of the rate with one topic: {}. With {} topics {}, and mainstem \
             has {} the rate of Kafka's layout.",
            first.cell.topics,
            last.cell.topics,
            kept.verdict(),
            kept.text(),
            last.cell.topics,
            fastest(run, last)?,
            head_to_head(run, last)?
        ))
    };
    [
        of(sweep::MEMORY, "A third of the memory that the data needs"),
        of(sweep::VOLUME, "Twice what the kernel lets lie unwritten"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn one_sync_for_all(run: &Published) -> Option<String> {
    let last = &conclusive_step(run, Mode::Durable)?;
    let per_sync = |engine| run.cell(last, engine, CellResult::messages_per_sync);
    let (ours, theirs) = (
        per_sync(EngineKind::Mainstem)?,
        per_sync(EngineKind::Kafka)?,
    );
    let syncfs = times(
        rate(run, last, EngineKind::Mainstem)?,
        rate(run, last, EngineKind::KafkaSyncfs)?,
    );
    Some(format!(
        "**One sync for all topics.** With {} topics one sync covers {:.1} messages in the single log and {:.1} in a log per \
         partition. `syncfs` gives the many logs one sync as well; mainstem then has {syncfs} their rate.",
        last.cell.topics, ours.median, theirs.median
    ))
}

fn map_or_write(run: &Published) -> Option<String> {
    let mut parts = Vec::new();
    for mode in [Mode::Async, Mode::Durable] {
        let step = &conclusive_step(run, mode)?;
        let ours = rate(run, step, EngineKind::Mainstem)?;
        let control = rate(run, step, EngineKind::ControlOne)?;
        let faults = run.cell(step, EngineKind::Mainstem, |r| {
            let faults = r.counters.minor_faults + r.counters.major_faults;
            Some(faults as f64 / r.messages.max(1) as f64)
        })?;
        parts.push(format!(
            "{}: {} its rate, with {:.2} page faults a message",
            mode.name(),
            times(ours, control),
            faults.median
        ));
    }
    Some(format!(
        "**A map or `pwrite`.** Against the control that writes one log by `pwrite` and keeps its index in memory only, mainstem \
         (mapped log, real consume queues) has, {}.",
        parts.join("; ")
    ))
}
