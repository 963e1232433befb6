//! Clients that misbehave, and data directories that RocketMQ wrote.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use mainstem_broker::{Broker, BrokerConfig};
use mainstem_common::remoting::code::response;
use support::{PullOf, TestBroker, bodies, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_never_reads_loses_its_connection_and_holds_up_nobody() {
    let broker =
        TestBroker::with(|config| config.slow_reader_timeout = Duration::from_millis(500)).await;
    let client = broker.client();
    let body = vec![b'x'; 100_000];
    for _ in 0..20 {
        client.send_ok("T", 0, "", &body).await;
    }
    let addr = broker.addr();
    let slow = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(addr).unwrap();
        let mut frames = BytesMut::new();
        PullOf::default().command().encode(&mut frames);
        // Far more replies than sockets buffer; the broker stops reading before it has taken all of them.
        stream
            .set_write_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        for _ in 0..20_000 {
            if stream.write_all(&frames).is_err() {
                break;
            }
        }
        stream
    })
    .await
    .unwrap();
    assert_eq!(
        client.pull(&PullOf::default()).await.code,
        response::SUCCESS
    );
    let closed = tokio::task::spawn_blocking(move || {
        let mut slow = slow;
        slow.set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut buffer = vec![0; 1 << 20];
        // What was sent before the end is still there to be read.
        loop {
            match slow.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    });
    assert!(closed.await.unwrap());
    assert_eq!(
        bodies(
            &client
                .pull(&PullOf {
                    offset: 19,
                    ..PullOf::default()
                })
                .await
        )
        .len(),
        1
    );
}

fn copy(from: &Path, to: &Path) {
    let from = format!("{}/.", from.display());
    let to = to.display().to_string();
    std::fs::create_dir_all(&to).unwrap();
    let copied = std::process::Command::new("cp")
        .args(["-rL", &from, &to])
        .status();
    assert!(copied.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_rocketmq_wrote_is_taken_over_with_its_topics_groups_and_offsets() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config_files = root.join("tests/data/apache-config");
    let dir = tempfile::tempdir().unwrap();
    copy(&root.join("store/tests/fixtures/apache/clean"), dir.path());
    copy(&config_files, &dir.path().join("config"));
    let mut config = BrokerConfig {
        listen_port: 0,
        data_dir: dir.path().to_owned(),
        ..BrokerConfig::default()
    };
    config.store.commit_log_file_bytes = 262_144;
    config.store.queue_file_units = 50;
    config.store.index_slots = 200;
    config.store.index_entries = 800;
    let broker = Broker::start(config.clone()).await.unwrap();
    let offsets = broker.core().offsets();
    let groups = broker.core().groups().snapshot().0.len();
    let topics = broker.core().topics().len();
    assert!(
        groups > 10 && topics > 20,
        "{groups} groups, {topics} topics"
    );
    let text = std::fs::read_to_string(config_files.join("consumerOffset.json")).unwrap();
    let table = mainstem_common::protocol::ConsumerOffsetTable::from_json(text.as_bytes())
        .unwrap()
        .offset_table;
    assert!(!table.is_empty());
    for (key, queues) in table {
        let (topic, group) = key.split_once('@').unwrap();
        for (queue, offset) in queues {
            assert_eq!(
                offsets.committed(group, topic, queue),
                Some(offset),
                "{key} {queue}"
            );
        }
    }
    broker.shutdown().await.unwrap();
    // The second start finds the same in the journal.
    let again = Broker::start(config).await.unwrap();
    assert_eq!(again.core().groups().snapshot().0.len(), groups);
    until("started", async || again.core().topics().len() >= topics).await;
    again.shutdown().await.unwrap();
}
