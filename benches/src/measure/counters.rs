//! CPU nanoseconds, page faults, context switches, reads and writes of a thread or of the process, from /proc.

use std::fs;
use std::ops::Sub;

use rustix::time::{ClockId, clock_gettime};

/// Whose account to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The calling thread.
    Thread,
    /// Every thread of this process.
    Process,
}

/// A reading, or the difference of two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counters {
    /// Time on a processor, user and system, nanoseconds.
    pub cpu_ns: u64,
    /// Page faults that needed no device.
    pub minor_faults: u64,
    /// Page faults that waited for one.
    pub major_faults: u64,
    /// Voluntary context switches: the thread had to wait.
    pub waits: u64,
    /// Involuntary ones: its time was up.
    pub preemptions: u64,
    /// Calls of `read` and its like.
    pub read_calls: u64,
    /// Calls of `write` and its like.
    pub write_calls: u64,
}

impl Counters {
    /// Reads the account; fields that the kernel does not show stay 0.
    pub fn read(scope: Scope) -> Self {
        match scope {
            Scope::Thread => Self::of_task("/proc/thread-self", ClockId::ThreadCPUTime),
            // Times and faults include threads that have ended; context switches are those of the living.
            Scope::Process => {
                let mut sum = Self {
                    waits: 0,
                    preemptions: 0,
                    ..Self::of_task("/proc/self", ClockId::ProcessCPUTime)
                };
                let tasks = fs::read_dir("/proc/self/task")
                    .into_iter()
                    .flatten()
                    .flatten();
                for task in tasks {
                    let (waits, preemptions) = context_switches(&task.path().to_string_lossy());
                    sum.waits += waits;
                    sum.preemptions += preemptions;
                }
                sum
            }
        }
    }

    fn of_task(dir: &str, clock: ClockId) -> Self {
        let stat = fs::read_to_string(format!("{dir}/stat")).unwrap_or_default();
        // The fields after the parenthesised name, which may itself hold blanks.
        let fields: Vec<u64> = stat
            .rsplit_once(')')
            .map(|(_, rest)| {
                rest.split_whitespace()
                    .map(|f| f.parse().unwrap_or(0))
                    .collect()
            })
            .unwrap_or_default();
        let field = |i: usize| fields.get(i).copied().unwrap_or(0);
        let cpu = clock_gettime(clock);
        let (waits, preemptions) = context_switches(dir);
        let io = fs::read_to_string(format!("{dir}/io")).unwrap_or_default();
        Self {
            cpu_ns: cpu.tv_sec as u64 * 1_000_000_000 + cpu.tv_nsec as u64,
            minor_faults: field(7),
            major_faults: field(9),
            waits,
            preemptions,
            read_calls: number_of(&io, "syscr"),
            write_calls: number_of(&io, "syscw"),
        }
    }

    /// This account of a process with the context switches of threads that have ended, which the kernel forgets.
    #[must_use]
    pub fn with_switches_of(self, ended: &Self) -> Self {
        Self {
            waits: self.waits + ended.waits,
            preemptions: self.preemptions + ended.preemptions,
            ..self
        }
    }

    /// The sum of two accounts.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns + other.cpu_ns,
            minor_faults: self.minor_faults + other.minor_faults,
            major_faults: self.major_faults + other.major_faults,
            waits: self.waits + other.waits,
            preemptions: self.preemptions + other.preemptions,
            read_calls: self.read_calls + other.read_calls,
            write_calls: self.write_calls + other.write_calls,
        }
    }
}

/// Voluntary and involuntary context switches of a task.
fn context_switches(dir: &str) -> (u64, u64) {
    let status = fs::read_to_string(format!("{dir}/status")).unwrap_or_default();
    (
        number_of(&status, "voluntary_ctxt_switches"),
        number_of(&status, "nonvoluntary_ctxt_switches"),
    )
}

/// The number behind a name and a colon; 0 where the kernel does not give it.
fn number_of(table: &str, name: &str) -> u64 {
    let value = table.lines().find_map(|l| l.strip_prefix(name));
    value
        .and_then(|v| v.trim_start_matches(':').trim().parse().ok())
        .unwrap_or(0)
}

impl Sub for Counters {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            minor_faults: self.minor_faults.saturating_sub(earlier.minor_faults),
            major_faults: self.major_faults.saturating_sub(earlier.major_faults),
            waits: self.waits.saturating_sub(earlier.waits),
            preemptions: self.preemptions.saturating_sub(earlier.preemptions),
            read_calls: self.read_calls.saturating_sub(earlier.read_calls),
            write_calls: self.write_calls.saturating_sub(earlier.write_calls),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_the_account_of_the_thread_that_did_it() {
        let before = Counters::read(Scope::Thread);
        let mut sum = 0u64;
        for i in 0..20_000_000u64 {
            sum = std::hint::black_box(sum.wrapping_add(i * i));
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
        let spent = Counters::read(Scope::Thread) - before;
        assert!(spent.cpu_ns > 1_000_000, "{spent:?}, sum {sum}");
        assert!(spent.waits >= 1);
        assert!(Counters::read(Scope::Process).cpu_ns >= spent.cpu_ns);
    }
}
