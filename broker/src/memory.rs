//! What a broker's limits let it take at most: anonymous memory, which no other process can have; the log in the page cache is
//! the kernel's to give and take. Owns the sum and its parts; the limits themselves stand where they are kept, and the test
//! `tests/system/memory.rs` holds a loaded process to what is printed here.

use std::fmt;

use mainstem_store::{MAX_QUEUES, MEMORY_BYTES as STORE_BYTES, QUEUE_BYTES};

use crate::config::BrokerConfig;
use crate::door::MAX_WAITING_BYTES;

/// The program, its threads with their buffers, and what the allocator keeps.
const BASE_BYTES: u64 = 64 << 20;
/// A topic with its configuration, counters of a day, its record in the journal, and what is made of all topics at a time
/// for exports and registrations.
const TOPIC_BYTES: u64 = 4096;
/// A consumer group, likewise.
const GROUP_BYTES: u64 = 2048;
/// A pull that waits: its request, its place in four tables, and the reply that is held for it.
const WAITING_PULL_BYTES: u64 = 1536;
/// A connection with what is not counted against the budgets: the start of a short request, a few replies, its client's
/// entry.
const CONNECTION_BYTES: u64 = 40 << 10;

/// One part of the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPart {
    /// For whom.
    pub what: &'static str,
    /// At most.
    pub bytes: u64,
}

/// The sum of the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryLimit(Vec<MemoryPart>);

impl MemoryLimit {
    /// By a configuration.
    pub fn of(config: &BrokerConfig) -> MemoryLimit {
        let ports = match config.fast_port {
            crate::config::FastPort::Off => 1,
            _ => 2,
        };
        let part = |what, count: usize, each: u64| MemoryPart {
            what,
            bytes: (count as u64).saturating_mul(each),
        };
        let message = config.store.max_message_bytes;
        let pulled = config.max_transfer_bytes_on_disk as u64;
        MemoryLimit(vec![
            part("program", 1, BASE_BYTES),
            part(
                "queue tails, key index and groups to be flushed",
                1,
                STORE_BYTES,
            ),
            part(
                "sends to topics that are being created",
                1,
                (MAX_WAITING_BYTES + config.max_message_bytes) as u64,
            ),
            part("queues", MAX_QUEUES, QUEUE_BYTES),
            part("topics", config.max_topics, TOPIC_BYTES),
            part("groups", config.max_groups, GROUP_BYTES),
            part(
                "waiting pulls",
                2 * config.max_parked_pulls,
                WAITING_PULL_BYTES,
            ),
            part(
                "reads from disk",
                config.max_cold_reads,
                pulled.max(message.into()),
            ),
            part(
                "connections",
                ports * config.max_connections,
                CONNECTION_BYTES,
            ),
            part(
                "unfinished requests and unread answers",
                2 * ports,
                config.max_buffered_bytes as u64,
            ),
        ])
    }

    /// Its parts.
    pub fn parts(&self) -> &[MemoryPart] {
        &self.0
    }

    /// All together.
    pub fn bytes(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, part| sum.saturating_add(part.bytes))
    }
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        write!(f, "{} MiB at most by its limits:", mib(self.bytes()))?;
        for (n, part) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma} {} {}", part.what, mib(part.bytes))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_follows_the_limits() {
        let usual = MemoryLimit::of(&BrokerConfig::default());
        let text = usual.to_string();
        assert!(
            text.contains("MiB at most") && text.contains("topics 782"),
            "{text}"
        );
        let small = MemoryLimit::of(&BrokerConfig {
            max_connections: 100,
            max_buffered_bytes: 1 << 20,
            ..BrokerConfig::default()
        });
        assert!(small.bytes() + (4 << 30) < usual.bytes());
        assert_eq!(
            usual.bytes(),
            usual.parts().iter().map(|part| part.bytes).sum::<u64>()
        );
    }
}
