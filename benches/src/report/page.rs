//! The page: Markdown with tables, the plots beside it. Owns the wording around the figures; the conclusion's statements are
//! computed in `conclusion`.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use super::figures::{Published, text};
use super::task::{Figures, Task};
use super::{conclusion, plots};
use crate::ceilings::CEILINGS;
use crate::copies::{self, ALL_WAYS, Cache, pulls};
use crate::layout::losses;
use crate::layout::sweep::{self, ENGINES, Profile, Step};
use crate::layout::workload::CellResult;
use crate::layout::{EngineKind, Mode};
use crate::locks;
use crate::table::Table;

const MODES: [Mode; 2] = [Mode::Async, Mode::Durable];

/// Writes `benchmarks.md` and `benchmarks/*.svg` into `docs`.
pub(super) fn write(run: &Published, docs: &Path) -> io::Result<()> {
    let plots_dir = docs.join("benchmarks");
    fs::create_dir_all(&plots_dir)?;
    let plots = plots::plots(run);
    for plot in &plots {
        fs::write(
            plots_dir.join(format!("{}.svg", plot.name)),
            plot.chart.to_svg(),
        )?;
    }
    let mut page = String::new();
    opening(run, &mut page);
    machine(run, &mut page);
    layouts(run, &plots, &mut page);
    losses_section(run, &mut page);
    lock_study(run, &mut page);
    copies_section(run, &mut page);
    closing(run, docs, &mut page);
    fs::write(docs.join("benchmarks.md"), page)
}

macro_rules! put {
    ($page:expr, $($arg:tt)*) => {{
        // Writing into a String does not fail.
        let _ = writeln!($page, $($arg)*);
    }};
}

fn opening(run: &Published, page: &mut String) {
    let profile = run.profile.name();
    let rounds = run
        .rounds
        .map_or(String::new(), |n| format!(" --rounds {n}"));
    put!(
        page,
        "# Benchmarks\n\nWritten by `cargo run --release -p mainstem-benches -- report --profile {profile}{rounds}`; do not edit. Figures are \
         medians, with the least and the greatest run in brackets. Contestants take turns within each round, and every second round runs backwards. The raw results are in \
         [benchmarks/results.json](benchmarks/results.json).\n"
    );
    if run.profile == Profile::Quick {
        put!(
            page,
            "This is the quick profile: three rounds and little data. `--profile full` takes about 45 minutes and varies more.\n"
        );
    }
    put!(page, "## In short\n");
    for statement in conclusion::statements(run) {
        put!(page, "- {statement}");
    }
}

fn machine(run: &Published, page: &mut String) {
    put!(
        page,
        "\n## The machine and its ceilings\n\n{}. Measured in the same run:\n",
        run.machine
    );
    let mut table = Table::new(["what", "ceiling", ""]);
    for ceiling in CEILINGS {
        let spread = run.spread(
            |task| matches!(task, Task::Ceiling(c) if *c == ceiling),
            |figures| match figures {
                Figures::Ceiling(value) => Some(*value),
                _ => None,
            },
        );
        let (what, unit) = ceiling.names();
        table.row([what.to_owned(), text(spread, 0), unit.to_owned()]);
    }
    put!(page, "{table}");
}

fn layouts(run: &Published, plots: &[plots::Plot], page: &mut String) {
    put!(
        page,
        "## One log or a log per partition\n\n\
         - **mainstem**: this project's store, one mapped log with consume queues for every topic, as the broker uses it\n\
         - **kafka**: Kafka's layout (a directory per partition, record batches v2, sparse indexes), with a group commit better than \
         Kafka's own: `fdatasync` of all dirty partitions, eight at a time; **kafka-syncfs**: the same with one `syncfs` a round\n\
         - **control-one**, **control-many**: the same record bytes by the same `pwrite` with the same index in memory, in one log or \
         in a log per partition; between these two the layout alone differs\n\n\
         The base point: 64 topics of one partition, 1 KiB, one message an append, two producers with 64 appends under way each, one \
         consumer that follows. A cell writes a fixed number of bytes; its time ends when every message was read by the consumer and \
         everything was synced (for mainstem: is in its consume queue too), so async cells pay for every byte's way to the device. \
         Bytes to the device include the clean stop, when indexes that were in memory are written. Latency runs from the intended start \
         of an append until it is done: in the page cache, or on disk.\n"
    );
    for mode in MODES {
        let name = mode.name();
        put!(page, "### Topics, {name}\n\nMessages a second:\n");
        let steps = run.steps("topics", mode);
        let rate = |r: &CellResult| Some(r.rate());
        put!(page, "{}", by_engine(run, "topics", &steps, 0, rate));
        for plot in plots.iter().filter(|p| p.name.ends_with(name)) {
            put!(
                page,
                "![{}](benchmarks/{}.svg)\n",
                plot.chart.title,
                plot.name
            );
        }
        put!(page, "Where it comes from, per message:\n");
        put!(page, "{}", account(run, &steps));
    }
    for factor in run.other_factors() {
        put!(page, "### Varying {factor}\n");
        if factor == sweep::MEMORY {
            put!(
                page,
                "512 MiB (durable: 256) are written by a process whose memory, page cache included, is limited by a control group (v1): the kernel has to \
                 write and forget while the cell runs. That group does not slow its writers down by itself; they wait in reclaim, when \
                 the pages that they need are still being written.\n"
            );
        } else if factor == sweep::VOLUME {
            put!(
                page,
                "Each cell writes twice the kernel's limit of unwritten bytes (`vm.dirty_ratio` of all memory), so that writers are made \
                 to wait by the kernel's writeback and not only by the last sync. Without the control in one log, which takes minutes for so much.\n"
            );
        }
        for mode in MODES {
            let steps = run.steps(&factor, mode);
            if steps.is_empty() {
                continue;
            }
            put!(page, "Messages a second, {}:\n", mode.name());
            let rate = |r: &CellResult| Some(r.rate());
            put!(page, "{}", by_engine(run, &factor, &steps, 0, rate));
            put!(page, "p99 of an append, {}, microseconds:\n", mode.name());
            let p99 = |r: &CellResult| Some(r.latency.p99_us);
            put!(page, "{}", by_engine(run, &factor, &steps, 0, p99));
        }
    }
}

/// A row for each step, a column for each engine.
fn by_engine(
    run: &Published,
    factor: &str,
    steps: &[Step],
    digits: usize,
    figure: impl Fn(&CellResult) -> Option<f64>,
) -> Table {
    let engines: Vec<EngineKind> = ENGINES
        .into_iter()
        .filter(|e| steps.iter().any(|s| run.cell(s, *e, &figure).is_some()))
        .collect();
    let heads = engines.iter().map(|e| e.name());
    let mut table = Table::new(std::iter::once(factor).chain(heads));
    for step in steps {
        let cells = engines
            .iter()
            .map(|engine| text(run.cell(step, *engine, &figure), digits));
        table.row(std::iter::once(step.value.clone()).chain(cells));
    }
    table
}

/// The kernel's account at the first and the last step, for the reason behind the rates.
fn account(run: &Published, steps: &[Step]) -> Table {
    let mut table = Table::new([
        "topics",
        "engine",
        "CPU us",
        "read calls",
        "write calls",
        "page faults",
        "context switches",
        "device flushes",
        "device bytes per byte",
        "messages per sync",
        "last sync, part of the time",
    ]);
    for step in steps.first().into_iter().chain(steps.last()) {
        for engine in ENGINES {
            let of = |digits: usize, figure: &dyn Fn(&CellResult, f64) -> Option<f64>| {
                let spread = run.cell(step, engine, |r| figure(r, r.messages.max(1) as f64));
                spread.map_or(String::new(), |s| format!("{:.digits$}", s.median))
            };
            if rate_is_missing(run, step, engine) {
                continue;
            }
            table.row([
                step.value.clone(),
                engine.name().to_owned(),
                of(2, &|r, _| Some(r.cpu_us_per_message())),
                of(2, &|r, n| Some(r.counters.read_calls as f64 / n)),
                of(2, &|r, n| Some(r.counters.write_calls as f64 / n)),
                of(3, &|r, n| {
                    Some((r.counters.minor_faults + r.counters.major_faults) as f64 / n)
                }),
                of(3, &|r, n| {
                    Some((r.counters.waits + r.counters.preemptions) as f64 / n)
                }),
                of(4, &|r, _| r.device_flushes_per_message()),
                of(2, &|r, _| r.write_amplification()),
                of(1, &|r, _| {
                    r.messages_per_sync()
                        .filter(|_| step.cell.mode == Mode::Durable)
                }),
                of(2, &|r, _| Some(r.settle_seconds / r.seconds)),
            ]);
        }
    }
    table
}

fn rate_is_missing(run: &Published, step: &Step, engine: EngineKind) -> bool {
    run.cell(step, engine, |r| Some(r.rate())).is_none()
}

fn losses_section(run: &Published, page: &mut String) {
    put!(
        page,
        "## Where the single log should lose\n\n64 topics written in turns. One of them, no longer in memory, is read from its start \
         (64 KiB a read); then half of the topics are deleted. The control's index is in memory, so its cold read is the log's alone; the space given back by a log per \
         partition includes what was reserved ahead.\n"
    );
    let engines: Vec<_> = ENGINES
        .into_iter()
        .map(|engine| (engine, run.losses(engine)))
        .filter(|(_, runs)| !runs.is_empty())
        .collect();
    let table = losses::table(&engines);
    put!(
        page,
        "{table}\nOne hot partition: the first row of the tables above. A lagging consumer beside a hot one: \"one far behind\".\n"
    );
}

fn lock_study(run: &Published, page: &mut String) {
    let runs: Vec<_> = run
        .entries
        .iter()
        .filter_map(|e| match (&e.task, &e.figures) {
            (Task::Locks(cell, lock), Figures::Locks(result)) => {
                Some((*cell, *lock, result.clone()))
            }
            _ => None,
        })
        .collect();
    put!(
        page,
        "## Append locks\n\nThreads that append to one store, each with one append under way (durable ones wait for their group \
         commit), with the spinning lock and with the parking one, which RocketMQ calls reentrant.\n\n{}",
        locks::table(&runs)
    );
}

fn copies_section(run: &Published, page: &mut String) {
    put!(
        page,
        "## Copies\n\n200 MB of a file into a loopback connection; the sender's account.\n"
    );
    for cache in [Cache::Warm, Cache::Cold] {
        let runs: Vec<Vec<copies::Transfer>> = ALL_WAYS
            .iter()
            .map(|way| {
                run.entries
                    .iter()
                    .filter_map(|e| match (&e.task, &e.figures) {
                        (
                            Task::Copies {
                                way: w, cache: c, ..
                            },
                            Figures::Copies(t),
                        ) if w == way && *c == cache => Some(*t),
                        _ => None,
                    })
                    .collect()
            })
            .collect();
        put!(page, "{cache:?} page cache:\n\n{}", copies::table(&runs));
    }
    let cases = pulls::cases();
    let runs: Vec<Vec<(copies::Transfer, u64)>> = cases
        .iter()
        .map(|case| {
            run.entries
                .iter()
                .filter_map(|e| match (&e.task, &e.figures) {
                    (Task::Pulls { case: c, .. }, Figures::Pulls(t, n)) if c == case => {
                        Some((*t, *n))
                    }
                    _ => None,
                })
                .collect()
        })
        .collect();
    put!(
        page,
        "Real pulls, 32 messages of 1 KiB at a time, found through the store's consume queues. Contiguous: the topic was written alone. \
         Scattered: between 63 others, so that each message lies on a page of its own, and a vectored write names each; cold, the first topics\n         bring in the pages of the later ones.\n\n{}",
        pulls::table(&cases, &runs)
    );
}

fn closing(run: &Published, docs: &Path, page: &mut String) {
    let skipped = run.skipped();
    if !skipped.is_empty() {
        put!(page, "## Skipped\n");
        for (key, reason) in skipped {
            put!(page, "- {key}: {reason}");
        }
        put!(page, "");
    }
    put!(page, "## Through the wire\n");
    if docs.join("benchmarks/peers.md").exists() {
        put!(
            page,
            "Mainstem, the real Apache RocketMQ and the real Kafka as servers: [benchmarks/peers.md](benchmarks/peers.md), written by \
             `benches/peers/compare.sh`."
        );
    } else {
        put!(
            page,
            "`benches/peers/compare.sh` starts Mainstem, the real Apache RocketMQ and the real Kafka and compares them as servers."
        );
    }
}
