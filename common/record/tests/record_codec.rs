//! The record codec under every input: what is written is read back, and no bytes make it panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::{IpAddr, SocketAddr};

use mainstem_record::{
    DecodeError, EncodeError, MAGIC_V2, MAX_PROPERTIES_LEN, MAX_TOPIC_LEN_V1, Message, NewRecord,
    PHYSICAL_OFFSET_POSITION, Placement, QUEUE_OFFSET_POSITION, RecordView, place, sys_flag,
};
use proptest::prelude::*;

fn plain<'a>(topic: &'a str, body: &'a [u8], properties: &'a [u8]) -> NewRecord<'a> {
    NewRecord {
        topic,
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: 1,
        born_host: "127.0.0.1:1".parse().unwrap(),
        store_host: "127.0.0.1:2".parse().unwrap(),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body,
        properties,
    }
}

fn encoded(new: &NewRecord<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    new.encode_into(&mut out).unwrap();
    out
}

#[test]
fn a_topic_beyond_one_signed_byte_takes_the_second_version() {
    let short = "t".repeat(MAX_TOPIC_LEN_V1);
    let long = "t".repeat(MAX_TOPIC_LEN_V1 + 1);
    let short = encoded(&plain(&short, b"", b""));
    let long_record = encoded(&plain(&long, b"", b""));
    assert_ne!(RecordView::peek_size_and_magic(&short).unwrap().1, MAGIC_V2);
    assert_eq!(
        RecordView::peek_size_and_magic(&long_record).unwrap().1,
        MAGIC_V2
    );
    assert_eq!(RecordView::parse(&long_record).unwrap().topic(), long);
}

#[test]
fn an_ipv4_host_in_ipv6_clothes_is_stored_as_ipv4() {
    let mut new = plain("t", b"", b"");
    new.born_host = "[::ffff:10.0.0.9]:5555".parse().unwrap();
    let record = encoded(&new);
    let view = RecordView::parse(&record).unwrap();
    assert_eq!(
        (view.sys_flag(), view.born_host()),
        (0, "10.0.0.9:5555".parse().unwrap())
    );
}

#[test]
fn what_cannot_be_stored_is_refused_and_nothing_is_written() {
    let long_topic = "t".repeat(32_768);
    let long_properties = vec![b'p'; MAX_PROPERTIES_LEN + 1];
    let cases = [
        (plain("", b"", b""), EncodeError::EmptyTopic),
        (
            plain(&long_topic, b"", b""),
            EncodeError::TopicTooLong { len: 32_768 },
        ),
        (
            plain("a\0b", b"", b""),
            EncodeError::NulInTopic {
                topic: "a\0b".into(),
            },
        ),
        (
            plain("t", b"", &long_properties),
            EncodeError::PropertiesTooLong {
                len: MAX_PROPERTIES_LEN + 1,
            },
        ),
        (
            plain("t", b"", b"k\x01v\0\x02"),
            EncodeError::NulInProperties { position: 3 },
        ),
    ];
    for (new, error) in cases {
        let mut out = vec![1, 2, 3];
        assert_eq!(new.encode_into(&mut out), Err(error));
        assert_eq!(out, [1, 2, 3]);
    }
}

#[test]
fn every_damaged_length_is_found() {
    let record = encoded(&plain("topic", b"body", b"k\x01v\x02"));
    for (position, what) in [
        (87, "body length"),
        (92, "topic length"),
        (99, "properties length"),
    ] {
        for value in [0, 255, record[position] + 1, record[position] - 1] {
            let mut damaged = record.clone();
            damaged[position] = value;
            assert!(RecordView::parse(&damaged).is_err(), "{what} {value}");
        }
    }
    for size in [
        0u32,
        90,
        record.len() as u32 - 1,
        record.len() as u32 + 1,
        u32::MAX,
    ] {
        let mut damaged = record.clone();
        damaged[..4].copy_from_slice(&size.to_be_bytes());
        assert!(RecordView::parse(&damaged).is_err(), "size {size}");
    }
    let mut damaged = record.clone();
    damaged[94] = 0;
    assert_eq!(
        RecordView::parse(&damaged).unwrap_err(),
        DecodeError::BadTopic
    );
    let mut damaged = record.clone();
    damaged[101] = 0;
    assert_eq!(
        RecordView::parse(&damaged).unwrap_err(),
        DecodeError::BadProperties
    );
    let mut damaged = record;
    damaged[52] = 1;
    assert!(matches!(
        RecordView::parse(&damaged),
        Err(DecodeError::BadPort { .. })
    ));
}

#[test]
fn a_changed_body_no_longer_matches_its_crc() {
    let mut record = encoded(&plain("topic", b"body", b""));
    assert!(RecordView::parse(&record).unwrap().body_crc_matches());
    record[88] ^= 1;
    assert!(!RecordView::parse(&record).unwrap().body_crc_matches());
}

fn any_host() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port))
}

/// The strings and bytes a record borrows, and a record's numbers.
#[derive(Debug, Clone)]
struct Parts {
    topic: String,
    body: Vec<u8>,
    properties: Vec<u8>,
    hosts: (SocketAddr, SocketAddr),
    ints: [i32; 4],
    longs: [i64; 5],
}

fn any_parts() -> impl Strategy<Value = Parts> {
    (
        prop_oneof!["[a-zA-Z0-9_%|-]{1,127}", "[a-z]{128,255}", "[^\u{0}]{1,40}"],
        proptest::collection::vec(any::<u8>(), 0..600),
        proptest::collection::vec(1u8..=255, 0..300),
        (any_host(), any_host()),
        any::<[i32; 4]>(),
        any::<[i64; 5]>(),
    )
        .prop_map(|(topic, body, properties, hosts, ints, longs)| Parts {
            topic,
            body,
            properties,
            hosts,
            ints,
            longs,
        })
}

impl Parts {
    fn new_record(&self) -> NewRecord<'_> {
        NewRecord {
            topic: &self.topic,
            queue_id: self.ints[0],
            flag: self.ints[1],
            sys_flag: self.ints[2],
            born_timestamp_ms: self.longs[0],
            born_host: self.hosts.0,
            store_host: self.hosts.1,
            reconsume_times: self.ints[3],
            prepared_transaction_offset: self.longs[1],
            body: &self.body,
            properties: &self.properties,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(parts in any_parts(), before in 0usize..5, behind in 0usize..5) {
        let new = parts.new_record();
        let mut out = vec![0xAB; before];
        let len = new.encode_into(&mut out).unwrap();
        prop_assert_eq!(len, new.encoded_len().unwrap());
        prop_assert_eq!(out.len(), before + len);
        let placement = Placement { queue_offset: parts.longs[2], physical_offset: parts.longs[3], store_timestamp_ms: parts.longs[4] };
        place(&mut out[before..], &placement);
        out.resize(before + len + behind, 0xCD);

        let view = RecordView::parse(&out[before..]).unwrap();
        let host_bits = sys_flag::BORN_HOST_V6 | sys_flag::STORE_HOST_V6;
        prop_assert_eq!(view.total_size(), len);
        prop_assert_eq!(view.topic(), new.topic);
        prop_assert_eq!(view.body(), new.body);
        prop_assert_eq!(view.properties().as_bytes(), new.properties);
        prop_assert_eq!((view.queue_id(), view.flag(), view.reconsume_times()), (new.queue_id, new.flag, new.reconsume_times));
        prop_assert_eq!(view.sys_flag() & !host_bits, new.sys_flag & !host_bits);
        prop_assert_eq!((view.born_host(), view.store_host()), parts.hosts);
        prop_assert_eq!(view.born_timestamp_ms(), new.born_timestamp_ms);
        prop_assert_eq!(view.prepared_transaction_offset(), new.prepared_transaction_offset);
        prop_assert_eq!(view.queue_offset(), placement.queue_offset);
        prop_assert_eq!(view.physical_offset(), placement.physical_offset);
        prop_assert_eq!(view.store_timestamp_ms(), placement.store_timestamp_ms);
        prop_assert!(view.body_crc_matches());
        let word = |at: usize| i64::from_be_bytes(view.as_bytes()[at..at + 8].try_into().unwrap());
        prop_assert_eq!((word(QUEUE_OFFSET_POSITION), word(PHYSICAL_OFFSET_POSITION)), (placement.queue_offset, placement.physical_offset));
    }

    #[test]
    fn a_cut_record_is_truncated_and_never_misread(parts in any_parts(), cut in any::<prop::sample::Index>()) {
        let record = encoded(&parts.new_record());
        let short = &record[..cut.index(record.len())];
        let truncated = matches!(RecordView::parse(short), Err(DecodeError::Truncated { .. }));
        prop_assert!(truncated);
    }

    #[test]
    fn damaged_records_never_panic(parts in any_parts(), hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut record = encoded(&parts.new_record());
        for (at, value) in hits {
            let at = at.index(record.len());
            record[at] = value;
        }
        if let Ok(view) = RecordView::parse(&record) {
            let _ = (view.born_host(), view.store_host(), view.body_crc_matches(), view.properties().iter().count());
        }
        let _ = Message::decode_all(&record);
    }

    #[test]
    fn hostile_bytes_never_panic(mut bytes in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..300), v2 in any::<bool>(), size in 0u32..400) {
        if let Some(head) = bytes.first_chunk_mut::<8>() {
            head[..4].copy_from_slice(&size.to_be_bytes());
            head[4..].copy_from_slice(&[0xDA, 0xA3, 0x20, if v2 { 0xAB } else { 0xA7 }]);
        }
        let _ = RecordView::parse(&bytes);
        let _ = Message::decode_all(&bytes);
    }
}
