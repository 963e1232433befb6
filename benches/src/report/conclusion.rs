//! What the figures say, in words: each statement is computed from the run, and says so plainly when our own claim fails
//! or when two spreads overlap.

use super::figures::Published;
use super::task::{Figures, Task};
use crate::ceilings::Ceiling;
use crate::copies::{Cache, Transfer, Way};
use crate::layout::sweep::{self, CONCLUSIVE, Step};
use crate::layout::workload::CellResult;
use crate::layout::{EngineKind, Mode};
use crate::locks::{Lock, LockCell, better, default_lock};
use crate::measure::Spread;

/// Statements in Markdown, a line each.
pub(super) fn statements(run: &Published) -> Vec<String> {
    let mut lines = Vec::new();
    for mode in [Mode::Async, Mode::Durable] {
        lines.extend(flatness(run, mode));
    }
    lines.extend(under_writeback(run));
    lines.extend(one_sync_for_all(run));
    lines.extend(map_or_write(run));
    lines.extend(hot_partition(run));
    lines.extend(losses(run));
    lines.extend(lagging(run));
    lines.extend(locks(run));
    lines.extend(copies(run));
    lines
}

fn ratio(a: Spread, b: Spread) -> f64 {
    a.median / b.median.max(1e-12)
}

fn overlap(a: Spread, b: Spread) -> bool {
    a.min <= b.max && b.min <= a.max
}

/// "2.1 times", or that there is no telling them apart.
fn times(a: Spread, b: Spread) -> String {
    if overlap(a, b) {
        format!("{:.2} times (within the spread)", ratio(a, b))
    } else {
        format!("{:.2} times", ratio(a, b))
    }
}

fn rate(run: &Published, step: &Step, engine: EngineKind) -> Option<Spread> {
    run.cell(step, engine, |r| Some(r.rate()))
}

/// The largest number of topics that was measured often enough.
fn conclusive_step(run: &Published, mode: Mode) -> Option<Step> {
    let steps = run.steps("topics", mode);
    steps
        .into_iter()
        .rfind(|s| CONCLUSIVE.contains(&s.cell.topics))
}

/// Still flat: no less than this part of the rate with one topic.
const FLAT: f64 = 0.9;

/// What is left of the rate with one topic, by engine; `control-one` is not in every comparison.
struct Kept {
    ours: f64,
    theirs: f64,
    one: Option<f64>,
    many: f64,
}

fn kept(run: &Published, first: &Step, last: &Step) -> Option<Kept> {
    let of = |engine| Some(ratio(rate(run, last, engine)?, rate(run, first, engine)?));
    Some(Kept {
        ours: of(EngineKind::Mainstem)?,
        theirs: of(EngineKind::Kafka)?,
        one: of(EngineKind::ControlOne),
        many: of(EngineKind::ControlMany)?,
    })
}

impl Kept {
    /// Of the single logs, the one that lost most.
    fn single(&self) -> f64 {
        self.one.unwrap_or(self.ours).min(self.ours)
    }

    fn verdict(&self) -> &'static str {
        let many_fall = self.theirs < FLAT && self.many < FLAT;
        match (self.single() >= FLAT, many_fall) {
            (true, true) => {
                "The claim holds: a single log stays flat, a log per partition does not."
            }
            (true, false) => {
                "A single log stays flat, and so does a log per partition as far as this."
            }
            (false, true) if self.theirs.max(self.many) < self.single() => {
                "The claim holds in part: a log per partition loses far more, but not every single log is flat."
            }
            (false, true) => "The claim fails: both kinds of layout lose.",
            (false, false) => {
                "The claim fails as far as this: a log per partition does not lose where a single log does."
            }
        }
    }

    fn text(&self) -> String {
        let one = self.one.map_or(String::new(), |one| {
            format!(", control in one log {:.0} %", one * 100.0)
        });
        format!(
            "mainstem {:.0} %, Kafka's layout {:.0} %{one}, control in a log per partition {:.0} %",
            self.ours * 100.0,
            self.theirs * 100.0,
            self.many * 100.0
        )
    }
}

/// How mainstem compares with Kafka's layout at a step.
fn head_to_head(run: &Published, step: &Step) -> Option<String> {
    Some(times(
        rate(run, step, EngineKind::Mainstem)?,
        rate(run, step, EngineKind::Kafka)?,
    ))
}

/// The verdict rests on cells with the most rounds; beyond them only the figures are told.
fn flatness(run: &Published, mode: Mode) -> Option<String> {
    let steps = run.steps("topics", mode);
    let (first, last) = (steps.first()?, &conclusive_step(run, mode)?);
    let rests_on = kept(run, first, last)?;
    let mut text = format!(
        "**{} appends, from 1 to {} topics.** {} Kept of the rate with one topic: {}. With {} topics mainstem has {} the rate of \
         Kafka's layout.",
        capitalised(mode.name()),
        last.cell.topics,
        rests_on.verdict(),
        rests_on.text(),
        last.cell.topics,
        head_to_head(run, last)?,
    );
    let farthest = steps.last()?;
    if farthest != last
        && let (Some(kept), Some(times)) = (kept(run, first, farthest), head_to_head(run, farthest))
    {
        text += &format!(
            " With {} topics there is left: {}; mainstem has {times} the rate of Kafka's layout.",
            farthest.cell.topics,
            kept.text()
        );
    }
    Some(text)
}

/// The same where the kernel cannot put the writing off: more data than memory, or than may lie unwritten.
fn under_writeback(run: &Published) -> Vec<String> {
    let of = |factor: &str, title: &str| {
        let steps = run.steps(factor, Mode::Async);
        let (first, last) = (steps.first()?, steps.last()?);
        let kept = kept(run, first, last)?;
        Some(format!(
            "**{title}, async, from {} to {} topics.** {} Kept of the rate with one topic: {}. With {} topics mainstem has {} the \
             rate of Kafka's layout.",
            first.cell.topics,
            last.cell.topics,
            kept.verdict(),
            kept.text(),
            last.cell.topics,
            head_to_head(run, last)?
        ))
    };
    [
        of(sweep::MEMORY, "A third of the memory that the data needs"),
        of(sweep::VOLUME, "Twice what the kernel lets lie unwritten"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn one_sync_for_all(run: &Published) -> Option<String> {
    let last = &conclusive_step(run, Mode::Durable)?;
    let per_sync = |engine| run.cell(last, engine, CellResult::messages_per_sync);
    let (ours, theirs) = (
        per_sync(EngineKind::Mainstem)?,
        per_sync(EngineKind::Kafka)?,
    );
    let syncfs = times(
        rate(run, last, EngineKind::Mainstem)?,
        rate(run, last, EngineKind::KafkaSyncfs)?,
    );
    Some(format!(
        "**One sync for all topics.** With {} topics one sync covers {:.1} messages in the single log and {:.1} in a log per \
         partition. `syncfs` gives the many logs one sync as well; mainstem then has {syncfs} their rate.",
        last.cell.topics, ours.median, theirs.median
    ))
}

fn map_or_write(run: &Published) -> Option<String> {
    let mut parts = Vec::new();
    for mode in [Mode::Async, Mode::Durable] {
        let step = &conclusive_step(run, mode)?;
        let ours = rate(run, step, EngineKind::Mainstem)?;
        let control = rate(run, step, EngineKind::ControlOne)?;
        let faults = run.cell(step, EngineKind::Mainstem, |r| {
            let faults = r.counters.minor_faults + r.counters.major_faults;
            Some(faults as f64 / r.messages.max(1) as f64)
        })?;
        parts.push(format!(
            "{}: {} its rate, with {:.2} page faults a message",
            mode.name(),
            times(ours, control),
            faults.median
        ));
    }
    Some(format!(
        "**A map or `pwrite`.** Against the control that writes one log by `pwrite` and keeps its index in memory only, mainstem \
         (mapped log, real consume queues) has, {}.",
        parts.join("; ")
    ))
}

fn hot_partition(run: &Published) -> Option<String> {
    let mut parts = Vec::new();
    for mode in [Mode::Async, Mode::Durable] {
        let steps = run.steps("topics", mode);
        let one = steps.first().filter(|s| s.cell.topics == 1)?;
        let ours = rate(run, one, EngineKind::Mainstem)?;
        let theirs = rate(run, one, EngineKind::Kafka)?;
        parts.push(format!("{} {}", mode.name(), times(ours, theirs)));
    }
    Some(format!(
        "**One hot partition.** With a single partition Kafka's layout is a single log too, without a second index to keep: \
         mainstem's rate is {} that of Kafka's layout.",
        parts.join(" and ")
    ))
}

fn losses(run: &Published) -> Option<String> {
    let of = |engine: EngineKind, figure: fn(&crate::layout::losses::Losses) -> Option<f64>| {
        run.spread(
            |task| matches!(task, Task::Losses { engine: e, .. } if *e == engine),
            |figures| match figures {
                Figures::Losses(losses) => figure(losses),
                _ => None,
            },
        )
    };
    let cold = |engine| of(engine, |l| Some(l.cold_mb_per_second));
    let freed = |engine| of(engine, |l| Some(l.freed * 100.0));
    let (ours, theirs) = (cold(EngineKind::Mainstem)?, cold(EngineKind::Kafka)?);
    Some(format!(
        "**Cold reads, retention and compaction by topic.** One cold topic of 64 is read at {:.0} MB/s out of the single log and \
         at {:.0} MB/s out of its own files ({:.3} times). Deleting half of the topics gives back {:.0} % of their bytes from the \
         single log and {:.0} % from files of their own: in a single log space returns when whole files expire, whatever topic \
         they hold. Compaction of a topic meets both: it reads the topic at the first rate and gets nothing back; neither layout \
         here implements it.",
        ours.median,
        theirs.median,
        ratio(ours, theirs),
        freed(EngineKind::Mainstem)?.median.abs(),
        freed(EngineKind::Kafka)?.median,
    ))
}

fn lagging(run: &Published) -> Option<String> {
    let step = run
        .steps("consumers", Mode::Async)
        .into_iter()
        .find(|s| s.value == "one far behind")?;
    let base = run
        .steps("topics", Mode::Async)
        .into_iter()
        .find(|s| s.cell.topics == step.cell.topics)?;
    let part = |engine: EngineKind| {
        let beside = rate(run, &step, engine)?;
        let alone = rate(run, &base, engine)?;
        let catch_up = run.cell(&step, engine, |r| {
            Some(r.bytes as f64 / 1e6 / r.catch_up_seconds?)
        })?;
        Some(format!(
            "{} keeps {:.0} % of its rate while the laggard reads {:.0} MB/s",
            engine.name(),
            ratio(beside, alone) * 100.0,
            catch_up.median
        ))
    };
    Some(format!(
        "**A lagging consumer beside a hot one** (async, {} topics, the old bytes cold): {}; {}.",
        step.cell.topics,
        part(EngineKind::Mainstem)?,
        part(EngineKind::Kafka)?
    ))
}

fn locks(run: &Published) -> Option<String> {
    let mut parts = Vec::new();
    for mode in [Mode::Async, Mode::Durable] {
        let mut cells: Vec<LockCell> = Vec::new();
        for entry in &run.entries {
            if let Task::Locks(cell, _) = &entry.task
                && cell.mode == mode
                && !cells.contains(cell)
            {
                cells.push(*cell);
            }
        }
        let (mut spin, mut park) = (0, 0);
        let mut ratios = Vec::new();
        for cell in &cells {
            let a = lock_rate(run, cell, Lock::Spin)?;
            let b = lock_rate(run, cell, Lock::Reentrant)?;
            ratios.push(ratio(a, b));
            match better(a, b) {
                Some(Lock::Spin) => spin += 1,
                Some(Lock::Reentrant) => park += 1,
                None => {}
            }
        }
        let by_default = default_lock(mode);
        let lost = match by_default {
            Lock::Spin => park,
            Lock::Reentrant => spin,
        };
        let over_all = Spread::of(ratios)?;
        parts.push(format!(
            "{}: of {} points spin wins {spin} and reentrant {park} beyond the spread; spin has {:.2} times the rate at the \
             median ({:.2} to {:.2}); the default, {}, is the worse one at {lost}",
            mode.name(),
            cells.len(),
            over_all.median,
            over_all.min,
            over_all.max,
            by_default.name()
        ));
    }
    Some(format!(
        "**\"Spin for async flush, reentrant for sync\".** {}. In durable mode an append waits for the device, not for the lock.{}",
        capitalised(&parts.join(". ")),
        reserve(run).unwrap_or_default()
    ))
}

fn lock_rate(run: &Published, cell: &LockCell, lock: Lock) -> Option<Spread> {
    run.spread(
        |task| matches!(task, Task::Locks(c, l) if c == cell && *l == lock),
        |figures| match figures {
            Figures::Locks(result) => Some(result.rate),
            _ => None,
        },
    )
}

/// Why there is no third lock: what it could take out of the locked part at most.
fn reserve(run: &Published) -> Option<String> {
    let one = run.entries.iter().find_map(|entry| match &entry.task {
        Task::Locks(cell, _)
            if cell.threads == 1 && cell.mode == Mode::Async && cell.size == 1024 =>
        {
            Some(*cell)
        }
        _ => None,
    })?;
    let append_us = 1e6 / lock_rate(run, &one, Lock::Spin)?.median;
    let copied = run.spread(
        |task| matches!(task, Task::Ceiling(Ceiling::CopyWithChecksum)),
        |figures| match figures {
            Figures::Ceiling(rate) => Some(*rate),
            _ => None,
        },
    )?;
    let copy_us = 1e6 / copied.median;
    Some(format!(
        " A third kind, a lock that only reserves room and lets the bytes be copied outside of it, was not tried: the checksum of \
         1 KiB (computed outside of the lock already) and its copy into memory that is there take {copy_us:.2} us, {:.0} % of the \
         {append_us:.2} us of an append by one thread. What a map adds, first touches of its pages, such a lock would move as well; that part \
         was not measured alone.",
        100.0 * copy_us / append_us
    ))
}

fn copies(run: &Published) -> Option<String> {
    let of = |way: Way, cache: Cache, figure: fn(&Transfer) -> f64| {
        run.spread(
            |task| matches!(task, Task::Copies { way: w, cache: c, .. } if *w == way && *c == cache),
            |figures| match figures {
                Figures::Copies(transfer) => Some(figure(transfer)),
                _ => None,
            },
        )
        .map(|s| s.median)
    };
    let ms = |t: &Transfer| t.seconds * 1e3;
    let cpu = |t: &Transfer| t.sender.cpu_ns as f64 / 1e6;
    Some(format!(
        "**220 ms against 120 ms for 200 MB**, the textbook's figures for read + write against sendfile: this machine takes {:.0} \
         and {:.0} ms warm, {:.0} and {:.0} ms cold; the sender's CPU is {:.0} and {:.0} ms warm. Over loopback the receiver's copy \
         is on the same processors, so the time that sendfile saves is less than the CPU.",
        of(Way::ReadWrite, Cache::Warm, ms)?,
        of(Way::SendFile, Cache::Warm, ms)?,
        of(Way::ReadWrite, Cache::Cold, ms)?,
        of(Way::SendFile, Cache::Cold, ms)?,
        of(Way::ReadWrite, Cache::Warm, cpu)?,
        of(Way::SendFile, Cache::Warm, cpu)?,
    ))
}
