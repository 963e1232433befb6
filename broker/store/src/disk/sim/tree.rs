//! The names of a simulated disk: those that the process sees, those that a power cut would leave,
//! and the changes between them in order. It may not look into files.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::file::Inode;
use crate::sync::Arc;

/// The names, as seen and as certain.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) names: BTreeMap<String, Arc<Inode>>,
    pub(super) directories: BTreeSet<String>,
    pub(super) durable_names: BTreeMap<String, Arc<Inode>>,
    pub(super) durable_directories: BTreeSet<String>,
    /// Changes to names since their directory was last synced, oldest first.
    pub(super) pending: Vec<NameChange>,
    pub(super) next_inode: u64,
}

#[derive(Clone)]
pub(super) enum NameChange {
    Link {
        path: String,
        inode: Arc<Inode>,
    },
    Unlink {
        path: String,
    },
    Rename {
        from: String,
        to: String,
        inode: Arc<Inode>,
    },
    CreateDirectory {
        path: String,
    },
    RemoveDirectory {
        path: String,
    },
}

impl NameChange {
    /// The directory whose sync makes the change certain.
    pub(super) fn directory(&self) -> &str {
        match self {
            Self::Link { path, .. }
            | Self::Unlink { path }
            | Self::CreateDirectory { path }
            | Self::RemoveDirectory { path } => parent(path),
            Self::Rename { to, .. } => parent(to),
        }
    }

    pub(super) fn apply(
        &self,
        names: &mut BTreeMap<String, Arc<Inode>>,
        directories: &mut BTreeSet<String>,
    ) {
        match self {
            Self::Link { path, inode } => {
                names.insert(path.clone(), Arc::clone(inode));
            }
            Self::Unlink { path } => {
                names.remove(path);
            }
            Self::Rename { from, to, inode } => {
                // Only the file that was renamed leaves its old name.
                if names.get(from).is_some_and(|there| there.id == inode.id) {
                    names.remove(from);
                }
                names.insert(to.clone(), Arc::clone(inode));
            }
            Self::CreateDirectory { path } => {
                directories.insert(path.clone());
            }
            Self::RemoveDirectory { path } => {
                directories.remove(path);
            }
        }
    }
}

pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

pub(super) fn not_found(path: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("no file {path} on the simulated disk"),
    )
}
