//! Power cuts at random moments: whatever was flushed is there, nothing is invented, queue offsets
//! have no hole, and what a reader saw after the restart is not taken back by a second cut.

use super::*;
use crate::disk::sim::Random;

/// Runs one workload, cuts the power, recovers, works on, cuts again. `Err` says what was wrong.
fn one_run(seed: u64, seeds_of_cut: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let flush = if random.one_in(4) {
        FlushMode::Async
    } else {
        FlushMode::Sync
    };
    let mut disk = SimDisk::new();
    // Bodies by position, of everything ever appended and not known to be cut.
    let mut certain: Vec<(u64, Vec<u8>)> = Vec::new();
    // Equal sizes make old records line up with new ones.
    let equal_size = random.one_in(2);
    for life in 0..3u64 {
        let log = TestLog::open(&disk, flush).map_err(|e| format!("life {life}: {e}"))?;
        let records = log.records();
        check(life, &records, &certain)?;
        // What is readable now must never be taken back, for readers may have seen it.
        let mut written: Vec<(u64, Vec<u8>)> = records.into_iter().map(|r| (r.0, r.3)).collect();
        let mut flushed = log.log.watermarks().readable();
        for n in 0..random.below(60) {
            let len = if equal_size { 700 } else { random.below(6000) } as usize;
            let body = vec![(seed ^ life ^ n) as u8; len];
            let topic = if random.one_in(3) { "a" } else { "b" };
            let placed = log.append(topic, 0, &body).map_err(|e| e.to_string())?;
            written.push((placed.physical_offset, body));
            if random.one_in(4) {
                log.await_flushed(placed.durable_at);
                flushed = flushed.max(placed.durable_at);
            }
            if random.one_in(5) {
                disk.write_back(random.next_u64(), 2);
            }
        }
        flushed = flushed.max(log.log.watermarks().flushed());
        let image = disk.crash(random.next_u64() ^ seeds_of_cut);
        drop(log);
        certain = written
            .into_iter()
            .filter(|(position, _)| *position < flushed)
            .collect();
        disk = image;
    }
    let log = TestLog::open(&disk, flush).map_err(|e| format!("last life: {e}"))?;
    check(99, &log.records(), &certain)
}

fn check(
    life: u64,
    records: &[(u64, i64, String, Vec<u8>)],
    certain: &[(u64, Vec<u8>)],
) -> Result<(), String> {
    for (at, (position, body)) in certain.iter().enumerate() {
        match records.get(at) {
            Some(found) if found.0 == *position && found.3 == *body => {}
            Some(found) => {
                return Err(format!(
                    "life {life}: record {at} lies at {} with {} bytes, not at {position} with {}",
                    found.0,
                    found.3.len(),
                    body.len()
                ));
            }
            None => {
                return Err(format!(
                    "life {life}: {} of {} certain records are there",
                    records.len(),
                    certain.len()
                ));
            }
        }
    }
    let mut next: HashMap<&str, i64> = HashMap::new();
    for (position, offset, topic, _) in records {
        let expected = next.entry(topic.as_str()).or_default();
        if offset != expected {
            return Err(format!(
                "life {life}: {topic} goes on with {offset} at {position}, not with {expected}"
            ));
        }
        *expected += 1;
    }
    Ok(())
}

fn seeds() -> u64 {
    std::env::var("MAINSTEM_POWER_SEEDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(crate::disk::sim::repeated(300))
}

#[test]
fn no_power_cut_loses_what_was_flushed() {
    let from: u64 = std::env::var("MAINSTEM_POWER_FROM")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    for seed in from..from + seeds() {
        if let Err(error) = one_run(seed, 0) {
            panic!("seed {seed}: {error}");
        }
    }
}
