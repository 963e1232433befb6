//! Where a single log should lose: one hot partition, cold reads and retention by topic, a lagging consumer. Says where it
//! does not.

use super::{overlap, rate, ratio, times};
use crate::layout::losses::Losses;
use crate::layout::workload::CellResult;
use crate::layout::{EngineKind, Mode};
use crate::measure::Spread;
use crate::report::figures::Published;
use crate::report::task::{Figures, Task};

pub(super) fn statements(run: &Published) -> Vec<String> {
    [hot_partition(run), by_topic(run), lagging(run)]
        .into_iter()
        .flatten()
        .collect()
}

/// Whether ours is less, for a figure of which more is better.
fn verdict(ours: Spread, theirs: Spread) -> &'static str {
    match (overlap(ours, theirs), ours.median < theirs.median) {
        (true, _) => "the runs do not tell the two apart",
        (false, true) => "the single log loses",
        (false, false) => "the single log does not lose",
    }
}

fn hot_partition(run: &Published) -> Option<String> {
    let mut parts = Vec::new();
    for mode in [Mode::Async, Mode::Durable] {
        let steps = run.steps("topics", mode);
        let one = steps.first().filter(|s| s.cell.topics == 1)?;
        let ours = rate(run, one, EngineKind::Mainstem)?;
        let theirs = rate(run, one, EngineKind::Kafka)?;
        parts.push(format!(
            "{}: {}, mainstem has {} the rate",
            mode.name(),
            verdict(ours, theirs),
            times(ours, theirs)
        ));
    }
    Some(format!(
        "**One hot partition.** With a single partition Kafka's layout is a single log too, without a second index to keep. {}.",
        super::capitalised(&parts.join("; "))
    ))
}

fn by_topic(run: &Published) -> Option<String> {
    let of = |engine: EngineKind, figure: fn(&Losses) -> Option<f64>| {
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
    let amplified = |engine| {
        of(engine, |l| l.cold_read_amplification).map_or(String::new(), |s| {
            format!(", {:.1} bytes off the device for each", s.median)
        })
    };
    Some(format!(
        "**Cold reads, retention and compaction by topic.** Cold reads: {}. One cold topic of 64 is read at {:.0} MB/s out of the single \
         log{} and at {:.0} MB/s out of its own files{} ({:.3} times). Retention: deleting half of the topics gives back {:.0} % of \
         their bytes from the single log and {:.0} % from files of their own: in a single log space returns when whole files expire, \
         whatever topic they hold. Compaction of a topic was not measured, since neither layout here implements it; it has to read \
         the topic as above and can give back no more.",
        verdict(ours, theirs),
        ours.median,
        amplified(EngineKind::Mainstem),
        theirs.median,
        amplified(EngineKind::Kafka),
        ratio(ours, theirs),
        freed(EngineKind::Mainstem)?.median.abs(),
        freed(EngineKind::Kafka)?.median,
    ))
}

fn lagging(run: &Published) -> Option<String> {
    let modes: Vec<String> = [Mode::Async, Mode::Durable]
        .into_iter()
        .filter_map(|mode| lagging_in(run, mode))
        .collect();
    (!modes.is_empty()).then(|| {
        format!(
            "**A lagging consumer beside a hot one**, the old bytes cold. {}.",
            modes.join(". ")
        )
    })
}

fn lagging_in(run: &Published, mode: Mode) -> Option<String> {
    let step = run
        .steps("consumers", mode)
        .into_iter()
        .find(|s| s.value == "one far behind")?;
    let base = run
        .steps("topics", mode)
        .into_iter()
        .find(|s| s.cell.topics == step.cell.topics)?;
    let catch_up = |engine| {
        run.cell(&step, engine, |r: &CellResult| {
            Some(r.bytes as f64 / 1e6 / r.catch_up_seconds?)
        })
    };
    let kept = |engine: EngineKind| {
        let beside = rate(run, &step, engine)?;
        let alone = rate(run, &base, engine)?;
        let within = if overlap(beside, alone) {
            " (within the spread)"
        } else {
            ""
        };
        Some(format!(
            "{} keeps {:.0} %{within} of its own rate and its laggard reads {:.0} MB/s",
            engine.name(),
            ratio(beside, alone) * 100.0,
            catch_up(engine)?.median
        ))
    };
    let [ours, theirs] = [EngineKind::Mainstem, EngineKind::Kafka];
    let (rate_of_ours, rate_of_theirs) = (rate(run, &step, ours)?, rate(run, &step, theirs)?);
    Some(format!(
        "{}, {} topics: {}; {}. By the producers' rate {} ({}), by the laggard's {}",
        super::capitalised(mode.name()),
        step.cell.topics,
        kept(ours)?,
        kept(theirs)?,
        verdict(rate_of_ours, rate_of_theirs),
        times(rate_of_ours, rate_of_theirs),
        verdict(catch_up(ours)?, catch_up(theirs)?),
    ))
}
