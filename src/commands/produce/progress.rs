//! How far a run has come: counts for the closing line, and a bar on stderr where that is a terminal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use mainstem_client::SendStatus;

use crate::commands::client;

/// The counts of one run.
pub(super) struct Progress {
    started: Instant,
    bar: Option<ProgressBar>,
    acknowledged: AtomicU64,
    not_flushed: AtomicU64,
    tried_again: AtomicU64,
    left_out: AtomicU64,
    read_bytes: AtomicU64,
}

impl Progress {
    /// Starts counting; `total_bytes` is the length of the input, if it has one.
    pub(super) fn start(total_bytes: Option<u64>) -> Progress {
        let template = if total_bytes.is_some() {
            "{bar:30} {percent:>3}% {msg} {eta}"
        } else {
            "{spinner} {msg} {elapsed}"
        };
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Progress {
            started: Instant::now(),
            bar: client::progress_bar(total_bytes, style),
            acknowledged: AtomicU64::new(0),
            not_flushed: AtomicU64::new(0),
            tried_again: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
        }
    }

    /// A line of so many bytes was read.
    pub(super) fn read(&self, bytes: usize) {
        let before = self.read_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.set_position(before + bytes as u64);
        }
    }

    /// So many messages were acknowledged.
    pub(super) fn acknowledged(&self, count: u64, status: SendStatus) {
        let before = self.acknowledged.fetch_add(count, Ordering::Relaxed);
        if status != SendStatus::Stored {
            self.not_flushed.fetch_add(count, Ordering::Relaxed);
        }
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{} acknowledged", before + count));
        }
    }

    /// A request was not acknowledged and is sent again.
    pub(super) fn tried_again(&self) {
        self.tried_again.fetch_add(1, Ordering::Relaxed);
    }

    /// An empty line was passed over.
    pub(super) fn left_out(&self) {
        self.left_out.fetch_add(1, Ordering::Relaxed);
    }

    /// Prints the closing line on stderr.
    pub(super) fn finish(&self, complete: bool) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let count = self.acknowledged.load(Ordering::Relaxed);
        let mut line = format!(
            "{count} messages acknowledged in {seconds:.2} s, {:.0} a second",
            count as f64 / seconds.max(0.001)
        );
        for (counter, what) in [
            (
                &self.left_out,
                "empty lines left out (a message needs a body)",
            ),
            (&self.tried_again, "requests sent again"),
            (
                &self.not_flushed,
                "acknowledged before they were flushed or replicated",
            ),
        ] {
            let count = counter.load(Ordering::Relaxed);
            if count > 0 {
                line.push_str(&format!("; {count} {what}"));
            }
        }
        if !complete {
            line.push_str("; stopped before the end");
        }
        eprintln!("{line}");
    }
}
