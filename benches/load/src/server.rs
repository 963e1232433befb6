//! The broker's own account, when it runs on this machine: CPU time and memory of a process, from /proc.

use std::fs;

/// Ticks of /proc's CPU times: 100 a second on every Linux this runs on.
const TICK_US: f64 = 10_000.0;

/// A process to watch.
#[derive(Debug, Clone, Copy)]
pub struct ServerProcess {
    pid: u32,
}

/// Memory of a process, MiB.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Memory {
    /// Resident in all.
    pub resident_mib: f64,
    /// Of it anonymous: heap and stacks.
    pub anonymous_mib: f64,
}

impl ServerProcess {
    /// Watches `pid`.
    pub fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// User and system time so far, microseconds; `None` when there is no such process.
    pub fn cpu_us(self) -> Option<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |i: usize| fields.get(i)?.parse::<f64>().ok();
        Some((ticks(11)? + ticks(12)?) * TICK_US)
    }

    /// Memory now.
    pub fn memory(self) -> Option<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name))?;
            line.split_whitespace()
                .next()?
                .parse::<f64>()
                .ok()
                .map(|kib| kib / 1024.0)
        };
        Some(Memory {
            resident_mib: mib("VmRSS:")?,
            anonymous_mib: mib("RssAnon:")?,
        })
    }
}
