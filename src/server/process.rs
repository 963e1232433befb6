//! The life of a server process: log and limits first, then a runtime with the servers in it, then the wait for a signal. Promises that
//! the first SIGINT or SIGTERM stops cleanly and a second one at once.

use std::future::Future;
use std::time::{Duration, Instant};

use mainstem_common::config::{Layers, Role, Settings, Warning};

use super::configuration::{reloaded_level, start_log};
use super::stop::Asked;
use super::{Stop, announce_stopping, raise_descriptor_limit};
use crate::failure::Failure;
use crate::log::Log;

/// How often repeated log lines are counted up.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// A process with its log running.
pub(crate) struct Process {
    role: Role,
    layers: Layers,
    pub(crate) log: Log,
    pub(crate) started: Instant,
}

impl Process {
    /// Starts the log, writes the warnings of the configuration, and raises the descriptor limit.
    pub(crate) fn begin(
        role: Role,
        layers: Layers,
        settings: &Settings,
        warnings: &[Warning],
    ) -> Process {
        let started = Instant::now();
        let log = start_log(settings, role, warnings);
        let descriptors = raise_descriptor_limit();
        tracing::debug!(?descriptors, "descriptor limit");
        Process {
            role,
            layers,
            log,
            started,
        }
    }

    /// Runs `serve` on a runtime of so many threads (0: one per core).
    pub(crate) fn run<F>(
        self,
        threads: usize,
        serve: impl FnOnce(Process) -> F,
    ) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if threads > 0 {
            builder.worker_threads(threads);
        }
        let runtime = builder
            .enable_all()
            .thread_name("mainstem")
            .build()
            .map_err(Failure::failed)?;
        let result = runtime.block_on(serve(self));
        runtime.shutdown_timeout(Duration::from_secs(1));
        result
    }

    /// Waits until a signal asks for a stop; a hang-up reads the log level again.
    pub(crate) async fn until_stopped(&self, signals: &mut Stop) {
        let mut report = tokio::time::interval(REPORT_INTERVAL);
        loop {
            tokio::select! {
                asked = signals.next() => match asked {
                    Asked::Stop(signal) => {
                        tracing::info!(signal, "stopping");
                        announce_stopping();
                        return;
                    }
                    Asked::Reload => self.reload(),
                },
                _ = report.tick() => self.log.report_repeats(),
            }
        }
    }

    fn reload(&self) {
        match reloaded_level(self.role, &self.layers) {
            Ok(level) => {
                self.log.set_level(&level);
                tracing::info!(
                    level,
                    "configuration read again: the log level is set; other keys need a restart or updateBrokerConfig"
                );
            }
            Err(problems) => {
                tracing::error!("configuration not read again, nothing is changed: {problems}")
            }
        }
    }
}

/// Runs a clean stop; a second signal ends the process at once.
pub(crate) async fn stop_cleanly(
    signals: &mut Stop,
    stop: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    tokio::select! {
        stopped = stop => {
            if stopped.is_ok() {
                tracing::info!("stopped");
            }
            stopped
        }
        () = second_signal(signals) => Err(Failure::failed("stopped at once by a second signal; the next start recovers")),
    }
}

async fn second_signal(signals: &mut Stop) {
    while signals.next().await == Asked::Reload {}
}
