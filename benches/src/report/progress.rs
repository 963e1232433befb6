//! How far a report is and how long it still takes; and what it says when somebody interrupts it.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::plan::Planned;
use crate::measure::leave_memory_limit;

/// Where there is no terminal a line is printed so often.
const LINE_EVERY: Duration = Duration::from_secs(20);

/// Progress by the guessed weight of the tasks, corrected by how long those of this run have taken.
pub(super) struct Progress {
    planned: usize,
    done: usize,
    weight_left: f64,
    weight_done: f64,
    /// Weight of the task under way.
    current: f64,
    start: Instant,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

impl Progress {
    pub(super) fn new(plan: &[Planned], missing: &[&Planned], state: &Path) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(plan.len() as u64);
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let done = plan.len() - missing.len();
        if done > 0 {
            eprintln!(
                "{done} of {} figures are there already, in {} (--anew forgets them)",
                plan.len(),
                state.display()
            );
        }
        Self {
            planned: plan.len(),
            done,
            weight_left: missing.iter().map(|p| p.task.weight()).sum(),
            weight_done: 0.0,
            current: 0.0,
            start: Instant::now(),
            bar,
            last_line: None,
        }
    }

    /// The next task begins.
    pub(super) fn next(&mut self, planned: &Planned) {
        self.weight_done += self.current;
        self.weight_left -= self.current;
        self.current = planned.task.weight();
        let message = format!(
            "{}, {} left",
            planned.task.key(),
            in_words(self.remaining())
        );
        if let Some(bar) = &self.bar {
            bar.set_position(self.done as u64);
            bar.set_message(message);
        } else if self.last_line.is_none_or(|t| t.elapsed() > LINE_EVERY) {
            eprintln!("[{}/{}] {message}", self.done + 1, self.planned);
            self.last_line = Some(Instant::now());
        }
        self.done += 1;
    }

    fn remaining(&self) -> Duration {
        // A prior of ten seconds keeps the first estimates sober.
        let pace = (self.start.elapsed().as_secs_f64() + 10.0) / (self.weight_done + 10.0);
        Duration::from_secs_f64((self.weight_left * pace).max(0.0))
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!(
            "measured in {}",
            in_words(self.start.elapsed()).trim_start_matches("about ")
        );
    }
}

fn in_words(left: Duration) -> String {
    match left.as_secs() {
        s if s >= 120 => format!("about {} minutes", s.div_ceil(60)),
        s => format!("about {s} s"),
    }
}

/// Somebody wants the report to end: its data is being removed.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Does not return once the report has been interrupted: the process ends as soon as the data is gone.
pub(super) fn wait_if_interrupted() {
    while INTERRUPTED.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// From now on Ctrl-C and SIGTERM remove the data of the task under way, say what is kept, and end the process.
pub(super) fn tell_of_interruptions(dir: &Path, state: &Path) -> io::Result<()> {
    let (dir, state): (PathBuf, PathBuf) = (dir.to_owned(), state.to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    std::thread::Builder::new()
        .name("interruptions".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                use tokio::signal::unix::{SignalKind, signal};
                let (Ok(mut interrupt), Ok(mut terminate)) = (
                    signal(SignalKind::interrupt()),
                    signal(SignalKind::terminate()),
                ) else {
                    return;
                };
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                INTERRUPTED.store(true, Ordering::SeqCst);
                // Engines may be writing there still; the next run removes the rest.
                let _ = std::fs::remove_dir_all(&dir);
                leave_memory_limit();
                eprintln!(
                    "\ninterrupted: the figures until now are kept in {}; the same command goes on from there",
                    state.display()
                );
                std::process::exit(130);
            });
        })?;
    Ok(())
}
