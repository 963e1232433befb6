//! Which part of a profile is measured: tasks by their names, and how many rounds of each. Promises the order of the plan.

use super::ReportError;
use super::plan::{Planned, plan};
use crate::layout::sweep::Profile;

/// The part of a profile that is asked for.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Selection {
    /// Measure only what has this in its name (* stands for anything); may be given several times
    #[arg(long, value_name = "GLOB")]
    pub(super) only: Vec<String>,
    /// Most rounds of each task
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(super) rounds: Option<u64>,
}

impl Selection {
    /// What is asked for of the profile.
    ///
    /// # Errors
    /// When nothing in it has such a name.
    pub(super) fn of(&self, profile: Profile) -> Result<Vec<Planned>, ReportError> {
        let mut chosen = self.rounds_of(profile);
        if !self.only.is_empty() {
            chosen.retain(|p| self.only.iter().any(|glob| matches(glob, &p.task.key())));
        }
        if chosen.is_empty() {
            return Err(ReportError::Nothing {
                only: self.only.join(" or "),
            });
        }
        Ok(chosen)
    }

    /// The whole profile in so many rounds.
    pub(super) fn rounds_of(&self, profile: Profile) -> Vec<Planned> {
        let mut all = plan(profile);
        if let Some(rounds) = self.rounds {
            all.retain(|p| (p.round as u64) < rounds);
        }
        all
    }
}

/// Whether the parts of `glob` between its stars stand in `name` one behind the other, in whatever case.
fn matches(glob: &str, name: &str) -> bool {
    let name = name.to_lowercase();
    let mut rest = &name[..];
    glob.to_lowercase().split('*').all(|part| {
        let found = rest.find(part);
        if let Some(at) = found {
            rest = &rest[at + part.len()..];
        }
        found.is_some()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_the_rest_for_itself() {
        let name = "layout, topics 1024, durable: kafka-syncfs";
        for (glob, is) in [
            ("", true),
            ("topics 1024", true),
            ("LAYOUT*durable*syncfs", true),
            ("durable*topics", false),
            ("topics 1024,*: kafka-syncfs", true),
            ("async", false),
        ] {
            assert_eq!(matches(glob, name), is, "{glob}");
        }
    }

    #[test]
    fn names_and_rounds_narrow_the_plan_and_a_name_of_nothing_is_an_error() {
        let selection = |only: &str, rounds| Selection {
            only: vec![only.to_owned()],
            rounds,
        };
        let two = selection("topics 64, durable: mainstem", Some(2));
        assert_eq!(two.of(Profile::Full).unwrap().len(), 2);
        let error = selection("tropics", None).of(Profile::Full).unwrap_err();
        assert!(error.to_string().contains("tropics"), "{error}");
    }
}
