//! Which cells are run: one factor varied at a time round a base point, in both modes. Owns the plan and the results so
//! far, which a run that is broken off keeps and the next one goes on from.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::engine::{EngineKind, EngineOptions, Mode};
use super::workload::{Cell, CellResult, Consumers, run_cell};
use crate::measure::raise_open_file_limit;

/// How long a run may take.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// About three minutes: the ends of each factor, one round
    Quick,
    /// About an hour: every step, five rounds
    Full,
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
    let quick = profile == Profile::Quick;
    let base = Cell {
        mode,
        bytes: bytes_of(profile, mode),
        ..Cell::default()
    };
    let mut steps = Vec::new();
    let mut vary = |factor: &str, value: String, cell: Cell| {
        steps.push(Step {
            factor: factor.to_owned(),
            value,
            cell,
        })
    };
    let topics: &[u32] = if quick {
        &[1, 64, 1_024, 10_000]
    } else {
        &[1, 8, 64, 256, 1_024, 4_096, 10_000]
    };
    for &topics in topics {
        vary("topics", topics.to_string(), Cell { topics, ..base });
    }
    if quick {
        return steps;
    }
    vary(
        "partitions",
        "4".to_owned(),
        Cell {
            partitions: 4,
            ..base
        },
    );
    for size in [100, 16 << 10] {
        let bytes = if size == 100 {
            base.bytes / 4
        } else {
            base.bytes
        };
        vary(
            "size",
            size.to_string(),
            Cell {
                size,
                bytes,
                ..base
            },
        );
    }
    vary(
        "batch",
        "32".to_owned(),
        Cell {
            batch: 32,
            window: 8,
            ..base
        },
    );
    vary(
        "consumers",
        "none".to_owned(),
        Cell {
            consumers: Consumers::None,
            ..base
        },
    );
    vary(
        "consumers",
        "behind".to_owned(),
        Cell {
            consumers: Consumers::Behind,
            ..base
        },
    );
    vary(
        "consumers",
        "4 at the tail".to_owned(),
        Cell {
            consumer_threads: 4,
            ..base
        },
    );
    vary(
        "rate",
        "20000".to_owned(),
        Cell {
            rate: 20_000,
            bytes: base.bytes / 4,
            ..base
        },
    );
    steps
}

/// Body bytes of a cell: async cells write enough to reach the kernel's writeback, durable ones are slower by nature.
fn bytes_of(profile: Profile, mode: Mode) -> u64 {
    match (profile, mode) {
        (Profile::Quick, Mode::Async) => 128 << 20,
        (Profile::Quick, Mode::Durable) => 32 << 20,
        (Profile::Full, Mode::Async) => 1 << 30,
        (Profile::Full, Mode::Durable) => 256 << 20,
    }
}

impl Profile {
    /// Runs of each cell by each engine.
    pub fn rounds(self) -> usize {
        match self {
            Self::Quick => 1,
            Self::Full => 5,
        }
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

/// Results by step and engine, kept in a file of one JSON object a line.
pub struct Results {
    path: Option<PathBuf>,
    runs: Vec<Run>,
}

impl Results {
    /// Opens the file; lines that do not parse (a run broken off while writing) are left out.
    pub fn open(path: &Path) -> io::Result<Self> {
        let text = match fs::read_to_string(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        let runs = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        Ok(Self {
            path: Some(path.to_owned()),
            runs,
        })
    }

    /// Results that nobody asks to keep.
    pub fn in_memory() -> Self {
        Self {
            path: None,
            runs: Vec::new(),
        }
    }

    /// Adds a run and writes it out at once.
    pub fn add(&mut self, run: Run) -> io::Result<()> {
        if let Some(path) = &self.path {
            let mut file = OpenOptions::new().create(true).append(true).open(path)?;
            let mut line = serde_json::to_vec(&run)?;
            line.push(b'\n');
            file.write_all(&line)?;
        }
        self.runs.push(run);
        Ok(())
    }

    /// Whether this run has been made.
    pub fn has(&self, step: &Step, engine: EngineKind, round: usize) -> bool {
        self.runs
            .iter()
            .any(|r| r.step == *step && r.engine == engine && r.round == round)
    }

    /// All runs.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The results of one factor in one mode: by value in the order of the plan, then by engine.
    pub fn of_factor(
        &self,
        factor: &str,
        mode: Mode,
    ) -> Vec<(String, BTreeMap<EngineKind, Vec<&CellResult>>)> {
        let mut rows: Vec<(String, BTreeMap<EngineKind, Vec<&CellResult>>)> = Vec::new();
        for run in self
            .runs
            .iter()
            .filter(|r| r.step.factor == factor && r.step.cell.mode == mode)
        {
            let at = match rows.iter().position(|(value, _)| *value == run.step.value) {
                Some(at) => at,
                None => {
                    rows.push((run.step.value.clone(), BTreeMap::new()));
                    rows.len() - 1
                }
            };
            rows[at].1.entry(run.engine).or_default().push(&run.result);
        }
        rows
    }
}

/// Runs what is missing of the plan, engines in turns; `progress` is told before each run: done, total, what comes.
pub fn run(
    steps: &[Step],
    engines: &[EngineKind],
    rounds: usize,
    dir: &Path,
    results: &mut Results,
    mut progress: impl FnMut(usize, usize, &Step, EngineKind),
) -> io::Result<()> {
    let total = steps.len() * engines.len() * rounds;
    let mut done = 0;
    // Round by round, so that a run which is broken off has something of everything.
    for round in 0..rounds {
        for step in steps {
            for &engine in engines {
                if !results.has(step, engine, round) {
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
        let steps: Vec<Step> = [1u32, 3]
            .map(|topics| Step {
                factor: "topics".to_owned(),
                value: topics.to_string(),
                cell: Cell {
                    topics,
                    bytes: 10_000,
                    size: 100,
                    ..Cell::default()
                },
            })
            .to_vec();
        let engines = [EngineKind::ControlOne, EngineKind::ControlMany];
        let mut first = Results::open(&path).unwrap();
        run(
            &steps[..1],
            &engines,
            1,
            dir.path(),
            &mut first,
            |_, _, _, _| {},
        )
        .unwrap();
        fs::write(
            &path,
            fs::read_to_string(&path).unwrap() + "{\"step\":{\"fac",
        )
        .unwrap();
        let mut second = Results::open(&path).unwrap();
        assert_eq!(second.runs(), first.runs());
        let mut ran = 0;
        fs::write(&path, fs::read_to_string(&path).unwrap() + "\n").unwrap();
        run(
            &steps,
            &engines,
            1,
            dir.path(),
            &mut second,
            |_, _, _, _| ran += 1,
        )
        .unwrap();
        assert_eq!(ran, 2);
        let rows = Results::open(&path)
            .unwrap()
            .of_factor("topics", Mode::Async)
            .len();
        assert_eq!(rows, 2);
    }
}
