//! Ending a server: replies under way still leave, and nothing is left behind.

use super::support::*;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

#[tokio::test]
async fn shutdown_waits_for_replies_under_way_and_refuses_new_requests() {
    let actor = Actor::new();
    let server = start(&actor);
    let addr = server.local_addr();
    let mut idle = Peer::connect(&server).await;
    let mut peer = Peer::connect(&server).await;
    assert_eq!(idle.call(request(ECHO, 1)).await.code, 0);
    peer.send(&[held(1, 100), request(DEFER, 2)]).await;
    let deferred = actor.take_deferred(1).await;
    let shutdown = tokio::spawn(server.shutdown(PATIENCE));
    // One with nothing under way is closed at once.
    idle.expect_closed().await;
    let refused = peer.call(request(ECHO, 3)).await;
    assert_eq!((refused.opaque, refused.code), (3, 14));
    eventually("nobody accepts", || {
        std::net::TcpStream::connect(addr).is_err()
    })
    .await;
    actor.make_durable(100);
    assert_eq!(peer.next().await.unwrap().opaque, 1);
    assert!(!shutdown.is_finished());
    for deferred in deferred {
        deferred.reply(0).send();
    }
    assert_eq!(peer.next().await.unwrap().opaque, 2);
    peer.expect_closed().await;
    shutdown.await.unwrap();
    assert_eq!(actor.sessions.load(SeqCst), 0);
}

#[tokio::test]
async fn shutdown_ends_after_its_grace_whatever_is_under_way() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    peer.send(&[request(DEFER, 1), held(2, 100)]).await;
    let deferred = actor.take_deferred(1).await;
    let started = Instant::now();
    server.shutdown(Duration::from_millis(100)).await;
    assert!(started.elapsed() >= Duration::from_millis(100));
    peer.expect_closed().await;
    assert_eq!(actor.sessions.load(SeqCst), 0);
    drop(deferred);
    assert_eq!(
        Arc::strong_count(&actor),
        1,
        "a task still holds the service"
    );
}

#[tokio::test]
async fn dropping_a_server_closes_everything_and_frees_its_port() {
    let actor = Actor::new();
    let server = start(&actor);
    let addr = server.local_addr();
    let mut peer = Peer::connect(&server).await;
    assert_eq!(peer.call(request(ECHO, 1)).await.code, 0);
    drop(server);
    peer.expect_closed().await;
    eventually("every task is gone", || Arc::strong_count(&actor) == 1).await;
    let mut rebound = None;
    eventually("the port is free", || {
        rebound =
            mainstem_common::remoting::Server::bind(addr, Default::default(), actor.clone()).ok();
        rebound.is_some()
    })
    .await;
    assert!(TcpStream::connect(addr).await.is_ok());
}

#[tokio::test]
async fn a_port_in_use_is_refused_with_a_remedy() {
    let actor = Actor::new();
    let server = start(&actor);
    let again =
        mainstem_common::remoting::Server::bind(server.local_addr(), Default::default(), actor);
    let message = again.unwrap_err().to_string();
    assert!(
        message.contains(&server.local_addr().to_string()),
        "{message}"
    );
    assert!(message.contains("choose another port"), "{message}");
}
