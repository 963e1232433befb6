//! Real file systems that have no space left, under load: the whole disk, or the part that one kind of write goes to. Space returns, sends
//! go on by themselves, and nothing that was acknowledged before, during or after is missing.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mainstem_blocks::{FileSystem, Mounted};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};

use super::check::Check;
use super::ledger::Ledger;
use super::load::{Load, Position, create_topics};
use super::{own_mounts, small_files};
use crate::support::{BareClient, Server, Start, eventually};

/// A file system in a sparse file.
struct SmallDisk {
    mounted: Mounted,
    _file: tempfile::NamedTempFile,
}

impl SmallDisk {
    fn new(kind: FileSystem, bytes: u64) -> SmallDisk {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(bytes).unwrap();
        kind.make_in(file.path()).unwrap();
        let mounted = Mounted::new(kind, file.path()).unwrap();
        // It would pass for a topic.
        let _ = std::fs::remove_dir(mounted.path().join("lost+found"));
        SmallDisk {
            mounted,
            _file: file,
        }
    }

    fn path(&self) -> &Path {
        self.mounted.path()
    }

    /// Takes all space but so many bytes; that returns when the ballast is dropped.
    fn fill(&self, but: usize) -> Ballast {
        let path = self.path().join("ballast");
        let spare = self.path().join("spare");
        let mut file = File::create(&path).unwrap();
        std::fs::write(&spare, vec![1; but]).unwrap();
        for step in [1 << 20, 64 << 10, 4 << 10, 512] {
            let bytes = vec![1; step];
            while file
                .write_all(&bytes)
                .and_then(|()| file.sync_data())
                .is_ok()
            {}
        }
        std::fs::remove_file(spare).unwrap();
        Ballast { path }
    }
}

struct Ballast {
    path: PathBuf,
}

impl Drop for Ballast {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).unwrap();
    }
}

fn no_position() -> Position {
    Arc::new(|| 0)
}

/// Sends one message to a topic that the ledger does not know; the answer's code and remark.
fn send_one(server: &Server) -> (i32, String) {
    let fields = [
        ("a", "one"),
        ("b", "beside"),
        ("c", "TBW102"),
        ("d", "4"),
        ("e", "0"),
        ("f", "0"),
        ("g", "1"),
        ("h", "0"),
        ("i", ""),
        ("j", "0"),
        ("k", "false"),
        ("m", "false"),
    ];
    let command = fields.into_iter().fold(
        Command::request(request::SEND_MESSAGE_V2),
        |command, (name, value)| command.with_ext(name, value),
    );
    let reply = BareClient::connect(server.broker())
        .call(&command.with_body("beside"))
        .unwrap();
    (reply.code, reply.remark.unwrap_or_default())
}

/// A topic is made, or it is said why not; the broker lives.
fn try_to_make_a_topic(server: &Server, topic: &str) -> i32 {
    let command = Command::request(request::UPDATE_AND_CREATE_TOPIC)
        .with_ext("topic", topic.to_owned())
        .with_ext("defaultTopic", "TBW102")
        .with_ext("readQueueNums", "4")
        .with_ext("writeQueueNums", "4")
        .with_ext("perm", "6")
        .with_ext("topicFilterType", "SINGLE_TAG");
    BareClient::connect(server.broker())
        .call(&command)
        .unwrap()
        .code
}

fn check(server: &Server, ledger: &mut Ledger) {
    if let Err(error) = Check::of(server.broker(), ledger, &no_position(), false).run(1) {
        panic!("{error}\n{}", server.log());
    }
}

/// Long enough for a snapshot, an export, a round of the journal and of committed offsets to have been tried.
const HELD: Duration = Duration::from_millis(2500);

/// Fills the whole disk under load, with the broker killed and started on the full disk or not, and frees it again.
fn the_whole_disk(kind: FileSystem, bytes: u64, but: usize, kills: bool) {
    let disk = SmallDisk::new(kind, bytes);
    let log = tempfile::tempdir().unwrap();
    let start = || small_files(Start::standalone(&disk.path().join("data"))).log_in(log.path());
    let mut server = start().ready();
    create_topics(server.broker());
    let load = Load::start(server.broker(), Ledger::default(), &no_position(), 0, 1);
    eventually("some messages are acknowledged", || {
        load.acknowledged() > 300
    });
    let ballast = disk.fill(but);
    eventually("sends are refused, and it is said why", || {
        let (code, remark) = send_one(&server);
        code == response::SERVICE_NOT_AVAILABLE && remark.contains("disk full")
    });
    std::thread::sleep(HELD);
    try_to_make_a_topic(&server, "made-on-a-full-disk");
    let mut ledger;
    if kills {
        server.kill();
        ledger = load.stop().unwrap();
        // It may start or not; it must not harm what is there.
        let during = start().outcome();
        if let Err((_, log)) = &during {
            assert!(
                log.to_lowercase().contains("space") || log.contains("full"),
                "{log}"
            );
        }
        if let Ok(during) = during {
            let found = Check::of(during.broker(), &mut ledger, &no_position(), false)
                .what_is_stored(1)
                .map_err(|error| format!("{error}\n{}", during.log()));
            assert_eq!(found, Ok(()));
            during.kill();
        }
        drop(ballast);
        server = start().ready();
    } else {
        let told = server.log();
        let word = told.to_lowercase();
        assert!(
            word.contains("no space") || word.contains("disk is full"),
            "nothing about space in\n{told}"
        );
        drop(ballast);
        eventually("sends are taken again", || {
            send_one(&server).0 == response::SUCCESS
        });
        let before = load.acknowledged();
        eventually("the load goes on", || load.acknowledged() > before + 300);
        ledger = load.stop().unwrap();
    }
    assert_eq!(send_one(&server).0, response::SUCCESS);
    assert_eq!(
        try_to_make_a_topic(&server, "made-later"),
        response::SUCCESS
    );
    check(&server, &mut ledger);
    server.kill();
    let server = start().ready();
    check(&server, &mut ledger);
    server.stop();
}

#[test]
fn a_full_ext4_refuses_sends_loses_nothing_and_recovers_by_itself() {
    let kind = FileSystem::Ext4;
    own_mounts::run(
        "durability::full_disks::a_full_ext4_refuses_sends_loses_nothing_and_recovers_by_itself",
        kind,
        false,
        || {
            the_whole_disk(kind, 128 << 20, 0, false);
            the_whole_disk(kind, 128 << 20, 40 << 10, true);
        },
    );
}

#[test]
fn a_full_xfs_refuses_sends_loses_nothing_and_recovers_by_itself() {
    let kind = FileSystem::Xfs;
    own_mounts::run(
        "durability::full_disks::a_full_xfs_refuses_sends_loses_nothing_and_recovers_by_itself",
        kind,
        false,
        || {
            the_whole_disk(kind, 320 << 20, 0, false);
            the_whole_disk(kind, 320 << 20, 40 << 10, true);
        },
    );
}

/// Fills the disk of one directory of the data directory while messages come in; those are taken all the time.
fn one_directory(name: &str, kills: bool) {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let disk = SmallDisk::new(FileSystem::Ext4, 16 << 20);
    let place = data.join(name);
    std::fs::create_dir_all(&place).unwrap();
    let _bound = Bound::new(disk.path(), &place);
    let start = || small_files(Start::standalone(&data)).log_in(directory.path());
    let mut server = start().ready();
    create_topics(server.broker());
    let load = Load::start(server.broker(), Ledger::default(), &no_position(), 0, 2);
    eventually("some messages are acknowledged", || {
        load.acknowledged() > 100
    });
    let ballast = disk.fill(0);
    let before = load.acknowledged();
    eventually(
        "messages are taken while there is no space for other files",
        || load.acknowledged() > before + 100,
    );
    // Its queues need directories and files that cannot be made.
    assert_eq!(send_one(&server).0, response::SUCCESS);
    assert_eq!(
        try_to_make_a_topic(&server, "made-meanwhile"),
        response::SUCCESS
    );
    if name != "config" {
        eventually("it is told what could not be written", || {
            server.log().contains("the store's background work fails")
        });
    }
    let mut ledger;
    if kills {
        server.kill();
        ledger = load.stop().unwrap();
        drop(ballast);
        server = start().ready();
    } else if name == "config" {
        // Exports are written at a stop; the journal has what they would say.
        ledger = load.stop().unwrap();
        server.signal(rustix::process::Signal::TERM);
        let (status, told) = server.wait();
        assert!(status.success(), "{status}\n{told}");
        assert!(told.contains("an export was not written"), "{told}");
        drop(ballast);
        server = start().ready();
    } else {
        drop(ballast);
        let before = load.acknowledged();
        eventually("the load goes on", || load.acknowledged() > before + 100);
        ledger = load.stop().unwrap();
    }
    check(&server, &mut ledger);
    server.kill();
    let server = start().ready();
    check(&server, &mut ledger);
    server.stop();
}

/// A directory that is another one's second place.
struct Bound {
    at: PathBuf,
}

impl Bound {
    fn new(directory: &Path, at: &Path) -> Bound {
        let status = std::process::Command::new("mount")
            .arg("--bind")
            .arg(directory)
            .arg(at)
            .status()
            .unwrap();
        assert!(status.success());
        Bound { at: at.to_owned() }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.at).status();
    }
}

fn one_directory_of(test: &str, name: &str) {
    own_mounts::run(
        &format!("durability::full_disks::{test}"),
        FileSystem::Ext4,
        false,
        || {
            one_directory(name, false);
            one_directory(name, true);
        },
    );
}

#[test]
fn no_space_for_queue_files_and_their_directories() {
    one_directory_of(
        "no_space_for_queue_files_and_their_directories",
        "consumequeue",
    );
}

#[test]
fn no_space_for_the_key_index() {
    one_directory_of("no_space_for_the_key_index", "index");
}

#[test]
fn no_space_for_exports() {
    one_directory_of("no_space_for_exports", "config");
}
