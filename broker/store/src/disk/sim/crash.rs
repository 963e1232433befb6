//! What a power cut makes of a simulated disk. It promises that everything synced is there, that
//! everything else is kept, lost or torn by the seed alone, and that the old disk is untouched.

use std::collections::BTreeSet;

use super::file::Inode;
use super::random::Random;
use super::tree::{Tree, parent};
use super::{Disk, SimDisk};
use crate::sync::Arc;

impl SimDisk {
    /// A new disk as the power cut leaves this one. Changes of names that no directory sync
    /// confirmed are kept or lost, in half of the cases as a prefix (as a journal does), else one
    /// by one; each page since the last sync of its file is kept, lost or torn by sectors.
    pub fn crash(&self, seed: u64) -> SimDisk {
        let mut random = Random::new(seed);
        let _power = self.shared.power.write();
        let old = self.shared.tree.lock();
        let mut names = old.durable_names.clone();
        let mut directories = old.durable_directories.clone();
        let as_prefix = random.one_in(2);
        let kept = random.below(old.pending.len() as u64 + 1);
        for (number, change) in old.pending.iter().enumerate() {
            let keep = if as_prefix {
                (number as u64) < kept
            } else {
                random.one_in(2)
            };
            if keep {
                change.apply(&mut names, &mut directories);
            }
        }
        // What lies in a directory that is lost is lost with it.
        let mut whole = BTreeSet::new();
        for directory in directories {
            if directory.is_empty() || whole.contains(parent(&directory)) {
                whole.insert(directory);
            }
        }
        let directories = whole;
        let mut tree = Tree {
            next_inode: old.next_inode,
            ..Tree::default()
        };
        tree.directories.clone_from(&directories);
        tree.durable_directories = directories;
        for (path, inode) in names {
            if !tree.directories.contains(parent(&path)) {
                continue;
            }
            let survivor = Arc::new(Inode::with_content(
                inode.id,
                &path,
                inode.after_power_cut(&mut random),
            ));
            tree.names.insert(path.clone(), Arc::clone(&survivor));
            tree.durable_names.insert(path, survivor);
        }
        drop(old);
        let disk = SimDisk::from_tree(tree);
        // The machine comes back with the same device.
        let capacity = self.faults().capacity_bytes();
        disk.faults().set_capacity_bytes(capacity);
        debug_assert!(disk.space().is_ok(), "the new disk answers");
        disk
    }
}
