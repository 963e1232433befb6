//! Replies that wait until the log is durable.

use super::support::*;
use std::sync::atomic::Ordering::SeqCst;

#[tokio::test]
async fn held_replies_leave_when_the_watermark_passes_them_and_others_overtake() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    peer.send(&[held(1, 100), held(2, 200), held(3, 300), request(ECHO, 4)])
        .await;
    assert_eq!(peer.next().await.unwrap().opaque, 4);
    // It goes on reading while they wait.
    assert_eq!(peer.call(request(ECHO, 5)).await.opaque, 5);
    actor.make_durable(99);
    assert_eq!(peer.call(request(ECHO, 6)).await.opaque, 6);
    actor.make_durable(200);
    for opaque in [1, 2] {
        let reply = peer.next().await.unwrap();
        assert_eq!(reply.opaque, opaque);
        assert_eq!(
            reply.ext().get("position"),
            Some(&*(opaque * 100).to_string())
        );
    }
    assert_eq!(peer.call(request(ECHO, 7)).await.opaque, 7);
    actor.make_durable(1_000);
    assert_eq!(peer.next().await.unwrap().opaque, 3);
    // What is durable already does not wait.
    assert_eq!(peer.call(held(8, 1_000)).await.opaque, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_replies_of_many_connections_follow_a_moving_watermark() {
    let actor = Actor::new();
    let server = std::sync::Arc::new(start(&actor));
    let mover = {
        let actor = actor.clone();
        tokio::spawn(async move {
            for position in 1..=2_000 {
                actor.make_durable(position);
                tokio::task::yield_now().await;
            }
        })
    };
    let peers: Vec<_> = (0..8)
        .map(|_| {
            let (server, actor) = (server.clone(), actor.clone());
            tokio::spawn(async move {
                let mut peer = Peer::connect(&server).await;
                for batch in 0..20 {
                    let commands: Vec<_> = (0..100)
                        .map(|at| held(at, (batch * 100 + at + 1) as u64))
                        .collect();
                    peer.send(&commands).await;
                    for at in 0..100 {
                        assert_eq!(peer.next().await.unwrap().opaque, at);
                        let durable = actor.durability.borrow().position;
                        assert!(durable > (batch * 100 + at) as u64, "too early: {durable}");
                    }
                }
            })
        })
        .collect();
    for peer in peers {
        peer.await.unwrap();
    }
    mover.await.unwrap();
}

#[tokio::test]
async fn a_failed_store_turns_held_replies_into_errors() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    peer.send(&[held(1, 100), held(2, 200)]).await;
    eventually("both are held", || actor.requests.load(SeqCst) == 2).await;
    actor.durability.send_modify(|now| {
        now.position = 150;
        now.failed = true;
    });
    let reply = peer.next().await.unwrap();
    assert_eq!(
        (reply.opaque, reply.code),
        (1, 0),
        "what was durable before the failure succeeded"
    );
    let reply = peer.next().await.unwrap();
    assert_eq!((reply.opaque, reply.code), (2, 14));
    assert_eq!(reply.remark.as_deref(), Some("the disk is gone"));
    let reply = peer.call(held(3, 300)).await;
    assert_eq!((reply.opaque, reply.code), (3, 14));
}

#[tokio::test]
async fn deferred_replies_can_wait_for_the_watermark_too() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    peer.send(&[request(DEFER, 1)]).await;
    for deferred in actor.take_deferred(1).await {
        deferred.reply(0).body(vec![9; 5_000]).send_when_durable(50);
    }
    assert_eq!(peer.call(request(ECHO, 2)).await.opaque, 2);
    actor.make_durable(50);
    let reply = peer.next().await.unwrap();
    assert_eq!((reply.opaque, reply.body.len()), (1, 5_000));
}

#[tokio::test]
async fn a_connection_that_closes_with_held_replies_ends_cleanly() {
    let actor = Actor::new();
    let server = start(&actor);
    let mut peer = Peer::connect(&server).await;
    peer.send(&[held(1, 100), request(DEFER, 2)]).await;
    let deferred = actor.take_deferred(1).await;
    drop(peer);
    eventually("the session is gone", || actor.sessions.load(SeqCst) == 0).await;
    actor.make_durable(100);
    for deferred in deferred {
        assert!(deferred.connection().is_closed());
        deferred.reply(0).send();
    }
    assert_eq!(server.open_connections(), 0);
}
