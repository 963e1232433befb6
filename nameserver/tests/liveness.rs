//! Brokers come, go, fall silent and lose their connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use mainstem_common::protocol::{ClusterInfo, TopicConfig};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::request;
use support::{Peer, register, start, start_with, table, two_topics};

#[tokio::test]
async fn a_broker_leaves_when_its_connection_closes_and_comes_back_on_a_new_one() {
    let server = start();
    let mut client = Peer::connect(&server).await;
    for _ in 0..3 {
        let mut broker = Peer::connect(&server).await;
        assert_eq!(
            broker
                .call(register("a", "127.0.0.1:1", two_topics(1).to_json()))
                .await
                .code,
            0
        );
        assert!(client.route("T").await.is_some());
        drop(broker);
        client.await_route("T", false).await;
    }
    server.shutdown().await;
}

#[tokio::test]
async fn the_old_connection_of_a_broker_that_reconnected_takes_nothing_with_it() {
    let server = start();
    let mut client = Peer::connect(&server).await;
    let mut old = Peer::connect(&server).await;
    old.call(register("a", "127.0.0.1:1", two_topics(1).to_json()))
        .await;
    let mut other = Peer::connect(&server).await;
    other
        .call(register(
            "b",
            "127.0.0.1:2",
            table(1, [TopicConfig::new("U", 1), TopicConfig::new("V", 1)]).to_json(),
        ))
        .await;
    let mut new = Peer::connect(&server).await;
    new.call(register("a", "127.0.0.1:1", two_topics(1).to_json()))
        .await;
    drop(old);
    drop(other);
    client.await_route("U", false).await;
    assert!(client.route("T").await.is_some());
    drop(new);
    client.await_route("T", false).await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_silent_broker_expires_and_its_connection_is_closed() {
    let server = start_with(|config| {
        config.broker_timeout_ms = 100;
        config.scan_interval_ms = 5;
    });
    let mut client = Peer::connect(&server).await;
    let mut broker = Peer::connect(&server).await;
    broker
        .call(register("a", "127.0.0.1:1", two_topics(1).to_json()))
        .await;
    client.await_route("T", false).await;
    assert!(broker.closed().await);
    server.shutdown().await;
}

#[tokio::test]
async fn a_stranger_s_heartbeat_and_good_bye_change_nothing() {
    let server = start();
    let mut peer = Peer::connect(&server).await;
    for code in [request::BROKER_HEARTBEAT, request::UNREGISTER_BROKER] {
        let command = Command::request(code)
            .with_ext("clusterName", "c")
            .with_ext("brokerName", "b")
            .with_ext("brokerAddr", "127.0.0.1:1")
            .with_ext("brokerId", "0");
        assert_eq!(peer.call(command).await.code, 0);
    }
    let info = ClusterInfo::from_json(
        &peer
            .call(Command::request(request::GET_BROKER_CLUSTER_INFO))
            .await
            .body,
    )
    .unwrap();
    assert_eq!(info, ClusterInfo::default());
    server.shutdown().await;
}

/// Collects what is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn two_live_brokers_under_one_name_and_id_are_reported_with_both_addresses() {
    let log = Log::default();
    let writer = log.clone();
    // The changing thread logs, so the subscriber must be everybody's; this binary has no other test that reads a log.
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let server = start();
    let mut one = Peer::connect(&server).await;
    let mut two = Peer::connect(&server).await;
    for counter in 1..4 {
        one.call(register(
            "twin",
            "127.0.0.1:7001",
            two_topics(counter).to_json(),
        ))
        .await;
        two.call(register(
            "twin",
            "127.0.0.1:7002",
            two_topics(counter).to_json(),
        ))
        .await;
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let errors: Vec<&str> = text.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "reported once a minute: {text}");
    for word in ["twin", "127.0.0.1:7001", "127.0.0.1:7002", "brokerName"] {
        assert!(errors[0].contains(word), "{}", errors[0]);
    }
    let route = one.route("T").await.unwrap();
    assert_eq!(route.broker_datas[0].broker_addrs[&0], "127.0.0.1:7002");
    server.shutdown().await;
}
