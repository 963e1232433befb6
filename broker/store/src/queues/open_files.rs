//! A bounded cache of open queue files, for 100,000 queues and a thousand descriptors. Promises at
//! most [`MAX_OPEN_FILES`] open at once beyond those in use at the moment; forgets a file that was
//! not used since the hand last came by.

use std::collections::HashMap;

use crate::disk::DiskFile;
use crate::sync::{Arc, Mutex};

/// Queue files kept open; the soft limit on descriptors is often 1,024, and sockets need most.
pub(super) const MAX_OPEN_FILES: usize = 256;

/// A queue's serial number and the offset of the file's first unit.
pub(super) type FileKey = (u32, u64);

#[derive(Debug)]
struct Slot {
    key: FileKey,
    file: Arc<dyn DiskFile>,
    used: bool,
}

#[derive(Debug, Default)]
struct Slots {
    places: HashMap<FileKey, usize>,
    slots: Vec<Slot>,
    hand: usize,
}

/// The cache.
#[derive(Debug, Default)]
pub(super) struct OpenFiles {
    slots: Mutex<Slots>,
}

impl OpenFiles {
    pub(super) fn get(&self, key: FileKey) -> Option<Arc<dyn DiskFile>> {
        let slots = &mut *self.slots.lock();
        let slot = slots
            .places
            .get(&key)
            .and_then(|place| slots.slots.get_mut(*place))?;
        slot.used = true;
        Some(Arc::clone(&slot.file))
    }

    pub(super) fn insert(&self, key: FileKey, file: Arc<dyn DiskFile>) {
        let slots = &mut *self.slots.lock();
        if slots.places.contains_key(&key) {
            return;
        }
        let slot = Slot {
            key,
            file,
            used: false,
        };
        if slots.slots.len() < MAX_OPEN_FILES {
            slots.places.insert(key, slots.slots.len());
            slots.slots.push(slot);
            return;
        }
        while std::mem::take(&mut slots.slots[slots.hand].used) {
            slots.hand = (slots.hand + 1) % MAX_OPEN_FILES;
        }
        let place = slots.hand;
        slots.places.remove(&slots.slots[place].key);
        slots.places.insert(key, place);
        slots.slots[place] = slot;
        slots.hand = (place + 1) % MAX_OPEN_FILES;
    }

    /// Closes the files that `drop_it` picks.
    pub(super) fn forget(&self, drop_it: impl Fn(FileKey) -> bool) {
        let slots = &mut *self.slots.lock();
        slots.slots.retain(|slot| !drop_it(slot.key));
        slots.places = slots
            .slots
            .iter()
            .enumerate()
            .map(|(place, slot)| (slot.key, place))
            .collect();
        slots.hand = 0;
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.lock().slots.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::disk::sim::SimDisk;
    use crate::disk::{Disk, OpenMode};

    #[test]
    fn never_more_files_than_allowed_and_used_ones_stay() {
        let disk = SimDisk::new();
        let file = disk.open("f", OpenMode::Create).unwrap();
        let cache = OpenFiles::default();
        for serial in 0..1000 {
            cache.insert((serial, 0), Arc::clone(&file));
            assert!(cache.len() <= MAX_OPEN_FILES);
            assert!(cache.get((0, 0)).is_some(), "used again and again");
        }
        assert!(cache.get((1, 0)).is_none());
        cache.forget(|(serial, _)| serial > 500);
        assert!(cache.get((999, 0)).is_none());
        assert!(cache.get((0, 0)).is_some());
    }
}
