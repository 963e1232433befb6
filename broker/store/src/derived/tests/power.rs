//! Power cuts at every step of the background's work, twice in a row, in both flush modes.

use super::harness::World;

fn round(seed: u64, flushed_first: bool) {
    println!("seed {seed}");
    let mut world = World::new(seed);
    for _ in 0..4 {
        let count = 20 + world.random.below(60);
        world.append_some(count);
        if flushed_first {
            world.flush();
        }
        world.run();
        world.tick();
    }
    let operations = world.random.below(60);
    world.disk.faults().cut_power_after(operations);
    for _ in 0..6 {
        let count = world.random.below(30);
        world.append_some(count);
        if flushed_first {
            world.flush();
        }
        world.dispatch();
        if world.random.one_in(2) {
            let seed = world.random.below(u64::MAX);
            world.disk.write_back(seed, 2);
        }
        world.tick();
    }
    world.power_cut();
    world.check();
    let operations = world.random.below(40);
    world.open_and_cut(operations);
    world.check();
    world.append_some(40);
    world.run();
    world.close();
    world.reopen(super::harness::stopped());
    world.check();
}

/// Seeds of each test; more by `MAINSTEM_STORE_SEEDS`.
fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("MAINSTEM_STORE_SEEDS")
        .ok()
        .and_then(|count| count.parse().ok());
    0..count.unwrap_or(crate::disk::sim::repeated(40))
}

#[test]
fn nothing_is_lost_when_every_dispatched_message_was_flushed() {
    seeds().for_each(|seed| round(seed, true));
}

#[test]
fn nothing_flushed_is_lost_when_dispatch_runs_ahead_of_the_flush() {
    seeds().for_each(|seed| round(seed + 1_000_000, false));
}
