//! What can be wrong with a configuration. Every problem names the key, the place and the remedy; all of a file's problems are
//! reported together, so that a person fixes them in one go.

use std::fmt;

use super::settings::Source;

/// One reason why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("configuration file {path}: {cause}; give a readable file with --config")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        cause: String,
    },
    /// The file is over the limit that keeps a wrong path from filling the memory.
    #[error("configuration file {path}: {bytes} bytes; a configuration has at most {limit}")]
    TooLong {
        /// The file.
        path: String,
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The file's format is not to be seen from its name.
    #[error(
        "configuration file {path}: name it .toml (TOML) or .conf or .properties (Java properties)"
    )]
    UnknownFormat {
        /// The file.
        path: String,
    },
    /// A line is not of the format.
    #[error("{path}:{line}: {what}")]
    Syntax {
        /// The file.
        path: String,
        /// The line, from 1.
        line: u32,
        /// What is wrong, and what is allowed.
        what: String,
    },
    /// A `--set` without `=`.
    #[error("--set {given}: write --set key=value")]
    NoAssignment {
        /// What was given.
        given: String,
    },
    /// No such key.
    #[error("{at}unknown key \"{key}\"; the nearest known key is \"{nearest}\" (`mainstem config` lists all)", at = prefix(place))]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands.
        place: Source,
        /// The known key with the nearest name.
        nearest: &'static str,
    },
    /// A value that the key does not allow.
    #[error("{at}{key} = \"{value}\" is not allowed; allowed: {allowed}", at = prefix(place))]
    BadValue {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// Where it stands.
        place: Source,
        /// What is allowed.
        allowed: String,
    },
    /// The key asks for something that is not built, so that going on would protect or keep less than was asked for.
    #[error("{at}{key} = {value}: {reason}. Remove the key, or start without it by --accept-unsupported {key}", at = prefix(place))]
    Unsupported {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// Where it stands.
        place: Source,
        /// What is not built.
        reason: &'static str,
    },
    /// `--accept-unsupported` for a key that is not one of those that stop a start.
    #[error("--accept-unsupported {key}: no such key stops a start; those that do: {known}")]
    NothingToAccept {
        /// The key.
        key: String,
        /// The keys that stop a start.
        known: String,
    },
    /// A change at run time of a key that has no meaning here.
    #[error("{key} has no meaning here: {reason}")]
    NoMeaning {
        /// The key.
        key: String,
        /// Why it has none.
        reason: &'static str,
    },
    /// A change at run time of a key that is read at start only.
    #[error("{key} is read at start only; set it in the configuration file and restart")]
    OnlyAtStart {
        /// The key.
        key: String,
    },
}

fn prefix(place: &Source) -> String {
    match place {
        Source::File { path, line } => format!("{path}:{line}: "),
        Source::Set => "--set: ".to_owned(),
        Source::Flag(flag) => format!("{flag}: "),
        Source::Environment(variable) => format!("environment variable {variable}: "),
        Source::Default | Source::Derived(_) | Source::Request => String::new(),
    }
}

/// Everything that is wrong, in the order of its appearance; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Problems(vec![problem])
    }
}

/// Something that is accepted but does not do what the writer may expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Apache RocketMQ knows the key; here it has no meaning.
    NoMeaning {
        /// The key.
        key: String,
        /// Where it stands.
        source: Source,
        /// Why it has none.
        reason: &'static str,
    },
    /// A key that would stop the start was accepted by `--accept-unsupported`.
    AcceptedUnsupported {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What is not built.
        reason: &'static str,
    },
    /// The same file sets the key twice; the last one holds, as in Java.
    SetTwice {
        /// The key.
        key: String,
        /// The file.
        path: String,
        /// The line that is passed over.
        first_line: u32,
        /// The line that holds.
        line: u32,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::NoMeaning {
                key,
                source,
                reason,
            } => write!(f, "{}{key} has no meaning here: {reason}", prefix(source)),
            Warning::AcceptedUnsupported { key, value, reason } => {
                write!(
                    f,
                    "{key} = {value} is NOT in effect, accepted by --accept-unsupported: {reason}"
                )
            }
            Warning::SetTwice {
                key,
                path,
                first_line,
                line,
            } => {
                write!(
                    f,
                    "{path}:{line}: {key} was set in line {first_line} already; line {line} holds"
                )
            }
        }
    }
}
