//! A bounded cache of open files, so that ten thousand partitions work within a few thousand descriptors. Owns the
//! handles; promises that no more than its capacity stay open between calls (a handle in use lives until it is dropped).

use std::collections::{HashMap, VecDeque};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

struct Entry {
    file: Arc<File>,
    /// Set by each use, taken away by the eviction hand: a second chance for what is in use.
    recent: bool,
}

#[derive(Default)]
struct Shelf {
    /// By the path's bytes: a `Path` is hashed and compared part by part, which costs more than the lookup.
    open: HashMap<OsString, Entry>,
    /// In the order of opening, as the eviction's hand goes round. May hold a path that is closed already.
    hand: VecDeque<OsString>,
}

/// Open files by path, at most `capacity` of them.
pub struct OpenFiles {
    capacity: usize,
    read_only: bool,
    shelf: Mutex<Shelf>,
    opens: AtomicU64,
}

impl OpenFiles {
    /// A cache of at most `capacity` files, at least one.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            read_only: false,
            shelf: Mutex::default(),
            opens: AtomicU64::new(0),
        }
    }

    /// A cache that opens for reading only and creates nothing.
    pub fn to_read(capacity: usize) -> Self {
        Self {
            read_only: true,
            ..Self::new(capacity)
        }
    }

    /// The file at `path`, opened for reading and writing and created when absent.
    pub fn get(&self, path: &Path) -> io::Result<Arc<File>> {
        let mut shelf = self.shelf.lock();
        if let Some(entry) = shelf.open.get_mut(path.as_os_str()) {
            entry.recent = true;
            return Ok(Arc::clone(&entry.file));
        }
        self.opens.fetch_add(1, Ordering::Relaxed);
        let file = Arc::new(
            OpenOptions::new()
                .read(true)
                .write(!self.read_only)
                .create(!self.read_only)
                .truncate(false)
                .open(path)?,
        );
        while shelf.open.len() >= self.capacity {
            shelf.evict_one();
        }
        shelf.hand.push_back(path.as_os_str().to_owned());
        shelf.open.insert(
            path.as_os_str().to_owned(),
            Entry {
                file: Arc::clone(&file),
                recent: false,
            },
        );
        Ok(file)
    }

    /// Forgets the file, for one that is about to be removed.
    pub fn forget(&self, path: &Path) {
        self.shelf.lock().open.remove(path.as_os_str());
    }

    /// How often a file had to be opened.
    pub fn opens(&self) -> u64 {
        self.opens.load(Ordering::Relaxed)
    }
}

impl Shelf {
    /// Closes the first file, in the order of opening, that was not used since the hand last passed; after a whole turn
    /// every mark is gone and the oldest goes.
    fn evict_one(&mut self) {
        while let Some(path) = self.hand.pop_front() {
            match self.open.get_mut(&path) {
                None => {}
                Some(entry) if entry.recent => {
                    entry.recent = false;
                    self.hand.push_back(path);
                }
                Some(_) => {
                    self.open.remove(&path);
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_number_of_open_files_stays_within_the_capacity_and_each_file_keeps_its_content() {
        use std::os::unix::fs::FileExt;
        let dir = tempfile::tempdir().unwrap();
        let files = OpenFiles::new(4);
        for round in 0..3u8 {
            for i in 0..20u8 {
                let file = files.get(&dir.path().join(i.to_string())).unwrap();
                file.write_all_at(&[i, round], u64::from(round) * 2)
                    .unwrap();
                assert!(files.shelf.lock().open.len() <= 4);
            }
        }
        for i in 0..20u8 {
            let mut back = [0; 6];
            files
                .get(&dir.path().join(i.to_string()))
                .unwrap()
                .read_exact_at(&mut back, 0)
                .unwrap();
            assert_eq!(back, [i, 0, i, 1, i, 2]);
        }
    }
}
