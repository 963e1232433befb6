#![allow(clippy::unwrap_used)]
use super::*;
use crate::disk::Disk;
use crate::disk::sim::SimDisk;

const OWNER: u64 = 77;

fn queue(n: u64) -> QueueState {
    QueueState {
        topic: format!("topic-{}", n / 4),
        queue_id: i32::try_from(n % 4).unwrap(),
        min: n,
        tail_start: n + 3,
        tail: vec![7; 20 * usize::try_from(n % 50).unwrap()],
    }
}

fn write(disk: &SimDisk, sequence: u64, queues: u64) {
    let head = Head {
        sequence,
        owner: OWNER,
        position: sequence * 100,
    };
    let mut writer = SnapshotWriter::begin(disk, head).unwrap();
    for n in 0..queues {
        writer.add(queue(n)).unwrap();
    }
    writer.finish().unwrap();
}

fn load_all(disk: &SimDisk, owner: u64) -> Option<(Head, Vec<QueueState>)> {
    let mut queues = Vec::new();
    let head = load(disk, owner, |_, queue| queues.push(queue)).unwrap()?;
    Some((head, queues))
}

#[test]
fn what_was_written_is_read() {
    let disk = SimDisk::new();
    assert!(load_all(&disk, OWNER).is_none());
    for (sequence, count) in [(1, 0), (2, 1), (3, 5000)] {
        write(&disk, sequence, count);
        let (head, queues) = load_all(&disk, OWNER).unwrap();
        assert_eq!(
            head,
            Head {
                sequence,
                owner: OWNER,
                position: sequence * 100
            }
        );
        assert_eq!(queues, (0..count).map(queue).collect::<Vec<_>>());
    }
    assert!(
        load_all(&disk, OWNER + 1).is_none(),
        "another life of the directory"
    );
}

#[test]
fn a_snapshot_damaged_anywhere_gives_way_to_the_one_before() {
    let disk = SimDisk::new();
    write(&disk, 1, 3);
    write(&disk, 2, 40);
    let bytes = disk.read_whole(&path_of(2)).unwrap();
    for at in 0..bytes.len() {
        disk.damage(&path_of(2), at as u64, &[bytes[at] ^ 0x10])
            .unwrap();
        let (head, queues) = load_all(&disk, OWNER).unwrap();
        assert_eq!((head.sequence, queues.len()), (1, 3), "byte {at}");
        disk.damage(&path_of(2), at as u64, &bytes[at..=at])
            .unwrap();
    }
    assert_eq!(load_all(&disk, OWNER).unwrap().0.sequence, 2);
}

#[test]
fn a_power_cut_while_writing_leaves_the_snapshot_before_or_the_new_one() {
    for seed in 0..crate::disk::sim::repeated(200) {
        let disk = SimDisk::new();
        write(&disk, 1, 30);
        disk.faults().cut_power_after(seed % 12);
        let head = Head {
            sequence: 2,
            owner: OWNER,
            position: 200,
        };
        let done = SnapshotWriter::begin(&disk, head)
            .and_then(|mut writer| {
                (0..crate::disk::sim::repeated(2000)).try_for_each(|n| writer.add(queue(n)))?;
                writer.finish()
            })
            .is_ok();
        let after = disk.crash(seed);
        let (head, queues) = load_all(&after, OWNER).unwrap();
        if done {
            assert_eq!(head.sequence, 2, "seed {seed}");
        }
        assert_eq!(
            queues.len(),
            if head.sequence == 2 { 2000 } else { 30 },
            "seed {seed}"
        );
        after.create_dir_all(DIRECTORY).unwrap();
        write(&after, head.sequence + 1, 5);
        assert_eq!(load_all(&after, OWNER).unwrap().1.len(), 5);
    }
}
