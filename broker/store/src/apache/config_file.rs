//! Apache's JSON files in `config/`: the file, and the version before it as `NAME.bak`. Promises
//! that an export replaces a file as a whole and that a damaged file gives way to its backup, which
//! is said loudly; the text's meaning is the caller's.

use std::io;

use crate::disk::{Disk, OpenMode};
use crate::sync::Arc;

const DIRECTORY: &str = "config";
/// Longest file that is read: a table of a hundred thousand topics has a tenth of it.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// Why a config file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// The disk refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// The disk's answer.
        #[source]
        source: io::Error,
    },
    /// Neither the file nor its backup can be used.
    #[error(
        "{path} cannot be used: {reason}; nor can the version before it, {path}.bak: {backup}. Restore one of them, or remove both to go on without"
    )]
    Content {
        /// The file.
        path: String,
        /// What is wrong with the file itself.
        reason: String,
        /// What is wrong with its backup.
        backup: String,
    },
}

/// What is said of a file that is not there.
const MISSING: &str = "it is missing";

/// What a file turned out to be.
enum Found<T> {
    Missing,
    Good(T),
    /// Empty, or nothing that can be understood; says why.
    Bad(String),
}

fn path_of(name: &str) -> String {
    format!("{DIRECTORY}/{name}")
}

/// Whether a text says nothing: a power cut leaves files of no bytes, or of zeros.
fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c == '\0')
}

/// The config files of one data directory.
#[derive(Debug, Clone)]
pub struct ConfigFiles {
    disk: Arc<dyn Disk>,
}

impl ConfigFiles {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk }
    }

    /// Reads `config/NAME` (such as `topics.json`) through `parse`; its backup when it is missing,
    /// empty or cannot be parsed, and says so. A file that is no use is renamed `NAME.damaged`, so that
    /// it never becomes the backup of a later version. `None` when there is neither.
    ///
    /// # Errors
    /// See [`ConfigFileError`].
    pub fn read<T, E: std::fmt::Display>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ConfigFileError> {
        let (path, backup) = (path_of(name), format!("{}.bak", path_of(name)));
        let (reason, never_was) = match self.parsed(&path, &parse)? {
            Found::Good(value) => return Ok(Some(value)),
            Found::Missing => (MISSING.to_owned(), true),
            Found::Bad(reason) => (reason, false),
        };
        let shown = self.disk.display(&path);
        match self.parsed(&backup, &parse)? {
            Found::Good(value) => {
                tracing::error!(
                    file = %shown, found = reason, used = %self.disk.display(&backup),
                    "config file cannot be used: the version before it takes its place, and what changed since is lost"
                );
                self.set_aside(&path);
                Ok(Some(value))
            }
            Found::Missing if never_was => Ok(None),
            Found::Missing => Err(ConfigFileError::Content {
                path: shown,
                reason,
                backup: MISSING.to_owned(),
            }),
            Found::Bad(backup) => Err(ConfigFileError::Content {
                path: shown,
                reason,
                backup,
            }),
        }
    }

    /// Looks at `config/NAME` where something better than it is known, the journal: one that is
    /// damaged is said and set aside, for a Java broker would have nothing better.
    pub fn look_at_export<T, E: std::fmt::Display>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) {
        let path = path_of(name);
        match self.parsed(&path, &parse) {
            Ok(Found::Good(_) | Found::Missing) => {}
            Ok(Found::Bad(reason)) => {
                tracing::warn!(
                    file = %self.disk.display(&path), found = reason, used = "the journal",
                    "config file is damaged: an export, which nothing depends on here; the journal has its content, and the next export writes it anew"
                );
                self.set_aside(&path);
            }
            Err(error) => {
                tracing::warn!(%error, used = "the journal", "an export cannot be read; the journal has its content");
            }
        }
    }

    fn parsed<T, E: std::fmt::Display>(
        &self,
        path: &str,
        parse: &impl Fn(&str) -> Result<T, E>,
    ) -> Result<Found<T>, ConfigFileError> {
        let text = match self.text(path) {
            Ok(None) => return Ok(Found::Missing),
            Ok(Some(text)) => text,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Ok(Found::Bad(error.to_string()));
            }
            Err(source) => {
                return Err(ConfigFileError::Io {
                    action: "read",
                    path: self.disk.display(path),
                    source,
                });
            }
        };
        if is_blank(&text) {
            return Ok(Found::Bad(format!(
                "it is empty ({} bytes, nothing in them)",
                text.len()
            )));
        }
        Ok(parse(&text).map_or_else(|error| Found::Bad(error.to_string()), Found::Good))
    }

    /// Takes a file that is no use out of the way, and keeps it.
    fn set_aside(&self, path: &str) {
        let aside = format!("{path}.damaged");
        let moved = self
            .disk
            .rename(path, &aside)
            .and_then(|()| self.disk.sync_dir(DIRECTORY));
        match moved {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(file = %self.disk.display(path), %error, "damaged config file could not be renamed");
            }
            _ => {}
        }
    }

    fn text(&self, path: &str) -> io::Result<Option<String>> {
        let file = match self.disk.open(path, OpenMode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let len = file.len()?;
        let too_long = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{len} bytes are too many"),
            )
        };
        let len = usize::try_from(len)
            .ok()
            .filter(|_| len <= MAX_FILE_BYTES)
            .ok_or_else(too_long)?;
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, 0)?;
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    }

    /// Writes `config/NAME` durably; what it held becomes `NAME.bak`. Does nothing when the file
    /// holds the text already.
    ///
    /// # Errors
    /// [`ConfigFileError::Io`].
    pub fn write(&self, name: &str, text: &str) -> Result<(), ConfigFileError> {
        let path = path_of(name);
        let old = self.text(&path);
        if matches!(&old, Ok(Some(old)) if old == text) {
            return Ok(());
        }
        // One that was emptied is no version to go back to.
        let keeps_old = matches!(&old, Ok(Some(old)) if !is_blank(old));
        self.replace(&path, text, keeps_old)
            .map_err(|source| ConfigFileError::Io {
                action: "write",
                path: self.disk.display(&path),
                source,
            })
    }

    fn replace(&self, path: &str, text: &str, keeps_old: bool) -> io::Result<()> {
        self.disk.create_dir_all(DIRECTORY)?;
        let temporary = format!("{path}.tmp");
        let file = self.disk.open(&temporary, OpenMode::Create)?;
        file.set_len(0)?;
        file.write_at(text.as_bytes(), 0)?;
        file.sync_data()?;
        if keeps_old {
            self.disk.rename(path, &format!("{path}.bak"))?;
        }
        self.disk.rename(&temporary, path)?;
        self.disk.sync_dir(DIRECTORY)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::disk::sim::SimDisk;
    use crate::said::said;

    fn number(text: &str) -> Result<u32, std::num::ParseIntError> {
        text.trim().parse()
    }

    #[test]
    fn an_export_keeps_the_version_before_as_a_backup() {
        let disk = SimDisk::new();
        let files = ConfigFiles::new(Arc::new(disk.clone()));
        assert_eq!(files.read("n.json", number).unwrap(), None);
        for text in ["1", "2", "2", "3"] {
            files.write("n.json", text).unwrap();
            assert_eq!(files.read("n.json", number).unwrap(), text.parse().ok());
        }
        assert_eq!(disk.read_whole("config/n.json.bak").unwrap(), b"2");
        disk.damage("config/n.json", 0, b"x").unwrap();
        assert_eq!(files.read("n.json", number).unwrap(), Some(2));
        disk.damage("config/n.json.bak", 0, b"\xFF").unwrap();
        assert!(matches!(
            files.read("n.json", number),
            Err(ConfigFileError::Content { .. })
        ));
    }

    fn put(disk: &SimDisk, name: &str, text: &[u8]) {
        disk.create_dir_all(DIRECTORY).unwrap();
        let file = disk.open(&path_of(name), OpenMode::Create).unwrap();
        file.set_len(0).unwrap();
        file.write_at(text, 0).unwrap();
    }

    #[test]
    fn an_empty_or_damaged_file_gives_way_to_the_version_before_and_that_is_said() {
        for (text, found) in [
            (&b""[..], "it is empty (0 bytes"),
            (b"\0\0\0", "it is empty (3 bytes"),
            (b" \n", "it is empty (2 bytes"),
            (b"7x", "invalid digit"),
            (b"\xFF", "utf-8"),
        ] {
            let disk = SimDisk::new();
            let files = ConfigFiles::new(Arc::new(disk.clone()));
            put(&disk, "n.json.bak", b"1");
            put(&disk, "n.json", text);
            let (read, lines) = said(|| files.read("n.json", number).unwrap());
            assert_eq!(read, Some(1), "{text:?}");
            let [line] = &lines[..] else {
                panic!("{text:?}: {lines:?}");
            };
            for part in ["ERROR", "config/n.json", found, "config/n.json.bak"] {
                assert!(line.contains(part), "{part}: {line}");
            }
            // The good version stays the backup until there is a second one.
            files.write("n.json", "2").unwrap();
            assert_eq!(disk.read_whole("config/n.json.bak").unwrap(), b"1");
            assert_eq!(disk.read_whole("config/n.json.damaged").unwrap(), text);
            files.write("n.json", "3").unwrap();
            assert_eq!(disk.read_whole("config/n.json.bak").unwrap(), b"2");
        }
    }

    #[test]
    fn a_missing_file_gives_way_to_its_backup_and_that_is_said() {
        let disk = SimDisk::new();
        let files = ConfigFiles::new(Arc::new(disk.clone()));
        put(&disk, "n.json.bak", b"1");
        let (read, lines) = said(|| files.read("n.json", number).unwrap());
        assert_eq!(read, Some(1));
        assert!(
            lines.len() == 1 && lines[0].contains("it is missing"),
            "{lines:?}"
        );
        let (read, lines) = said(|| files.read("other.json", number).unwrap());
        assert_eq!(
            (read, lines.len()),
            (None, 0),
            "one that never was is no damage"
        );
    }

    #[test]
    fn a_file_that_was_emptied_and_has_no_backup_is_an_error_and_not_nothing() {
        let disk = SimDisk::new();
        let files = ConfigFiles::new(Arc::new(disk.clone()));
        for backup in [None, Some(&b""[..]), Some(b"x")] {
            put(&disk, "n.json", b"");
            if let Some(text) = backup {
                put(&disk, "n.json.bak", text);
            }
            let error = files.read("n.json", number).unwrap_err().to_string();
            assert!(error.contains("it is empty (0 bytes"), "{error}");
            assert!(error.contains("remove both"), "{error}");
        }
    }

    #[test]
    fn an_export_that_is_damaged_beside_a_journal_is_said_and_set_aside() {
        let disk = SimDisk::new();
        let files = ConfigFiles::new(Arc::new(disk.clone()));
        put(&disk, "n.json.bak", b"1");
        for text in [&b""[..], b"x"] {
            put(&disk, "n.json", text);
            let ((), lines) = said(|| files.look_at_export("n.json", number));
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].contains("the journal"), "{lines:?}");
            files.write("n.json", "2").unwrap();
            assert_eq!(disk.read_whole("config/n.json.bak").unwrap(), b"1");
        }
        let ((), lines) = said(|| files.look_at_export("n.json", number));
        assert_eq!(lines.len(), 0);
    }

    #[test]
    fn a_power_cut_while_exporting_leaves_one_of_both_versions() {
        for seed in 0..crate::disk::sim::repeated(200) {
            let disk = SimDisk::new();
            let files = ConfigFiles::new(Arc::new(disk.clone()));
            files.write("n.json", "1").unwrap();
            files.write("n.json", "2").unwrap();
            disk.faults().cut_power_after(seed % 8);
            let done = files.write("n.json", "3").is_ok();
            let files = ConfigFiles::new(Arc::new(disk.crash(seed)));
            let found = files.read("n.json", number).unwrap();
            assert!(
                found == Some(3) || found == Some(2) && !done,
                "seed {seed}: {found:?}"
            );
        }
    }
}
