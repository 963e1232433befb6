//! What the lock study says of the common advice, and what a third kind of lock could win.

use super::{capitalised, ratio};
use crate::ceilings::Ceiling;
use crate::layout::Mode;
use crate::locks::{Lock, LockCell, better, default_lock};
use crate::measure::Spread;
use crate::report::figures::Published;
use crate::report::task::{Figures, Task};

/// What people are told.
fn advised(mode: Mode) -> Lock {
    match mode {
        Mode::Async => Lock::Spin,
        Mode::Durable => Lock::Reentrant,
    }
}

pub(super) fn advice(run: &Published) -> Option<String> {
    let mut parts = Vec::new();
    let mut told_apart = false;
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
        let verdict = match (advised(mode), spin > park, park > spin) {
            (Lock::Spin, true, _) | (Lock::Reentrant, _, true) => "the advice holds",
            (Lock::Spin, _, true) | (Lock::Reentrant, true, _) => "the advice does not hold",
            _ => "the advice makes no difference",
        };
        told_apart |= mode == Mode::Durable && spin + park > 0;
        let over_all = Spread::of(ratios)?;
        parts.push(format!(
            "{}: {verdict}: of {} points spin wins {spin} and reentrant {park} beyond the spread; spin has {:.2} times the rate at the \
             median ({:.2} to {:.2}); the default, {}, is the worse one at {lost}",
            capitalised(mode.name()),
            cells.len(),
            over_all.median,
            over_all.min,
            over_all.max,
            by_default.name()
        ));
    }
    let durable = if told_apart {
        ""
    } else {
        " In durable mode no point tells the locks apart beyond the spread: an append waits for the device rather than for the lock."
    };
    Some(format!(
        "**\"Spin for async flush, reentrant for sync\".** {}.{durable}{}",
        parts.join(". "),
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
