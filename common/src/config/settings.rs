//! The effective value of every key with its source, and changes at run time. Promises that each value is allowed by its key, so that reading one cannot fail.

use std::collections::BTreeMap;

use super::apache;
use super::key::{Key, KeyInfo, Role, Setting, When};
use super::keys;
use super::nearest::nearest;
use super::problem::Problem;
use super::unsupported;

/// Where an effective value comes from; a later one overrides an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The table's default.
    Default,
    /// Worked out at start; the text says from what.
    Derived(&'static str),
    /// This environment variable.
    Environment(&'static str),
    /// The configuration file.
    File {
        /// The file.
        path: String,
        /// The line, from 1.
        line: u32,
    },
    /// `--set key=value`.
    Set,
    /// This flag.
    Flag(&'static str),
    /// A change at run time (request code 25).
    Request,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::Derived(from) => f.write_str(from),
            Source::Environment(variable) => write!(f, "environment {variable}"),
            Source::File { path, line } => write!(f, "{path}:{line}"),
            Source::Set => f.write_str("--set"),
            Source::Flag(flag) => f.write_str(flag),
            Source::Request => f.write_str("changed at run time"),
        }
    }
}

/// A value and its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The value in its plain form.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

/// The effective value of every key of one role.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) role: Role,
    pub(super) values: BTreeMap<&'static str, Effective>,
}

/// A change at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: &'static str,
    /// The value before.
    pub from: String,
    /// The value now.
    pub to: String,
}

impl Settings {
    /// Every key at its default.
    #[must_use]
    pub fn defaults(role: Role) -> Settings {
        let values = keys::all(role)
            .map(|info| {
                (
                    info.name,
                    Effective {
                        value: info.default.to_owned(),
                        source: Source::Default,
                    },
                )
            })
            .collect();
        Settings { role, values }
    }

    /// The value of a key.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "values are checked by their kind when set, and a test reads every default and bound"
    )]
    pub fn get<T: Setting>(&self, key: &'static Key<T>) -> T {
        let effective = self.values.get(key.info.name).expect("a key of this role");
        T::read(&effective.value)
            .expect("a value that the key's kind allows is readable as the key's type")
    }

    /// Where the value of a key comes from.
    #[must_use]
    pub fn source<T>(&self, key: &'static Key<T>) -> &Source {
        self.values
            .get(key.info.name)
            .map_or(&Source::Default, |effective| &effective.source)
    }

    /// Puts in a value that was worked out at start, where nothing sets the key; `from` says from what.
    pub fn derive<T>(&mut self, key: &'static Key<T>, value: &str, from: &'static str) {
        debug_assert!(
            key.info.kind.normalise(value).is_some(),
            "{}: {value}",
            key.info.name
        );
        if let Some(effective) = self.values.get_mut(key.info.name)
            && effective.value.is_empty()
        {
            *effective = Effective {
                value: value.to_owned(),
                source: Source::Derived(from),
            };
        }
    }

    /// Every key with its effective value, in the order of the reference.
    pub fn iter(&self) -> impl Iterator<Item = (&'static KeyInfo, &Effective)> {
        keys::all(self.role).filter_map(|info| {
            self.values
                .get(info.name)
                .map(|effective| (info, effective))
        })
    }

    /// The effective values as a properties text (the body of request code 26).
    #[must_use]
    pub fn to_properties(&self) -> String {
        let mut text = String::new();
        for (info, effective) in self.iter() {
            text.push_str(info.name);
            text.push('=');
            text.push_str(&effective.value.replace('\\', "\\\\"));
            text.push('\n');
        }
        text
    }

    /// Changes a key at run time. Setting a key to the value that it has is always allowed.
    pub fn change(&mut self, name: &str, value: &str) -> Result<Change, Problem> {
        let source = Source::Request;
        let Some(info) = keys::find(self.role, name) else {
            if let Some(refused) = unsupported::find(name) {
                return Err(Problem::NoMeaning {
                    key: name.to_owned(),
                    reason: refused.reason,
                });
            }
            if let Some(reason) = apache::reason(self.role, name) {
                return Err(Problem::NoMeaning {
                    key: name.to_owned(),
                    reason,
                });
            }
            return Err(unknown(self.role, name, source));
        };
        let plain = allowed(info, value, &source)?;
        let before = self
            .values
            .get(info.name)
            .map(|effective| effective.value.clone())
            .unwrap_or_default();
        if before != plain {
            if info.when == When::Start {
                return Err(Problem::OnlyAtStart {
                    key: info.name.to_owned(),
                });
            }
            self.values.insert(
                info.name,
                Effective {
                    value: plain.clone(),
                    source,
                },
            );
        }
        Ok(Change {
            key: info.name,
            from: before,
            to: plain,
        })
    }
}

pub(super) fn allowed(
    info: &'static KeyInfo,
    value: &str,
    source: &Source,
) -> Result<String, Problem> {
    info.kind.normalise(value).ok_or_else(|| Problem::BadValue {
        key: info.name.to_owned(),
        value: value.to_owned(),
        place: source.clone(),
        allowed: info.kind.allowed(),
    })
}

pub(super) fn unknown(role: Role, key: &str, source: Source) -> Problem {
    let known = keys::all(role)
        .map(|info| info.name)
        .chain(unsupported::names())
        .chain(apache::names());
    Problem::UnknownKey {
        key: key.to_owned(),
        place: source,
        nearest: nearest(key, known).unwrap_or_default(),
    }
}
