//! One thing that a report measures, and what came of it. Owns the dispatch to the benchmarks; promises that a task whose
//! machine lacks something is skipped with the reason, and that any other failure is the caller's to see.

use std::io;
use std::path::Path;

use crate::ceilings::{self, Ceiling};
use crate::copies::pulls::{self, PullCase};
use crate::copies::{self, Cache, Transfer, Way};
use crate::layout::losses::{self, Losses};
use crate::layout::sweep::{self, Step};
use crate::layout::workload::{Cell, CellResult, Consumers, run_cell};
use crate::layout::{EngineKind, EngineOptions, Mode};
use crate::locks::{self, Lock, LockCell, LockResult};
use crate::measure::{Scratch, need_space};

/// What is to be measured.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// A limit of the machine.
    Ceiling(Ceiling),
    /// A cell of the sweep by an engine.
    Layout(Step, EngineKind),
    /// What a single log should lose.
    Losses {
        /// by whom
        engine: EngineKind,
        /// bodies written, MiB
        mib: u64,
    },
    /// A file into a socket.
    Copies {
        /// how
        way: Way,
        /// where its pages are
        cache: Cache,
        /// its size, MB
        megabytes: u64,
    },
    /// Messages into a socket.
    Pulls {
        /// how
        case: PullCase,
        /// their bodies, MiB
        mib: u64,
    },
    /// A point of the lock study.
    Locks(LockCell, Lock),
}

/// What came of a task.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Figures {
    /// In the ceiling's unit.
    Ceiling(f64),
    /// Of a cell.
    Layout(CellResult),
    /// Of the losses.
    Losses(Losses),
    /// Of a file.
    Copies(Transfer),
    /// Of pulls, with the number of messages.
    Pulls(Transfer, u64),
    /// Of a lock.
    Locks(LockResult),
    /// The machine lacks what it needs; the reason.
    Skipped(String),
}

/// A line of the results.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// What was measured.
    pub task: Task,
    /// For which time, from 0.
    pub round: usize,
    /// How long it took, preparation and removal included, seconds.
    pub took_seconds: f64,
    /// What came of it.
    pub figures: Figures,
}

/// More than this takes too long, and more memory than most machines have lets so much lie unwritten.
const MAX_VOLUME_BYTES: u64 = 16 << 30;

/// Whether a cell that is as large as the machine's memory asks can be run; the report goes on without it.
fn affordable(step: &Step, dir: &Path, options: &EngineOptions) -> io::Result<()> {
    let bytes = step.cell.bytes;
    if bytes > MAX_VOLUME_BYTES {
        let text = format!(
            "twice the kernel's limit of unwritten bytes is {} MiB here, more than the {} MiB that are written at most: set \
             vm.dirty_bytes to 4 GiB or less to measure it",
            bytes >> 20,
            MAX_VOLUME_BYTES >> 20
        );
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    need_space(dir, step.cell.disk_bytes(options))
        .map_err(|e| io::Error::new(io::ErrorKind::Unsupported, e.to_string()))
}

impl Task {
    /// Measures once, with data below `dir`.
    ///
    /// # Errors
    /// Whatever the benchmark met, but for what the machine does not offer.
    pub fn run(&self, dir: &Path) -> io::Result<Figures> {
        // What is unwritten from the task before is not this one's.
        rustix::fs::syncfs(std::fs::File::open(dir)?)?;
        match self.measure(dir) {
            Err(e) if e.kind() == io::ErrorKind::Unsupported => Ok(Figures::Skipped(e.to_string())),
            other => other,
        }
    }

    fn measure(&self, dir: &Path) -> io::Result<Figures> {
        Ok(match self {
            Self::Ceiling(ceiling) => Figures::Ceiling(ceiling.measure(dir)?),
            Self::Layout(step, engine) => {
                let options = sweep::options(&step.cell);
                if self.may_be_left_out() {
                    affordable(step, dir, &options)?;
                }
                Figures::Layout(run_cell(*engine, &step.cell, dir, &options)?)
            }
            Self::Losses { engine, mib } => Figures::Losses(losses::run_case(*engine, *mib, dir)?),
            Self::Copies {
                way,
                cache,
                megabytes,
            } => {
                let scratch = Scratch::new(dir.join("copies"))?;
                let path = copies::write_file(scratch.path(), megabytes * 1_000_000)?;
                Figures::Copies(copies::transfer(*way, &path, *cache)?)
            }
            Self::Pulls { case, mib } => {
                let (transfer, messages) = pulls::run_case(case, *mib, dir)?;
                Figures::Pulls(transfer, messages)
            }
            Self::Locks(cell, lock) => Figures::Locks(locks::run_cell(cell, *lock, dir)?),
        })
    }

    /// What it is, for progress and comparison; the same for both profiles though they differ in size.
    pub fn key(&self) -> String {
        match self {
            Self::Ceiling(ceiling) => format!("ceiling: {}", ceiling.names().0),
            Self::Layout(step, engine) => format!(
                "layout, {} {}, {}: {}",
                step.factor,
                step.value,
                step.cell.mode.name(),
                engine.name()
            ),
            Self::Losses { engine, .. } => format!("losses: {}", engine.name()),
            Self::Copies { way, cache, .. } => format!("copies, {cache:?}: {}", way.name()),
            Self::Pulls { case, .. } => format!("pulls: {}", case.names().join(", ")),
            Self::Locks(cell, lock) => format!(
                "locks, {} threads, {}, {} B: {}",
                cell.threads,
                cell.mode.name(),
                cell.size,
                lock.name()
            ),
        }
    }

    /// The comparison that it belongs to.
    pub(super) fn part(&self) -> String {
        match self {
            Self::Ceiling(_) => "ceilings".to_owned(),
            Self::Layout(step, _) => format!(
                "layout, {} {}, {}",
                step.factor,
                step.value,
                step.cell.mode.name()
            ),
            Self::Losses { .. } => "losses".to_owned(),
            Self::Copies { .. } => "copies".to_owned(),
            Self::Pulls { .. } => "pulls".to_owned(),
            Self::Locks(cell, _) => format!("locks, {}", cell.mode.name()),
        }
    }

    /// Whether a machine that has no room for it goes on without: the cells that are as large as its memory asks.
    pub(super) fn may_be_left_out(&self) -> bool {
        matches!(self, Self::Layout(step, _) if step.factor == sweep::VOLUME)
    }

    /// Room on the disk that it needs at most.
    pub(super) fn disk_bytes(&self) -> u64 {
        match self {
            Self::Ceiling(_) => ceilings::DISK_BYTES,
            Self::Layout(step, _) => step.cell.disk_bytes(&sweep::options(&step.cell)),
            Self::Losses { mib, .. } => losses::disk_bytes(*mib),
            Self::Copies { megabytes, .. } => megabytes * 1_000_000,
            Self::Pulls { mib, .. } => pulls::disk_bytes(*mib),
            Self::Locks(..) => locks::DISK_BYTES,
        }
    }

    /// A guess at the seconds that it takes, for the estimate of what remains; its scale is found out while running.
    pub fn weight(&self) -> f64 {
        match self {
            Self::Ceiling(_) => 0.7,
            Self::Layout(step, engine) => layout_seconds(&step.cell, *engine),
            Self::Losses { mib, .. } => 0.2 + *mib as f64 / 300.0,
            Self::Copies { megabytes, .. } => 0.1 + *megabytes as f64 / 600.0,
            Self::Pulls { mib, .. } => 0.1 + *mib as f64 / 200.0,
            Self::Locks(cell, _) => 0.3 + cell.millis as f64 / 1e3,
        }
    }
}

/// The device's part of it.
const MIB_PER_SECOND: f64 = 700.0;
/// The same where writers wait for the kernel's writeback.
const SUSTAINED_MIB_PER_SECOND: f64 = 200.0;
const SUSTAINED_FROM_BYTES: u64 = 2 << 30;

/// A guess by what each engine takes for a partition (its files are made and removed) and for an append.
fn layout_seconds(cell: &Cell, engine: EngineKind) -> f64 {
    let partitions = f64::from(cell.all_partitions());
    let many = partitions > 8.0;
    let (ms_per_partition, us_per_append) = match (engine, cell.mode) {
        (EngineKind::Mainstem, Mode::Async) => (0.4, 1.9),
        (EngineKind::Mainstem, Mode::Durable) => (0.4, 3.7),
        (EngineKind::ControlOne, _) => (0.0, 4.0),
        (EngineKind::Kafka, Mode::Durable) if many => (1.1, 50.0),
        (EngineKind::ControlMany, Mode::Durable) if many => (0.3, 45.0),
        (EngineKind::ControlMany, _) => (0.3, 4.0),
        (EngineKind::KafkaSyncfs, _) if many => (1.3, 15.0),
        (EngineKind::Kafka | EngineKind::KafkaSyncfs, _) => (0.6, 4.0),
    };
    let mib = cell.bytes as f64 / f64::from(1 << 20);
    let appends = cell.messages() as f64 / cell.batch.max(1) as f64;
    let written = if cell.bytes > SUSTAINED_FROM_BYTES {
        mib / SUSTAINED_MIB_PER_SECOND
    } else {
        mib / MIB_PER_SECOND + appends * us_per_append / 1e6
    };
    let before = if cell.consumers == Consumers::Behind {
        written
    } else {
        0.0
    };
    let paced = if cell.rate > 0 {
        cell.messages() as f64 / cell.rate as f64
    } else {
        0.0
    };
    0.15 + partitions * ms_per_partition / 1e3 + before + written.max(paced)
}
