//! What Prometheus sees: a handful of metrics without labels that could grow without bound, served over plain HTTP.
//! Values are read when they are asked for, so that counting costs requests nothing beyond the broker's own counters.

mod store;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use mainstem_store::Store;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use self::store::StoreCollector;
use crate::broker_core::BrokerCore;

/// Longest request that a scraper may send.
const MAX_REQUEST_BYTES: usize = 8192;
/// Longest time that one scrape may take.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(5);

/// The broker's metrics.
pub(crate) struct BrokerMetrics {
    registry: Registry,
    messages_in: Counter,
    bytes_in: Counter,
    sends_refused: Counter,
    messages_out: Counter,
    parked_pulls: Gauge,
    topics: Gauge,
    groups: Gauge,
    log_end: Gauge<i64>,
    unflushed_bytes: Gauge<i64>,
}

impl BrokerMetrics {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        let mut registry = Registry::with_prefix("mainstem");
        registry.register_collector(Box::new(StoreCollector::new(store.clone())));
        let (messages_in, bytes_in, sends_refused, messages_out) = (
            Counter::default(),
            Counter::default(),
            Counter::default(),
            Counter::default(),
        );
        let (parked_pulls, topics, groups) = (Gauge::default(), Gauge::default(), Gauge::default());
        let (log_end, unflushed_bytes) = (Gauge::default(), Gauge::default());
        registry.register("messages_in", "Messages stored", messages_in.clone());
        registry.register("bytes_in", "Bytes of records stored", bytes_in.clone());
        registry.register(
            "sends_refused",
            "Send requests refused",
            sends_refused.clone(),
        );
        registry.register("messages_out", "Messages pulled", messages_out.clone());
        registry.register(
            "parked_pulls",
            "Pulls that wait for a message",
            parked_pulls.clone(),
        );
        registry.register("topics", "Topics", topics.clone());
        registry.register("groups", "Configured consumer groups", groups.clone());
        registry.register(
            "log_end_bytes",
            "Position of the end of the commit log",
            log_end.clone(),
        );
        registry.register(
            "unflushed_bytes",
            "Bytes appended and not yet durable",
            unflushed_bytes.clone(),
        );
        BrokerMetrics {
            registry,
            messages_in,
            bytes_in,
            sends_refused,
            messages_out,
            parked_pulls,
            topics,
            groups,
            log_end,
            unflushed_bytes,
        }
    }
}

fn catch_up(counter: &Counter<u64, AtomicU64>, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

impl BrokerCore {
    /// The metrics in Prometheus' text form.
    pub fn metrics_text(&self) -> String {
        let metrics = &self.metrics;
        catch_up(&metrics.messages_in, self.stats.put_messages());
        catch_up(&metrics.bytes_in, self.stats.put_bytes());
        catch_up(&metrics.sends_refused, self.stats.put_failed());
        catch_up(&metrics.messages_out, self.stats.got_messages());
        metrics.parked_pulls.set(self.parked.len() as i64);
        metrics.topics.set(self.topics.len() as i64);
        metrics.groups.set(self.groups.len() as i64);
        let marks = self.store.watermarks();
        metrics.log_end.set(marks.appended() as i64);
        metrics
            .unflushed_bytes
            .set(marks.appended().saturating_sub(marks.durable()) as i64);
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &metrics.registry);
        text
    }
}

/// Listens for scrapers; [`serve`] answers them.
pub(crate) async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers every request with the metrics, one connection at a time.
pub(crate) async fn serve(listener: TcpListener, core: Arc<BrokerCore>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = tokio::time::timeout(SCRAPE_TIMEOUT, answer(stream, &core)).await;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a scraper");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(mut stream: TcpStream, core: &BrokerCore) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 || request.len() > MAX_REQUEST_BYTES {
            return Ok(());
        }
    }
    let text = core.metrics_text();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}
