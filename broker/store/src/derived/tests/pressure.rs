//! Memory limits, a full disk, failing syncs.

use super::harness::{World, crashed};
use crate::disk::sim::SyncFailure;

#[test]
fn memory_stays_within_its_limit_and_dispatch_waits_for_the_disk() {
    let mut world = World::new(1);
    let limit = world.limits.tail_bytes;
    for _ in 0..20 {
        world.append_some(100);
        while !world.dispatch() {
            // One tail may double at the last moment.
            assert!(world.derived.queues().table().tail_bytes() <= limit * 2);
            world.tick();
        }
    }
    world.check();
}

#[test]
fn a_full_disk_pauses_dispatch_and_loses_nothing() {
    let mut world = World::new(2);
    world.append_some(100);
    world.run();
    world.tick();
    let full = world
        .disk
        .read_whole("mainstem/journal")
        .map_or(0, |bytes| bytes.len() as u64);
    world.disk.faults().set_capacity_bytes(full);
    world.append_some(600);
    let mut paused = false;
    for _ in 0..20 {
        paused |= !world.dispatch();
        world.tick();
    }
    assert!(paused);
    world.disk.faults().set_capacity_bytes(1 << 40);
    world.run();
    world.tick();
    world.check();
    world.flush();
    world.power_cut();
    world.check();
}

#[test]
fn a_failed_sync_at_any_point_loses_nothing() {
    for failure in [SyncFailure::DropsDirty, SyncFailure::KeepsDirty] {
        for skip in 0..24 {
            let mut world = World::new(skip);
            world.append_some(60);
            world.run();
            world.tick();
            world.disk.faults().fail_sync_after(skip, failure);
            for _ in 0..6 {
                world.append_some(40);
                world.dispatch();
                world.tick();
                world.run();
            }
            world.check();
            world.flush();
            world.power_cut();
            world.check();
        }
    }
}

#[test]
fn a_long_queue_is_read_from_files_and_memory_alike() {
    let mut world = World::new(3);
    for _ in 0..300 {
        world.append("T0", 0);
        if world.random.one_in(20) {
            world.run();
            world.tick();
            world.check();
        }
    }
    world.run();
    world.check();
    world.reopen(crashed());
    world.check();
}
