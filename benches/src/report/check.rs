//! Comparison of a new run with the published one: a figure is contradicted when the spreads of both do not meet and the
//! medians are further apart than a tenth. Only the same task is compared, size included. Rates are compared with those of
//! Kafka's layout in the same round too, since these stay when the machine has become faster or slower.

use std::fmt::Write;

use super::figures::Published;
use super::task::{Figures, Task};
use crate::layout::EngineKind;
use crate::measure::Spread;

/// What was found.
pub(super) struct Contradictions {
    /// Figures that do not hold.
    pub(super) count: usize,
    /// All of it, for reading.
    pub(super) text: String,
}

/// Medians that are nearer than this are the same.
const TOLERANCE: f64 = 0.10;

/// Compares every figure that both runs have.
pub(super) fn compare(published: &Published, new: &Published) -> Contradictions {
    let mut found = Found::default();
    let mut tasks: Vec<&Task> = Vec::new();
    for entry in &new.entries {
        if !tasks.contains(&&entry.task) {
            tasks.push(&entry.task);
        }
    }
    let mut missing = 0;
    for task in tasks {
        if !published.entries.iter().any(|e| e.task == *task) {
            missing += 1;
            continue;
        }
        for (name, figure) in FIGURES {
            let of = |run: &Published| values(run, task, figure);
            found.compare(task, name, &of(published), &of(new));
        }
        let of = |run: &Published| multiples_of_kafka(run, task);
        let name = "rate, as a multiple of kafka's in the same round";
        found.compare(task, name, &of(published), &of(new));
    }
    found.text(published, new, missing)
}

#[derive(Default)]
struct Found {
    lines: String,
    compared: usize,
    contradicted: usize,
    ceilings_contradicted: usize,
    by_chance: f64,
}

impl Found {
    fn compare(&mut self, task: &Task, name: &str, published: &[f64], new: &[f64]) {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        let (Some(was), Some(is)) = (spread(published), spread(new)) else {
            return;
        };
        self.compared += 1;
        self.by_chance += chance_of_lying_apart(published.len(), new.len());
        if !contradicts(was, is) {
            return;
        }
        self.contradicted += 1;
        if matches!(task, Task::Ceiling(_)) {
            self.ceilings_contradicted += 1;
        }
        let digits = digits_of(was.median);
        // Writing into a String does not fail.
        let _ = writeln!(
            self.lines,
            "{}: {name} was {}, is {} ({:+.0} %)",
            task.key(),
            was.short(digits),
            is.short(digits),
            (is.median / was.median.max(1e-12) - 1.0) * 100.0
        );
    }

    fn text(self, published: &Published, new: &Published, missing: usize) -> Contradictions {
        let mut text = String::new();
        if published.machine != new.machine {
            let _ = writeln!(
                text,
                "published on: {}\nthis machine: {}",
                published.machine, new.machine
            );
        }
        text += &self.lines;
        for (key, reason) in new.skipped() {
            let _ = writeln!(text, "{key}: not measured now: {reason}");
        }
        if missing > 0 {
            let _ = writeln!(
                text,
                "{missing} tasks are not in the published run, or there with another size, and were not compared"
            );
        }
        let _ = writeln!(
            text,
            "{} of {} figures are contradicted: the spreads do not meet and the medians are more than {:.0} % apart; so few rounds \
             let up to {:.0} spreads lie apart by chance alone",
            self.contradicted,
            self.compared,
            TOLERANCE * 100.0,
            self.by_chance
        );
        if self.ceilings_contradicted > 0 {
            let _ = writeln!(
                text,
                "{} ceilings are among them: the machine itself is not what it was, so look at the multiples of kafka's rate before the \
                 rates",
                self.ceilings_contradicted
            );
        }
        Contradictions {
            count: self.contradicted,
            text,
        }
    }
}

fn contradicts(was: Spread, is: Spread) -> bool {
    let apart = is.min > was.max || was.min > is.max;
    apart && (is.median - was.median).abs() > TOLERANCE * was.median.abs()
}

/// How likely `a` and `b` values of one distribution are all of one on one side of the other's: of the equally likely orders
/// two, which is 1 in 10 for three rounds against three and 1 in 2 for one against three.
fn chance_of_lying_apart(a: usize, b: usize) -> f64 {
    let orders = (1..=b).fold(1.0, |c, i| c * (a + i) as f64 / i as f64);
    (2.0 / orders).min(1.0)
}

fn digits_of(value: f64) -> usize {
    match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 3,
    }
}

fn values(run: &Published, task: &Task, figure: Figure) -> Vec<f64> {
    let of_task = run.entries.iter().filter(|e| e.task == *task);
    of_task.filter_map(|e| figure(&e.figures)).collect()
}

/// Round by round, so that a machine whose speed drifts changes both.
fn multiples_of_kafka(run: &Published, task: &Task) -> Vec<f64> {
    let Task::Layout(step, engine) = task else {
        return Vec::new();
    };
    if *engine == EngineKind::Kafka {
        return Vec::new();
    }
    let kafka = Task::Layout(step.clone(), EngineKind::Kafka);
    let rate_in = |task: &Task, round: usize| {
        let mut entries = run.entries.iter();
        let entry = entries.find(|e| e.round == round && e.task == *task)?;
        RATE(&entry.figures)
    };
    let rounds = run.entries.iter().filter(|e| e.task == *task);
    rounds
        .filter_map(|e| Some(rate_in(task, e.round)? / rate_in(&kafka, e.round)?))
        .collect()
}

type Figure = fn(&Figures) -> Option<f64>;

const RATE: Figure = |f| match f {
    Figures::Layout(r) => Some(r.rate()),
    Figures::Locks(r) => Some(r.rate),
    _ => None,
};

/// What is compared of each kind of task.
const FIGURES: [(&str, Figure); 7] = [
    ("ceiling", |f| match f {
        Figures::Ceiling(value) => Some(*value),
        _ => None,
    }),
    ("rate", RATE),
    ("p99 us", |f| match f {
        Figures::Layout(r) => Some(r.latency.p99_us),
        Figures::Locks(r) => Some(r.p99_us),
        _ => None,
    }),
    ("CPU us a message", |f| match f {
        Figures::Layout(r) => Some(r.cpu_us_per_message()),
        Figures::Locks(r) => Some(r.cpu_us),
        _ => None,
    }),
    ("bytes to the device per byte", |f| match f {
        Figures::Layout(r) => r.write_amplification(),
        _ => None,
    }),
    ("MB/s", |f| match f {
        Figures::Copies(t) | Figures::Pulls(t, _) => Some(t.bytes as f64 / 1e6 / t.seconds),
        Figures::Losses(l) => Some(l.cold_mb_per_second),
        _ => None,
    }),
    ("part given back", |f| match f {
        Figures::Losses(l) => Some(l.freed),
        _ => None,
    }),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ceilings::Ceiling;
    use crate::layout::sweep::Profile;
    use crate::measure::Machine;
    use crate::report::task::Entry;

    fn spread(min: f64, median: f64, max: f64) -> Spread {
        Spread { min, median, max }
    }

    #[test]
    fn only_what_lies_apart_and_far_is_a_contradiction() {
        let was = spread(90.0, 100.0, 110.0);
        assert!(!contradicts(was, spread(105.0, 130.0, 150.0)), "they meet");
        assert!(!contradicts(was, spread(108.0, 109.0, 109.5)), "they meet");
        assert!(
            !contradicts(spread(100.0, 100.0, 100.0), spread(105.0, 105.0, 105.0)),
            "too near"
        );
        assert!(contradicts(was, spread(120.0, 130.0, 150.0)));
        assert!(contradicts(was, spread(50.0, 60.0, 70.0)));
    }

    #[test]
    fn few_rounds_lie_apart_by_chance_and_many_hardly() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(chance_of_lying_apart(3, 3), 0.1));
        assert!(near(chance_of_lying_apart(3, 1), 0.5));
        assert!(near(chance_of_lying_apart(5, 5), 2.0 / 252.0));
        assert!(near(chance_of_lying_apart(1, 1), 1.0));
    }

    fn run(values: &[f64], megabytes: u64) -> Published {
        let copies = Task::Copies {
            way: crate::copies::Way::SendFile,
            cache: crate::copies::Cache::Warm,
            megabytes,
        };
        let entry = |task: Task, round, figures| Entry {
            task,
            round,
            took_seconds: 1.0,
            figures,
        };
        let mut entries: Vec<Entry> = values
            .iter()
            .enumerate()
            .map(|(round, value)| {
                let ceiling = Task::Ceiling(Ceiling::Loopback);
                entry(ceiling, round, Figures::Ceiling(*value))
            })
            .collect();
        entries.push(entry(copies, 0, Figures::Skipped("no socket".to_owned())));
        Published {
            profile: Profile::Quick,
            rounds: None,
            machine: Machine::describe(std::path::Path::new(".")),
            entries,
        }
    }

    #[test]
    fn a_figure_that_no_longer_holds_is_named_and_another_size_is_not_compared() {
        let same = compare(&run(&[9.0, 10.0, 11.0], 200), &run(&[10.0, 10.5, 9.5], 200));
        assert_eq!(same.count, 0, "{}", same.text);
        let other = compare(&run(&[9.0, 10.0, 11.0], 200), &run(&[20.0, 21.0, 22.0], 50));
        assert_eq!(other.count, 1, "{}", other.text);
        for part in [
            "loopback",
            "(+110 %)",
            "1 of 1 figures",
            "not compared",
            "no socket",
            "1 ceilings",
        ] {
            assert!(other.text.contains(part), "{part}: {}", other.text);
        }
    }
}
