//! Power cuts over the whole store, stepped by one thread so that a seed replays exactly: random
//! messages over topics, queues, sizes and groups, flushes, files, ticks, restarts, deletions; at a
//! random moment, also in the middle of recovery, the power goes. Afterwards every message that was
//! acknowledged or seen by a reader is there and the same, none is invented, queue offsets have no
//! hole, keys find their messages, and committed offsets are not ahead.

mod breaks;

use std::collections::BTreeMap;

use super::*;
use crate::disk::sim::{Random, SyncFailure};
use crate::journal::Table;

/// What the test knows of one message.
#[derive(Debug, Clone)]
struct Known {
    body: Vec<u8>,
    key: String,
    position: u64,
    durable_at: u64,
    /// Acknowledged as durable, or seen by a reader after a restart.
    certain: bool,
}

type Model = BTreeMap<(String, i32), Vec<Known>>;

struct Run {
    random: Random,
    disk: SimDisk,
    flush: FlushMode,
    model: Model,
    /// Offsets committed and made durable, by queue.
    committed: BTreeMap<(String, i32), u64>,
    equal_size: Option<usize>,
    messages: u64,
    /// Below this position files were removed, or may have been when the power went.
    removed_to: u64,
    /// The disk says that directories are synced, and they are not.
    lying_directories: bool,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let flush = if random.one_in(4) {
            FlushMode::Async
        } else {
            FlushMode::Sync
        };
        let equal_size = random.one_in(2).then(|| 100 + random.below(2000) as usize);
        Self {
            random,
            disk: SimDisk::new(),
            flush,
            model: Model::new(),
            committed: BTreeMap::new(),
            equal_size,
            messages: 0,
            removed_to: 0,
            lying_directories: false,
        }
    }

    fn with_lying_directories(seed: u64) -> Self {
        let mut run = Self::new(seed);
        run.lying_directories = true;
        run.disk.faults().set_directory_syncs_do_nothing(true);
        run
    }

    fn run(&mut self) -> Result<(), String> {
        for life in 0..4 {
            let store = self.open(life)?;
            self.check(&store)
                .map_err(|e| format!("life {life}: {e}"))?;
            match self.random.below(6) {
                // The power goes in the middle of an operation.
                0 | 1 => self.disk.faults().cut_power_after(self.random.below(120)),
                // A sync fails, and the kernel takes the pages for written.
                2 => {
                    let syncs = self.random.below(20);
                    self.disk
                        .faults()
                        .fail_sync_after(syncs, SyncFailure::DropsDirty);
                }
                _ => {}
            }
            for _ in 0..self.random.below(80) {
                if !self.step(&store) {
                    break;
                }
            }
            let closed = self.random.one_in(5) && store.close().is_ok();
            self.note(|| {
                format!(
                    "end of life {life}, closed {closed}, flushed {}",
                    store.watermarks().flushed()
                )
            });
            self.acknowledge(&store);
            // A stop without a cut: the page cache stays, whatever the device has.
            if self.random.one_in(4) {
                drop(store);
                self.disk.faults().spare();
            } else {
                self.cut();
            }
        }
        let store = self.open(9)?;
        self.check(&store).map_err(|e| format!("at last: {e}"))
    }

    fn cut(&mut self) {
        self.disk = self.disk.crash(self.random.next_u64());
        self.disk
            .faults()
            .set_directory_syncs_do_nothing(self.lying_directories);
    }

    /// Tells the story of a seed that is run alone.
    fn note(&self, what: impl FnOnce() -> String) {
        if std::env::var_os("MAINSTEM_POWER_TELL").is_some() {
            eprintln!("{}", what());
        }
    }

    fn options(&self) -> StoreOptions {
        StoreOptions {
            queue_file_units: 20,
            next_file_wait: Duration::ZERO,
            checkpoint_interval: Duration::ZERO,
            ..options(self.flush)
        }
    }

    /// Opens; now and then the power goes while it recovers, and again.
    fn open(&mut self, life: u32) -> Result<Store, String> {
        for _ in 0..self.random.below(3) {
            self.disk.faults().cut_power_after(self.random.below(60));
            let opened = Store::open_stepped(Arc::new(self.disk.clone()), self.options());
            // Whatever it says of a disk that dies under it, it must not have seen damage.
            if let Err(error @ (OpenError::Damage { .. } | OpenError::MissingFile { .. })) = &opened
            {
                return Err(format!("life {life}: {error}"));
            }
            self.note(|| {
                format!(
                    "opened with a cut: {:?}, files {:?}",
                    opened.as_ref().err().map(ToString::to_string),
                    crate::disk::Disk::list(&self.disk.crash(1), "commitlog")
                )
            });
            drop(opened);
            self.cut();
        }
        self.note(|| {
            format!(
                "files {:?} {:?}",
                crate::disk::Disk::list(&self.disk, "commitlog"),
                crate::disk::Disk::list(&self.disk, "mainstem")
            )
        });
        Store::open_stepped(Arc::new(self.disk.clone()), self.options())
            .map_err(|e| format!("life {life}: {e}"))
    }

    /// One step; `false` ends the life.
    fn step(&mut self, store: &Store) -> bool {
        let kind = self.random.below(20);
        if (10..=16).contains(&kind) {
            self.note(|| format!("step {kind}, flushed {}", store.watermarks().flushed()));
        }
        match kind {
            0..=9 => self.send(store),
            10..=13 => store.shared.step_flush(),
            14 | 15 => store.shared.step_files(),
            16 => store.shared.tick(),
            17 => self.disk.write_back(self.random.next_u64(), 3),
            18 => self.commit(store),
            _ => {
                if self.random.one_in(4) {
                    return self.delete(store);
                }
                if self.random.one_in(2) {
                    self.remove(store);
                }
            }
        }
        true
    }

    fn send(&mut self, store: &Store) {
        let topic = format!("topic-{}", self.random.below(3));
        let queue_id = self.random.below(2) as i32;
        let group = if self.random.one_in(4) {
            1 + self.random.below(4)
        } else {
            1
        };
        let messages: Vec<(Vec<u8>, String)> = (0..group)
            .map(|_| {
                self.messages += 1;
                let len = self
                    .equal_size
                    .unwrap_or_else(|| self.random.below(9000) as usize);
                let body: Vec<u8> = self
                    .messages
                    .to_be_bytes()
                    .into_iter()
                    .cycle()
                    .take(len.max(8))
                    .collect();
                (body, format!("key-{:06}", self.messages))
            })
            .collect();
        let properties: Vec<Vec<u8>> = messages
            .iter()
            .map(|(_, key)| format!("KEYS\x01{key}\x02").into_bytes())
            .collect();
        let records: Vec<NewRecord<'_>> = messages
            .iter()
            .zip(&properties)
            .map(|((body, _), properties)| record(&topic, queue_id, body, properties))
            .collect();
        let mut batch = store.batch();
        // A full disk or a missing next file refuses the whole group.
        let placed = batch.append_group(&records);
        self.note(|| {
            format!(
                "{} messages to {topic}/{queue_id}: {:?}",
                records.len(),
                placed
                    .as_ref()
                    .map(|placed| (placed[0].physical_offset, placed[0].queue_offset))
            )
        });
        if let Ok(placed) = placed {
            let known = self.model.entry((topic, queue_id)).or_default();
            for (placed, (body, key)) in placed.iter().zip(messages) {
                assert_eq!(
                    placed.queue_offset,
                    known.len() as u64,
                    "queue offsets follow each other"
                );
                known.push(Known {
                    body,
                    key,
                    position: placed.physical_offset,
                    durable_at: placed.durable_at,
                    certain: false,
                });
            }
        }
    }

    fn commit(&mut self, store: &Store) {
        let Some((topic, queue_id)) = self
            .model
            .keys()
            .nth(self.random.below(6) as usize)
            .cloned()
        else {
            return;
        };
        let offset = store.queue_bounds(&topic, queue_id).max;
        let key = format!("{topic}@{queue_id}");
        // In async mode a power cut takes messages back, and the next commit is a lower one; it may
        // become durable later even if its sync fails.
        if let Some(committed) = self.committed.get_mut(&(topic.clone(), queue_id)) {
            *committed = (*committed).min(offset);
        }
        let put = store
            .journal()
            .put(Table::Offsets, &key, &offset.to_be_bytes());
        let synced = store.journal().sync();
        self.note(|| format!("commit {key} {offset}: {put:?} {synced:?}"));
        if put.is_ok() && synced.is_ok() {
            self.committed.insert((topic, queue_id), offset);
        }
    }

    fn delete(&mut self, store: &Store) -> bool {
        let topic = format!("topic-{}", self.random.below(3));
        let deleted = store.delete_topic(&topic);
        self.note(|| {
            format!(
                "delete {topic}: {deleted:?} at {}, flushed {}",
                store.watermarks().appended(),
                store.watermarks().flushed()
            )
        });
        let deleted = deleted.is_ok();
        for (_, known) in self
            .model
            .iter_mut()
            .filter(|((name, _), _)| *name == topic)
        {
            if deleted {
                known.clear();
            } else {
                // Gone or not, the next start tells.
                for known in known.iter_mut() {
                    known.certain = false;
                    known.durable_at = u64::MAX;
                }
            }
        }
        self.committed.retain(|(name, _), _| *name != topic);
        deleted
    }

    /// Old files go; the power may go on the way.
    fn remove(&mut self, store: &Store) {
        let below = self.random.below(store.watermarks().appended() + 1);
        let removed = store.remove_files_below(below);
        self.note(|| {
            format!(
                "remove below {below}: {removed:?}, from {}",
                store.usage().min_position
            )
        });
        self.removed_to = self.removed_to.max(below);
    }

    /// What was durable when the power went counts from now on.
    fn acknowledge(&mut self, store: &Store) {
        let flushed = store.watermarks().flushed();
        for known in self.model.values_mut().flatten() {
            known.certain |= known.durable_at <= flushed;
        }
    }

    fn check(&mut self, store: &Store) -> Result<(), String> {
        let min_position = store.usage().min_position;
        if min_position > self.removed_to {
            return Err(format!(
                "the log begins at {min_position}, removed was at most what lies below {}",
                self.removed_to
            ));
        }
        for ((topic, queue_id), known) in &mut self.model {
            let name = format!("{topic}/{queue_id}");
            let found = try_bodies(store, topic, *queue_id)?;
            let bounds = store.queue_bounds(topic, *queue_id);
            if bounds.max == 0 && !known.iter().any(|known| known.certain) {
                // A deletion that ended in an error happened all the same.
                known.clear();
            }
            let min = known.partition_point(|known| known.position < min_position);
            if bounds.min != min as u64 || bounds.max != (min + found.len()) as u64 {
                return Err(format!(
                    "{name}: bounds {bounds:?} with {} messages, the log begins at {min_position}, the first behind is {min}",
                    found.len()
                ));
            }
            let end = min + found.len();
            let certain = known
                .iter()
                .rposition(|known| known.certain)
                .map_or(0, |last| last + 1);
            if end < certain {
                return Err(format!("{name}: {end} of {certain} certain messages"));
            }
            for (offset, body) in (min..).zip(&found) {
                match known.get(offset) {
                    Some(known) if known.body == *body => {}
                    Some(_) => return Err(format!("{name}: another message at {offset}")),
                    None => return Err(format!("{name}: an invented message at {offset}")),
                }
            }
            known.truncate(end);
            // A reader has seen all of them now.
            known.iter_mut().for_each(|known| known.certain = true);
            if let Some(last) = known.last().filter(|_| end > min) {
                let hits = store.query_key(topic, &last.key, 10, 0, i64::MAX);
                if hits.len() != 1
                    || RecordView::parse(&hits[0])
                        .map(|view| view.body().to_vec())
                        .ok()
                        .as_ref()
                        != Some(&last.body)
                {
                    return Err(format!(
                        "{name}: key {} finds {} messages",
                        last.key,
                        hits.len()
                    ));
                }
            }
            let key = format!("{topic}@{queue_id}");
            let saved = store
                .journal()
                .get(Table::Offsets, &key)
                .and_then(|bytes| bytes.try_into().ok())
                .map(u64::from_be_bytes);
            if let Some(committed) = self.committed.get(&(topic.clone(), *queue_id)) {
                if saved.is_none_or(|saved| saved < *committed) {
                    return Err(format!(
                        "{name}: offset {committed} was committed, {saved:?} is there"
                    ));
                }
                // In async mode what a consumer has read may be lost; the broker cuts offsets back.
                if self.flush == FlushMode::Sync && *committed > bounds.max {
                    return Err(format!(
                        "{name}: committed offset {committed} is ahead of {}",
                        bounds.max
                    ));
                }
            }
        }
        Ok(())
    }
}

fn environment(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(default)
}

#[test]
fn no_power_cut_breaks_a_promise() {
    let from = environment("MAINSTEM_POWER_FROM", 0);
    for seed in from..from + environment("MAINSTEM_POWER_SEEDS", crate::disk::sim::repeated(300)) {
        if let Err(error) = Run::new(seed).run() {
            panic!("seed {seed}: {error}");
        }
    }
}
