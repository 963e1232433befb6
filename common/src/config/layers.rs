//! The layers of a configuration (default, environment, file, `--set`, flag) laid one over the other. Promises that settings come out
//! only if nothing is wrong with any layer, and that everything that is wrong is reported at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::apache;
use super::file::{Entry, read_file};
use super::key::{Key, Role};
use super::keys;
use super::problem::{Problem, Problems, Warning};
use super::settings::{Effective, Settings, Source, allowed, unknown};
use super::unsupported::{self, Refused};

/// What a start brings: the file and everything that overrides it.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// The `--set` arguments as given.
    pub sets: Vec<String>,
    /// Keys whose promise may be left unkept (`--accept-unsupported`).
    pub accept_unsupported: Vec<String>,
    environment: Vec<(&'static str, String, &'static str)>,
    flags: Vec<(&'static str, String, &'static str)>,
}

impl Layers {
    /// Adds the value of a flag, if it was given.
    pub fn flag<T>(&mut self, key: &'static Key<T>, flag: &'static str, value: Option<String>) {
        self.flags
            .extend(value.map(|value| (key.info.name, value, flag)));
    }

    /// Adds the value of an environment variable, if it is set.
    pub fn environment<T>(
        &mut self,
        key: &'static Key<T>,
        variable: &'static str,
        value: Option<String>,
    ) {
        self.environment
            .extend(value.map(|value| (key.info.name, value, variable)));
    }
}

/// Settings, and what their writer should know.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Warnings, in the order of the layers.
    pub warnings: Vec<Warning>,
}

/// The table of a standalone file that holds the name server's keys.
const NAME_SERVER_TABLE: &str = "namesrv.";

impl Settings {
    /// The settings of a role from its layers; the table `namesrv` of the file and of `--set` is passed over.
    pub fn load(role: Role, layers: &Layers) -> Result<Loaded, Problems> {
        Settings::load_where(role, layers, |key| {
            (!key.starts_with(NAME_SERVER_TABLE)).then_some(key)
        })
    }

    /// The name server's settings of a standalone process: those of the table `namesrv`.
    pub fn load_name_server_table(layers: &Layers) -> Result<Loaded, Problems> {
        Settings::load_where(Role::NameServer, layers, |key| {
            key.strip_prefix(NAME_SERVER_TABLE)
        })
    }

    fn load_where(
        role: Role,
        layers: &Layers,
        own: impl Fn(&str) -> Option<&str>,
    ) -> Result<Loaded, Problems> {
        let mut loading = Loading {
            settings: Settings::defaults(role),
            accepted: &layers.accept_unsupported,
            problems: unsupported::check_accepted(&layers.accept_unsupported),
            warnings: Vec::new(),
            commit_log_path: None,
        };
        for (key, value, variable) in &layers.environment {
            loading.set(key, value, Source::Environment(variable));
        }
        if let Some(path) = &layers.file {
            let shown = path.display().to_string();
            let entries: Vec<Entry> = read_file(path)?
                .into_iter()
                .filter_map(|entry| {
                    own(&entry.key)
                        .map(str::to_owned)
                        .map(|key| Entry { key, ..entry })
                })
                .collect();
            loading.warn_of_repeats(&entries, &shown);
            for entry in entries {
                loading.set(
                    &entry.key,
                    &entry.value,
                    Source::File {
                        path: shown.clone(),
                        line: entry.line,
                    },
                );
            }
        }
        for given in &layers.sets {
            match given.split_once('=') {
                Some((key, value)) => {
                    if let Some(key) = own(key.trim()) {
                        loading.set(key, value, Source::Set);
                    }
                }
                None => loading.problems.push(Problem::NoAssignment {
                    given: given.clone(),
                }),
            }
        }
        for (key, value, flag) in &layers.flags {
            loading.set(key, value, Source::Flag(flag));
        }
        loading.check_commit_log_path();
        if loading.problems.is_empty() {
            Ok(Loaded {
                settings: loading.settings,
                warnings: loading.warnings,
            })
        } else {
            Err(Problems(loading.problems))
        }
    }
}

/// The state of one load: what holds so far, and what is wrong with the rest.
struct Loading<'a> {
    settings: Settings,
    accepted: &'a [String],
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
    /// `storePathCommitLog`, judged when `storePathRootDir` is known.
    commit_log_path: Option<(String, Source)>,
}

impl Loading<'_> {
    fn set(&mut self, key: &str, value: &str, source: Source) {
        let role = self.settings.role;
        if let Some(info) = keys::find(role, key) {
            match allowed(info, value, &source) {
                Ok(value) => {
                    self.settings
                        .values
                        .insert(info.name, Effective { value, source });
                }
                Err(problem) => self.problems.push(problem),
            }
        } else if key == unsupported::COMMIT_LOG_PATH {
            self.commit_log_path = Some((value.to_owned(), source));
        } else if let Some(refused) = unsupported::find(key) {
            self.refuse(refused, value, source);
        } else if let Some(reason) = apache::reason(role, key) {
            self.warnings.push(Warning::NoMeaning {
                key: key.to_owned(),
                source,
                reason,
            });
        } else {
            self.problems.push(unknown(role, key, source));
        }
    }

    /// Most files of Apache's name the commit log where it lies anyway; only another place asks for what is not built.
    fn check_commit_log_path(&mut self) {
        let Some((value, source)) = self.commit_log_path.take() else {
            return;
        };
        let root = self
            .settings
            .values
            .get(keys::broker::STORE_PATH_ROOT_DIR.info.name)
            .map_or("", |root| root.value.as_str());
        if Path::new(value.trim()) == Path::new(root).join("commitlog") {
            return;
        }
        if let Some(refused) = unsupported::find(unsupported::COMMIT_LOG_PATH) {
            self.refuse(refused, &value, source);
        }
    }

    fn refuse(&mut self, refused: &Refused, value: &str, source: Source) {
        let (key, value, reason) = (
            refused.name.to_owned(),
            value.trim().to_owned(),
            refused.reason,
        );
        if refused.is_off(&value) {
            return;
        }
        if self.accepted.contains(&key) {
            self.warnings
                .push(Warning::AcceptedUnsupported { key, value, reason });
        } else {
            self.problems.push(Problem::Unsupported {
                key,
                value,
                place: source,
                reason,
            });
        }
    }

    fn warn_of_repeats(&mut self, entries: &[Entry], path: &str) {
        let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
        for entry in entries {
            if let Some(first_line) = seen.insert(&entry.key, entry.line) {
                let (key, path) = (entry.key.clone(), path.to_owned());
                self.warnings.push(Warning::SetTwice {
                    key,
                    path,
                    first_line,
                    line: entry.line,
                });
            }
        }
    }
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
