//! Which cells are run: one factor varied at a time round a base point, in both modes. Owns the plan and the results so
//! far, which a run that is broken off keeps and the next one goes on from.

use std::io;
use std::path::Path;

use super::engine::{EngineKind, EngineOptions, Mode};
use super::workload::{Cell, CellResult, Consumers, run_cell};
use crate::measure::{dirty_limit_bytes, raise_open_file_limit};
use crate::results::Results;

/// How long a run may take.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// About three minutes: topics only, three rounds
    Quick,
    /// About 45 minutes: every factor, two to five rounds
    Full,
}

impl Profile {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Full => "full",
        }
    }
}

/// Every contestant, in the order in which they take turns.
pub const ENGINES: [EngineKind; 5] = [
    EngineKind::Mainstem,
    EngineKind::Kafka,
    EngineKind::KafkaSyncfs,
    EngineKind::ControlOne,
    EngineKind::ControlMany,
];

/// A cell and the factor that it varies.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// The factor: `topics`, `size`, ...
    pub factor: String,
    /// Its value here, as shown.
    pub value: String,
    /// The cell.
    pub cell: Cell,
}

/// The plan of a profile, both modes.
pub fn plan(profile: Profile) -> Vec<Step> {
    [Mode::Async, Mode::Durable]
        .into_iter()
        .flat_map(|mode| plan_of_mode(profile, mode))
        .collect()
}

fn plan_of_mode(profile: Profile, mode: Mode) -> Vec<Step> {
    let base = Cell {
        mode,
        bytes: bytes_of(profile, mode),
        ..Cell::default()
    };
    let step = |factor: &str, value: &str, cell: Cell| Step {
        factor: factor.to_owned(),
        value: value.to_owned(),
        cell,
    };
    let behind = Cell {
        consumers: Consumers::Behind,
        ..base
    };
    let topics: &[u32] = match profile {
        Profile::Quick => &[1, 64, 1_024],
        Profile::Full => &[1, 8, 64, 256, 1_024, BETWEEN_MANY, MOST],
    };
    let mut steps: Vec<Step> = topics
        .iter()
        .map(|&topics| step("topics", &topics.to_string(), Cell { topics, ..base }))
        .collect();
    if profile == Profile::Quick {
        if mode == Mode::Async {
            steps.push(step("consumers", "one far behind", behind));
        }
        return steps;
    }
    // Small messages are more of them, and large ones fewer than would show anything.
    let (less, more) = (base.bytes / 4, base.bytes * 2);
    let batched = Cell {
        batch: 32,
        window: 8,
        ..base
    };
    steps.extend([
        step(
            "partitions",
            "4",
            Cell {
                partitions: 4,
                ..base
            },
        ),
        step(
            "size",
            "100",
            Cell {
                size: 100,
                bytes: less,
                ..base
            },
        ),
        step(
            "size",
            "16384",
            Cell {
                size: 16 << 10,
                bytes: more,
                ..base
            },
        ),
        step("batch", "32", batched),
        step(
            "consumers",
            "four at the tail",
            Cell {
                consumer_threads: 4,
                ..base
            },
        ),
        step("consumers", "one far behind", behind),
        step(
            "rate",
            "20000",
            Cell {
                rate: 20_000,
                bytes: less,
                ..base
            },
        ),
    ]);
    // A third of what is written: the kernel must write and forget while the cell runs.
    let scarce = [1, 64, 1_024].map(|topics| {
        let memory_mib = 192;
        let bytes = 512 << 20;
        let value = format!("{memory_mib} MiB, {}", of_topics(topics));
        step(
            MEMORY,
            &value,
            Cell {
                topics,
                memory_mib,
                bytes,
                ..base
            },
        )
    });
    match mode {
        Mode::Async => {
            steps.extend(scarce);
            steps.extend([1, 1_024].map(|topics| {
                let bytes = volume_bytes();
                step(
                    VOLUME,
                    &of_topics(topics),
                    Cell {
                        topics,
                        bytes,
                        ..base
                    },
                )
            }));
        }
        // What is synced by group is clean before memory is short; one point shows it.
        Mode::Durable => {
            steps.extend(scarce.into_iter().skip(1).take(1).map(|mut step| {
                step.cell.bytes = 256 << 20;
                step
            }));
        }
    }
    steps
}

fn of_topics(topics: u32) -> String {
    let s = if topics == 1 { "" } else { "s" };
    format!("{topics} topic{s}")
}

/// The factor of cells with less memory than data.
pub const MEMORY: &str = "memory";
/// The factor of cells that write so much that the kernel writes back and makes writers wait, with all the memory there is.
pub const VOLUME: &str = "volume";

/// Twice what the kernel lets lie unwritten, by the machine's memory, so that it is the same for every run here.
fn volume_bytes() -> u64 {
    (2 * dirty_limit_bytes()).max(1 << 30)
}

/// Body bytes of a cell. An async cell's time includes the writing of every byte to the device, in its last sync if not
/// before; durable ones are slower by nature.
fn bytes_of(profile: Profile, mode: Mode) -> u64 {
    match (profile, mode) {
        (Profile::Quick, Mode::Async) => 128 << 20,
        (Profile::Quick, Mode::Durable) => 32 << 20,
        (Profile::Full, Mode::Async) => 384 << 20,
        (Profile::Full, Mode::Durable) => 96 << 20,
    }
}

/// Numbers of topics that the conclusion compares.
pub const CONCLUSIVE: [u32; 4] = [1, 64, 1_024, MOST];
/// A point of the curve only, where a run is mostly the creation and removal of files.
const BETWEEN_MANY: u32 = 4_096;
/// The most topics.
const MOST: u32 = 10_000;

impl Step {
    /// Runs of this cell by each engine.
    pub fn rounds(&self, profile: Profile) -> usize {
        match profile {
            Profile::Quick => 3,
            Profile::Full if self.is_conclusive() => 5,
            // A minute each, by what the device takes for long.
            Profile::Full if self.factor == VOLUME => 2,
            Profile::Full if self.cell.topics == BETWEEN_MANY => 2,
            Profile::Full => 3,
        }
    }

    /// Whether a statement of the conclusion rests on it alone.
    fn is_conclusive(&self) -> bool {
        (self.factor == "topics" && CONCLUSIVE.contains(&self.cell.topics))
            || (self.factor == MEMORY && self.cell.mode == Mode::Async)
            || self.cell.consumers == Consumers::Behind
    }

    /// Who runs it: without a wait for the disk both kinds of Kafka's group commit are the same.
    pub fn engines(&self) -> impl Iterator<Item = EngineKind> + use<> {
        let mode = self.cell.mode;
        // One log by `pwrite` takes minutes for such a volume, and says nothing that the sweep does not.
        let too_slow = self.factor == VOLUME;
        ENGINES.into_iter().filter(move |e| match e {
            EngineKind::KafkaSyncfs => mode == Mode::Durable,
            EngineKind::ControlOne => !too_slow,
            _ => true,
        })
    }
}

/// One line of the results file.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Run {
    /// What was varied.
    pub step: Step,
    /// By whom it was run.
    pub engine: EngineKind,
    /// Which round.
    pub round: usize,
    /// What came of it.
    pub result: CellResult,
}

/// Runs what is missing of the plan, engines in turns; `progress` is told before each run: done, total, what comes.
pub fn run(
    steps: &[Step],
    engines: &[EngineKind],
    rounds: usize,
    dir: &Path,
    results: &mut Results<Run>,
    mut progress: impl FnMut(usize, usize, &Step, EngineKind),
) -> io::Result<()> {
    let total = steps.len() * engines.len() * rounds;
    let mut done = 0;
    // Round by round, so that a run which is broken off has something of everything.
    for round in 0..rounds {
        for step in steps {
            for &engine in engines {
                let made = |r: &Run| r.step == *step && r.engine == engine && r.round == round;
                if !results.items().iter().any(made) {
                    progress(done, total, step, engine);
                    let result = run_cell(engine, &step.cell, dir, &options(&step.cell))?;
                    results.add(Run {
                        step: step.clone(),
                        engine,
                        round,
                        result,
                    })?;
                }
                done += 1;
            }
        }
    }
    Ok(())
}

/// Syncs at the same time for layouts of many files: more than this brought nothing on two cores.
const PARALLEL_SYNCS: usize = 8;
/// Descriptors for whatever is no log file.
const OTHER_OPEN_FILES: usize = 500;

/// The engine's options for a cell.
pub fn options(cell: &Cell) -> EngineOptions {
    EngineOptions {
        topics: cell.topics,
        partitions: cell.partitions,
        mode: cell.mode,
        parallel_syncs: PARALLEL_SYNCS,
        // A broker with thousands of partitions is run with a raised limit.
        open_files: raise_open_file_limit()
            .saturating_sub(OTHER_OPEN_FILES)
            .max(100),
        file_bytes: 1 << 30,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_broken_run_goes_on_where_it_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results.jsonl");
        let steps = [1u32, 3].map(|topics| Step {
            factor: "topics".to_owned(),
            value: topics.to_string(),
            cell: Cell {
                topics,
                bytes: 10_000,
                size: 100,
                ..Cell::default()
            },
        });
        let engines = [EngineKind::ControlOne, EngineKind::ControlMany];
        let mut results = Results::open(&path).unwrap();
        let nothing = |_: usize, _: usize, _: &Step, _: EngineKind| {};
        run(&steps[..1], &engines, 1, dir.path(), &mut results, nothing).unwrap();
        let mut results = Results::open(&path).unwrap();
        assert_eq!(results.items().len(), 2);
        let mut ran = 0;
        run(
            &steps,
            &engines,
            1,
            dir.path(),
            &mut results,
            |_, _, _, _| {
                ran += 1;
            },
        )
        .unwrap();
        assert_eq!((ran, results.items().len()), (2, 4));
    }

    #[test]
    fn what_the_conclusion_rests_on_is_run_five_times_in_the_full_profile() {
        for step in plan(Profile::Full) {
            let conclusive = step.factor == "topics" && CONCLUSIVE.contains(&step.cell.topics);
            let least = if conclusive { 5 } else { 2 };
            assert!(step.rounds(Profile::Full) >= least, "{step:?}");
        }
    }
}
