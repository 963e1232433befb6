//! What the figures say, in words: each statement is computed from the run, and says so plainly when our own claim fails
//! or when two spreads overlap. Owns the order of the statements and how two spreads are put in words.

mod copies;
mod factors;
mod locks;
mod losses;
mod topics;

use super::figures::Published;
use crate::layout::EngineKind;
use crate::layout::sweep::Step;
use crate::measure::Spread;

/// Statements in Markdown, a line each.
pub(super) fn statements(run: &Published) -> Vec<String> {
    let mut lines = topics::statements(run);
    lines.extend(factors::beside_topics(run));
    lines.extend(losses::statements(run));
    lines.extend(locks::advice(run));
    lines.extend(copies::textbook(run));
    lines
}

fn ratio(a: Spread, b: Spread) -> f64 {
    a.median / b.median.max(1e-12)
}

fn overlap(a: Spread, b: Spread) -> bool {
    a.min <= b.max && b.min <= a.max
}

/// "2.10 times", with a remark where the runs do not tell the two apart.
fn times(a: Spread, b: Spread) -> String {
    let within = if overlap(a, b) {
        " (within the spread)"
    } else {
        ""
    };
    format!("{:.2} times{within}", ratio(a, b))
}

fn rate(run: &Published, step: &Step, engine: EngineKind) -> Option<Spread> {
    run.cell(step, engine, |r| Some(r.rate()))
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
