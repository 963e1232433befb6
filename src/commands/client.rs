//! What the client commands share: the runtime, patience with brokers that are not there yet, and bars.

use std::future::Future;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use mainstem_client::Admin;
use tokio::task::JoinSet;

use crate::arguments::Connect;
use crate::failure::Failure;
use crate::log::Log;

/// Runs a client command to its end.
pub(crate) fn run(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    Log::start_quiet();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::failed)?;
    let result = runtime.block_on(command);
    // A thread that reads stdin may never end.
    runtime.shutdown_background();
    result
}

/// An admin client of the cluster that the arguments name.
pub(crate) async fn admin(connect: &Connect) -> Result<Admin, Failure> {
    let builder = Admin::builder()
        .name_servers(&connect.namesrv)
        .request_timeout(connect.timeout);
    builder.build().await.map_err(Failure::failed)
}

/// Waits for Ctrl-C.
pub(crate) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Who waits longer than this is told for what.
const SILENT_WAIT: Duration = Duration::from_millis(500);

/// Asks again while the answer is an error that may pass, for at most `patience`.
pub(crate) async fn patiently<T, E>(
    patience: Duration,
    ask: impl AsyncFn() -> Result<T, E>,
    may_pass: impl Fn(&E) -> bool,
) -> Result<T, Failure>
where
    E: std::fmt::Display,
{
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut told = false;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if may_pass(&error) && started.elapsed() < patience => {
                tracing::debug!(%error, "asking again");
                if !told && started.elapsed() >= SILENT_WAIT {
                    told = true;
                    eprintln!("mainstem: waiting up to {patience:?}: {error}");
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(Failure::failed(error)),
        }
    }
}

/// Requests of one command under way at a time.
const MAX_AT_ONCE: usize = 32;

/// Asks about each of the names, side by side, and gives the answers in the order of the names.
pub(crate) async fn side_by_side<T, F>(
    names: Vec<String>,
    ask: impl Fn(String) -> F,
) -> Result<Vec<T>, Failure>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut answers: Vec<Option<T>> = names.iter().map(|_| None).collect();
    let mut asking = JoinSet::new();
    let mut names = names.into_iter().enumerate();
    loop {
        while asking.len() < MAX_AT_ONCE
            && let Some((index, name)) = names.next()
        {
            let answer = ask(name);
            asking.spawn(async move { (index, answer.await) });
        }
        let Some(answered) = asking.join_next().await else {
            return Ok(answers.into_iter().flatten().collect());
        };
        let (index, answer) = answered.map_err(Failure::failed)?;
        answers[index] = Some(answer);
    }
}

/// A bar on stderr, where that is a terminal.
pub(crate) fn progress_bar(length: Option<u64>, style: ProgressStyle) -> Option<ProgressBar> {
    if !stderr().is_terminal() {
        return None;
    }
    let bar = match length {
        Some(length) => ProgressBar::new(length),
        None => ProgressBar::new_spinner(),
    };
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    Some(bar)
}
