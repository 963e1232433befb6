//! What the real name server was asked and answered, asked here: the same codes, the same fields, the same bodies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;

use mainstem_common::json;
use serde_json::Value;
use support::{Peer, start};

struct Captured {
    seq: i64,
    conn: i64,
    response: bool,
    code: i64,
    frame: Value,
    bytes: Vec<u8>,
}

fn captured(name: &str) -> Vec<Captured> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../common/tests/data/frames")
        .join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let frame: Value = serde_json::from_str(line).unwrap();
        Captured {
            seq: frame["seq"].as_i64().unwrap(),
            conn: frame["conn"].as_i64().unwrap(),
            response: frame["kind"] == "response",
            code: frame["code"].as_i64().unwrap(),
            bytes: unhex(frame["hex"].as_str().unwrap()),
            frame,
        }
    };
    text.lines().map(line).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

impl Captured {
    fn body(&self) -> &[u8] {
        let header_len =
            u32::from_be_bytes(self.bytes[4..8].try_into().unwrap()) as usize & 0xFF_FFFF;
        &self.bytes[8 + header_len..]
    }

    fn ext_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.frame["extFields"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(k, _)| k.clone())
            .collect();
        names.sort();
        names
    }

    /// The request code of a response.
    fn answers(&self) -> i64 {
        self.frame["requestCode"].as_i64().unwrap()
    }
}

/// Sends a captured request and checks the answer against the captured one.
async fn replay(peer: &mut Peer, asked: &Captured, answered: &Captured) {
    peer.send(&asked.bytes).await;
    let reply = peer.receive().await;
    let what = format!("frame {} (code {})", asked.seq, asked.code);
    assert_eq!(
        i64::from(reply.opaque),
        asked.frame["opaque"].as_i64().unwrap(),
        "{what}"
    );
    assert_eq!(
        i64::from(reply.code),
        answered.code,
        "{what}: {:?}",
        reply.remark
    );
    assert_eq!(reply.flag, 1, "{what}");
    let mut names: Vec<String> = reply.ext.iter().map(|(name, _)| name.to_string()).collect();
    names.sort();
    assert_eq!(names, answered.ext_names(), "{what}");
    match answered.answers() {
        // Lists, counts and settings are those of another broker; their shape is compared.
        206 | 224 | 304 => {
            let ours = json::parse(&reply.body).unwrap();
            let theirs = json::parse(answered.body()).unwrap();
            let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(&ours), keys(&theirs), "{what}");
        }
        322 => assert_eq!(reply.ext[0].1, "true", "{what}"),
        319 => assert!(
            String::from_utf8_lossy(&reply.body).contains("listenPort="),
            "{what}"
        ),
        _ if answered.body().is_empty() => assert!(reply.body.is_empty(), "{what}"),
        _ => assert_eq!(
            json::parse(&reply.body).unwrap(),
            json::parse(answered.body()).unwrap(),
            "{what}"
        ),
    }
}

#[tokio::test]
async fn a_real_broker_registers_as_with_its_own_name_server() {
    let server = start();
    let mut broker = Peer::connect(&server).await;
    let frames = captured("broker_to_namesrv.jsonl");
    for pair in frames[..8].chunks(2) {
        replay(&mut broker, &pair[0], &pair[1]).await;
    }
    let route = broker.route("java5_Topic").await.unwrap();
    assert_eq!(route.queue_datas[0].read_queue_nums, 4);
    assert_eq!(
        broker.route("BenchmarkTest").await.unwrap().queue_datas[0].read_queue_nums,
        1024
    );
    replay(&mut broker, &frames[16], &frames[17]).await;
    let last = frames.iter().position(|f| f.code == 104).unwrap();
    replay(&mut broker, &frames[last], &frames[last + 1]).await;
    assert!(broker.route("java5_Topic").await.is_none());
    server.shutdown().await;
}

#[tokio::test]
async fn every_captured_question_gets_the_captured_answer() {
    let server = start();
    let mut broker = Peer::connect(&server).await;
    let registration = captured("broker_to_namesrv.jsonl");
    replay(&mut broker, &registration[0], &registration[1]).await;
    let one_topic = String::from_utf8_lossy(registration[2].body())
        .replace("java5_Topic", "x_Err")
        .into_bytes();
    let reply = broker
        .call(support::register("broker-a", "127.0.0.1:20911", one_topic))
        .await;
    assert_eq!(reply.code, 0);

    let mut tool = Peer::connect(&server).await;
    let frames: Vec<Captured> = captured("errors_namesrv.jsonl")
        .into_iter()
        .filter(|f| f.conn == 71)
        .collect();
    let mut compared = 0;
    for pair in frames.chunks(2) {
        assert!(!pair[0].response && pair[1].response);
        replay(&mut tool, &pair[0], &pair[1]).await;
        compared += 1;
    }
    assert_eq!(compared, 26);
    server.shutdown().await;
}
