//! A control group for a server, page cache included, by the first version of control groups. With the memory that it may
//! use full, new pages of files come from old ones, as on a machine that has run for a while; fresh ones cost a virtual
//! machine many times as much, since its host must find them first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Standalone, load, produce};

/// Made empty, gone with this value.
#[derive(Debug)]
pub(super) struct Group(PathBuf);

impl Group {
    /// A group of so much memory.
    pub(super) fn new(mib: u64) -> io::Result<Self> {
        let controller = Path::new("/sys/fs/cgroup/memory");
        let path = controller.join(format!("mainstem-bench-broker-{}", std::process::id()));
        let make = || {
            fs::create_dir(&path)?;
            fs::write(path.join("memory.limit_in_bytes"), (mib << 20).to_string())
        };
        make().map_err(|e| {
            io::Error::new(
                e.kind(),
                format!(
                    "memory cannot be limited here, which needs root and cgroup v1 at {}: {e}",
                    controller.display()
                ),
            )
        })?;
        Ok(Self(path))
    }

    /// Its directory.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The most memory that it ever used, bytes.
    pub(super) fn most_used(&self) -> String {
        fs::read_to_string(self.0.join("memory.max_usage_in_bytes")).unwrap_or_default()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // An empty group that is left behind does no harm.
        let _ = fs::remove_dir(&self.0);
    }
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
    pub(super) fn group(&self) -> io::Result<Option<Group>> {
        self.memory_mib.map(Group::new).transpose()
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
