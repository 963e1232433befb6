//! Power cuts at the level of disk blocks: a broker under load on ext4, xfs or btrfs over a disk that records every block. Each recording is
//! cut at many places; the file system replays its journal, the broker starts on it, and everything that a client was told is compared.
//! A second cut falls into the recovery from the first, or soon after it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstem_blocks::{Cut, FileSystem, Image, Mounted, Random, RecordedDisk, Recording};

use super::check::Check;
use super::ledger::Ledger;
use super::load::{Load, Position, create_topics};
use super::{environment, own_mounts, small_files};
use crate::support::{Server, Start, mainstem, text};

/// More than any load here fills; what is not written takes no memory.
const DISK_BYTES: u64 = 1 << 30;
/// A recording ends after so many messages, about 5 KB each, for it is kept in memory.
const MESSAGES_IN_A_RECORDING: usize = 60_000;
/// Log size from which old messages are removed, where they are.
const LOG_BYTES: u64 = 8 << 20;

/// What one recording is made and cut with.
#[derive(Clone)]
struct Plan {
    kind: FileSystem,
    seed: u64,
    /// Cuts of one recording.
    cuts: u64,
    /// `flushDiskType`.
    flush: &'static str,
    /// Off: the disk lies about every flush.
    flushes_count: bool,
    /// Whether old messages are removed.
    removes: bool,
}

/// What was seen.
#[derive(Default, Debug)]
struct Figures {
    recordings: u64,
    cuts: u64,
    events: u64,
    acknowledged: u64,
}

impl Plan {
    fn of(kind: FileSystem, seed: u64) -> Plan {
        let cuts = environment("MAINSTEM_BLOCK_CUTS", 3);
        Plan {
            kind,
            seed,
            cuts,
            flush: "SYNC_FLUSH",
            flushes_count: true,
            removes: seed % 3 == 2,
        }
    }

    fn start(&self, mounted: &Mounted, log: &Path) -> Result<Server, String> {
        let start = small_files(Start::standalone(&mounted.path().join("data")))
            .log_in(log)
            .set(&format!("flushDiskType={}", self.flush));
        let start = if self.removes {
            start.set(&format!("maxCommitLogBytes={LOG_BYTES}"))
        } else {
            start
        };
        start
            .outcome()
            .map_err(|(status, log)| format!("the broker does not start: {status}\n{log}"))
    }

    /// Records a broker under load on a new disk, and tries cuts of that.
    fn run(&self, formatted: &Image, figures: &mut Figures) -> Result<(), String> {
        let mut random = Random::new(self.seed);
        let log = tempfile::tempdir().map_err(told)?;
        let disk = Arc::new(RecordedDisk::with(formatted.clone()).map_err(told)?);
        let mounted = Mounted::new(self.kind, &disk.path()).map_err(told)?;
        let server = self.start(&mounted, log.path())?;
        create_topics(server.broker());
        let load = Load::start(
            server.broker(),
            Ledger::default(),
            &position(&disk),
            0,
            self.seed,
        );
        // Queue files are written for what several snapshots have carried along: some recordings last so long.
        let least_ms = if self.seed % 4 == 3 { 8000 } else { 400 };
        let until = Instant::now() + Duration::from_millis(least_ms + random.below(1200));
        while Instant::now() < until && load.acknowledged() < MESSAGES_IN_A_RECORDING {
            std::thread::sleep(Duration::from_millis(20));
        }
        let end = disk.position();
        server.kill();
        let ledger = load.stop()?;
        let recording = recorded(mounted, disk)?;
        figures.recordings += 1;
        figures.events += end as u64;
        figures.acknowledged += ledger.acknowledged() as u64;
        for _ in 0..self.cuts {
            let cut = Cut::choose(&recording, end, random.next_u64(), self.kind);
            self.after(&recording, cut, ledger.clone(), 1, &mut random, figures)?;
        }
        Ok(())
    }

    /// Starts on what a cut leaves, checks, goes on a little, and cuts again.
    fn after(
        &self,
        recording: &Recording,
        cut: Cut,
        mut ledger: Ledger,
        life: u64,
        random: &mut Random,
        figures: &mut Figures,
    ) -> Result<(), String> {
        figures.cuts += 1;
        ledger.settle(cut.at);
        let image = cut.image(recording, self.flushes_count);
        let story = |error: String| {
            let kept = std::env::temp_dir().join(format!(
                "cut-{}-{}-{}.img",
                self.kind.name(),
                self.seed,
                cut.at
            ));
            let kept = environment("MAINSTEM_KEEP_IMAGES", 0) != 0 && image.save(&kept).is_ok();
            format!(
                "{} seed {} life {life}, cut {cut:?} of {} events: {error}{}",
                self.kind.name(),
                self.seed,
                recording.events().len(),
                if kept { " (image kept)" } else { "" }
            )
        };
        let log = tempfile::tempdir().map_err(told)?;
        let disk = Arc::new(RecordedDisk::with(image.clone()).map_err(told)?);
        let mounted = Mounted::new(self.kind, &disk.path()).map_err(told)?;
        let data = mounted.path().join("data");
        let server = self.start(&mounted, log.path()).map_err(&story)?;
        let position = position(&disk);
        if let Err(error) =
            Check::of(server.broker(), &mut ledger, &position, self.removes).run(cut.seed)
        {
            return Err(story(format!("{error}\n{}", server.log())));
        }
        let again = life < 3 && random.percent(60);
        if !again {
            if random.percent(50) {
                server.stop();
            } else {
                server.kill();
            }
            check_offline(&data).map_err(&story)?;
            return mounted.unmount().map_err(told);
        }
        create_topics(server.broker());
        let load = Load::start(server.broker(), ledger, &position, life, self.seed);
        std::thread::sleep(Duration::from_millis(random.below(400)));
        let end = disk.position();
        server.kill();
        let ledger = load.stop().map_err(&story)?;
        drop(position);
        let recording = recorded(mounted, disk)?;
        let cut = Cut::choose(&recording, end, random.next_u64(), self.kind);
        self.after(&recording, cut, ledger, life + 1, random, figures)
    }
}

fn position(disk: &Arc<RecordedDisk>) -> Position {
    let disk = Arc::clone(disk);
    Arc::new(move || disk.position())
}

fn recorded(mounted: Mounted, disk: Arc<RecordedDisk>) -> Result<Recording, String> {
    mounted.unmount().map_err(told)?;
    Ok(disk.recording())
}

fn told(error: std::io::Error) -> String {
    error.to_string()
}

/// `mainstem store check` finds nothing wrong.
fn check_offline(data: &Path) -> Result<(), String> {
    let output = mainstem()
        .args([
            "store",
            "check",
            "--set",
            "maxHashSlotNum=500",
            "--set",
            "maxIndexNum=1000",
        ])
        .arg(data)
        .output()
        .map_err(told)?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "store check: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    ))
}

/// Rounds on one file system.
fn cuts_break_no_promise(test: &str, kind: FileSystem) {
    if std::env::var("MAINSTEM_BLOCK_FS").is_ok_and(|only| only != kind.name()) {
        return;
    }
    own_mounts::run(
        &format!("durability::power_cuts::{test}"),
        kind,
        true,
        || {
            let formatted = kind.formatted(DISK_BYTES).unwrap();
            let started = Instant::now();
            let mut figures = Figures::default();
            let from = environment("MAINSTEM_BLOCK_FROM", 0);
            for seed in from..from + environment("MAINSTEM_BLOCK_ROUNDS", 1) {
                if let Err(error) = Plan::of(kind, seed).run(&formatted, &mut figures) {
                    panic!("{error}");
                }
                eprintln!("{}: {figures:?} in {:?}", kind.name(), started.elapsed());
            }
        },
    );
}

#[test]
fn power_cuts_on_ext4_break_no_promise() {
    cuts_break_no_promise("power_cuts_on_ext4_break_no_promise", FileSystem::Ext4);
}

#[test]
fn power_cuts_on_xfs_break_no_promise() {
    cuts_break_no_promise("power_cuts_on_xfs_break_no_promise", FileSystem::Xfs);
}

#[test]
fn power_cuts_on_btrfs_break_no_promise() {
    cuts_break_no_promise("power_cuts_on_btrfs_break_no_promise", FileSystem::Btrfs);
}

/// Recordings after which a broken promise must have shown.
const RECORDINGS_TO_NOTICE: u64 = 10;

/// A promise that is not kept is noticed: the instrument cuts.
fn is_noticed(test: &str, broken: impl Fn(Plan) -> Plan) {
    let kind = FileSystem::Ext4;
    own_mounts::run(
        &format!("durability::power_cuts::{test}"),
        kind,
        true,
        || {
            let formatted = kind.formatted(DISK_BYTES).unwrap();
            let mut figures = Figures::default();
            let noticed = (0..RECORDINGS_TO_NOTICE).find_map(|seed| {
                broken(Plan::of(kind, seed))
                    .run(&formatted, &mut figures)
                    .err()
            });
            let noticed = noticed.unwrap_or_else(|| panic!("{figures:?} and nothing was noticed"));
            eprintln!(
                "{test}: after {} cuts: {}",
                figures.cuts,
                noticed.lines().next().unwrap_or_default()
            );
        },
    );
}

#[test]
fn what_asynchronous_flush_loses_is_noticed() {
    is_noticed("what_asynchronous_flush_loses_is_noticed", |plan| Plan {
        flush: "ASYNC_FLUSH",
        ..plan
    });
}

#[test]
fn a_disk_that_lies_about_flushes_is_noticed() {
    is_noticed("a_disk_that_lies_about_flushes_is_noticed", |plan| Plan {
        flushes_count: false,
        ..plan
    });
}
