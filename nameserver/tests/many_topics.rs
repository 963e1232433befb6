//! Tables of the size that large installations have.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mainstem_common::protocol::TopicConfig;
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::request;
use support::{Peer, register, start, table};

fn topics(count: usize, queue_nums: i32) -> impl Iterator<Item = TopicConfig> {
    (0..count)
        .map(move |i| TopicConfig::new(format!("topic-of-a-large-installation-{i:05}"), queue_nums))
}

/// Queries go on while brokers register tables of ten thousand topics again and again, changed each time; every answer is
/// one of the tables, whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_go_on_while_large_tables_register() {
    let server = start();
    let mut broker = Peer::connect(&server).await;
    broker
        .call(register(
            "a",
            "127.0.0.1:1",
            table(0, topics(10_000, 1)).to_json(),
        ))
        .await;
    let done = Arc::new(AtomicBool::new(false));
    let mut client = Peer::connect(&server).await;
    let asking = tokio::spawn({
        let done = Arc::clone(&done);
        async move {
            let (mut asked, mut slowest) = (0u32, Duration::ZERO);
            while !done.load(Ordering::Relaxed) {
                let started = Instant::now();
                let route = client
                    .route("topic-of-a-large-installation-09999")
                    .await
                    .expect("the topic never goes");
                slowest = slowest.max(started.elapsed());
                let queues = &route.queue_datas[0];
                assert_eq!(queues.read_queue_nums, queues.write_queue_nums);
                asked += 1;
            }
            (asked, slowest)
        }
    });
    for counter in 1..6 {
        let body = table(counter, topics(10_000, i32::try_from(counter).unwrap() + 1)).to_json();
        assert_eq!(
            broker
                .call(register("a", "127.0.0.1:1", body.clone()))
                .await
                .code,
            0
        );
        assert_eq!(
            broker.call(register("a", "127.0.0.1:1", body)).await.code,
            0
        );
    }
    done.store(true, Ordering::Relaxed);
    let (asked, slowest) = asking.await.unwrap();
    assert!(asked > 0);
    println!(
        "{asked} queries beside 10 registrations of 10,000 topics, the slowest took {slowest:?}"
    );
    assert_eq!(
        broker
            .route("topic-of-a-large-installation-00000")
            .await
            .unwrap()
            .queue_datas[0]
            .read_queue_nums,
        6
    );
    server.shutdown().await;
}

/// Registrations of one connection are applied in their order, although large ones are read elsewhere.
#[tokio::test]
async fn pipelined_registrations_keep_their_order() {
    let server = start();
    let mut broker = Peer::connect(&server).await;
    let mut frames = BytesMut::new();
    let full = register("a", "127.0.0.1:1", table(0, topics(3_000, 1)).to_json());
    for (opaque, command) in [
        full.clone(),
        register("a", "127.0.0.1:1", table(1, topics(1, 2)).to_json()),
        full.clone(),
        register("a", "127.0.0.1:1", table(2, topics(1, 3)).to_json()),
    ]
    .into_iter()
    .enumerate()
    {
        let command = Command {
            opaque: i32::try_from(opaque).unwrap(),
            ..command
        };
        command.encode(&mut frames);
    }
    broker.send(&frames).await;
    for _ in 0..4 {
        assert_eq!(broker.receive().await.code, 0);
    }
    let route = broker
        .route("topic-of-a-large-installation-00000")
        .await
        .unwrap();
    assert_eq!(route.queue_datas[0].read_queue_nums, 3);
    server.shutdown().await;
}

/// Figures, not a test: routes a second over pipelined connections. Run with `--release -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn routes_a_second() {
    const CONNECTIONS: usize = 4;
    const WINDOW: usize = 64;
    const ROUNDS: usize = 4_000;
    let server = Arc::new(start());
    let mut broker = Peer::connect(&server).await;
    broker
        .call(register(
            "a",
            "127.0.0.1:1",
            table(0, topics(10_000, 8)).to_json(),
        ))
        .await;
    let started = Instant::now();
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|client| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                let mut peer = Peer::connect(&server).await;
                let mut frames = BytesMut::new();
                for i in 0..WINDOW {
                    let topic = format!(
                        "topic-of-a-large-installation-{:05}",
                        (client * 977 + i * 131) % 10_000
                    );
                    Command::request(request::GET_ROUTEINFO_BY_TOPIC)
                        .with_ext("topic", topic)
                        .encode(&mut frames);
                }
                for _ in 0..ROUNDS {
                    peer.send(&frames).await;
                    peer.skip(WINDOW).await;
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{:.0} routes a second, client and server on the same cores",
        (CONNECTIONS * WINDOW * ROUNDS) as f64 / seconds
    );
}
