//! The machine that a figure was taken on: no figure is printed without it.

use std::fmt;
use std::fs;
use std::path::Path;

/// Processor, memory, kernel and file system, as the kernel names them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Machine {
    /// Model name of the first processor.
    pub processor: String,
    /// Logical processors.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Kernel release.
    pub kernel: String,
    /// Type of the file system that the data lies on.
    pub file_system: String,
}

impl Machine {
    /// Describes this machine, with data in `dir`.
    pub fn describe(dir: &Path) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = value_of(&cpuinfo, "model name")
            .unwrap_or("unknown processor")
            .to_owned();
        Self {
            processor,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: super::memory_bytes() >> 20,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            file_system: file_system_of(dir).unwrap_or_else(|| "unknown file system".to_owned()),
        }
    }
}

fn value_of<'a>(table: &'a str, name: &str) -> Option<&'a str> {
    table
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))
        .map(str::trim)
}

/// The type of the longest mount point that `dir` lies under.
fn file_system_of(dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| dir.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind.to_owned())
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {} cores, {} MiB of memory, Linux {}, data on {}",
            self.processor, self.cores, self.memory_mib, self.kernel, self.file_system
        )
    }
}
