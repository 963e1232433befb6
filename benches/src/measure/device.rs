//! Bytes and requests that a directory's block device has taken, from /proc/diskstats. Other users of the device count
//! too: measure on a quiet machine and look at the spread.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const SECTOR_BYTES: u64 = 512;

/// The block device below a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    major: u32,
    minor: u32,
}

/// What the device has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DeviceCounters {
    /// Bytes written.
    pub written_bytes: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Flush requests (cache barriers), where the kernel counts them.
    pub flushes: u64,
}

impl Device {
    /// The device that holds `dir`; `None` when it is not a block device that the kernel lists (tmpfs, overlay).
    pub fn of(dir: &Path) -> io::Result<Option<Self>> {
        let dev = fs::metadata(dir)?.dev();
        let device = Self {
            major: rustix::fs::major(dev),
            minor: rustix::fs::minor(dev),
        };
        Ok(device.read().is_some().then_some(device))
    }

    /// Its counters now.
    pub fn read(&self) -> Option<DeviceCounters> {
        let table = fs::read_to_string("/proc/diskstats").ok()?;
        table.lines().find_map(|line| self.parse(line))
    }

    fn parse(&self, line: &str) -> Option<DeviceCounters> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok());
        if number(0)? != u64::from(self.major) || number(1)? != u64::from(self.minor) {
            return None;
        }
        Some(DeviceCounters {
            read_bytes: number(5)? * SECTOR_BYTES,
            written_bytes: number(9)? * SECTOR_BYTES,
            flushes: number(18).unwrap_or(0),
        })
    }
}

impl std::ops::Sub for DeviceCounters {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self {
            written_bytes: self.written_bytes.saturating_sub(earlier.written_bytes),
            read_bytes: self.read_bytes.saturating_sub(earlier.read_bytes),
            flushes: self.flushes.saturating_sub(earlier.flushes),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_of_the_table_is_read_by_its_numbers() {
        let device = Device {
            major: 254,
            minor: 0,
        };
        let line = " 254       0 vda 1 2 100 4 5 6 200 8 9 10 11 12 13 14 15 77 16";
        let read = device.parse(line).unwrap();
        assert_eq!(
            (read.read_bytes, read.written_bytes, read.flushes),
            (51_200, 102_400, 77)
        );
        assert_eq!(Device { major: 8, minor: 0 }.parse(line), None);
    }
}
