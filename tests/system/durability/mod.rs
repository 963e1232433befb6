//! Whether an acknowledgement holds: the real binary under load, ended by `kill -9`, by power cuts at the level of disk blocks on real
//! file systems, by full disks, and all that clients were told compared with what the next start has. `ledger` holds what they were told.

mod check;
mod full_disks;
mod kills;
mod ledger;
mod load;
mod own_mounts;
mod power_cuts;

use crate::support::Start;

/// A number from the environment, for longer runs.
fn environment(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

/// Everything small, so that a second of load rolls log, queue and index files, and snapshots come while it lasts.
fn small_files(start: Start) -> Start {
    start
        .set("mappedFileSizeCommitLog=1048576")
        .set("mappedFileSizeConsumeQueue=2000")
        .set("maxHashSlotNum=500")
        .set("maxIndexNum=1000")
        .set("flushConsumeQueueThoroughInterval=1000")
        .set("flushConsumerOffsetInterval=20")
        .set("flushDelayOffsetInterval=100")
        .set("messageDelayLevel=1s 2s")
}
