//! The report: measures what a profile plans, keeps every figure as soon as it is there, and writes the page, its plots
//! and the raw results. Owns the order of things and the interruption; figures come from `task`, the page from `page`.

mod check;
mod conclusion;
mod figures;
mod page;
pub mod plan;
mod plots;
mod progress;
mod selection;
pub mod task;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::layout::sweep::Profile;
use crate::measure::{Machine, Scratch};
use crate::results::Results;
use figures::Published;
use plan::Planned;
use progress::Progress;
use selection::Selection;
use task::Entry;

/// What to measure and where to write it.
#[derive(Debug, Clone, clap::Args)]
pub struct ReportArgs {
    /// How much is measured [default: quick; with --check that of the published page]
    #[arg(long, value_enum)]
    profile: Option<Profile>,
    #[command(flatten)]
    selection: Selection,
    /// Write nothing, but say which published figures the new run contradicts
    #[arg(long)]
    check: bool,
    /// Directory of the page; plots and raw results go into its subdirectory benchmarks/
    #[arg(long, default_value = "docs")]
    docs: PathBuf,
    /// Directory for the data; each run removes its own
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// Measure nothing, but write the page and its plots anew from the published results
    #[arg(long, conflicts_with_all = ["check", "anew"])]
    rewrite: bool,
    /// Measure nothing, but list what the profile measures and about how long each part takes
    #[arg(long, conflicts_with_all = ["check", "rewrite"])]
    plan: bool,
    /// Forget what an interrupted run has measured
    #[arg(long)]
    anew: bool,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A measurement failed.
    #[error(
        "{task}: {cause}\n{kept} of {planned} figures are kept in {state}; the same command goes on from there"
    )]
    Task {
        /// which
        task: String,
        /// why
        cause: io::Error,
        /// measured until now
        kept: usize,
        /// in all
        planned: usize,
        /// where
        state: String,
    },
    /// Nothing has such a name.
    #[error("nothing that is measured has {only} in its name; --plan lists what there is")]
    Nothing {
        /// what was asked for
        only: String,
    },
    /// Another report is being made with the same directory.
    #[error(
        "another report is being made in {0}; wait for it, or name another directory with --dir"
    )]
    Busy(String),
    /// There is nothing to compare with.
    #[error("{path}: {cause}; make a report first (without --check or --rewrite)")]
    Unpublished {
        /// where it should be
        path: String,
        /// why not
        cause: io::Error,
    },
    /// Published figures do not hold.
    #[error("{0} published figures are contradicted")]
    Contradicted(usize),
    /// A file.
    #[error("{0}")]
    File(#[from] io::Error),
}

/// Measures what is missing and writes the report, or compares with the one that is there.
///
/// # Errors
/// See [`ReportError`]; what was measured until then is kept.
pub fn run(args: &ReportArgs) -> Result<(), ReportError> {
    if args.plan {
        let profile = args.profile.unwrap_or(Profile::Quick);
        print!("{}", plan::table(&args.selection.of(profile)?));
        return Ok(());
    }
    let published_at = args.docs.join("benchmarks/results.json");
    let published = (args.check || args.rewrite)
        .then(|| Published::read(&published_at))
        .transpose()
        .map_err(|cause| ReportError::Unpublished {
            path: published_at.display().to_string(),
            cause,
        })?;
    if let (true, Some(published)) = (args.rewrite, &published) {
        return Ok(page::write(published, &args.docs)?);
    }
    let as_published = published.as_ref().map(|p| p.profile);
    let profile = args.profile.or(as_published).unwrap_or(Profile::Quick);
    let chosen = args.selection.of(profile)?;
    make_dir(&args.dir)?;
    if !args.check {
        // Known now, rather than when everything has been measured.
        make_dir(&args.docs.join("benchmarks"))?;
    }
    let dir = args.dir.join("mainstem-benchmarks");
    let _lock = lock(&dir)?;
    let state = state_file(profile, args.check, &dir);
    if args.anew {
        remove_if_there(&state)?;
    }
    let mut results = Results::open(&state)?;
    measure(&chosen, &dir, &state, &mut results)?;
    let of_plan = |plan: &[Planned]| -> Vec<Entry> {
        let made = |p: &Planned| results.items().iter().find(|e| p.is_measured_by(e));
        plan.iter().filter_map(made).cloned().collect()
    };
    let run = |entries| Published {
        profile,
        rounds: args.selection.rounds,
        machine: Machine::describe(&args.dir),
        entries,
    };
    if let Some(published) = published {
        let contradictions = check::compare(&published, &run(of_plan(&chosen)));
        print!("{}", contradictions.text);
        remove_if_there(&state)?;
        return match contradictions.count {
            0 => Ok(()),
            count => Err(ReportError::Contradicted(count)),
        };
    }
    // With --only the rest may be missing still.
    let whole = args.selection.rounds_of(profile);
    let entries = of_plan(&whole);
    if entries.len() < whole.len() {
        eprintln!(
            "{} of {} figures are there, kept in {}; the page is written when all are: the same command without --only goes on",
            entries.len(),
            whole.len(),
            state.display()
        );
        return Ok(());
    }
    let run = run(entries);
    page::write(&run, &args.docs)?;
    run.write(&published_at)?;
    remove_if_there(&state)?;
    eprintln!("written: {}", args.docs.join("benchmarks.md").display());
    Ok(())
}

/// Results of a run that is under way; a comparison has its own.
fn state_file(profile: Profile, check: bool, dir: &Path) -> PathBuf {
    let purpose = if check { "-check" } else { "" };
    dir.with_file_name(format!("benchmarks-{}{purpose}.jsonl", profile.name()))
}

fn measure(
    plan: &[Planned],
    dir: &Path,
    state: &Path,
    results: &mut Results<Entry>,
) -> Result<(), ReportError> {
    let made = |p: &Planned| results.items().iter().any(|e| p.is_measured_by(e));
    let missing: Vec<&Planned> = plan.iter().filter(|p| !made(p)).collect();
    progress::tell_of_interruptions(dir, state)?;
    let scratch = Scratch::new(dir.to_owned())?;
    plan::need_room(&missing, scratch.path())?;
    let mut progress = Progress::new(plan, &missing, state);
    for planned in missing {
        progress.next(planned);
        let start = Instant::now();
        let outcome = planned.task.run(scratch.path());
        // What ran while its files were taken away is no figure, and no failure either.
        progress::wait_if_interrupted();
        let figures = outcome.map_err(|cause| ReportError::Task {
            task: planned.task.key(),
            cause,
            kept: results.items().len(),
            planned: plan.len(),
            state: state.display().to_string(),
        })?;
        results.add(Entry {
            task: planned.task.clone(),
            round: planned.round,
            took_seconds: start.elapsed().as_secs_f64(),
            figures,
        })?;
    }
    progress.finish();
    Ok(())
}

/// Held as long as the file is open.
fn lock(dir: &Path) -> Result<File, ReportError> {
    let file = File::create(dir.with_extension("lock"))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| ReportError::Busy(dir.display().to_string()))?;
    Ok(file)
}

fn make_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
        .map_err(|e| io::Error::new(e.kind(), format!("{} cannot be made: {e}", dir.display())))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
