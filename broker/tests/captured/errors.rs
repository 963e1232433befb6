//! Requests that are wrong in one way each, sent by hand to the real broker.

use mainstem_common::remoting::code::{request, response};

use crate::frames::{Exchange, body_of, exchanges, ext_of};
use crate::support::{TestBroker, TestClient, ext, ext_keys, send_command};

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
    let sends = replay(&client, include_str!("../data/errors_send.jsonl")).await;
    let pulls = replay(&client, include_str!("../data/errors_pull.jsonl")).await;
    let others = replay(&client, include_str!("../data/errors_offsets_groups.jsonl")).await;
    assert!(
        sends >= 18 && pulls >= 12 && others >= 38,
        "{sends} {pulls} {others}"
    );
}
