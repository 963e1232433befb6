//! What is bounded: connections, idle time, unsent bytes, requests in flight, memory of quiet connections.

use super::support::*;
use mainstem_common::remoting::ServerConfig;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

#[tokio::test]
async fn connections_over_the_limit_are_closed_until_one_leaves() {
    let actor = Actor::new();
    let server = start_with(
        &actor,
        ServerConfig {
            max_connections: 2,
            ..Default::default()
        },
    );
    let mut first = Peer::connect(&server).await;
    let mut second = Peer::connect(&server).await;
    assert_eq!(first.call(request(ECHO, 1)).await.code, 0);
    assert_eq!(second.call(request(ECHO, 1)).await.code, 0);
    Peer::connect(&server).await.expect_closed().await;
    drop(first);
    eventually("the first is gone", || server.open_connections() == 1).await;
    assert_eq!(
        Peer::connect(&server)
            .await
            .call(request(ECHO, 1))
            .await
            .code,
        0
    );
    assert_eq!(second.call(request(ECHO, 2)).await.code, 0);
}

#[tokio::test]
async fn silent_connections_are_closed_and_talking_ones_stay() {
    let actor = Actor::new();
    let config = ServerConfig {
        idle_timeout: Duration::from_millis(400),
        ..Default::default()
    };
    let server = start_with(&actor, config);
    let mut silent = Peer::connect(&server).await;
    // Half-open: one that asked something long ago and is heard of no more counts the same.
    let mut half_open = Peer::connect(&server).await;
    half_open.send(&[request(DEFER, 1)]).await;
    let mut talking = Peer::connect(&server).await;
    let started = Instant::now();
    let talk = async {
        while started.elapsed() < Duration::from_millis(1200) {
            assert_eq!(talking.call(request(ECHO, 1)).await.code, 0);
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    };
    let (_, (), ()) = tokio::join!(talk, silent.expect_closed(), half_open.expect_closed());
    assert_eq!(talking.call(request(ECHO, 2)).await.code, 0);
}

#[tokio::test]
async fn a_peer_that_never_reads_is_not_read_from_and_then_closed() {
    let actor = Actor::new();
    let config = ServerConfig {
        max_unsent_bytes_per_connection: 1 << 20,
        slow_reader_timeout: Duration::from_millis(500),
        ..Default::default()
    };
    let server = start_with(&actor, config);
    let mut witness = Peer::connect(&server).await;
    let peer = Peer::connect(&server).await;
    // Far more than sockets buffer: the server must stop reading, and this side cannot write on.
    let (reader, mut writer) = peer.stream.into_split();
    let flood = async move {
        let mut out = bytes::BytesMut::new();
        request(ECHO, 1)
            .with_body(vec![1; 100_000])
            .encode(&mut out);
        while tokio::io::AsyncWriteExt::write_all(&mut writer, &out)
            .await
            .is_ok()
        {}
    };
    let flood = tokio::spawn(flood);
    let alive = async {
        while !flood.is_finished() {
            assert_eq!(witness.call(request(ECHO, 1)).await.code, 0);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, alive)
        .await
        .expect("the slow reader keeps its connection");
    eventually("its session is gone", || actor.sessions.load(SeqCst) == 1).await;
    drop(reader);
}

#[tokio::test]
async fn a_peer_that_reads_slowly_but_steadily_keeps_its_connection() {
    let actor = Actor::new();
    let config = ServerConfig {
        max_unsent_bytes_per_connection: 1 << 20,
        slow_reader_timeout: Duration::from_millis(400),
        ..Default::default()
    };
    let server = start_with(&actor, config);
    // With a small receive buffer the server sees every read of the peer soon, not in lumps of megabytes.
    let mut peer = Peer::connect_with_receive_buffer(&server, 64 * 1024).await;
    // 16 MB of answers, taken over four times the timeout.
    for opaque in 0..160 {
        let ask = request(CHUNKS, opaque)
            .with_ext("chunks", "10")
            .with_ext("bytes", "10000");
        peer.send(&[ask]).await;
    }
    for opaque in 0..160 {
        assert_eq!(peer.next().await.expect("closed").opaque, opaque);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn reading_stops_at_the_limit_of_requests_in_flight_and_goes_on_below_it() {
    let actor = Actor::new();
    let config = ServerConfig {
        max_in_flight_per_connection: 10,
        ..Default::default()
    };
    let server = start_with(&actor, config);
    let mut peer = Peer::connect(&server).await;
    for opaque in 0..10 {
        peer.send(&[request(DEFER, opaque)]).await;
    }
    eventually("ten are in flight", || actor.deferred_count() == 10).await;
    peer.send(&[request(ECHO, 100)]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(actor.requests.load(SeqCst), 10, "the eleventh was read");
    for deferred in actor.take_deferred(1).await {
        deferred.reply(0).send();
    }
    assert_eq!(peer.next().await.unwrap().opaque, 0);
    assert_eq!(peer.next().await.unwrap().opaque, 100);
}

#[tokio::test]
async fn requests_that_wait_for_something_to_happen_do_not_keep_others_from_being_read() {
    let actor = Actor::new();
    let config = ServerConfig {
        max_in_flight_per_connection: 10,
        ..Default::default()
    };
    let server = start_with(&actor, config);
    let mut peer = Peer::connect(&server).await;
    for opaque in 0..100 {
        peer.send(&[request(WAIT, opaque)]).await;
    }
    assert_eq!(peer.call(request(ECHO, 100)).await.opaque, 100);
    for deferred in actor.take_deferred(100).await {
        deferred.reply(0).send();
    }
    for _ in 0..100 {
        assert!(peer.next().await.unwrap().opaque < 100);
    }
    // They are in nobody's account any more: ten others still fill the limit.
    for opaque in 0..10 {
        peer.send(&[request(DEFER, opaque)]).await;
    }
    eventually("ten are in flight", || actor.deferred_count() == 10).await;
    peer.send(&[request(ECHO, 100)]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(actor.requests.load(SeqCst), 111, "the eleventh was read");
}

#[tokio::test]
async fn unfinished_requests_of_all_connections_share_one_budget() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    let actor = Actor::new();
    let config = ServerConfig {
        max_buffered_bytes: 1 << 20,
        ..Default::default()
    };
    let server = start_with(&actor, config);
    let mut bytes = bytes::BytesMut::new();
    request(ECHO, 1)
        .with_body(vec![b'x'; 900 << 10])
        .encode(&mut bytes);
    let mut unfinished = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        // The server may close it in the middle.
        let _ = stream.write_all(&bytes[..800 << 10]).await;
        unfinished.push(stream);
    }
    // Six megabytes do not fit into one; room for a whole request there is only once some have been closed.
    eventually("some are closed", || server.open_connections() < 8).await;
    for mut stream in unfinished {
        drop(stream.shutdown().await);
        let _ = stream.read(&mut [0; 1]).await;
    }
    eventually("all are gone", || server.open_connections() == 0).await;
    let mut whole = Peer::connect(&server).await;
    whole.send_bytes(&bytes).await;
    assert_eq!(whole.next().await.unwrap().body.len(), 900 << 10);
}

#[tokio::test]
async fn held_replies_count_as_in_flight() {
    let actor = Actor::new();
    let config = ServerConfig {
        max_in_flight_per_connection: 4,
        ..Default::default()
    };
    let server = start_with(&actor, config);
    let mut peer = Peer::connect(&server).await;
    for opaque in 1..=4 {
        peer.send(&[held(opaque, 10)]).await;
    }
    eventually("four are held", || actor.requests.load(SeqCst) == 4).await;
    peer.send(&[request(ECHO, 5)]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(actor.requests.load(SeqCst), 4, "the fifth was read");
    actor.make_durable(10);
    for opaque in 1..=5 {
        assert_eq!(peer.next().await.unwrap().opaque, opaque);
    }
}

#[tokio::test]
async fn a_connection_that_gave_back_its_memory_still_works() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    peer.send(&[held(1, 10), request(DEFER, 2)]).await;
    let deferred = actor.take_deferred(1).await;
    let mut bytes = bytes::BytesMut::new();
    request(ECHO, 3).with_body("later").encode(&mut bytes);
    peer.send_bytes(&bytes[..20]).await;
    // Longer than the quiet after which buffers are given back.
    tokio::time::sleep(Duration::from_millis(3500)).await;
    peer.send_bytes(&bytes[20..]).await;
    assert_eq!(&peer.next().await.unwrap().body[..], b"later");
    actor.make_durable(10);
    assert_eq!(peer.next().await.unwrap().opaque, 1);
    for deferred in deferred {
        deferred.reply(0).send();
    }
    assert_eq!(peer.next().await.unwrap().opaque, 2);
}
