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
    /// Neither the file nor its backup can be understood.
    #[error(
        "{path} cannot be understood ({reason}), nor can its backup; restore one of them, or remove both to go on without"
    )]
    Content {
        /// The file.
        path: String,
        /// What is wrong with the file itself.
        reason: String,
    },
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
    /// empty or cannot be parsed. `None` when there is neither.
    ///
    /// # Errors
    /// See [`ConfigFileError`].
    pub fn read<T, E: std::fmt::Display>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ConfigFileError> {
        let mut reason = None;
        for path in [
            format!("{DIRECTORY}/{name}"),
            format!("{DIRECTORY}/{name}.bak"),
        ] {
            let text = match self.text(&path) {
                Ok(Some(text)) if !text.trim().is_empty() => text,
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    reason.get_or_insert(error.to_string());
                    continue;
                }
                Err(source) => {
                    return Err(ConfigFileError::Io {
                        action: "read",
                        path: self.disk.display(&path),
                        source,
                    });
                }
            };
            match parse(&text) {
                Ok(value) => {
                    if let Some(reason) = reason {
                        tracing::error!(used = %self.disk.display(&path), reason, "config file is damaged: the version before it is used");
                    }
                    return Ok(Some(value));
                }
                Err(error) => {
                    reason.get_or_insert(error.to_string());
                }
            }
        }
        let path = self.disk.display(&format!("{DIRECTORY}/{name}"));
        reason.map_or(Ok(None), |reason| {
            Err(ConfigFileError::Content { path, reason })
        })
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
        let path = format!("{DIRECTORY}/{name}");
        if self
            .text(&path)
            .is_ok_and(|old| old.as_deref() == Some(text))
        {
            return Ok(());
        }
        self.replace(&path, text)
            .map_err(|source| ConfigFileError::Io {
                action: "write",
                path: self.disk.display(&path),
                source,
            })
    }

    fn replace(&self, path: &str, text: &str) -> io::Result<()> {
        self.disk.create_dir_all(DIRECTORY)?;
        let temporary = format!("{path}.tmp");
        let file = self.disk.open(&temporary, OpenMode::Create)?;
        file.set_len(0)?;
        file.write_at(text.as_bytes(), 0)?;
        file.sync_data()?;
        match self.disk.rename(path, &format!("{path}.bak")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        self.disk.rename(&temporary, path)?;
        self.disk.sync_dir(DIRECTORY)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::disk::sim::SimDisk;

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
