//! The key-value configuration: text by namespace and key, the only thing that a name server keeps on disk. Owns the file;
//! a change is on disk before it is answered or seen. The format is Apache's `kvConfig.json`, the file before it `.bak`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use mainstem_common::protocol::{KvConfig, KvTable};
use parking_lot::RwLock;
use thiserror::Error;

/// Entries in all namespaces.
const MAX_ENTRIES: usize = 100_000;

/// Why the key-value configuration cannot be read or changed.
#[derive(Debug, Error)]
pub enum KvError {
    /// Neither the file nor the one before it can be read. Starting empty would lose what they hold.
    #[error(
        "cannot read the key-value configuration {path}: {cause}; repair it, or move it and {path}.bak away to start empty"
    )]
    Load {
        /// The file.
        path: String,
        /// What went wrong.
        cause: String,
    },
    /// The file cannot be written; nothing was changed.
    #[error("cannot write the key-value configuration {path}: {cause}; nothing was changed")]
    Save {
        /// The file.
        path: String,
        /// What went wrong.
        cause: io::Error,
    },
    /// Too many entries.
    #[error(
        "the key-value configuration holds {MAX_ENTRIES} entries, its limit; delete some first"
    )]
    Full,
}

/// The table and its file. Read from anywhere, changed by the changing thread only.
#[derive(Debug)]
pub(crate) struct KvStore {
    path: Option<PathBuf>,
    config: RwLock<KvConfig>,
}

impl KvStore {
    /// Reads the file, or the one before it if that is damaged; no file at all means an empty table.
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Self, KvError> {
        let config = match &path {
            Some(path) => load(path)?,
            None => KvConfig::default(),
        };
        Ok(Self {
            path,
            config: RwLock::new(config),
        })
    }

    pub(crate) fn get(&self, namespace: &str, key: &str) -> Option<String> {
        self.config
            .read()
            .config_table
            .get(namespace)?
            .get(key)
            .cloned()
    }

    /// All entries of a namespace; `None` if it was never written.
    pub(crate) fn namespace(&self, namespace: &str) -> Option<KvTable> {
        let table = self.config.read().config_table.get(namespace)?.clone();
        Some(KvTable { table })
    }

    pub(crate) fn put(&self, namespace: &str, key: &str, value: &str) -> Result<(), KvError> {
        let mut changed = self.config.read().clone();
        changed
            .config_table
            .entry(namespace.to_owned())
            .or_default()
            .insert(key.to_owned(), value.to_owned());
        if changed
            .config_table
            .values()
            .map(BTreeMap::len)
            .sum::<usize>()
            > MAX_ENTRIES
        {
            return Err(KvError::Full);
        }
        self.publish(changed)
    }

    pub(crate) fn delete(&self, namespace: &str, key: &str) -> Result<(), KvError> {
        let mut changed = self.config.read().clone();
        let removed = changed
            .config_table
            .get_mut(namespace)
            .and_then(|entries| entries.remove(key));
        if removed.is_some() {
            self.publish(changed)
        } else {
            Ok(())
        }
    }

    fn publish(&self, changed: KvConfig) -> Result<(), KvError> {
        if let Some(path) = &self.path {
            save(path, &changed.to_json()).map_err(|cause| KvError::Save {
                path: path.display().to_string(),
                cause,
            })?;
        }
        *self.config.write() = changed;
        Ok(())
    }
}

fn load(path: &Path) -> Result<KvConfig, KvError> {
    let before = with_suffix(path, ".bak");
    match read(path) {
        Ok(Some(config)) => Ok(config),
        Ok(None) => Ok(read(&before).ok().flatten().unwrap_or_default()),
        Err(cause) => match read(&before) {
            Ok(Some(config)) => {
                tracing::warn!(path = %path.display(), %cause, "key-value configuration is damaged; using the version before it");
                Ok(config)
            }
            _ => Err(KvError::Load {
                path: path.display().to_string(),
                cause,
            }),
        },
    }
}

fn read(path: &Path) -> Result<Option<KvConfig>, String> {
    match fs::read(path) {
        Ok(text) => KvConfig::from_json(&text)
            .map(Some)
            .map_err(|e| e.to_string()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.to_string()),
    }
}

/// New file, synced; old file to `.bak`; new file to its name; directory synced. Whatever moment the power goes, one of the
/// two names holds a whole version.
fn save(path: &Path, text: &[u8]) -> io::Result<()> {
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let fresh = with_suffix(path, ".tmp");
    let mut file = File::create(&fresh)?;
    file.write_all(text)?;
    file.sync_all()?;
    if path.exists() {
        fs::rename(path, with_suffix(path, ".bak"))?;
    }
    fs::rename(&fresh, path)?;
    File::open(dir)?.sync_all()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn entries_survive_a_restart_and_the_file_is_apaches() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("conf/kvConfig.json");
        let kv = KvStore::open(Some(path.clone())).unwrap();
        kv.put("n", "k", "v").unwrap();
        kv.put("n", "gone", "x").unwrap();
        kv.delete("n", "gone").unwrap();
        kv.delete("nowhere", "x").unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            r#"{"configTable":{"n":{"k":"v"}}}"#
        );
        let again = KvStore::open(Some(path)).unwrap();
        assert_eq!(again.get("n", "k").as_deref(), Some("v"));
        assert_eq!(again.namespace("n").unwrap().table.len(), 1);
        assert!(again.namespace("none").is_none());
    }

    #[test]
    fn a_damaged_file_gives_way_to_the_version_before_it_and_never_to_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kvConfig.json");
        let kv = KvStore::open(Some(path.clone())).unwrap();
        kv.put("n", "k", "1").unwrap();
        kv.put("n", "k", "2").unwrap();
        fs::write(&path, b"{\"configTable").unwrap();
        assert_eq!(
            KvStore::open(Some(path.clone()))
                .unwrap()
                .get("n", "k")
                .as_deref(),
            Some("1")
        );
        fs::write(with_suffix(&path, ".bak"), b"").unwrap();
        let error = KvStore::open(Some(path.clone())).unwrap_err().to_string();
        assert!(
            error.contains("kvConfig.json") && error.contains("repair"),
            "{error}"
        );
    }

    #[test]
    fn a_change_that_cannot_be_saved_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        let kv = KvStore::open(Some(file.join("kvConfig.json"))).err();
        assert!(kv.is_some(), "a path through a file cannot be read");
        let path = dir.path().join("kvConfig.json");
        let kv = KvStore::open(Some(path.clone())).unwrap();
        fs::create_dir(with_suffix(&path, ".tmp")).unwrap();
        assert!(matches!(kv.put("n", "k", "v"), Err(KvError::Save { .. })));
        assert_eq!(kv.get("n", "k"), None);
    }
}
