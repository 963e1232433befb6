//! Real pulls: records found through the store's consume queues and sent to a socket, by vectored writes out of the map or
//! by a copy into one buffer. Contiguous records are those of a topic that was written alone, scattered ones lie between
//! those of others; cold ones have left memory. Figures are the sender's alone.

use std::io::{self, IoSlice, Write};
use std::net::TcpStream;
use std::path::Path;

use mainstem_store::{FlushMode, ReadLimits, RecordSlice, Store, StoreOptions};

use super::{Cache, Transfer, timed_to_a_reader};
use crate::measure::{Scratch, Spread, drop_page_cache, need_space};
use crate::record::plain;
use crate::table::Table;

/// How a pull's records lie in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// One behind the other.
    Contiguous,
    /// Between the records of 63 other topics.
    Scattered,
}

/// How records get into the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullWay {
    /// `writev` of the records where they lie.
    Vectored,
    /// Into one buffer, and `write`.
    Copied,
}

/// One case.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PullCase {
    /// How the records lie.
    pub placement: Placement,
    /// How they are sent.
    pub way: PullWay,
    /// Where their pages are.
    pub cache: Cache,
}

/// Every case, both ways of sending side by side.
pub fn cases() -> Vec<PullCase> {
    let mut cases = Vec::new();
    for cache in [Cache::Warm, Cache::Cold] {
        for placement in [Placement::Contiguous, Placement::Scattered] {
            for way in [PullWay::Vectored, PullWay::Copied] {
                cases.push(PullCase {
                    placement,
                    way,
                    cache,
                });
            }
        }
    }
    cases
}

impl PullCase {
    /// For tables.
    pub fn names(&self) -> [&'static str; 3] {
        [
            match self.cache {
                Cache::Warm => "warm",
                Cache::Cold => "cold",
            },
            match self.placement {
                Placement::Contiguous => "contiguous",
                Placement::Scattered => "scattered",
            },
            match self.way {
                PullWay::Vectored => "writev of the map",
                PullWay::Copied => "copy + write",
            },
        ]
    }
}

const TOPICS: u64 = 64;
const BODY_BYTES: u64 = 1024;
const FILE_BYTES: u64 = 512 << 20;
const MESSAGES_PER_PULL: usize = 32;

/// Room on the disk that a case of so many MiB needs.
pub fn disk_bytes(mib: u64) -> u64 {
    FILE_BYTES * 2 + (mib << 21)
}

/// Writes `mib` MiB of bodies, has them pulled over a loopback connection, and removes everything.
///
/// # Errors
/// When disk or network refuse, or the store does not give back what was written.
pub fn run_case(case: &PullCase, mib: u64, dir: &Path) -> io::Result<(Transfer, u64)> {
    let dir = Scratch::new(dir.join("pulls"))?;
    need_space(dir.path(), disk_bytes(mib))?;
    let mut store = open(dir.path())?;
    let messages = (mib << 20) / BODY_BYTES / TOPICS * TOPICS;
    let topics = match case.placement {
        Placement::Contiguous => 1,
        Placement::Scattered => TOPICS,
    };
    write(&store, topics, messages)?;
    rustix::fs::syncfs(std::fs::File::open(dir.path())?)?;
    if case.cache == Cache::Cold {
        store.close().map_err(io::Error::other)?;
        drop(store);
        store = open(dir.path())?;
        drop_page_cache(dir.path())?;
    }
    let copies = match case.way {
        PullWay::Vectored => 1,
        PullWay::Copied => 2,
    };
    let mut sent = 0;
    let transfer = timed_to_a_reader(copies, |socket| {
        for topic in 0..topics {
            sent += pull_topic(&store, &format!("topic-{topic}"), case.way, socket)?;
        }
        Ok(())
    })?;
    store.close().map_err(io::Error::other)?;
    if sent != messages {
        return Err(io::Error::other(format!(
            "{sent} messages of {messages} were read"
        )));
    }
    Ok((transfer, messages))
}

fn open(dir: &Path) -> io::Result<Store> {
    let options = StoreOptions {
        flush: FlushMode::Async,
        commit_log_file_bytes: FILE_BYTES,
        ..StoreOptions::default()
    };
    Store::open(dir, options).map_err(io::Error::other)
}

fn write(store: &Store, topics: u64, messages: u64) -> io::Result<()> {
    let body = vec![b'm'; BODY_BYTES as usize];
    let topics: Vec<String> = (0..topics).map(|i| format!("topic-{i}")).collect();
    let mut batch = store.batch();
    for topic in topics.iter().cycle().take(messages as usize) {
        let record = plain(topic, 0, &body);
        batch.append(&record).map_err(io::Error::other)?;
    }
    batch.finish();
    Ok(())
}

/// Sends a topic from its start to its end; the number of messages.
fn pull_topic(store: &Store, topic: &str, way: PullWay, socket: &TcpStream) -> io::Result<u64> {
    let limits = ReadLimits {
        max_messages: MESSAGES_PER_PULL,
        ..ReadLimits::default()
    };
    let (mut offset, mut buffer) = (0, Vec::new());
    loop {
        let outcome = store
            .try_read(topic, 0, offset, &limits, &|_| true)
            .map_err(io::Error::other)?;
        if outcome.messages.is_empty() {
            return Ok(offset);
        }
        match way {
            PullWay::Vectored => write_vectored(&outcome.messages, socket)?,
            PullWay::Copied => {
                buffer.clear();
                for message in &outcome.messages {
                    buffer.extend_from_slice(message);
                }
                (&*socket).write_all(&buffer)?;
            }
        }
        offset = outcome.next_offset;
    }
}

fn write_vectored(messages: &[RecordSlice], mut socket: &TcpStream) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = messages.iter().map(|m| IoSlice::new(m)).collect();
    let mut rest = &mut slices[..];
    while !rest.is_empty() {
        let sent = socket.write_vectored(rest)?;
        if sent == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut rest, sent);
    }
    Ok(())
}

/// A row for each case.
pub fn table(cases: &[PullCase], runs: &[Vec<(Transfer, u64)>]) -> Table {
    let mut table = Table::new([
        "pages",
        "records",
        "way",
        "MB/s",
        "sender CPU us/message",
        "minor faults/message",
        "major faults/message",
        "copies by the processor",
    ]);
    for (case, runs) in cases.iter().zip(runs) {
        let of = |digits: usize, figure: &dyn Fn(&Transfer, f64) -> f64| {
            let values = runs.iter().map(|(t, messages)| figure(t, *messages as f64));
            Spread::of(values).map_or(String::new(), |s| s.short(digits))
        };
        let copies = runs.first().map_or(0, |(t, _)| t.copies);
        table.row(case.names().into_iter().map(str::to_owned).chain([
            of(0, &|t, _| t.bytes as f64 / 1e6 / t.seconds),
            of(2, &|t, n| t.sender.cpu_ns as f64 / 1e3 / n),
            of(3, &|t, n| t.sender.minor_faults as f64 / n),
            of(3, &|t, n| t.sender.major_faults as f64 / n),
            copies.to_string(),
        ]));
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_case_sends_every_message() {
        let dir = tempfile::tempdir().unwrap();
        for case in cases() {
            let (transfer, messages) = run_case(&case, 1, dir.path()).unwrap();
            assert_eq!(messages, 1024, "{case:?}");
            assert!(transfer.seconds > 0.0);
        }
    }
}
