//! Private files and queue files that are missing, old or damaged.

use super::harness::{World, crashed, options, stopped};
use crate::checkpoint::Checkpoint;
use crate::disk::Disk;
use crate::owner::LastWriter;

/// A world with several snapshots behind it and messages after the last.
fn busy(seed: u64) -> World {
    let mut world = World::new(seed);
    for _ in 0..12 {
        world.append_some(40);
        world.run();
        world.tick();
    }
    world.append_some(15);
    world.run();
    world.check();
    world.flush();
    world
}

#[test]
fn a_clean_stop_leaves_nothing_to_replay_and_whole_queue_files() {
    let mut world = busy(1);
    world.close();
    world.reopen(stopped());
    assert_eq!(world.derived.resume_from(), world.derived.dispatched());
    assert_eq!(world.derived.durable_position(), world.derived.dispatched());
    assert_eq!(world.derived.queues().table().tail_bytes(), 0);
    world.check();
    let checkpoint = Checkpoint::read(&world.disk).unwrap().unwrap();
    assert_eq!(checkpoint.queues_position, world.derived.dispatched());
    assert_eq!(
        (checkpoint.log_ms, checkpoint.queues_ms),
        (world.time_ms(), world.time_ms())
    );
    let name = world.disk.list("consumequeue/T0/0").unwrap();
    let bytes = world
        .disk
        .read_whole(&format!("consumequeue/T0/0/{}", name[0]))
        .unwrap();
    assert_eq!(
        bytes.len() as u64,
        options().queue_file_units * 20,
        "full length"
    );
}

#[test]
fn an_unclean_stop_replays_from_the_last_snapshot_only() {
    let mut world = busy(2);
    let before = world.derived.dispatched();
    world.reopen(crashed());
    assert!(
        world.derived.resume_from() > before / 2,
        "{}",
        world.derived.resume_from()
    );
    world.check();
}

#[test]
fn a_lost_snapshot_is_made_up_by_files_and_log() {
    for lost in [
        &["mainstem/snapshot-0"][..],
        &["mainstem/snapshot-1"],
        &["mainstem/snapshot-0", "mainstem/snapshot-1"],
    ] {
        for last in [crashed(), stopped()] {
            let mut world = busy(3);
            if last == stopped() {
                world.close();
            }
            for path in lost {
                world.disk.remove(path).unwrap();
            }
            world.reopen(last);
            world.check();
            world.append_some(50);
            world.run();
            world.check();
        }
    }
}

#[test]
fn each_private_file_may_be_lost_or_damaged_and_so_may_all_queue_files() {
    let damaged =
        |world: &World, path: &str, at: u64| world.disk.damage(path, at, &[0xA5; 40]).unwrap();
    for path in [
        "mainstem/snapshot-0",
        "mainstem/snapshot-1",
        "mainstem/index",
        "mainstem/journal",
        "checkpoint",
    ] {
        let mut world = busy(4);
        world.disk.remove(path).unwrap();
        world.reopen(crashed());
        world.check();
        let mut world = busy(5);
        for at in [0, 16, 60] {
            damaged(&world, path, at);
        }
        world.reopen(crashed());
        world.check();
    }
}

#[test]
fn the_newest_index_file_may_be_lost() {
    let mut world = busy(6);
    world.close();
    let names = world.disk.list("index").unwrap();
    assert!(names.len() > 2);
    world
        .disk
        .remove(&format!("index/{}", names.last().unwrap()))
        .unwrap();
    world.reopen(stopped());
    world.check();
    world.append_some(30);
    world.run();
    world.close();
    world.reopen(stopped());
    world.check();
}

#[test]
fn private_files_of_another_life_are_ignored() {
    let mut world = busy(7);
    world.close();
    // A Java broker ran, took messages and stopped: the private files are stale. Here its queue
    // files are ours, so nothing differs but what may be believed.
    for last in [
        LastWriter::Apache { clean: true },
        LastWriter::Apache { clean: false },
    ] {
        world
            .disk
            .rename("mainstem/snapshot-0", "mainstem/x")
            .unwrap();
        world
            .disk
            .rename("mainstem/x", "mainstem/snapshot-0")
            .unwrap();
        world.reopen(last);
        assert_eq!(world.derived.durable_position(), 0);
        world.check();
        world.close();
    }
}

#[test]
fn a_unit_of_a_message_that_a_crash_took_is_not_taken_for_one() {
    let mut world = busy(9);
    world.close();
    for path in ["mainstem/snapshot-0", "mainstem/snapshot-1"] {
        world.disk.remove(path).unwrap();
    }
    // Behind the end of a queue lies a unit that points to a record of another queue.
    let messages = &world.model[&("T2".to_owned(), 1)];
    let other = world.model[&("T0".to_owned(), 0)][0].position;
    let next = messages.len() as u64;
    let path = format!("consumequeue/T2/1/{:020}", next / 16 * 16 * 20);
    let file = world
        .disk
        .open(&path, crate::disk::OpenMode::Create)
        .unwrap();
    file.set_len(16 * 20).unwrap();
    let unit = crate::queues::QueueUnit {
        physical_offset: other,
        size: 100,
        tags_code: 0,
    };
    file.write_at(&unit.encode(), next % 16 * 20).unwrap();
    world.reopen(crashed());
    world.check();
}

#[test]
fn queue_files_lost_behind_the_snapshots_back_are_noticed_where_the_log_goes_on() {
    let mut world = busy(8);
    world.close();
    for path in ["mainstem/snapshot-0", "mainstem/snapshot-1"] {
        world.disk.remove(path).unwrap();
    }
    for queue_id in 0..3 {
        for name in world
            .disk
            .list(&format!("consumequeue/T1/{queue_id}"))
            .unwrap()
        {
            world
                .disk
                .remove(&format!("consumequeue/T1/{queue_id}/{name}"))
                .unwrap();
        }
    }
    world.reopen(crashed());
    world.check();
}
