//! Whether the simulator sees anything: each promise is broken on purpose, and some seed must notice.

use super::*;
use crate::commit_log::{Sabotage, break_on_this_thread};

/// Seeds after which a broken promise must have shown.
const SEEDS_TO_NOTICE: u64 = 2000;

/// Runs seeds until one fails; how many it took, or `None`.
fn seeds_until_noticed(run: impl Fn(u64) -> Result<(), String>) -> Option<u64> {
    (0..SEEDS_TO_NOTICE)
        .find(|seed| run(*seed).is_err())
        .map(|seed| seed + 1)
}

/// What the simulator must notice when it is broken.
const BROKEN: [Sabotage; 4] = [
    Sabotage::Flush,
    Sabotage::BodyCheck,
    Sabotage::Zeroing,
    Sabotage::Rewrite,
];

/// Seeds from `from` on that it takes until a broken promise is noticed; nothing broken stands for
/// directories whose syncs do nothing.
fn seeds_to_notice(what: Option<Sabotage>, from: u64) -> Option<u64> {
    break_on_this_thread(what);
    let seeds = seeds_until_noticed(|seed| match what {
        Some(_) => Run::new(from + seed).run(),
        None => Run::with_lying_directories(from + seed).run(),
    });
    break_on_this_thread(None);
    seeds
}

/// The table of docs/storage.md: `bash .ci/long breaks`.
#[test]
#[ignore = "a measurement of minutes, by one command: bash .ci/long breaks"]
fn how_many_seeds_a_broken_promise_takes() {
    const STARTS: u64 = 20;
    for what in BROKEN.map(Some).into_iter().chain([None]) {
        let mut seeds: Vec<_> = (1..=STARTS)
            .map(|start| seeds_to_notice(what, start * 1_000_000).unwrap_or(u64::MAX))
            .collect();
        seeds.sort_unstable();
        let name = what.map_or("directory sync".to_owned(), |what| format!("{what:?}"));
        println!(
            "{name}: median {}, most {} of {STARTS} starting seeds",
            seeds[seeds.len() / 2],
            seeds[seeds.len() - 1]
        );
        assert!(seeds[seeds.len() - 1] < u64::MAX, "{name}: {seeds:?}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "hundreds of seeds; the other tests run some of them")]
fn a_broken_promise_is_noticed() {
    for what in BROKEN {
        let seeds = seeds_to_notice(Some(what), 0);
        eprintln!("{what:?}: noticed after {seeds:?} seeds");
        assert!(
            seeds.is_some(),
            "{what:?} was broken and {SEEDS_TO_NOTICE} seeds did not notice"
        );
    }
}

#[test]
#[cfg_attr(miri, ignore = "hundreds of seeds; the other tests run some of them")]
fn a_disk_that_lies_about_directories_is_noticed() {
    let seeds = seeds_to_notice(None, 0);
    eprintln!("directory syncs: noticed after {seeds:?} seeds");
    assert!(
        seeds.is_some(),
        "{SEEDS_TO_NOTICE} seeds did not notice that names are not durable"
    );
}
