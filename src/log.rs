//! The log on stderr: its form, its level, which may change at run time, and the limit on repeats, so that one broken client cannot
//! bury everything else. Owns nothing of what is logged.

use std::collections::HashMap;
use std::io::{IsTerminal, stderr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

/// Lines from one place in the code that are let through in one window, for warnings and errors.
const REPEATS_PER_WINDOW: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// The running log.
#[derive(Clone)]
pub(crate) struct Log {
    level: reload::Handle<LevelFilter, Registry>,
    repeats: Arc<Repeats>,
}

impl Log {
    /// Starts the log of the process; called once.
    pub(crate) fn start(level: &str, format: &str) -> Log {
        let (filter, handle) = reload::Layer::new(level_of(level));
        let repeats = Arc::new(Repeats::default());
        let lines: Box<dyn Layer<_> + Send + Sync> = if format == "json" {
            Box::new(fmt::layer().json().flatten_event(true).with_writer(stderr))
        } else {
            Box::new(
                fmt::layer()
                    .with_target(false)
                    .with_ansi(stderr().is_terminal())
                    .with_writer(stderr),
            )
        };
        // Only a second start in one process can fail, and then a log is running already.
        let _ = tracing_subscriber::registry()
            .with(filter)
            .with(LimitRepeats(Arc::clone(&repeats)))
            .with(lines)
            .try_init();
        Log {
            level: handle,
            repeats,
        }
    }

    /// The log of a client command: warnings and errors.
    pub(crate) fn start_quiet() -> Log {
        Log::start("warn", "human")
    }

    /// Changes the level.
    pub(crate) fn set_level(&self, level: &str) {
        let _ = self.level.reload(level_of(level));
        tracing::callsite::rebuild_interest_cache();
    }

    /// Logs how many repeats were left out since the last call; called at intervals.
    pub(crate) fn report_repeats(&self) {
        for (place, count) in self.repeats.take_left_out() {
            tracing::info!(place, count, "repeated log lines were left out");
        }
    }
}

fn level_of(level: &str) -> LevelFilter {
    level.parse().unwrap_or(LevelFilter::INFO)
}

/// Counts of the current window, by place in the code.
#[derive(Default)]
struct Repeats {
    places: Mutex<HashMap<&'static str, Place>>,
}

struct Place {
    window_start: Instant,
    count: u32,
    left_out: u64,
}

impl Repeats {
    /// Whether a line from this place is still within its window's limit.
    fn allows(&self, name: &'static str, now: Instant) -> bool {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.entry(name).or_insert(Place {
            window_start: now,
            count: 0,
            left_out: 0,
        });
        if now.duration_since(place.window_start) >= WINDOW {
            place.window_start = now;
            place.count = 0;
        }
        place.count = place.count.saturating_add(1);
        let allowed = place.count <= REPEATS_PER_WINDOW;
        place.left_out += u64::from(!allowed);
        allowed
    }

    fn take_left_out(&self) -> Vec<(&'static str, u64)> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = places
            .iter_mut()
            .map(|(name, place)| (*name, std::mem::take(&mut place.left_out)));
        counts.filter(|(_, count)| *count > 0).collect()
    }
}

/// Leaves out warnings and errors from a place that has filled its window. A layer and no layer's filter: in a
/// debug build, the first line that such a filter leaves out is a panic of the thread that wrote it.
struct LimitRepeats(Arc<Repeats>);

impl<S: Subscriber> Layer<S> for LimitRepeats {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        *metadata.level() > Level::WARN || self.0.allows(metadata.name(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_place_is_silenced_for_its_window_and_counted() {
        let repeats = Repeats::default();
        let start = Instant::now();
        let allowed = (0..100).filter(|_| repeats.allows("a.rs:1", start)).count();
        assert_eq!(allowed, REPEATS_PER_WINDOW as usize);
        assert!(
            repeats.allows("b.rs:2", start),
            "another place is not touched"
        );
        assert_eq!(repeats.take_left_out(), [("a.rs:1", 80)]);
        assert_eq!(repeats.take_left_out(), []);
        assert!(
            repeats.allows("a.rs:1", start + WINDOW),
            "the next window begins anew"
        );
    }

    #[derive(Default)]
    struct Seen(Arc<Mutex<Vec<Level>>>);

    impl<S: Subscriber> Layer<S> for Seen {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(*event.metadata().level());
        }
    }

    #[test]
    fn a_line_that_is_left_out_harms_neither_its_thread_nor_the_lines_after_it() {
        let seen = Seen::default();
        let levels = Arc::clone(&seen.0);
        let (filter, _handle) = reload::Layer::new(LevelFilter::INFO);
        let log = tracing_subscriber::registry()
            .with(filter)
            .with(LimitRepeats(Arc::default()))
            .with(seen);
        tracing::subscriber::with_default(log, || {
            for _ in 0..2 * REPEATS_PER_WINDOW {
                tracing::warn!("the same place again");
            }
            tracing::error!("another place");
            tracing::info!("and another");
        });
        let levels = levels.lock().unwrap();
        let count = |level| levels.iter().filter(|l| **l == level).count();
        assert_eq!(count(Level::WARN), REPEATS_PER_WINDOW as usize);
        assert_eq!((count(Level::ERROR), count(Level::INFO)), (1, 1));
    }
}
