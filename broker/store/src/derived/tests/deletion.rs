//! Deleted topics: made anew they start at 0, whatever is rebuilt.

use super::harness::{World, crashed, stopped};
use crate::disk::Disk;
use crate::log_reader::LogReader;

fn delete(world: &mut World, topic: &str) -> bool {
    let position = world.log.readable();
    let deleted = world
        .derived
        .delete_topic(topic, |during| during(position), || Ok(()))
        .is_ok();
    world.dispatcher.forget_removed();
    if deleted {
        forget(world, topic);
    }
    deleted
}

fn forget(world: &mut World, topic: &str) {
    world.model.retain(|(name, _), _| name != topic);
}

#[test]
fn a_topic_made_anew_starts_at_zero_also_after_a_rebuild_from_the_log() {
    let mut world = World::new(1);
    world.append_some(200);
    world.run();
    world.tick();
    world.append_some(20);
    // Not all of it is dispatched when the topic goes.
    assert!(delete(&mut world, "T1"));
    assert!(!world.disk.exists("consumequeue/T1").unwrap());
    world.run();
    assert!(world.derived.queues().table().get("T1", 0).is_none());
    world.check();
    for _ in 0..30 {
        world.append("T1", 2);
    }
    world.run();
    world.check();
    world.reopen(crashed());
    world.check();
    for part in ["mainstem/snapshot-0", "mainstem/snapshot-1"] {
        let _ = world.disk.remove(part);
    }
    world.disk.remove("checkpoint").unwrap();
    world.reopen(crashed());
    world.check();
    world.close();
    world.reopen(stopped());
    world.check();
}

#[test]
fn deleting_what_is_not_there_does_nothing() {
    let mut world = World::new(2);
    assert!(delete(&mut world, "nothing"));
    assert!(world.derived.journal().deletions().is_empty());
}

#[test]
fn a_deletion_is_forgotten_when_none_of_its_records_is_left() {
    let mut world = World::new(3);
    world.append_some(50);
    world.run();
    assert!(delete(&mut world, "T1"));
    world.append_some(50);
    world.run();
    let end = world.log.readable();
    world.log.expire_to(end);
    world.derived.expire(end).unwrap();
    assert!(world.derived.journal().deletions().is_empty());
    world.check();
}

#[test]
fn a_deletion_cut_short_happened_or_not() {
    let mut outcomes = [0, 0];
    for seed in 0..crate::disk::sim::repeated(80) {
        let mut world = World::new(seed);
        world.append_some(120);
        world.run();
        world.tick();
        world.append_some(30);
        world.flush();
        let operations = world.random.below(14);
        world.disk.faults().cut_power_after(operations);
        let deleted = delete(&mut world, "T1");
        world.power_cut();
        let happened = world.derived.queues().table().deleted_at("T1").is_some();
        assert!(happened || !deleted, "seed {seed}");
        outcomes[usize::from(happened)] += 1;
        if happened {
            forget(&mut world, "T1");
        }
        world.check();
        for _ in 0..20 {
            world.append("T1", 0);
        }
        world.run();
        world.check();
        world.reopen(crashed());
        world.check();
    }
    assert!(outcomes.iter().all(|count| *count > 5), "{outcomes:?}");
}
