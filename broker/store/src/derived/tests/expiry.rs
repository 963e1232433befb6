//! The log's oldest files expire: queues, files, index and the journal follow.

use super::harness::{World, crashed, stopped};
use crate::disk::Disk;
use crate::log_reader::LogReader;

#[test]
fn queues_follow_the_log_and_an_emptied_one_goes_on_where_it_was() {
    let mut world = World::new(1);
    for _ in 0..40 {
        world.append("T0", 0);
    }
    for _ in 0..200 {
        world.append("T1", 1);
    }
    world.run();
    world.close();
    world.reopen(stopped());
    let middle = world.model[&("T1".to_owned(), 1)][100].position;
    world.log.expire_to(middle);
    world.derived.expire(middle).unwrap();
    world.check();
    assert_eq!(
        world.disk.list("consumequeue/T0/0").unwrap().len(),
        1,
        "the file that the next unit goes to"
    );
    let first = world.disk.list("consumequeue/T1/1").unwrap()[0].clone();
    assert_eq!(first, format!("{:020}", 96 * 20));
    // Without the snapshot only the journal knows that T0 must not start at 0.
    world.tick();
    for path in [
        "mainstem/snapshot-0",
        "mainstem/snapshot-1",
        "consumequeue/T0/0/00000000000000000640",
    ] {
        let _ = world.disk.remove(path);
    }
    world.reopen(crashed());
    world.check();
    for _ in 0..20 {
        world.append("T0", 0);
    }
    world.run();
    world.check();
}

#[test]
fn expired_index_files_go_and_the_newest_stays() {
    let mut world = World::new(2);
    world.append_some(500);
    world.run();
    world.close();
    let before = world.disk.list("index").unwrap();
    assert!(before.len() > 5);
    let end = world.log.readable();
    world.log.expire_to(end);
    world.derived.expire(end).unwrap();
    assert_eq!(
        world.disk.list("index").unwrap(),
        before[before.len() - 1..]
    );
    world.check();
    world.append_some(100);
    world.run();
    world.check();
}

#[test]
fn expiry_goes_on_after_power_cuts() {
    for seed in 0..crate::disk::sim::repeated(40) {
        let mut world = World::new(seed);
        world.append_some(300);
        world.run();
        world.tick();
        world.flush();
        let positions: Vec<_> = world
            .model
            .values()
            .flatten()
            .map(|kept| kept.position)
            .collect();
        let min = positions[usize::try_from(world.random.below(positions.len() as u64)).unwrap()];
        let operations = world.random.below(30);
        world.disk.faults().cut_power_after(operations);
        world.log.expire_to(min);
        let _ = world.derived.expire(min);
        world.power_cut();
        world.check();
        world.derived.expire(min).unwrap();
        world.check();
        world.append_some(50);
        world.run();
        world.check();
    }
}
