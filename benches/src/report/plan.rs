//! What each profile measures, in which order: round by round, within a round the contestants of one comparison one after
//! the other, and every second round backwards, so that neither a machine whose speed drifts nor what ran before favours
//! anyone, and a run that is broken off has something of all.

use std::io;
use std::path::Path;

use super::task::{Entry, Task};
use crate::ceilings::CEILINGS;
use crate::copies::{ALL_WAYS, Cache, pulls};
use crate::layout::EngineKind;
use crate::layout::sweep::{self, ENGINES, Profile};
use crate::locks::{self, LOCKS};
use crate::measure::need_space;
use crate::table::Table;

/// A task and which time it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// What.
    pub task: Task,
    /// From 0.
    pub round: usize,
}

impl Planned {
    /// Whether this is its figure.
    pub(super) fn is_measured_by(&self, entry: &Entry) -> bool {
        entry.round == self.round && entry.task == self.task
    }
}

/// Checks before anything is measured that the disk has room for the largest task; the next is measured when the one before
/// has gone. What is left out for want of room is said now.
///
/// # Errors
/// [`io::ErrorKind::StorageFull`] when there is not enough for what cannot be left out.
pub(super) fn need_room(missing: &[&Planned], dir: &Path) -> io::Result<()> {
    let (optional, needed): (Vec<&Task>, Vec<&Task>) = missing
        .iter()
        .map(|p| &p.task)
        .partition(|task| task.may_be_left_out());
    need_space(
        dir,
        needed.iter().map(|t| t.disk_bytes()).max().unwrap_or(0),
    )?;
    for task in optional {
        if let Err(e) = need_space(dir, task.disk_bytes()) {
            eprintln!("{} will be left out: {e}", task.key());
        }
    }
    Ok(())
}

/// Everything that the profile measures.
pub fn plan(profile: Profile) -> Vec<Planned> {
    let tasks = tasks(profile);
    let rounds = tasks.iter().map(|(_, rounds)| *rounds).max().unwrap_or(0);
    (0..rounds)
        .flat_map(|round| {
            let mut of_round: Vec<Planned> = tasks
                .iter()
                .filter(|(_, rounds)| round < *rounds)
                .map(|(task, _)| Planned {
                    task: task.clone(),
                    round,
                })
                .collect();
            if round % 2 == 1 {
                of_round.reverse();
            }
            of_round
        })
        .collect()
}

/// Each task with its number of rounds.
fn tasks(profile: Profile) -> Vec<(Task, usize)> {
    let quick = profile == Profile::Quick;
    let pick = |quickly: u64, fully: u64| if quick { quickly } else { fully };
    // An even number: each lock is as often before the other as behind it.
    let lock_rounds = 4;
    let some = pick(3, 5) as usize;
    let mut tasks: Vec<(Task, usize)> = CEILINGS
        .into_iter()
        .map(|ceiling| (Task::Ceiling(ceiling), some))
        .collect();
    for step in sweep::plan(profile) {
        let rounds = step.rounds(profile);
        tasks.extend(
            step.engines()
                .map(|engine| (Task::Layout(step.clone(), engine), rounds)),
        );
    }
    // Syncs play no part in it.
    let engines = ENGINES
        .into_iter()
        .filter(|e| *e != EngineKind::KafkaSyncfs);
    tasks.extend(engines.map(|engine| {
        let mib = pick(64, 512);
        (Task::Losses { engine, mib }, some)
    }));
    for cache in [Cache::Warm, Cache::Cold] {
        for way in ALL_WAYS {
            let megabytes = 200;
            let task = Task::Copies {
                way,
                cache,
                megabytes,
            };
            tasks.push((task, some));
        }
    }
    tasks.extend(pulls::cases().into_iter().map(|case| {
        let mib = pick(32, 256);
        (Task::Pulls { case, mib }, some)
    }));
    let cells = if quick {
        locks::short_study(300)
    } else {
        locks::full_study(500)
    };
    for cell in cells {
        tasks.extend(LOCKS.map(|lock| (Task::Locks(cell, lock), lock_rounds)));
    }
    tasks
}

/// What is planned, about how long it takes and how much room, a row for each comparison.
pub(super) fn table(planned: &[Planned]) -> Table {
    #[derive(Default)]
    struct Part {
        name: String,
        runs: usize,
        rounds: usize,
        seconds: f64,
        disk_bytes: u64,
    }
    impl Part {
        fn add(&mut self, planned: &Planned) {
            self.runs += 1;
            self.rounds = self.rounds.max(planned.round + 1);
            self.seconds += planned.task.weight();
            self.disk_bytes = self.disk_bytes.max(planned.task.disk_bytes());
        }
    }
    // The order of the first round, which is the page's.
    let mut parts: Vec<Part> = Vec::new();
    let mut all = Part {
        name: "all".to_owned(),
        ..Part::default()
    };
    for planned in planned {
        let name = planned.task.part();
        let index = parts.iter().position(|p| p.name == name);
        let index = index.unwrap_or_else(|| {
            let part = Part {
                name,
                ..Part::default()
            };
            parts.push(part);
            parts.len() - 1
        });
        parts[index].add(planned);
        all.add(planned);
    }
    let mut table = Table::new(["what", "runs", "rounds", "about, seconds", "disk, MiB"]);
    for part in parts.iter().chain([&all]) {
        table.row([
            part.name.clone(),
            part.runs.to_string(),
            part.rounds.to_string(),
            format!("{:.0}", part.seconds),
            (part.disk_bytes >> 20).to_string(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_take_about_the_time_that_they_say() {
        let minutes = |profile| plan(profile).iter().map(|p| p.task.weight()).sum::<f64>() / 60.0;
        let (quick, full) = (minutes(Profile::Quick), minutes(Profile::Full));
        assert!(
            (1.5..4.0).contains(&quick),
            "quick: {quick}, full: {full} minutes"
        );
        assert!((30.0..50.0).contains(&full), "full: {full} minutes");
    }

    #[test]
    fn nothing_is_planned_twice() {
        for profile in [Profile::Quick, Profile::Full] {
            let plan = plan(profile);
            for (i, planned) in plan.iter().enumerate() {
                assert!(!plan[..i].contains(planned), "{}", planned.task.key());
            }
        }
    }
}
