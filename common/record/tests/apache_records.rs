//! Records that Apache RocketMQ wrote, read and written again: every field as its own decoder gave it, every byte the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mainstem_record::{
    BLANK_MAGIC, BLANK_MIN, MAGIC_V1, MAGIC_V2, Message, NewRecord, Placement, Properties,
    RecordView, hash, place, sys_flag, topic,
};
use serde_json::Value;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn manifest(name: &str) -> HashMap<i64, Value> {
    let text = std::fs::read_to_string(data().join(name)).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let messages = manifest["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|m| (m["physicalOffset"].as_i64().unwrap(), m.clone()))
        .collect()
}

/// All records of one log file and the blanks met.
fn records(file: &[u8]) -> (Vec<&[u8]>, usize) {
    let (mut records, mut rest, mut blanks) = (Vec::new(), file, 0);
    while let Some((size, magic)) = RecordView::peek_size_and_magic(rest) {
        if magic == BLANK_MAGIC {
            assert_eq!(
                size as usize,
                rest.len(),
                "a blank reaches to the end of its file"
            );
            assert!(rest.len() >= BLANK_MIN);
            blanks += 1;
            break;
        }
        if magic != MAGIC_V1 && magic != MAGIC_V2 {
            assert!(
                rest.iter().all(|&b| b == 0),
                "behind the log's end there are only zeros"
            );
            break;
        }
        let record = RecordView::parse(rest).unwrap();
        records.push(&rest[..record.total_size()]);
        rest = &rest[record.total_size()..];
    }
    (records, blanks)
}

fn encode_again(record: &RecordView<'_>) -> Vec<u8> {
    let new = NewRecord {
        topic: record.topic(),
        queue_id: record.queue_id(),
        flag: record.flag(),
        sys_flag: record.sys_flag(),
        born_timestamp_ms: record.born_timestamp_ms(),
        born_host: record.born_host(),
        store_host: record.store_host(),
        reconsume_times: record.reconsume_times(),
        prepared_transaction_offset: record.prepared_transaction_offset(),
        body: record.body(),
        properties: record.properties().as_bytes(),
    };
    let mut out = Vec::new();
    assert_eq!(new.encode_into(&mut out), Ok(record.total_size()));
    place(
        &mut out,
        &Placement {
            queue_offset: record.queue_offset(),
            physical_offset: record.physical_offset(),
            store_timestamp_ms: record.store_timestamp_ms(),
        },
    );
    out
}

fn check_record(bytes: &[u8], expected: &Value) {
    let record = RecordView::parse(bytes).unwrap();
    let number = |name: &str| {
        expected[name]
            .as_i64()
            .unwrap_or_else(|| panic!("{name} of {expected}"))
    };
    assert_eq!(record.topic(), expected["topic"].as_str().unwrap());
    assert_eq!(i64::from(record.queue_id()), number("queueId"));
    assert_eq!(record.queue_offset(), number("queueOffset"));
    assert_eq!(record.total_size() as i64, number("size"));
    assert_eq!(i64::from(record.sys_flag()), number("sysFlag"));
    assert_eq!(i64::from(record.flag()), number("flag"));
    assert_eq!(i64::from(record.body_crc()), number("bodyCrc"));
    assert_eq!(record.born_timestamp_ms(), number("bornTimestamp"));
    assert_eq!(record.store_timestamp_ms(), number("storeTimestamp"));
    assert_eq!(
        record.born_host().to_string(),
        expected["bornHost"].as_str().unwrap()
    );
    assert_eq!(
        record.store_host().to_string(),
        expected["storeHost"].as_str().unwrap()
    );
    assert_eq!(
        i64::from(record.reconsume_times()),
        number("reconsumeTimes")
    );
    assert_eq!(
        record.prepared_transaction_offset(),
        number("preparedTransactionOffset")
    );
    let stored_len = expected["storedBodyLength"]
        .as_i64()
        .unwrap_or_else(|| number("bodyLength"));
    assert_eq!(record.body().len() as i64, stored_len);

    let properties: HashMap<&str, &str> = record.properties().iter().collect();
    let expected_properties: HashMap<&str, &str> = expected["properties"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str().unwrap()))
        .collect();
    assert_eq!(properties, expected_properties);
    let tags_code = record.properties().get("TAGS").map_or(0, hash::tags_code);
    assert_eq!(tags_code, number("tagsHash"));

    let (message, size) = Message::decode(bytes).unwrap();
    assert_eq!(size, record.total_size());
    assert_eq!(message.message_id(), expected["msgId"].as_str().unwrap());
    assert_eq!(message.body.len() as i64, number("bodyLength"));
    assert_eq!(
        message.properties.get("RETRY_TOPIC").is_some() && topic::is_retry(record.topic()),
        message.topic != record.topic()
    );
}

#[test]
fn every_record_of_an_apache_log_is_read_as_apache_reads_it_and_written_as_apache_wrote_it() {
    let mut expected = manifest("clean-manifest.json");
    let served = expected.len();
    let (mut seen, mut blanks) = (0, 0);
    for base in [0, 262_144, 524_288] {
        let file = std::fs::read(data().join(format!("clean-commitlog/{base:020}"))).unwrap();
        let (records, file_blanks) = records(&file);
        blanks += file_blanks;
        let mut at = base;
        for bytes in records {
            let record = RecordView::parse(bytes).unwrap();
            assert_eq!(record.physical_offset(), at);
            assert!(record.body_crc_matches());
            assert_eq!(encode_again(&record), bytes, "record at {at}");
            if let Some(expected) = expected.remove(&at) {
                check_record(bytes, &expected);
                seen += 1;
            }
            at += bytes.len() as i64;
        }
    }
    assert_eq!((seen, blanks, expected.len()), (served, 2, 0));
}

#[test]
fn compressed_bodies_of_apache_clients_are_unpacked() {
    let mut unpacked = 0;
    for message in manifest("clean-manifest.json")
        .values()
        .filter(|m| m.get("storedBodyLength").is_some())
    {
        let offset = message["physicalOffset"].as_u64().unwrap() as usize;
        let base = offset / 262_144 * 262_144;
        let file = std::fs::read(data().join(format!("clean-commitlog/{base:020}"))).unwrap();
        let (decoded, _) = Message::decode(&file[offset - base..]).unwrap();
        assert_eq!(
            decoded.body.len() as u64,
            message["bodyLength"].as_u64().unwrap()
        );
        if let Some(seen_by_client) = message.get("sysFlagSeenByClient") {
            assert_eq!(
                i64::from(decoded.sys_flag),
                seen_by_client.as_i64().unwrap()
            );
        }
        unpacked += 1;
    }
    assert!(unpacked > 0, "the capture holds compressed bodies");
}

#[test]
fn inner_batches_of_apache_are_read_written_and_unwrapped() {
    let head = std::fs::read(data().join("batchcq-commitlog-head")).unwrap();
    let expected = manifest("batchcq-manifest.json");
    let (records, _) = records(&head);
    assert_eq!(records.len(), expected.len());
    let end = records.iter().map(|r| r.len()).sum::<usize>();
    for bytes in &records {
        let record = RecordView::parse(bytes).unwrap();
        assert_eq!(encode_again(&record), *bytes);
        check_record(bytes, &expected[&record.physical_offset()]);
    }
    let messages = Message::decode_all(&head[..end]).unwrap();
    assert_eq!(messages.len(), 4 * 3 + 1);
    for queue_id in [0, 1] {
        let offsets: Vec<i64> = messages
            .iter()
            .filter(|m| m.queue_id == queue_id)
            .map(|m| m.queue_offset)
            .collect();
        assert_eq!(offsets, (0..offsets.len() as i64).collect::<Vec<_>>());
    }
    assert!(
        messages
            .iter()
            .all(|m| !sys_flag::is_inner_batch(m.sys_flag))
    );
}

#[test]
fn the_specified_test_record_is_written_byte_for_byte() {
    let properties: Properties = [
        ("TAGS", "TagA"),
        ("KEYS", "K1"),
        ("UNIQ_KEY", "AC110001000018B4AAC2000000000000"),
    ]
    .into_iter()
    .collect();
    let new = NewRecord {
        topic: "TopicTest",
        queue_id: 3,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: 1_700_000_000_000,
        born_host: "10.0.0.9:5555".parse().unwrap(),
        store_host: "10.0.0.1:10911".parse().unwrap(),
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"hello",
        properties: &properties.encode().unwrap(),
    };
    let mut out = vec![0xEE; 3];
    assert_eq!(new.encode_into(&mut out), Ok(165));
    let record = &mut out[3..];
    place(
        record,
        &Placement {
            queue_offset: 42,
            physical_offset: 1000,
            store_timestamp_ms: 1_700_000_000_123,
        },
    );
    let expected = "000000a5daa320a73610a6860000000300000000000000000000002a00000000000003e800000000\
        0000018bcfe568000a000009000015b30000018bcfe5687b0a00000100002a9f000000000000000000000000\
        0000000568656c6c6f09546f70696354657374003c544147530154616741024b455953014b3102554e49515f4b455901\
        414331313030303130303030313842344141433230303030303030303030303002";
    let hex: String = record.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, expected);
}
