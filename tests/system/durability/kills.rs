//! `kill -9` at random moments under load, again and again on one directory: while messages come in, while the broker starts, and soon
//! after. After each, everything that a client was told is compared.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstem_blocks::Random;

use super::check::Check;
use super::ledger::Ledger;
use super::load::{Load, Position, create_topics};
use super::{environment, small_files};
use crate::support::Start;

/// Rounds on one directory, then a new one.
const ROUNDS_PER_DIRECTORY: u64 = 25;
/// Without a number of rounds asked for, the rounds end after this time.
const TIME_LIMIT: Duration = Duration::from_secs(60);

#[test]
fn kills_at_random_moments_lose_nothing_and_reorder_nothing() {
    let asked = environment("MAINSTEM_KILL_ROUNDS", 0);
    let rounds = if asked > 0 { asked } else { 20 };
    let from = environment("MAINSTEM_KILL_FROM", 0);
    let started = Instant::now();
    let (mut done, mut acknowledged, mut starts_killed) = (0, 0, 0);
    while done < rounds && (asked > 0 || started.elapsed() < TIME_LIMIT) {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let mut ledger = Ledger::default();
        let position: Position = Arc::new(|| 0);
        // Every second directory is held to 8 MiB, so that removal goes on beside the kills.
        let removes = done / ROUNDS_PER_DIRECTORY % 2 == 1;
        let start = || {
            let start = small_files(Start::standalone(&data));
            if removes {
                start.set("maxCommitLogBytes=8388608")
            } else {
                start
            }
        };
        for life in 0..ROUNDS_PER_DIRECTORY.min(rounds - done) {
            let seed = from + done;
            let mut random = Random::new(seed);
            while random.percent(30) {
                start().killed_after(Duration::from_micros(random.below(60_000)));
                starts_killed += 1;
            }
            let server = start().ready();
            if let Err(error) =
                Check::of(server.broker(), &mut ledger, &position, removes).run(seed)
            {
                panic!(
                    "seed {seed}, kill {life} of this directory: {error}\n{}",
                    server.log()
                );
            }
            create_topics(server.broker());
            let before = ledger.acknowledged();
            let load = Load::start(
                server.broker(),
                std::mem::take(&mut ledger),
                &position,
                life,
                seed,
            );
            // Now and then long enough for commits to be due in the journal.
            let least_ms = if random.percent(10) { 1500 } else { 20 };
            std::thread::sleep(Duration::from_millis(least_ms + random.below(380)));
            let killed = Instant::now();
            server.kill();
            ledger = load
                .stop()
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            ledger.killed(killed);
            acknowledged += ledger.acknowledged() - before;
            done += 1;
            if asked > 0 && done % 10 == 0 {
                eprintln!(
                    "{done} kills, {starts_killed} of starts, {acknowledged} acknowledged messages, {:?}",
                    started.elapsed()
                );
            }
        }
        let server = start().ready();
        if let Err(error) = Check::of(server.broker(), &mut ledger, &position, removes).run(from) {
            panic!(
                "after the last kill of this directory: {error}\n{}",
                server.log()
            );
        }
        server.stop();
    }
    println!(
        "{done} kills under load and {starts_killed} of starts in {:?}; {acknowledged} acknowledged messages, none lost",
        started.elapsed()
    );
}
