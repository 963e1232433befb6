//! The broker's own clocks: answering woken pulls, deadlines, samples, saving offsets, exports, silent clients. Each is
//! a task that ends with the broker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstem_store::JournalError;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::broker_core::BrokerCore;
use crate::clock::now_ms;
use crate::pull::ParkedPull;
use crate::stats::SAMPLE_INTERVAL_MS;

/// Longest interval of the scan for silent clients.
const MAX_EXPIRY_SCAN: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

/// Starts every task.
pub(crate) fn start(
    core: &Arc<BrokerCore>,
    woken: mpsc::UnboundedReceiver<ParkedPull>,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) {
    let spawn = |tasks: &mut JoinSet<()>,
                 work: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
        let stop = stop.clone();
        tasks.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
    };
    spawn(tasks, Box::pin(answer_woken(core.clone(), woken)));
    let deadlines = core.clone();
    spawn(
        tasks,
        Box::pin(async move { deadlines.parked.run_deadlines().await }),
    );
    let sampled = core.clone();
    spawn(
        tasks,
        Box::pin(every(SECOND, move || sampled.stats.sample())),
    );
    let counted = core.clone();
    let sample = move || {
        counted.topics.settle_counts();
        counted.counters.sample(now_ms().unsigned_abs());
    };
    spawn(
        tasks,
        Box::pin(every(Duration::from_millis(SAMPLE_INTERVAL_MS), sample)),
    );
    let expired = core.clone();
    let scan = (core.config.client_expiry / 4).clamp(Duration::from_millis(10), MAX_EXPIRY_SCAN);
    spawn(
        tasks,
        Box::pin(every(scan, move || {
            expired.expire_clients(Instant::now());
            expired.locks.sweep(Instant::now());
        })),
    );
    let config = &core.config;
    let saves: [(Duration, Save); 4] = [
        (
            config.clean_interval,
            BrokerCore::remove_expired_at_set_hours,
        ),
        (config.offset_journal_interval, |core| {
            log_unsaved(core.journal_offsets(), "committed offsets");
        }),
        (config.delay_journal_interval, |core| {
            log_unsaved(core.journal_delay_progress(), "delivered delayed messages");
        }),
        (config.export_interval, BrokerCore::export_all),
    ];
    for (period, save) in saves {
        spawn(tasks, Box::pin(blocking_every(period, core.clone(), save)));
    }
}

/// Something that is done now and then, and blocks.
type Save = fn(&BrokerCore);

fn log_unsaved(saved: Result<(), JournalError>, what: &str) {
    if let Err(error) = saved {
        tracing::error!(%error, "{what} could not be saved: after a crash messages come again");
    }
}

/// Reads for pulls that were woken and answers them.
async fn answer_woken(core: Arc<BrokerCore>, mut woken: mpsc::UnboundedReceiver<ParkedPull>) {
    while let Some(pull) = woken.recv().await {
        core.answer_woken(pull);
    }
}

async fn every(period: Duration, work: impl Fn()) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        work();
    }
}

async fn blocking_every(period: Duration, core: Arc<BrokerCore>, work: fn(&BrokerCore)) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, and there is nothing to save yet.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let core = core.clone();
        if tokio::task::spawn_blocking(move || work(&core))
            .await
            .is_err()
        {
            tracing::error!("a periodic task panicked");
        }
    }
}
