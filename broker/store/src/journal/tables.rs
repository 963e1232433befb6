//! The journal's content in memory: one map per table, and the keys that changed since they were
//! last written. Promises to know the bytes that all live entries would take in a file.

use std::collections::{BTreeSet, HashMap};

use super::record::Change;

/// Tables, public and the store's own.
pub(super) const TABLES: usize = 7;
/// Bytes of a change beside key and value.
const CHANGE_BYTES: usize = 8;

type Map = HashMap<Box<str>, Box<[u8]>>;

/// All tables.
#[derive(Debug, Default)]
pub(super) struct Tables {
    maps: [Map; TABLES],
    /// Keys whose value in memory is not in the file yet.
    changed: BTreeSet<(u8, Box<str>)>,
    live_bytes: usize,
}

impl Tables {
    fn map(&self, table: u8) -> Option<&Map> {
        self.maps.get(usize::from(table))
    }

    pub(super) fn get(&self, table: u8, key: &str) -> Option<&[u8]> {
        self.map(table)?.get(key).map(|value| &**value)
    }

    pub(super) fn entries(&self, table: u8) -> impl Iterator<Item = (&str, &[u8])> {
        self.map(table)
            .into_iter()
            .flatten()
            .map(|(key, value)| (&**key, &**value))
    }

    /// Applies a change that is in the file. A table that this version does not know is ignored.
    pub(super) fn apply(&mut self, change: &Change<'_>) {
        let Some(map) = self.maps.get_mut(usize::from(change.table)) else {
            return;
        };
        let size = |value: &[u8]| CHANGE_BYTES + change.key.len() + value.len();
        match change.value {
            Some(value) => {
                self.live_bytes += size(value);
                let old = match map.get_mut(change.key) {
                    Some(old) => Some(std::mem::replace(old, value.into())),
                    None => map.insert(change.key.into(), value.into()),
                };
                self.live_bytes -= old.map_or(0, |old| size(&old));
            }
            None => self.live_bytes -= map.remove(change.key).map_or(0, |old| size(&old)),
        }
    }

    /// Applies a change and remembers to write it. A change that changes nothing is dropped.
    pub(super) fn change(&mut self, change: &Change<'_>) {
        if self.get(change.table, change.key) == change.value {
            return;
        }
        self.apply(change);
        self.changed.insert((change.table, change.key.into()));
    }

    /// Takes the keys to write.
    pub(super) fn take_changed(&mut self) -> BTreeSet<(u8, Box<str>)> {
        std::mem::take(&mut self.changed)
    }

    /// Puts keys back that could not be written.
    pub(super) fn not_written(&mut self, keys: BTreeSet<(u8, Box<str>)>) {
        self.changed.extend(keys);
    }

    /// Number of keys to write.
    pub(super) fn changed_len(&self) -> usize {
        self.changed.len()
    }

    /// Bytes of all live entries in a file.
    pub(super) fn live_bytes(&self) -> usize {
        self.live_bytes
    }
}
