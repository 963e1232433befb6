//! What came of a load: counts, rates, latency percentiles, the broker's cost. Printed as text, kept as JSON.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::server::{Memory, ServerProcess};

/// Latency at the usual percentiles, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Latency {
    /// Median.
    pub p50_us: u64,
    /// 99 of 100 are below.
    pub p99_us: u64,
    /// 999 of 1,000.
    pub p99_9_us: u64,
    /// 9,999 of 10,000.
    pub p99_99_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// The result of one load.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Outcome {
    /// Messages acknowledged, or received.
    pub messages: u64,
    /// Their bodies' bytes, or of a consumer the stored records' bytes.
    pub bytes: u64,
    /// Requests that the broker refused.
    pub refused: u64,
    /// First refusal, if any: code and text.
    pub first_refusal: Option<String>,
    /// Wall time, seconds.
    pub seconds: f64,
    /// Requests' latency.
    pub latency: Option<Latency>,
    /// The broker's CPU time per message, microseconds.
    pub server_cpu_us_per_message: Option<f64>,
    /// The broker's memory at the end.
    pub server_memory: Option<Memory>,
}

/// What one connection brings home.
#[derive(Debug)]
pub(super) struct Tally {
    pub messages: u64,
    pub bytes: u64,
    pub refused: u64,
    pub first_refusal: Option<String>,
    pub latency_us: Histogram<u64>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            messages: 0,
            bytes: 0,
            refused: 0,
            first_refusal: None,
            latency_us: empty_histogram(),
        }
    }

    pub(super) fn record(&mut self, latency: Duration) {
        self.latency_us
            .saturating_record(latency.as_micros() as u64);
    }

    pub(super) fn refuse(&mut self, code: i32, remark: Option<&str>) {
        self.refused += 1;
        self.first_refusal
            .get_or_insert_with(|| format!("code {code}: {}", remark.unwrap_or("no remark")));
    }

    pub(super) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.refused += other.refused;
        self.first_refusal = self.first_refusal.take().or(other.first_refusal);
        // Both have the same bounds, so nothing is out of range.
        let _ = self.latency_us.add(other.latency_us);
    }

    /// With the time and the broker's account around the load.
    pub(super) fn outcome(
        self,
        elapsed: Duration,
        server: Option<(ServerProcess, f64)>,
    ) -> Outcome {
        let messages = self.messages;
        let per_message = |us: f64| us / messages.max(1) as f64;
        let at = |q: f64| self.latency_us.value_at_quantile(q);
        Outcome {
            messages,
            bytes: self.bytes,
            refused: self.refused,
            first_refusal: self.first_refusal,
            seconds: elapsed.as_secs_f64(),
            latency: (!self.latency_us.is_empty()).then(|| Latency {
                p50_us: at(0.5),
                p99_us: at(0.99),
                p99_9_us: at(0.999),
                p99_99_us: at(0.9999),
                max_us: self.latency_us.max(),
            }),
            server_cpu_us_per_message: server
                .and_then(|(process, before)| Some(per_message(process.cpu_us()? - before))),
            server_memory: server.and_then(|(process, _)| process.memory()),
        }
    }
}

/// One microsecond to an hour, three digits: always constructible.
fn empty_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000, 3)
        .unwrap_or_else(|_| unreachable!("the bounds are constants that the library accepts"))
}

impl Outcome {
    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds.max(1e-9)
    }

    /// MB a second.
    pub fn mb_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.seconds.max(1e-9)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages in {:.2} s: {:.0} messages/s, {:.1} MB/s, {} refused",
            self.messages,
            self.seconds,
            self.rate(),
            self.mb_per_second(),
            self.refused
        )?;
        if let Some(refusal) = &self.first_refusal {
            write!(f, " (first: {refusal})")?;
        }
        if let Some(l) = &self.latency {
            write!(
                f,
                "\nlatency us: p50 {}, p99 {}, p99.9 {}, p99.99 {}, max {}",
                l.p50_us, l.p99_us, l.p99_9_us, l.p99_99_us, l.max_us
            )?;
        }
        if let Some(cpu) = self.server_cpu_us_per_message {
            write!(f, "\nbroker: {cpu:.2} us of CPU a message")?;
        }
        if let Some(m) = self.server_memory {
            write!(
                f,
                ", {:.0} MiB resident, {:.0} MiB of it anonymous",
                m.resident_mib, m.anonymous_mib
            )?;
        }
        Ok(())
    }
}
