//! `recycle`: what the next log file costs when it is made new, and when an expired file takes its name, and what it then
//! costs to fill it, through the map and in synced groups. The store makes files new; old bytes in a file that is not
//! zeroed first can be taken for records after a crash, which the tests below show.

mod filling;
mod making;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use self::filling::{GROUP_BYTES, SIZE, fill};
use self::making::{Next, Place};
use crate::measure::{
    Counters, Device, DeviceCounters, Machine, Scope, Scratch, Spread, alternate, need_space,
};
use crate::table::Table;

/// How much.
#[derive(Debug, Clone, clap::Args)]
pub struct RecycleArgs {
    /// Size of a log file, MiB
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(8..=4096))]
    file_mib: u64,
    /// Runs of each, in turns
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Directory for the data, which is removed after each run
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// When records are synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flush {
    /// They are copied into the map; all is synced at the end.
    Async,
    /// Each group is written and synced.
    Sync,
}

/// A way to a full file: how it is made, and whether zeros are written ahead of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Contestant {
    flush: Flush,
    next: Next,
    ahead: bool,
    name: &'static str,
}

const fn contestant(flush: Flush, next: Next, ahead: bool, name: &'static str) -> Contestant {
    Contestant {
        flush,
        next,
        ahead,
        name,
    }
}

/// The first of each flush mode is what the store does.
const CONTESTANTS: [Contestant; 11] = [
    contestant(Flush::Async, Next::New, true, "new"),
    contestant(
        Flush::Async,
        Next::NewWithoutZeros,
        true,
        "new, allocated only",
    ),
    contestant(
        Flush::Async,
        Next::RecycledCached,
        false,
        "recycled, cached",
    ),
    contestant(Flush::Async, Next::RecycledCold, false, "recycled, cold"),
    contestant(
        Flush::Async,
        Next::RecycledCold,
        true,
        "recycled, cold, zeros ahead",
    ),
    contestant(Flush::Async, Next::RecycledZeroed, true, "recycled, zeroed"),
    contestant(Flush::Sync, Next::New, true, "new"),
    contestant(
        Flush::Sync,
        Next::NewWithoutZeros,
        true,
        "new, allocated only",
    ),
    contestant(Flush::Sync, Next::RecycledCached, false, "recycled, cached"),
    contestant(Flush::Sync, Next::RecycledCold, false, "recycled, cold"),
    contestant(Flush::Sync, Next::RecycledZeroed, true, "recycled, zeroed"),
];

/// Costs of a part of a run.
#[derive(Debug, Clone, Copy)]
struct Costs {
    seconds: f64,
    cpu_ms: f64,
    /// Absent where the kernel has no account of the device.
    device: Option<DeviceCounters>,
}

/// What a run gave.
#[derive(Debug, Clone, Copy)]
struct Run {
    making: Costs,
    filling: Costs,
    /// Log MB/s until the last record was in the map, or synced.
    rate: f64,
    /// The same with the sync at the end.
    synced_rate: f64,
}

/// Measures all ways and prints a table.
///
/// # Errors
/// When the disk has no room or refuses.
pub fn run(args: &RecycleArgs) -> io::Result<()> {
    println!("{}\n", Machine::describe(&args.dir));
    let dir = Scratch::new(
        args.dir
            .join(format!("mainstem-recycle-{}", std::process::id())),
    )?;
    let file_bytes = args.file_mib << 20;
    need_space(dir.path(), 2 * file_bytes)?;
    let mut count = 0;
    let runs = alternate(&CONTESTANTS, args.rounds as usize, |contestant| {
        let round = count / CONTESTANTS.len() + 1;
        eprintln!(
            "[round {round}/{}] {:?}, {}",
            args.rounds, contestant.flush, contestant.name
        );
        count += 1;
        measure(contestant, file_bytes, dir.path())
    })?;
    print!("{}", table(&runs));
    println!(
        "\nFiles of {} MiB, bodies of {SIZE} B, sync flush in groups of {} KiB. Making one new includes the removal of the expired \
         one, and is without the rests that the store takes. CPU and device bytes of filling include the sync at its end.",
        args.file_mib,
        GROUP_BYTES >> 10
    );
    Ok(())
}

fn measure(contestant: &Contestant, file_bytes: u64, dir: &Path) -> io::Result<Run> {
    let dir = Scratch::new(dir.join("store"))?;
    let place = Place::new(dir.path(), file_bytes, contestant.flush)?;
    place.prepare(contestant.next)?;
    let device = Device::of(dir.path())?;
    let (file, making) = costs(device.as_ref(), || place.make(contestant.next))?;
    let (filled, filling) = costs(device.as_ref(), || {
        fill(
            &place,
            &file,
            contestant.flush,
            contestant.ahead,
            file_bytes,
        )
    })?;
    let megabytes = filled.log_bytes as f64 / 1e6;
    Ok(Run {
        making,
        filling,
        rate: megabytes / filled.time.as_secs_f64(),
        synced_rate: megabytes / filled.synced.as_secs_f64(),
    })
}

fn costs<T>(
    device: Option<&Device>,
    what: impl FnOnce() -> io::Result<T>,
) -> io::Result<(T, Costs)> {
    let read = || device.and_then(Device::read);
    let (before, cpu, start) = (read(), Counters::read(Scope::Thread), Instant::now());
    let outcome = what()?;
    let seconds = start.elapsed().as_secs_f64();
    let cpu = Counters::read(Scope::Thread) - cpu;
    Ok((
        outcome,
        Costs {
            seconds,
            cpu_ms: cpu.cpu_ns as f64 / 1e6,
            device: before.zip(read()).map(|(before, after)| after - before),
        },
    ))
}

fn table(runs: &[Vec<Run>]) -> Table {
    let mut table = Table::new([
        "flush",
        "the next file is",
        "make ms",
        "CPU ms",
        "device MB written",
        "fill MB/s",
        "with the last sync",
        "CPU ms",
        "device MB written",
        "read",
    ]);
    for (contestant, runs) in CONTESTANTS.iter().zip(runs) {
        let spread = |digits, figure: &dyn Fn(&Run) -> Option<f64>| {
            Spread::of(runs.iter().filter_map(figure)).map_or(String::new(), |s| s.short(digits))
        };
        let written = |costs: &Costs| costs.device.map(|d| d.written_bytes as f64 / 1e6);
        table.row([
            match contestant.flush {
                Flush::Async => "async".to_owned(),
                Flush::Sync => "sync".to_owned(),
            },
            contestant.name.to_owned(),
            spread(1, &|run| Some(run.making.seconds * 1e3)),
            spread(1, &|run| Some(run.making.cpu_ms)),
            spread(0, &|run| written(&run.making)),
            spread(0, &|run| Some(run.rate)),
            spread(0, &|run| Some(run.synced_rate)),
            spread(0, &|run| Some(run.filling.cpu_ms)),
            spread(0, &|run| written(&run.filling)),
            spread(0, &|run| {
                run.filling.device.map(|d| d.read_bytes as f64 / 1e6)
            }),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::FileExt;

    use mainstem_record::RecordView;

    use super::*;

    const FILE_BYTES: u64 = 8 << 20;

    /// Fills half of the file and reads it whole.
    fn half_filled(contestant: &Contestant) -> (Place, Vec<u8>, usize) {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(dir.path(), FILE_BYTES, contestant.flush).unwrap();
        place.prepare(contestant.next).unwrap();
        let file = place.make(contestant.next).unwrap();
        assert_eq!(file.metadata().unwrap().len(), FILE_BYTES);
        let names = std::fs::read_dir(dir.path().join("commitlog")).unwrap();
        let names: Vec<_> = names.map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, [format!("{:020}", place.base()).as_str()]);
        let filled = fill(
            &place,
            &file,
            contestant.flush,
            contestant.ahead,
            FILE_BYTES / 2,
        )
        .unwrap();
        let mut bytes = vec![0; FILE_BYTES as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        (place, bytes, filled.log_bytes as usize)
    }

    #[test]
    fn every_way_ends_with_whole_records_in_the_one_file_that_is_left() {
        for contestant in &CONTESTANTS {
            let (place, bytes, len) = half_filled(contestant);
            assert!(len > FILE_BYTES as usize / 2 - 2 * SIZE, "{contestant:?}");
            let mut at = 0;
            while at < len {
                let record = RecordView::parse(&bytes[at..]).unwrap();
                assert!(record.body_crc_matches(), "{contestant:?} at {at}");
                assert_eq!(record.physical_offset() as u64, place.base() + at as u64);
                at += record.total_size();
            }
            assert_eq!(at, len);
        }
    }

    #[test]
    fn behind_the_records_of_a_file_recycled_without_zeros_stands_an_old_one_whole_but_for_its_position()
     {
        for contestant in &CONTESTANTS {
            let (place, bytes, len) = half_filled(contestant);
            let old = RecordView::parse(&bytes[len..]);
            match contestant.next {
                Next::RecycledCached | Next::RecycledCold if !contestant.ahead => {
                    let old = old.unwrap();
                    assert!(old.body_crc_matches());
                    assert_eq!(old.physical_offset() as usize, len);
                    assert_ne!(old.physical_offset() as u64, place.base() + len as u64);
                }
                Next::New | Next::NewWithoutZeros | Next::RecycledZeroed => {
                    assert!(bytes[len..].iter().all(|byte| *byte == 0), "{contestant:?}");
                }
                // Zeros reach as far as they were written ahead; then the old records go on.
                Next::RecycledCached | Next::RecycledCold => {
                    assert!(bytes[len..].iter().any(|byte| *byte != 0));
                }
            }
        }
    }

    #[test]
    fn a_table_has_a_row_for_every_way() {
        let dir = tempfile::tempdir().unwrap();
        let runs = alternate(&CONTESTANTS, 1, |contestant| {
            measure(contestant, FILE_BYTES, dir.path())
        })
        .unwrap();
        assert_eq!(
            table(&runs).to_string().lines().count(),
            2 + CONTESTANTS.len()
        );
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
    }
}
