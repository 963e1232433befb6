//! The figures of a run, ready to be asked for: spreads over the rounds by what was measured. Also their file, which lies
//! beside the page.

use std::fs;
use std::io;
use std::path::Path;

use super::task::{Entry, Figures, Task};
use crate::layout::losses::Losses;
use crate::layout::sweep::{Profile, Step};
use crate::layout::workload::CellResult;
use crate::layout::{EngineKind, Mode};
use crate::measure::{Machine, Spread};

/// A finished run.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Published {
    pub(super) profile: Profile,
    /// Most rounds of a task, where fewer were asked for than the profile has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rounds: Option<u64>,
    pub(super) machine: Machine,
    pub(super) entries: Vec<Entry>,
}

impl Published {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    /// One entry a line, so that a change of a figure is a change of a line.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let line = |entry: &Entry| serde_json::to_string(entry);
        let entries = self
            .entries
            .iter()
            .map(line)
            .collect::<Result<Vec<_>, _>>()?;
        let rounds = self
            .rounds
            .map_or(String::new(), |rounds| format!(",\n\"rounds\":{rounds}"));
        let text = format!(
            "{{\"profile\":{}{rounds},\n\"machine\":{},\n\"entries\":[\n{}\n]}}\n",
            serde_json::to_string(&self.profile)?,
            serde_json::to_string(&self.machine)?,
            entries.join(",\n")
        );
        fs::write(path, text)
    }

    /// The spread of a figure over the rounds of the tasks that are picked.
    pub(super) fn spread(
        &self,
        pick: impl Fn(&Task) -> bool,
        figure: impl Fn(&Figures) -> Option<f64>,
    ) -> Option<Spread> {
        let picked = self.entries.iter().filter(|e| pick(&e.task));
        Spread::of(picked.filter_map(|e| figure(&e.figures)))
    }

    /// The same of one cell of the sweep.
    pub(super) fn cell(
        &self,
        step: &Step,
        engine: EngineKind,
        figure: impl Fn(&CellResult) -> Option<f64>,
    ) -> Option<Spread> {
        let pick = |task: &Task| matches!(task, Task::Layout(s, e) if s == step && *e == engine);
        self.spread(pick, |figures| match figures {
            Figures::Layout(result) => figure(result),
            _ => None,
        })
    }

    /// How often an engine ran a cell.
    pub(super) fn rounds_of(&self, step: &Step, engine: EngineKind) -> usize {
        let ran = |e: &&Entry| matches!(&e.task, Task::Layout(s, k) if s == step && *k == engine);
        self.entries.iter().filter(ran).count()
    }

    /// What an engine lost, round by round.
    pub(super) fn losses(&self, engine: EngineKind) -> Vec<Losses> {
        let of = |entry: &Entry| match (&entry.task, &entry.figures) {
            (Task::Losses { engine: e, .. }, Figures::Losses(losses)) if *e == engine => {
                Some(*losses)
            }
            _ => None,
        };
        self.entries.iter().filter_map(of).collect()
    }

    /// The steps of a factor in a mode, in the order of the plan.
    pub(super) fn steps(&self, factor: &str, mode: Mode) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for entry in &self.entries {
            if let Task::Layout(step, _) = &entry.task
                && step.factor == factor
                && step.cell.mode == mode
                && !steps.contains(step)
            {
                steps.push(step.clone());
            }
        }
        steps
    }

    /// Factors other than the topics, in the order of the plan.
    pub(super) fn other_factors(&self) -> Vec<String> {
        let mut factors: Vec<String> = Vec::new();
        for entry in &self.entries {
            if let Task::Layout(step, _) = &entry.task
                && step.factor != "topics"
                && !factors.contains(&step.factor)
            {
                factors.push(step.factor.clone());
            }
        }
        factors
    }

    /// Reasons of what was skipped, each once.
    pub(super) fn skipped(&self) -> Vec<(String, String)> {
        let mut reasons: Vec<(String, String)> = Vec::new();
        for entry in &self.entries {
            if let Figures::Skipped(reason) = &entry.figures
                && !reasons.iter().any(|(_, r)| r == reason)
            {
                reasons.push((entry.task.key(), reason.clone()));
            }
        }
        reasons
    }
}

/// A factor's spread as text; empty where there is none.
pub(super) fn text(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or(String::new(), |s| s.short(digits))
}
