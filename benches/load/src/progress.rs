//! A live bar on a terminal, nothing otherwise: connections add to one counter, a thread draws it.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// Counts finished messages of all connections.
#[derive(Clone)]
pub(super) struct Progress {
    done: Arc<AtomicU64>,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// For `total` messages, or an unknown number.
    pub(super) fn new(total: Option<u64>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            if let Ok(style) =
                ProgressStyle::with_template("{bar:40} {pos}/{len} messages, {per_sec}, {eta} left")
            {
                bar.set_style(style);
            }
            bar
        });
        Self {
            done: Arc::default(),
            bar,
        }
    }

    /// Adds `messages`; the bar follows at its own pace.
    pub(super) fn add(&self, messages: u64) {
        let done = self.done.fetch_add(messages, Ordering::Relaxed) + messages;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
