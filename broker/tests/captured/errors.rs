//! Requests that were captured on their way to the real broker, replayed to this one: the replies have the same codes
//! and the same ext fields, and of pulls the same numbers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::collections::BTreeMap;

use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use serde_json::Value;
use support::{TestBroker, TestClient, ext, ext_keys, send_command};

struct Exchange {
    seq: i64,
    request: Command,
    reply: Value,
}

fn body_of(frame: &Value) -> Vec<u8> {
    let text = frame["hex"].as_str().unwrap();
    let bytes: Vec<u8> = (0..text.len() / 2)
        .map(|index| u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).unwrap())
        .collect();
    let head = u32::from_be_bytes([0, bytes[5], bytes[6], bytes[7]]) as usize;
    bytes[8 + head..].to_vec()
}

fn ext_of(frame: &Value) -> BTreeMap<String, String> {
    let Some(fields) = frame["extFields"].as_object() else {
        return BTreeMap::new();
    };
    fields
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

/// The exchanges with the broker; requests whose body was cut in the capture are left out.
fn exchanges(text: &str) -> Vec<Exchange> {
    let frames: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut found = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        if frame["direction"] != "client->broker"
            || frame["kind"] != "request"
            || !frame["cut"].is_null()
        {
            continue;
        }
        let reply = frames[index + 1..].iter().find(|later| {
            later["direction"] == "broker->client"
                && later["opaque"] == frame["opaque"]
                && later["conn"] == frame["conn"]
        });
        let Some(reply) = reply else { continue };
        let mut request =
            Command::request(frame["code"].as_i64().unwrap() as i32).with_body(body_of(frame));
        request.version = frame["version"].as_i64().unwrap() as i32;
        for (name, value) in ext_of(frame) {
            request = request.with_ext(name, value);
        }
        found.push(Exchange {
            seq: frame["seq"].as_i64().unwrap(),
            request,
            reply: reply.clone(),
        });
    }
    found
}

/// Where this broker answers otherwise, and why.
fn expected_code(exchange: &Exchange) -> i32 {
    match exchange.request.code {
        // Transactions and the pop mode are not served yet.
        request::END_TRANSACTION | request::SET_MESSAGE_REQUEST_MODE => {
            response::REQUEST_CODE_NOT_SUPPORTED
        }
        _ => exchange.reply["code"].as_i64().unwrap() as i32,
    }
}

async fn replay(client: &TestClient, text: &str) -> usize {
    let exchanges = exchanges(text);
    for exchange in &exchanges {
        let reply = client.call(exchange.request.clone()).await;
        let context = format!(
            "frame {} code {} {:?}",
            exchange.seq, exchange.request.code, reply.remark
        );
        assert_eq!(reply.code, expected_code(exchange), "{context}");
        let wanted: Vec<String> = ext_of(&exchange.reply).into_keys().collect();
        assert_eq!(ext_keys(&reply), wanted, "{context}");
        if exchange.request.code == request::PULL_MESSAGE && reply.code < 22 && !wanted.is_empty() {
            assert_eq!(
                reply.remark.as_deref(),
                exchange.reply["remark"].as_str(),
                "{context}"
            );
            for (name, value) in ext_of(&exchange.reply) {
                if name != "forbiddenType" {
                    assert_eq!(
                        ext(&reply, &name),
                        Some(value.as_str()),
                        "{name} of {context}"
                    );
                }
            }
        }
        if matches!(exchange.request.code, request::LOCK_BATCH_MQ) {
            let granted = |body: &[u8]| {
                let body = mainstem_common::protocol::LockBatchResponse::from_json(body).unwrap();
                let mut ids: Vec<i32> = body
                    .lock_ok_mq_set
                    .iter()
                    .map(|queue| queue.queue_id)
                    .collect();
                ids.sort_unstable();
                ids
            };
            assert_eq!(
                granted(&reply.body),
                granted(&body_of(&exchange.reply)),
                "{context}"
            );
        }
    }
    exchanges.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_sends_pulls_offsets_and_groups_are_those_of_the_real_broker() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    // What lay in the real broker before: a message at log position 0, and one in queue 2 of the topic.
    client.send_ok("java5_Topic", 2, "", b"hello first").await;
    assert_eq!(
        client
            .call(send_command("x_Err", 2, "TAGS\u{1}TagA\u{2}", b"x"))
            .await
            .code,
        response::SUCCESS
    );
    // The real broker chose queue 3 for a message without one, and later pulls count on it; here queues take turns.
    for _ in 0..3 {
        client.send_ok("x_Probe", -1, "", b"probe").await;
    }
    let sends = replay(&client, include_str!("data/errors_send.jsonl")).await;
    let pulls = replay(&client, include_str!("data/errors_pull.jsonl")).await;
    let others = replay(&client, include_str!("data/errors_offsets_groups.jsonl")).await;
    assert!(
        sends >= 18 && pulls >= 12 && others >= 38,
        "{sends} {pulls} {others}"
    );
}
