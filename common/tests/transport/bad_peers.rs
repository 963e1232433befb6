//! Peers that send what is not a frame lose their connection, and nothing else happens.

use super::support::*;
use bytes::BytesMut;
use mainstem_common::remoting::Command;
use std::sync::atomic::Ordering::SeqCst;

/// A frame with these lengths and this header.
fn raw(length: u32, header_word: u32, rest: &[u8]) -> Vec<u8> {
    [
        &length.to_be_bytes()[..],
        &header_word.to_be_bytes()[..],
        rest,
    ]
    .concat()
}

#[tokio::test]
async fn bytes_that_are_no_frame_close_the_connection_and_the_server_serves_on() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut witness = Peer::connect(&server).await;
    let json = br#"{"code":1,"opaque":1}"#;
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("frame over the limit", raw(16_777_217, 21, json)),
        ("negative frame length", raw(u32::MAX, 21, json)),
        ("frame shorter than its header word", raw(3, 0, b"")),
        ("empty frame", raw(0, 0, b"")),
        ("header longer than its frame", raw(25, 22, json)),
        ("header length of 16 MiB", raw(25, 0x00ff_ffff, json)),
        ("unknown header type", raw(25, 2 << 24 | 21, json)),
        ("no header at all", raw(4, 0, b"")),
        (
            "header that is not JSON",
            raw(25, 21, b"<code>1</code><op>1<a"),
        ),
        ("header cut off", raw(24, 20, json)),
        ("header that is a list", raw(6, 2, b"[]")),
        (
            "binary header too short",
            raw(14, 1 << 24 | 10, b"0123456789"),
        ),
        (
            "binary header with a lying length",
            raw(25, 1 << 24 | 21, &[0x7f; 21]),
        ),
        ("a TLS handshake", vec![0x16, 3, 1, 2, 0, 1, 0]),
        (
            "an HTTP request",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        ),
        ("an SSH greeting", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
        (
            "random bytes",
            (0..1000_u32)
                .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80)
                .collect(),
        ),
    ];
    for (what, bytes) in &bad {
        let mut peer = Peer::connect(&server).await;
        peer.send_bytes(bytes).await;
        assert_eq!(peer.next().await, None, "{what}");
        assert_eq!(witness.call(request(ECHO, 1)).await.code, 0, "after {what}");
    }
    assert_eq!(
        actor.requests.load(SeqCst),
        bad.len(),
        "only the witness's requests were handled"
    );
    drop(witness);
    eventually("every session is gone", || actor.sessions.load(SeqCst) == 0).await;
}

#[tokio::test]
async fn good_requests_before_bad_bytes_are_answered() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    let mut bytes = BytesMut::new();
    request(ECHO, 1).encode(&mut bytes);
    request(ECHO, 2).encode(&mut bytes);
    bytes.extend_from_slice(&raw(2, 0, b""));
    request(ECHO, 3).encode(&mut bytes);
    peer.send_bytes(&bytes).await;
    assert_eq!(peer.next().await.unwrap().opaque, 1);
    assert_eq!(peer.next().await.unwrap().opaque, 2);
    peer.expect_closed().await;
    assert_eq!(
        actor.batches.load(SeqCst),
        1,
        "what was handled was also ended as a batch"
    );
}

#[tokio::test]
async fn a_panic_in_a_handler_closes_its_connection_only() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut witness = Peer::connect(&server).await;
    let mut peer = Peer::connect(&server).await;
    peer.send(&[request(PANIC, 1)]).await;
    peer.expect_closed().await;
    assert_eq!(witness.call(request(ECHO, 2)).await.code, 0);
    eventually("the session is gone", || actor.sessions.load(SeqCst) == 1).await;
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_ignored() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    peer.send(&[Command {
        opaque: 99,
        ..Command::response(0)
    }])
    .await;
    assert_eq!(peer.call(request(ECHO, 1)).await.opaque, 1);
    assert_eq!(actor.requests.load(SeqCst), 1);
}

#[tokio::test]
async fn a_peer_that_announces_much_and_sends_little_is_only_idle() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    peer.send_bytes(&raw(16_000_000, 100, b"{")).await;
    assert_eq!(
        Peer::connect(&server)
            .await
            .call(request(ECHO, 1))
            .await
            .code,
        0
    );
    drop(peer);
    eventually("both sessions are gone", || {
        actor.sessions.load(SeqCst) == 0
    })
    .await;
}
