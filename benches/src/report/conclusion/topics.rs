//! What the sweep over topics says: whether a single log stays flat, whether a log per partition does not, which of them is
//! faster, and how far one sync serves all. Each is compared with its own best: with one topic there is one partition, which
//! favours nobody's layout. A fall is one only where the spreads do not meet.

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

/// Still flat: no less than this part of the best rate.
const FLAT: f64 = 0.9;
/// So much more than with one topic is a rise that wants to be told.
const RISE: f64 = 1.1;
/// Fewer rounds than this give no spread to speak of.
const FEW: usize = 3;

/// What is left of an engine's best rate.
#[derive(Debug, Clone)]
struct Part {
    of_best: f64,
    /// The runs do not tell it from all of it.
    uncertain: bool,
    best: Step,
    /// The best as multiple of the rate at the first step, where it is more beyond the spread.
    rise: Option<f64>,
}

impl Part {
    fn of(run: &Published, steps: &[Step], last: &Step, engine: EngineKind) -> Option<Self> {
        let upto = steps.iter().position(|s| s == last)?;
        let rates: Vec<(&Step, Spread)> = steps[..=upto]
            .iter()
            .filter_map(|step| Some((step, rate(run, step, engine)?)))
            .collect();
        let (_, first) = *rates.first()?;
        let (best, most) = *rates
            .iter()
            .max_by(|a, b| a.1.median.total_cmp(&b.1.median))?;
        let at_last = rate(run, last, engine)?;
        let rises = ratio(most, first) > RISE && !overlap(most, first);
        Some(Self {
            of_best: ratio(at_last, most),
            uncertain: overlap(at_last, most),
            best: best.clone(),
            rise: rises.then(|| ratio(most, first)),
        })
    }

    fn falls(&self) -> bool {
        self.of_best < FLAT && !self.uncertain
    }

    fn text(&self) -> String {
        let within = if self.uncertain && self.of_best < FLAT {
            ", within the spread"
        } else {
            ""
        };
        let percent = self.of_best * 100.0;
        let topics = self.best.cell.topics;
        if self.of_best < 1.0 {
            format!("{percent:.0} % (best with {topics}{within})")
        } else {
            format!("{percent:.0} %")
        }
    }
}

/// The same by engine; `control-one` is not in every comparison.
#[derive(Debug, Clone)]
struct Kept {
    ours: Part,
    theirs: Part,
    one: Option<Part>,
    many: Part,
}

impl Kept {
    fn of(run: &Published, steps: &[Step], last: &Step) -> Option<Self> {
        let of = |engine| Part::of(run, steps, last, engine);
        Some(Self {
            ours: of(EngineKind::Mainstem)?,
            theirs: of(EngineKind::Kafka)?,
            one: of(EngineKind::ControlOne),
            many: of(EngineKind::ControlMany)?,
        })
    }

    /// `ours` and `theirs` are the rates in the end.
    fn verdict(&self, ours: Spread, theirs: Spread) -> &'static str {
        let single_falls = self.ours.falls() || self.one.as_ref().is_some_and(Part::falls);
        let many_fall = [self.theirs.falls(), self.many.falls()];
        match (single_falls, many_fall) {
            (false, [true, true]) if overlap(ours, theirs) => {
                "Half of the claim holds: a single log stays flat and a log per partition does not, but it falls only as far as the \
                 single log's rate."
            }
            (false, [true, true]) if ours.median < theirs.median => {
                "Half of the claim holds: a single log stays flat and a log per partition does not, but it stays faster than the single \
                 log."
            }
            (false, [true, true]) => {
                "The claim holds: a single log stays flat, a log per partition does not, and is the slower one in the end."
            }
            (false, [false, false]) => {
                "The claim fails as far as this: a single log stays flat, but so does a log per partition."
            }
            (false, _) => {
                "The claim holds in part: a single log stays flat, and of the two engines with a log per partition one does not."
            }
            (true, [true, true]) if self.many_lose_more() => {
                "The claim holds in part: a log per partition loses more, but not every single log is flat."
            }
            (true, [true, true]) => "The claim fails: both kinds of layout lose.",
            (true, _) => {
                "The claim fails as far as this: a log per partition does not lose where a single log does."
            }
        }
    }

    fn many_lose_more(&self) -> bool {
        let one = self.one.as_ref().map_or(f64::INFINITY, |one| one.of_best);
        self.theirs.of_best.max(self.many.of_best) < self.ours.of_best.min(one)
    }

    fn text(&self) -> String {
        let one = self.one.as_ref().map_or(String::new(), |one| {
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
    Some(format!("{}{level}", first.name()))
}

/// One engine's rate as multiples of another's, at every step.
fn multiples(run: &Published, steps: &[Step], [ours, theirs]: [EngineKind; 2]) -> Option<String> {
    let of_steps: Vec<String> = steps
        .iter()
        .map(|step| {
            let (a, b) = (rate(run, step, ours)?, rate(run, step, theirs)?);
            let level = if overlap(a, b) { " (level)" } else { "" };
            Some(format!("{:.2}{level}", ratio(a, b)))
        })
        .collect::<Option<_>>()?;
    Some(of_steps.join(", "))
}

/// Why a log per partition may rise at first: with one topic every producer wants the same file.
fn rise(run: &Published, first: &Step, kept: &Kept) -> Option<String> {
    let switches = |step: &Step, engine| {
        run.cell(step, engine, |r| {
            let switches = r.counters.waits + r.counters.preemptions;
            Some(switches as f64 / r.messages.max(1) as f64)
        })
    };
    let mut parts = Vec::new();
    for (engine, part) in [
        (EngineKind::Kafka, &kept.theirs),
        (EngineKind::ControlMany, &kept.many),
    ] {
        let (Some(rise), before, after) = (
            part.rise,
            switches(first, engine)?,
            switches(&part.best, engine)?,
        ) else {
            continue;
        };
        if after.max < before.min {
            parts.push(format!(
                "{} rises to {rise:.2} times of what it has with one topic, and its context switches fall from {:.3} a message to {:.3}",
                engine.name(),
                before.median,
                after.median
            ));
        }
    }
    (!parts.is_empty()).then(|| {
        format!(
            " Many partitions help at first, since producers do not wait for each other at one file: {}.",
            parts.join("; ")
        )
    })
}

/// The verdict rests on cells with the most rounds.
fn flatness(run: &Published, mode: Mode) -> Option<String> {
    let steps = run.steps("topics", mode);
    let (first, last) = (steps.first()?, &conclusive_step(run, mode)?);
    let text = course(run, &steps, last)?;
    let kept = Kept::of(run, &steps, last)?;
    Some(format!(
        "**{} appends, from {} to {} topics.** {text}{}",
        capitalised(mode.name()),
        first.cell.topics,
        last.cell.topics,
        rise(run, first, &kept).unwrap_or_default()
    ))
}

/// How the layouts fare from step to step until the last.
fn course(run: &Published, steps: &[Step], last: &Step) -> Option<String> {
    let [ours, theirs] = [EngineKind::Mainstem, EngineKind::Kafka];
    let kept = Kept::of(run, steps, last)?;
    let topics: Vec<String> = steps.iter().map(|s| s.cell.topics.to_string()).collect();
    let controls = multiples(
        run,
        steps,
        [EngineKind::ControlOne, EngineKind::ControlMany],
    )
    .map_or(String::new(), |times| {
        format!(", and the control in one log {times} times that of the control in many")
    });
    Some(format!(
        "{} Kept of its best rate with {} topics: {}. Fastest there is {}. With {} topics mainstem has {} times the rate of Kafka's \
         layout{controls}.",
        kept.verdict(rate(run, last, ours)?, rate(run, last, theirs)?),
        last.cell.topics,
        kept.text(),
        fastest(run, last)?,
        topics.join(", "),
        multiples(run, steps, [ours, theirs])?,
    ))
}

/// The same where the kernel cannot put the writing off: more data than memory, or than may lie unwritten.
fn under_writeback(run: &Published) -> Vec<String> {
    let of = |factor: &str, title: &str| {
        let steps = run.steps(factor, Mode::Async);
        let (first, last) = (steps.first()?, steps.last()?);
        let rounds = run.rounds_of(last, EngineKind::Mainstem);
        let caution = if rounds < FEW {
            format!(" Rounds: {rounds}, so what is less than a tenth apart says nothing.")
        } else {
            String::new()
        };
        Some(format!(
            "**{title}, async, from {} to {} topics.** {}{caution}",
            first.cell.topics,
            last.cell.topics,
            course(run, &steps, last)?
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::workload::Cell;

    fn part(of_best: f64) -> Part {
        Part {
            of_best,
            uncertain: false,
            best: Step {
                factor: "topics".to_owned(),
                value: "64".to_owned(),
                cell: Cell::default(),
            },
            rise: None,
        }
    }

    fn kept(single: f64, many: f64) -> Kept {
        Kept {
            ours: part(single),
            theirs: part(many),
            one: Some(part(single)),
            many: part(many),
        }
    }

    fn spread(min: f64, max: f64) -> Spread {
        Spread {
            min,
            median: f64::midpoint(min, max),
            max,
        }
    }

    #[test]
    fn the_claim_holds_only_where_a_log_per_partition_falls_below_a_flat_single_log() {
        let (slow, fast) = (spread(1.0, 2.0), spread(3.0, 4.0));
        let holds = kept(0.97, 0.1).verdict(fast, slow);
        assert!(holds.starts_with("The claim holds:"), "{holds}");
        for (ours, theirs) in [(slow, fast), (slow, slow)] {
            let half = kept(0.97, 0.5).verdict(ours, theirs);
            assert!(half.starts_with("Half of the claim"), "{half}");
        }
        for (single, many) in [(0.97, 0.95), (0.5, 0.5), (0.5, 0.95)] {
            let fails = kept(single, many).verdict(slow, fast);
            assert!(fails.starts_with("The claim fails"), "{fails}");
        }
    }

    #[test]
    fn a_fall_within_the_spread_is_none_and_is_marked() {
        let mut uncertain = part(0.8);
        assert!(uncertain.falls());
        uncertain.uncertain = true;
        assert!(!uncertain.falls());
        assert_eq!(uncertain.text(), "80 % (best with 64, within the spread)");
    }
}
