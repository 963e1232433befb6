//! A simulated disk: a directory tree in heap memory that remembers apart what the running
//! process sees and what a power cut would leave. It promises that only syncs make bytes, sizes
//! and names certain, and that [`SimDisk::crash`] with one seed always gives the same image. It
//! may not know what the files mean.

mod crash;
mod faults;
mod file;
mod random;
mod tree;

use std::fmt;
use std::io;

use self::file::Inode;
use self::tree::{NameChange, Tree, not_found, parent};
use super::{DirectoryLock, Disk, DiskFile, LookLock, OpenMode, Space};
use crate::sync::plain::{AtomicBool, Mutex, RwLock};
use crate::sync::{Arc, Ordering};

pub use faults::{Faults, SyncFailure};
pub use random::Random;
#[cfg(test)]
pub(crate) use random::repeated;

/// A simulated disk. Clones share it.
#[derive(Clone)]
pub struct SimDisk {
    shared: Arc<Shared>,
}

struct Shared {
    /// Held shared by whatever makes something certain, and alone by a power cut, so that the cut
    /// strikes all files at one moment.
    power: RwLock<()>,
    tree: Mutex<Tree>,
    faults: Faults,
    locked: Arc<AtomicBool>,
    /// Ranges that were to be read soon: position and length.
    announced: Mutex<Vec<(u64, usize)>>,
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl SimDisk {
    /// An empty disk without faults.
    pub fn new() -> Self {
        let mut tree = Tree::default();
        tree.directories.insert(String::new());
        tree.durable_directories.insert(String::new());
        Self::from_tree(tree)
    }

    fn from_tree(tree: Tree) -> Self {
        Self {
            shared: Arc::new(Shared {
                power: RwLock::new(()),
                tree: Mutex::new(tree),
                faults: Faults::default(),
                locked: Arc::new(AtomicBool::new(false)),
                announced: Mutex::new(Vec::new()),
            }),
        }
    }

    /// The ranges of any file that were announced for reading, in order.
    pub fn announced(&self) -> Vec<(u64, usize)> {
        self.shared.announced.lock().clone()
    }

    /// The switches that make this disk misbehave.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Lets the kernel write back some dirty pages on its own, as it does at any moment: each
    /// dirty page reaches the device with a chance of one in `one_in`.
    pub fn write_back(&self, seed: u64, one_in: u64) {
        let _power = self.shared.power.read();
        let mut random = Random::new(seed);
        let inodes: Vec<_> = self.shared.tree.lock().names.values().cloned().collect();
        for inode in inodes {
            inode.write_back(&mut random, one_in);
        }
    }

    /// The bytes of a file as the process sees them, for tests that look or damage.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn read_whole(&self, path: &str) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Changes bytes of a file, seen and certain alike, as decay or a stray writer would.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn damage(&self, path: &str, position: u64, bytes: &[u8]) -> io::Result<()> {
        let tree = self.shared.tree.lock();
        let inode = tree.names.get(path).ok_or_else(|| not_found(path))?;
        inode.damage(position, bytes);
        Ok(())
    }

    fn used_bytes(tree: &Tree) -> u64 {
        tree.names.values().map(|inode| inode.len()).sum()
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk")
            .field("files", &self.shared.tree.lock().names.len())
            .finish()
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.shared.faults.step()?;
        let mut tree = self.shared.tree.lock();
        if let Some(inode) = tree.names.get(path) {
            return Ok(self.handle(inode));
        }
        if mode != OpenMode::Create {
            return Err(not_found(path));
        }
        self.create(&mut tree, path)
    }

    fn create_new(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.shared.faults.step()?;
        let mut tree = self.shared.tree.lock();
        if tree.names.contains_key(path) || tree.directories.contains(path) {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("{path} exists"),
            ));
        }
        self.create(&mut tree, path)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.shared.faults.step()?;
        self.shared.faults.change(from)?;
        self.shared.faults.change(to)?;
        let tree = &mut *self.shared.tree.lock();
        let inode = tree
            .names
            .get(from)
            .cloned()
            .ok_or_else(|| not_found(from))?;
        if !tree.directories.contains(parent(to)) {
            return Err(not_found(to));
        }
        let change = NameChange::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            inode,
        };
        change.apply(&mut tree.names, &mut tree.directories);
        tree.pending.push(change);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.shared.faults.step()?;
        self.shared.faults.change(path)?;
        let tree = &mut *self.shared.tree.lock();
        if tree.names.remove(path).is_none() {
            return Err(not_found(path));
        }
        tree.pending.push(NameChange::Unlink {
            path: path.to_owned(),
        });
        Ok(())
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.shared.faults.step()?;
        let tree = &mut *self.shared.tree.lock();
        if !tree.directories.contains(path) {
            return Err(not_found(path));
        }
        let inside = |name: &String| parent(name) == path;
        if tree.names.keys().any(inside)
            || tree.directories.iter().any(|d| !d.is_empty() && inside(d))
        {
            return Err(io::Error::new(
                io::ErrorKind::DirectoryNotEmpty,
                format!("{path} is not empty"),
            ));
        }
        tree.directories.remove(path);
        tree.pending.push(NameChange::RemoveDirectory {
            path: path.to_owned(),
        });
        Ok(())
    }

    fn create_dir_all(&self, path: &str) -> io::Result<()> {
        self.shared.faults.step()?;
        let mut tree = self.shared.tree.lock();
        let mut at = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if !at.is_empty() {
                at.push('/');
            }
            at.push_str(part);
            if tree.names.contains_key(&at) {
                return Err(io::Error::new(
                    io::ErrorKind::NotADirectory,
                    format!("{at} is a file"),
                ));
            }
            if !tree.directories.contains(&at) {
                self.shared.faults.give_space(&at)?;
                self.shared.faults.take_space(Self::used_bytes(&tree), 0)?;
                tree.directories.insert(at.clone());
            }
            tree.durable_directories.insert(at.clone());
        }
        Ok(())
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.shared.faults.step()?;
        let tree = &mut *self.shared.tree.lock();
        if !tree.directories.contains(parent(path)) {
            return Err(not_found(path));
        }
        if tree.names.contains_key(path) {
            return Err(io::Error::new(
                io::ErrorKind::NotADirectory,
                format!("{path} is a file"),
            ));
        }
        if !tree.directories.contains(path) {
            self.shared.faults.give_space(path)?;
            self.shared.faults.take_space(Self::used_bytes(tree), 0)?;
            tree.directories.insert(path.to_owned());
            tree.pending.push(NameChange::CreateDirectory {
                path: path.to_owned(),
            });
        }
        Ok(())
    }

    fn sync_everything(&self) -> io::Result<()> {
        self.shared.faults.step()?;
        let writes = self.shared.faults.sync(false);
        let _power = self.shared.power.read();
        let tree = &mut *self.shared.tree.lock();
        match writes {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(failure) => {
                tree.names
                    .values()
                    .for_each(|inode| inode.fail_sync(failure.failure));
                return Err(failure.into());
            }
        }
        tree.names.values().for_each(|inode| inode.sync());
        if !self.shared.faults.directory_syncs_do_nothing() {
            for change in std::mem::take(&mut tree.pending) {
                change.apply(&mut tree.durable_names, &mut tree.durable_directories);
            }
        }
        Ok(())
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.shared.faults.step()?;
        self.shared.faults.sync(true)?;
        let _power = self.shared.power.read();
        let tree = &mut *self.shared.tree.lock();
        if !tree.directories.contains(path) {
            return Err(not_found(path));
        }
        if self.shared.faults.directory_syncs_do_nothing() {
            return Ok(());
        }
        let (now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut tree.pending)
            .into_iter()
            .partition(|change| change.directory() == path);
        tree.pending = later;
        for change in now {
            change.apply(&mut tree.durable_names, &mut tree.durable_directories);
        }
        Ok(())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.shared.faults.step()?;
        let tree = self.shared.tree.lock();
        if !tree.directories.contains(path) {
            return Err(not_found(path));
        }
        let below = |full: &String| {
            let name = full
                .rsplit_once('/')
                .map_or(full.as_str(), |(_, name)| name);
            (!full.is_empty() && parent(full) == path).then(|| name.to_owned())
        };
        let mut names: Vec<_> = tree
            .names
            .keys()
            .filter_map(below)
            .chain(tree.directories.iter().filter_map(below))
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        let tree = self.shared.tree.lock();
        Ok(tree.names.contains_key(path) || tree.directories.contains(path))
    }

    fn space(&self) -> io::Result<Space> {
        let used = Self::used_bytes(&self.shared.tree.lock());
        let total = self.shared.faults.capacity_bytes();
        Ok(Space {
            total_bytes: total,
            free_bytes: total.saturating_sub(used),
            available_bytes: total.saturating_sub(used),
            copies_on_write: self.shared.faults.copies_on_write(),
        })
    }

    fn lock(&self, _own: &str, foreign: &str) -> io::Result<Box<dyn DirectoryLock>> {
        let foreign = self.open(foreign, OpenMode::Create)?;
        if self.shared.locked.swap(true, Ordering::SeqCst) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock {
            locked: Arc::clone(&self.shared.locked),
            foreign,
        }))
    }

    fn lock_to_look(&self, _own: &str, foreign: &str) -> io::Result<LookLock> {
        let text = match self.read_whole(foreign) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        if self.shared.locked.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(LookLock {
            text,
            guard: Box::new(()),
        })
    }

    fn display(&self, path: &str) -> String {
        format!("sim:{path}")
    }
}

impl SimDisk {
    fn create(&self, tree: &mut Tree, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        if !tree.directories.contains(parent(path)) {
            return Err(not_found(path));
        }
        self.shared.faults.change(path)?;
        self.shared.faults.give_space(path)?;
        self.shared.faults.take_space(Self::used_bytes(tree), 0)?;
        tree.next_inode += 1;
        let inode = Arc::new(Inode::empty(tree.next_inode, path));
        tree.names.insert(path.to_owned(), Arc::clone(&inode));
        tree.pending.push(NameChange::Link {
            path: path.to_owned(),
            inode: Arc::clone(&inode),
        });
        Ok(self.handle(&inode))
    }

    fn handle(&self, inode: &Arc<Inode>) -> Arc<dyn DiskFile> {
        Arc::new(file::SimFile {
            inode: Arc::clone(inode),
            disk: self.clone(),
        })
    }
}

#[derive(Debug)]
struct SimLock {
    locked: Arc<AtomicBool>,
    foreign: Arc<dyn DiskFile>,
}

impl DirectoryLock for SimLock {
    fn text(&self) -> io::Result<Vec<u8>> {
        let mut text = vec![0; 256];
        let len = self.foreign.read_at(&mut text, 0)?;
        text.truncate(len);
        Ok(text)
    }

    fn set_text(&self, text: &[u8]) -> io::Result<()> {
        self.foreign.set_len(0)?;
        self.foreign.write_at(text, 0)?;
        self.foreign.sync_data()
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.locked.store(false, Ordering::SeqCst);
    }
}
