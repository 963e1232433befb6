//! The store's own measurements as Prometheus sees them. Everything is read from the store when it is asked for; units are
//! those of Prometheus (seconds, bytes). It keeps nothing.

use std::fmt;
use std::sync::Arc;

use mainstem_store::{HistogramSnapshot, Store};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

const NANOSECONDS_PER_SECOND: f64 = 1e9;

/// Asks one store.
#[derive(Debug)]
pub(super) struct StoreCollector {
    store: Arc<Store>,
}

impl StoreCollector {
    pub(super) fn new(store: Arc<Store>) -> StoreCollector {
        StoreCollector { store }
    }
}

/// One call for each kind of metric.
struct Writer<'a>(DescriptorEncoder<'a>);

impl Writer<'_> {
    fn single<M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        metric: &M,
    ) -> fmt::Result {
        let encoder = self
            .0
            .encode_descriptor(name, help, unit, metric.metric_type())?;
        metric.encode(encoder)
    }

    fn counter(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
        self.single(name, help, unit, &ConstCounter::new(value))
    }

    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> fmt::Result {
        self.single(name, help, unit, &ConstGauge::new(value))
    }

    /// A histogram whose values are divided by `scale`.
    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        values: &HistogramSnapshot,
        scale: f64,
    ) -> fmt::Result {
        let bounds = values
            .bounds
            .iter()
            .map(|bound| *bound as f64 / scale)
            .chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(values.counts.iter().copied()).collect();
        let mut encoder = self
            .0
            .encode_descriptor(name, help, unit, MetricType::Histogram)?;
        let sum = values.sum as f64 / scale;
        encoder.encode_histogram::<NoLabelSet>(sum, values.count(), &buckets, None)
    }
}

impl Collector for StoreCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Writer(encoder);
        let (seconds, bytes) = (Some(&Unit::Seconds), Some(&Unit::Bytes));
        let measured = self.store.histograms();
        let times = [
            (
                "store_append",
                "Time of an append with its waits for the append lock and for the next log file; one append in 64 is timed",
                &measured.append_ns,
            ),
            (
                "store_lock_wait",
                "Time that an append waits for the append lock; one append in 64 is timed",
                &measured.lock_wait_ns,
            ),
            ("store_flush", "Time of a group commit", &measured.flush_ns),
            (
                "store_dispatch_lag",
                "Time from the store time of the oldest message of a run of the dispatcher until all of the run are in their queues",
                &measured.dispatch_lag_ns,
            ),
        ];
        for (name, help, values) in times {
            out.histogram(name, help, seconds, values, NANOSECONDS_PER_SECOND)?;
        }
        out.histogram(
            "store_flush_messages",
            "Messages that a group commit made durable",
            None,
            &measured.flush_messages,
            1.0,
        )?;
        out.histogram(
            "store_flush_size",
            "Size of the pages that a group commit wrote",
            bytes,
            &measured.flush_bytes,
            1.0,
        )?;
        let stats = self.store.stats();
        out.counter(
            "store_flushed",
            "Log bytes made durable",
            bytes,
            stats.flushed_bytes,
        )?;
        out.counter(
            "store_rolls",
            "Changes to the next log file",
            None,
            stats.rolls,
        )?;
        out.counter(
            "store_removed_files",
            "Log files removed by age, by size or under pressure",
            None,
            stats.removed_files,
        )?;
        let usage = self.store.usage();
        out.gauge(
            "log_begin",
            "Position of the oldest byte of the commit log",
            bytes,
            usage.min_position as f64,
        )?;
        out.gauge(
            "disk_used_ratio",
            "Used part of the disk under the commit log, 0 to 1",
            None,
            usage.disk_ratio,
        )?;
        out.gauge(
            "disk_available",
            "What can still be written to that disk",
            bytes,
            usage.available_bytes as f64,
        )?;
        out.gauge(
            "disk_stage",
            "How full the disk is: 0 roomy, 1 filling, 2 pressed, 3 full and refusing messages",
            None,
            f64::from(usage.stage as u8),
        )?;
        out.gauge(
            "store_failed",
            "1 when the store takes no messages until a restart, because a flush failed",
            None,
            f64::from(u8::from(self.store.failure().is_some())),
        )
    }
}
