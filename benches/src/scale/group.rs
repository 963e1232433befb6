//! A memory group for a broker, filled before anything is timed. New pages of files then come from old ones, as on a machine
//! that has run for a while; fresh ones cost a virtual machine many times as much, since its host must find them first.

use std::io;

use super::{Standalone, load, produce};
use crate::measure::MemoryGroup;

/// A group for a broker that this process starts.
pub(super) fn broker_group(mib: u64) -> io::Result<MemoryGroup> {
    MemoryGroup::new(&format!("broker-{}", std::process::id()), mib)
}

/// How much memory the broker may use.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct MemoryArgs {
    /// Memory for the broker and its page cache, MiB, which is filled before anything is timed (needs root and cgroup v1);
    /// unless given, the whole machine's
    #[arg(long)]
    memory_mib: Option<u64>,
}

impl MemoryArgs {
    /// The group, if one is wanted.
    pub(super) fn group(&self) -> io::Result<Option<MemoryGroup>> {
        self.memory_mib.map(broker_group).transpose()
    }

    /// Messages of 1 KiB that fill it.
    pub(super) fn messages(&self) -> u64 {
        self.memory_mib.unwrap_or(0) * 1024
    }

    /// Fills it.
    pub(super) fn fill(&self, broker: &Standalone) -> io::Result<()> {
        if self.messages() > 0 {
            load(produce(broker, "fill", 1, 4, self.messages(), true))?;
        }
        Ok(())
    }
}
