//! What a run of a cell gave: rates, latency, and the accounts of process and device that show the reason.

use hdrhistogram::Histogram;

use crate::measure::{Counters, DeviceCounters};

/// Latency of appends at the usual percentiles, microseconds, from the intended start until done.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Percentiles {
    /// Median.
    pub p50_us: f64,
    /// 99 of 100 are below.
    pub p99_us: f64,
    /// 999 of 1,000.
    pub p99_9_us: f64,
    /// 9,999 of 10,000.
    pub p99_99_us: f64,
}

impl Percentiles {
    /// Of a histogram of nanoseconds.
    pub(super) fn of_ns(latency: &Histogram<u64>) -> Self {
        let at = |q: f64| latency.value_at_quantile(q) as f64 / 1e3;
        Self {
            p50_us: at(0.5),
            p99_us: at(0.99),
            p99_9_us: at(0.999),
            p99_99_us: at(0.9999),
        }
    }

    /// With the names of the percentiles.
    pub fn named(&self) -> [(&'static str, f64); 4] {
        [
            ("p50", self.p50_us),
            ("p99", self.p99_us),
            ("p99.9", self.p99_9_us),
            ("p99.99", self.p99_99_us),
        ]
    }
}

/// What a run of a cell gave.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CellResult {
    /// Messages written while the clock ran.
    pub messages: u64,
    /// Their bodies' bytes.
    pub bytes: u64,
    /// Messages read, old ones of a lagging consumer included.
    pub consumed: u64,
    /// Until everything was written, read and synced, seconds.
    pub seconds: f64,
    /// Of it the last sync.
    pub settle_seconds: f64,
    /// The clean stop, after the clock: indexes that were in memory are written then.
    pub close_seconds: f64,
    /// Until a lagging consumer had read what was there before, seconds; absent without one.
    pub catch_up_seconds: Option<f64>,
    /// Append latency.
    pub latency: Percentiles,
    /// The process's account while the clock ran.
    pub counters: Counters,
    /// The device's from the start of the clock until after the clean stop, where it is known.
    pub device: Option<DeviceCounters>,
    /// Calls of `fdatasync` and its like while the clock ran.
    pub syncs: u64,
}

impl CellResult {
    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds.max(1e-9)
    }

    /// MB of bodies a second.
    pub fn mb_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.seconds.max(1e-9)
    }

    /// CPU of the whole process, producers and consumers included, per message written, microseconds.
    pub fn cpu_us_per_message(&self) -> f64 {
        self.per_message(self.counters.cpu_ns as f64 / 1e3)
    }

    /// Messages per sync, where there were any.
    pub fn messages_per_sync(&self) -> Option<f64> {
        (self.syncs > 0).then(|| self.messages as f64 / self.syncs as f64)
    }

    /// Bytes that the device took for each byte of a body.
    pub fn write_amplification(&self) -> Option<f64> {
        self.device
            .map(|d| d.written_bytes as f64 / self.bytes.max(1) as f64)
    }

    /// Flush requests that the device got for each message.
    pub fn device_flushes_per_message(&self) -> Option<f64> {
        self.device.map(|d| self.per_message(d.flushes as f64))
    }

    fn per_message(&self, total: f64) -> f64 {
        total / self.messages.max(1) as f64
    }
}
