//! The record that the benches append: nothing but topic, queue and body.

use std::net::{Ipv4Addr, SocketAddr};

use mainstem_record::NewRecord;

/// A record with this topic, queue and body, and nothing else.
pub(crate) fn plain<'a>(topic: &'a str, queue_id: i32, body: &'a [u8]) -> NewRecord<'a> {
    let host = SocketAddr::from((Ipv4Addr::LOCALHOST, 10911));
    NewRecord {
        topic,
        queue_id,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: 0,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties: b"",
    }
}
