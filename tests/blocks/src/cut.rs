//! A power cut: of a recording up to some event, all that a finished flush covers is kept, and of every 4 KiB of each later write
//! a seed decides whether it is kept, lost, or torn into the disk's sectors. Order among what is kept is that of the recording.

use crate::image::{Image, PAGE_BYTES};
use crate::mount::FileSystem;
use crate::recorded::{Event, Recording};

/// A small generator of random numbers (splitmix64), so that a seed replays exactly.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next_u64() % limit
    }

    /// True in this many of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// How much of what was not flushed survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: the disk's cache is gone whole.
    Nothing,
    /// Everything: the cache got through in time.
    Everything,
    /// Each page with this chance in a hundred; of the others one in four is torn.
    Some(u64),
}

/// Where the power goes, and what of the disk's cache survives.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Events in front of the cut.
    pub at: usize,
    /// What survives of the writes that no flush covers.
    pub keep: Keep,
    /// Decides for each page.
    pub seed: u64,
    /// Size of a sector, which a disk writes whole or not at all; pages of larger ones are never torn.
    pub sector_bytes: usize,
    /// Pages that are never torn, by their place on the disk.
    pub whole_pages: &'static [u64],
}

impl Cut {
    /// A cut between two events, chosen by a seed: half of them just before a flush is done, when most is at stake.
    pub fn choose(recording: &Recording, to: usize, seed: u64, kind: FileSystem) -> Cut {
        let mut random = Random::new(seed);
        let mut at = random.below(to.max(1) as u64) as usize;
        if random.percent(50) {
            let events = recording.events();
            at = (at..to)
                .find(|n| matches!(events[*n], Event::Flush))
                .unwrap_or(at);
        }
        let keep = match random.below(6) {
            0 => Keep::Nothing,
            1 => Keep::Everything,
            2 => Keep::Some(10),
            3 => Keep::Some(90),
            _ => Keep::Some(50),
        };
        Cut {
            at,
            keep,
            seed: random.next_u64(),
            sector_bytes: kind.sector_bytes(),
            whole_pages: kind.whole_pages(),
        }
    }

    /// The disk as it is found after this cut. With `flushes_count` off the disk has lied about every flush.
    pub fn image(&self, recording: &Recording, flushes_count: bool) -> Image {
        let events = &recording.events()[..self.at];
        let flushed = events
            .iter()
            .rposition(|event| matches!(event, Event::Flush))
            .filter(|_| flushes_count)
            .unwrap_or(0);
        let mut image = recording.base().clone();
        for event in &events[..flushed] {
            apply(&mut image, event);
        }
        let mut random = Random::new(self.seed);
        for event in &events[flushed..] {
            match event {
                Event::Flush => {}
                Event::Write { offset, bytes } => {
                    for_each_page(*offset, bytes.len(), |from, to| {
                        let tears = self.tears(offset + from as u64);
                        self.survive(&mut random, tears, from, to, |from, to| {
                            image.write(offset + from as u64, &bytes[from..to]);
                        });
                    });
                }
                Event::Zero { offset, len } => {
                    for_each_page(*offset, *len as usize, |from, to| {
                        let tears = self.tears(offset + from as u64);
                        self.survive(&mut random, tears, from, to, |from, to| {
                            image.zero(offset + from as u64, (to - from) as u64);
                        });
                    });
                }
            }
        }
        image
    }

    /// Whether the page of this byte may be torn.
    fn tears(&self, offset: u64) -> bool {
        let page = offset - offset % PAGE_BYTES as u64;
        !self.whole_pages.contains(&page)
    }

    /// Calls `keep` for the parts of one page's range that survive.
    fn survive(
        &self,
        random: &mut Random,
        tears: bool,
        from: usize,
        to: usize,
        mut keep: impl FnMut(usize, usize),
    ) {
        let chance = match self.keep {
            Keep::Nothing => return,
            Keep::Everything => return keep(from, to),
            Keep::Some(chance) => chance,
        };
        if random.percent(chance) {
            keep(from, to);
        } else if tears && random.percent(25) {
            for sector in (from..to).step_by(self.sector_bytes) {
                if random.percent(50) {
                    keep(sector, (sector + self.sector_bytes).min(to));
                }
            }
        }
    }
}

fn apply(image: &mut Image, event: &Event) {
    match event {
        Event::Flush => {}
        Event::Write { offset, bytes } => image.write(*offset, bytes),
        Event::Zero { offset, len } => image.zero(*offset, *len),
    }
}

/// Splits a range at the disk's page boundaries; gives offsets within the range.
fn for_each_page(offset: u64, len: usize, mut each: impl FnMut(usize, usize)) {
    let mut from = 0;
    while from < len {
        let to = len.min(from + PAGE_BYTES - (offset as usize + from) % PAGE_BYTES);
        each(from, to);
        from = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording() -> Recording {
        let write = |page: u64, byte: u8| Event::Write {
            offset: page * PAGE_BYTES as u64,
            bytes: vec![byte; PAGE_BYTES].into(),
        };
        Recording::of(
            Image::zeros(16 * PAGE_BYTES as u64),
            vec![write(0, 1), Event::Flush, write(1, 2), write(0, 3)],
        )
    }

    fn first_bytes(image: &Image) -> [u8; 2] {
        let mut bytes = [0; 2];
        image.read(0, &mut bytes[..1]);
        image.read(PAGE_BYTES as u64, &mut bytes[1..]);
        bytes
    }

    #[test]
    fn what_was_flushed_survives_every_cut_and_what_was_not_only_by_chance() {
        let recording = recording();
        let cut = |keep, seed| Cut {
            at: 4,
            keep,
            seed,
            sector_bytes: 512,
            whole_pages: &[],
        };
        let found = |cut: Cut| first_bytes(&cut.image(&recording, true));
        assert_eq!(found(cut(Keep::Nothing, 0)), [1, 0]);
        assert_eq!(found(cut(Keep::Everything, 0)), [3, 2]);
        let seen: std::collections::BTreeSet<[u8; 2]> = (0..50)
            .map(|seed| found(cut(Keep::Some(50), seed)))
            .collect();
        assert_eq!(
            seen.len(),
            4,
            "a later write may survive an earlier one: {seen:?}"
        );
        assert!(seen.iter().all(|[first, _]| *first != 0));
    }

    #[test]
    fn a_disk_that_lies_loses_what_was_flushed() {
        let cut = Cut {
            at: 4,
            keep: Keep::Nothing,
            seed: 0,
            sector_bytes: 512,
            whole_pages: &[],
        };
        assert_eq!(first_bytes(&cut.image(&recording(), false)), [0, 0]);
    }

    #[test]
    fn a_seed_replays_exactly_and_tears_pages_into_sectors_and_no_smaller() {
        let recording = Recording::of(
            Image::zeros(1 << 20),
            vec![Event::Write {
                offset: 0,
                bytes: vec![7; 1 << 20].into(),
            }],
        );
        let read = |seed, sector_bytes| {
            let cut = Cut {
                at: 1,
                keep: Keep::Some(50),
                seed,
                sector_bytes,
                whole_pages: &[],
            };
            let mut bytes = vec![0; 1 << 20];
            cut.image(&recording, true).read(0, &mut bytes);
            bytes
        };
        assert_eq!(read(3, 512), read(3, 512));
        assert_ne!(read(3, 512), read(4, 512));
        let torn = |bytes: &[u8]| {
            let pages = bytes.chunks(PAGE_BYTES);
            pages
                .filter(|page| page.contains(&0) && page.contains(&7))
                .count()
        };
        let pages = torn(&read(3, 512));
        assert!(pages > 10, "{pages} of 256 pages are torn");
        assert_eq!(torn(&read(3, PAGE_BYTES)), 0);
    }

    #[test]
    fn the_superblock_that_btrfs_mounts_by_is_kept_or_lost_but_never_torn() {
        let kind = FileSystem::Btrfs;
        let offset = kind.whole_pages()[0];
        let page = Event::Write {
            offset,
            bytes: vec![7; PAGE_BYTES].into(),
        };
        let recording = Recording::of(Image::zeros(1 << 20), vec![page]);
        let mut kept = 0;
        for seed in 0..200 {
            let cut = Cut {
                at: 1,
                keep: Keep::Some(50),
                ..Cut::choose(&recording, 1, seed, kind)
            };
            let mut bytes = vec![0; PAGE_BYTES];
            cut.image(&recording, true).read(offset, &mut bytes);
            let sevens = bytes.iter().filter(|byte| **byte == 7).count();
            assert!(sevens == 0 || sevens == PAGE_BYTES, "seed {seed}: torn");
            kept += usize::from(sevens > 0);
        }
        assert!((50..150).contains(&kept), "{kept} of 200 were kept");
    }
}
