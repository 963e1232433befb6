//! Bodies captured from the real broker, name server and clients, read into their types and written again: nothing is lost,
//! nothing is added.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;

use mainstem_common::json::{self, JsonError};
use mainstem_common::protocol::*;
use serde_json::Value;

struct Frame {
    code: i64,
    response: bool,
    body: Vec<u8>,
    source: String,
}

/// All frames with a whole body; a response goes by the code of its request.
fn frames() -> Vec<Frame> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/frames");
    let mut frames = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_none_or(|extension| extension != "jsonl")
        {
            continue;
        }
        for (line, text) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
            let frame: Value = serde_json::from_str(text).unwrap();
            let response = frame["kind"] == "response";
            if frame.get("cut").is_some_and(|cut| !cut.is_null())
                || (response && frame["code"] != 0)
            {
                continue;
            }
            let bytes = unhex(frame["hex"].as_str().unwrap());
            let header_len =
                u32::from_be_bytes(bytes[4..8].try_into().unwrap()) as usize & 0xFF_FFFF;
            let body = bytes[8 + header_len..].to_vec();
            let code = if response {
                &frame["requestCode"]
            } else {
                &frame["code"]
            }
            .as_i64()
            .unwrap_or(-1);
            if !body.is_empty() {
                frames.push(Frame {
                    code,
                    response,
                    body,
                    source: format!("{}:{}", path.display(), line + 1),
                });
            }
        }
    }
    frames
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Reads and writes the body with the type that its code calls for; `None` where the body is no typed JSON.
fn rewrite(frame: &Frame) -> Option<Result<Vec<u8>, JsonError>> {
    macro_rules! by {
        ($type:ident) => {
            $type::from_json(&frame.body).map(|body| body.to_json())
        };
    }
    Some(match (frame.code, frame.response) {
        (21, true) => by!(TopicTable),
        (28 | 219, true) => by!(KvTable),
        (34, false) => by!(HeartbeatData),
        (38, true) => by!(ConsumerList),
        (41 | 42, false) => by!(LockBatchRequest),
        (41, true) => by!(LockBatchResponse),
        (43, true) => by!(ConsumerOffsetTable),
        (45, true) => by!(DelayOffsetTable),
        (46, false) => by!(CheckClientConfig),
        (103, false) => by!(RegisterBrokerBody),
        (105, true) => by!(TopicRoute),
        (106, true) => by!(ClusterInfo),
        (200, false) | (352, true) => by!(SubscriptionGroupConfig),
        (201, true) => by!(SubscriptionGroupTable),
        (202, true) => by!(TopicStats),
        (203, true) => by!(ConsumerConnection),
        (204, true) => by!(ProducerConnection),
        (206 | 224 | 304 | 305 | 311 | 343, true) => by!(TopicList),
        (208, true) => by!(ConsumeStats),
        (220, false) | (222, true) => by!(ResetOffsetTable),
        (221 | 223, true) => by!(ConsumerStatusTable),
        (300, true) => by!(GroupList),
        (303, true) => by!(ConsumeTimeSpanList),
        (307, true) => by!(ConsumerRunningInfo),
        (308, true) => by!(CorrectionOffsets),
        (309, true) => by!(ConsumeMessageDirectlyResult),
        (315, true) => by!(BrokerStats),
        (317, true) => by!(BrokerConsumeStats),
        (321, true) => by!(ConsumeQueueView),
        (322, _) => by!(DataVersion),
        (328, true) => by!(ProducerTable),
        (345, true) => by!(SubscriptionQuery),
        (351, true) => by!(TopicConfig),
        (400, false) => by!(QueryAssignmentRequest),
        (400, true) => by!(QueryAssignmentResponse),
        (401, false) => by!(SetMessageRequestMode),
        (901, true) => by!(BrokerMemberGroupBody),
        _ => return None,
    })
}

/// Whether everything in `captured` is in `written`, and what `written` adds is only an absent member's default.
fn covers(captured: &Value, written: &Value) -> bool {
    match (captured, written) {
        (Value::Object(captured), Value::Object(written)) => captured
            .iter()
            .all(|(k, v)| written.get(k).is_some_and(|w| covers(v, w))),
        (Value::Array(captured), Value::Array(written)) => {
            captured.len() == written.len()
                && captured.iter().zip(written).all(|(c, w)| covers(c, w))
        }
        // Go sends tag codes as text.
        (Value::String(text), Value::Number(number)) => *text == number.to_string(),
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => captured == written,
    }
}

#[test]
fn captured_bodies_survive_their_types() {
    let mut seen: BTreeMap<(i64, bool), usize> = BTreeMap::new();
    for frame in frames() {
        let Some(written) = rewrite(&frame) else {
            continue;
        };
        let written = written.unwrap_or_else(|e| {
            panic!(
                "{}: {e}: {}",
                frame.source,
                String::from_utf8_lossy(&frame.body)
            )
        });
        let captured = json::parse(&frame.body).unwrap();
        let again = json::parse(&written).unwrap();
        assert!(
            covers(&captured, &again),
            "{}:\n{captured}\n{again}",
            frame.source
        );
        *seen.entry((frame.code, frame.response)).or_default() += 1;
    }
    for expected in [
        (34, false),
        (41, true),
        (103, false),
        (105, true),
        (106, true),
        (202, true),
        (208, true),
        (223, true),
        (309, true),
    ] {
        assert!(
            seen.contains_key(&expected),
            "the capture holds {expected:?}, seen: {seen:?}"
        );
    }
}

#[test]
fn queue_keyed_bodies_are_written_byte_for_byte_as_java_writes_them() {
    let mut compared = 0;
    for frame in frames()
        .into_iter()
        .filter(|f| matches!((f.code, f.response), (202 | 208 | 222, true) | (220, false)))
    {
        let written = rewrite(&frame).unwrap().unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            String::from_utf8(frame.body).unwrap(),
            "{}",
            frame.source
        );
        compared += 1;
    }
    assert!(compared >= 4);
}

#[test]
fn what_this_side_writes_is_compact() {
    for frame in frames() {
        if let Some(Ok(written)) = rewrite(&frame) {
            let text = String::from_utf8(written).unwrap();
            assert!(
                !text.contains(": ") || text.contains("jstack") || text.contains("table"),
                "{}: {text}",
                frame.source
            );
            assert!(!text.contains(":null"), "{}: {text}", frame.source);
        }
    }
}
