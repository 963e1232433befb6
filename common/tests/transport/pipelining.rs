//! Many requests on one connection and on many, split in every way.

use super::support::*;
use bytes::BytesMut;
use mainstem_common::remoting::{Command, Language};
use std::collections::HashSet;
use std::sync::atomic::Ordering::SeqCst;

#[tokio::test]
async fn ten_thousand_pipelined_requests_are_each_answered_once() {
    let actor = Actor::new();
    let server = start(&actor);
    let Peer { stream, .. } = Peer::connect(&server).await;
    let (reader, mut writer) = stream.into_split();
    let sender = tokio::spawn(async move {
        let mut out = BytesMut::new();
        for opaque in 0..10_000 {
            request(ECHO, opaque)
                .with_ext("n", opaque.to_string())
                .with_body(vec![7; 300])
                .encode(&mut out);
        }
        tokio::io::AsyncWriteExt::write_all(&mut writer, &out)
            .await
            .unwrap();
        writer
    });
    let mut reader = tokio::io::BufReader::new(reader);
    let mut seen = HashSet::new();
    for _ in 0..10_000 {
        let reply = read_one(&mut reader).await;
        assert!(reply.is_response() && !reply.is_one_way());
        assert_eq!(reply.code, 0);
        assert_eq!(reply.ext().required_i32("n"), Ok(reply.opaque));
        assert_eq!(reply.body, vec![7; 300]);
        assert_eq!((reply.language, reply.version), (Language::Java, 513));
        assert!(
            seen.insert(reply.opaque),
            "{} was answered twice",
            reply.opaque
        );
    }
    sender.await.unwrap();
    // Far fewer wake-ups than requests: whatever has arrived is handled together.
    assert!(
        actor.batches.load(SeqCst) < 5_000,
        "{} batches",
        actor.batches.load(SeqCst)
    );
}

async fn read_one(reader: &mut (impl tokio::io::AsyncRead + Unpin)) -> Command {
    use tokio::io::AsyncReadExt;
    let mut bytes = vec![0; 4];
    reader.read_exact(&mut bytes).await.unwrap();
    let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
    bytes.resize(4 + length, 0);
    reader.read_exact(&mut bytes[4..]).await.unwrap();
    Command::decode(bytes.into()).unwrap()
}

#[tokio::test]
async fn frames_that_arrive_byte_by_byte_are_put_together() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    let mut bytes = BytesMut::new();
    for opaque in 0..3 {
        request(ECHO, opaque)
            .with_ext("a", "\u{1}b\u{2}")
            .with_body("body")
            .encode(&mut bytes);
    }
    for byte in &bytes {
        peer.send_bytes(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    for opaque in 0..3 {
        let reply = peer.next().await.unwrap();
        assert_eq!((reply.opaque, &reply.body[..]), (opaque, &b"body"[..]));
        assert_eq!(reply.ext().get("a"), Some("\u{1}b\u{2}"));
    }
}

#[tokio::test]
async fn frames_of_every_size_up_to_the_limit_travel_both_ways() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    let sizes = [
        0,
        1,
        2047,
        2048,
        2049,
        16_000,
        16_384,
        17_000,
        262_000,
        262_144,
        300_000,
        1 << 20,
        16_700_000,
    ];
    for (opaque, size) in sizes.into_iter().enumerate() {
        let body: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        // A small frame in front and one behind, so that the large one lies anywhere in a read.
        let [before, after] = [1000, 2000].map(|base| request(ECHO, base + opaque as i32));
        peer.send(&[
            before,
            request(ECHO, opaque as i32).with_body(body.clone()),
            after,
        ])
        .await;
        assert_eq!(peer.next().await.unwrap().opaque, 1000 + opaque as i32);
        let reply = peer.next().await.unwrap();
        assert_eq!(reply.opaque, opaque as i32);
        assert!(
            reply.body == body,
            "a body of {size} bytes came back changed"
        );
        assert_eq!(peer.next().await.unwrap().opaque, 2000 + opaque as i32);
    }
}

#[tokio::test]
async fn chunked_bodies_arrive_whole_whatever_their_number() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    for (chunks, bytes) in [
        (1, 5_000),
        (32, 3_000),
        (200, 2_049),
        (1_500, 2_500),
        (40, 100_000),
        (3, 10),
    ] {
        let ask = request(CHUNKS, chunks)
            .with_ext("chunks", chunks.to_string())
            .with_ext("bytes", bytes.to_string());
        // Between small replies, all of one write.
        peer.send(&[request(ECHO, 1), ask, request(ECHO, 2)]).await;
        assert_eq!(peer.next().await.unwrap().opaque, 1);
        let reply = peer.next().await.unwrap();
        let expected: Vec<u8> = (0..chunks)
            .flat_map(|number| vec![number as u8; bytes])
            .collect();
        assert!(reply.body == expected, "{chunks} chunks of {bytes} bytes");
        assert_eq!(peer.next().await.unwrap().opaque, 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_connections_are_served_side_by_side() {
    let actor = Actor::new();
    let server = std::sync::Arc::new(start(&actor));
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let server = std::sync::Arc::clone(&server);
            tokio::spawn(async move {
                let mut peer = Peer::connect(&server).await;
                for round in 0..20 {
                    let commands: Vec<_> = (0..16)
                        .map(|at| request(ECHO, round * 16 + at).with_ext("c", number.to_string()))
                        .collect();
                    peer.send(&commands).await;
                    for at in 0..16 {
                        let reply = peer.next().await.unwrap();
                        assert_eq!(reply.opaque, round * 16 + at);
                        assert_eq!(reply.ext().required_i32("c"), Ok(number));
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(actor.requests.load(SeqCst), 64 * 20 * 16);
    eventually("every session is gone", || actor.sessions.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn one_way_requests_are_handled_and_never_answered() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    let held_one_way = Command {
        flag: 2,
        ..held(3, 10)
    };
    peer.send(&[
        one_way(ECHO, 1),
        one_way(SILENT, 2),
        held_one_way,
        one_way(DEFER, 4),
        one_way(99, 5),
        one_way(DROP, 6),
    ])
    .await;
    for deferred in actor.take_deferred(1).await {
        deferred.reply(0).send();
    }
    actor.make_durable(10);
    assert_eq!(peer.call(request(ECHO, 7)).await.opaque, 7);
    assert_eq!(actor.requests.load(SeqCst), 7);
}

#[tokio::test]
async fn requests_that_nobody_answers_get_an_error() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    let reply = peer.call(request(SILENT, 1)).await;
    assert_eq!((reply.opaque, reply.code), (1, 1));
    assert_eq!(reply.remark.as_deref(), Some("not set any response code"));
    assert!(
        reply.ext.is_empty(),
        "a dropped writer left {:?}",
        reply.ext
    );
    let reply = peer.call(request(DROP, 2)).await;
    assert_eq!((reply.opaque, reply.code), (2, 1));
}

#[tokio::test]
async fn ten_thousand_parked_requests_are_answered_from_another_task() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    let commands: Vec<_> = (0..10_000).map(|opaque| request(DEFER, opaque)).collect();
    peer.send(&commands).await;
    let parked = actor.take_deferred(10_000).await;
    // They hold up nothing.
    assert_eq!(peer.call(request(ECHO, 77_777)).await.opaque, 77_777);
    let answer = tokio::task::spawn_blocking(move || {
        for (number, deferred) in parked.into_iter().enumerate() {
            deferred.reply(0).ext_int("n", number as i64).send();
        }
    });
    let mut seen = HashSet::new();
    for _ in 0..10_000 {
        let reply = peer.next().await.unwrap();
        assert_eq!(reply.ext().required_i32("n"), Ok(reply.opaque));
        assert!(seen.insert(reply.opaque));
    }
    answer.await.unwrap();
}

#[tokio::test]
async fn binary_requests_are_answered_in_json() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    let mut bytes = BytesMut::new();
    request(ECHO, 5)
        .with_ext("topic", "TBW102")
        .with_body("x")
        .encode_binary(&mut bytes);
    assert_eq!(bytes[4], 1);
    peer.send_bytes(&bytes).await;
    let reply = peer.next().await.unwrap();
    assert_eq!(
        (reply.opaque, reply.ext().get("topic")),
        (5, Some("TBW102"))
    );
    let mut first = [0; 5];
    peer.send_bytes(&bytes).await;
    tokio::io::AsyncReadExt::read_exact(&mut peer.stream, &mut first)
        .await
        .unwrap();
    assert_eq!(first[4], 0, "the reply's type byte is JSON");
}

#[tokio::test]
async fn listeners_that_share_a_service_are_told_apart_by_their_tag() {
    let actor = Actor::new();
    let servers = [7, 8].map(|listener_tag| {
        start_with(
            &actor,
            mainstem_common::remoting::ServerConfig {
                listener_tag,
                ..Default::default()
            },
        )
    });
    for (server, tag) in servers.iter().zip([7, 8]) {
        let reply = Peer::connect(server).await.call(request(TAG, 1)).await;
        assert_eq!(reply.ext().required_i32("tag"), Ok(tag));
    }
}

#[tokio::test]
async fn a_handler_can_answer_and_then_close() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    assert_eq!(peer.call(request(CLOSE, 1)).await.opaque, 1);
    peer.expect_closed().await;
}
