//! The work of encoding and appending, done in this process so that nothing else is counted with it.

use std::hint::black_box;
use std::io;
use std::path::Path;

use mainstem_record::NewRecord;
use mainstem_store::{FlushMode, Store, StoreOptions};

use crate::record::plain;

/// Body bytes, as in every other figure.
const BODY_BYTES: usize = 1024;
/// As a Java client's message has them when a broker stores it.
const PROPERTIES: &[u8] =
    b"MSG_REGION\x01DefaultRegion\x02UNIQ_KEY\x017F0000010A2B18B4AAC21234567890AB\x02\
CLUSTER\x01DefaultCluster\x02WAIT\x01true\x02TAGS\x01TagA\x02TRACE_ON\x01true\x02";
const FILE_BYTES: u64 = 64 << 20;
const QUEUES: i32 = 4;

fn record(body: &[u8], queue_id: i32) -> NewRecord<'_> {
    NewRecord {
        properties: PROPERTIES,
        ..plain("bench", queue_id, body)
    }
}

pub(super) fn encode(times: u64) -> io::Result<()> {
    let body = [b'x'; BODY_BYTES];
    let mut out = Vec::new();
    for _ in 0..times {
        out.clear();
        record(black_box(&body), 0)
            .encode_into(&mut out)
            .map_err(io::Error::other)?;
        black_box(&out);
    }
    Ok(())
}

pub(super) fn append(dir: &Path, times: u64) -> io::Result<()> {
    let dir = super::scratch(dir)?;
    let options = StoreOptions {
        flush: FlushMode::Async,
        commit_log_file_bytes: FILE_BYTES,
        ..StoreOptions::default()
    };
    let store = Store::open(dir.path(), options).map_err(io::Error::other)?;
    let body = [b'x'; BODY_BYTES];
    let mut batch = store.batch();
    for i in 0..times {
        batch
            .append(&record(&body, i as i32 % QUEUES))
            .map_err(io::Error::other)?;
        batch.kick();
    }
    drop(batch);
    store.close().map_err(io::Error::other)
}
