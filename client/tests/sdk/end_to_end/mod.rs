//! Producers, consumers and admin over a real name server and broker. They run in this process on free ports; with
//! `MAINSTEM_TEST_NAMESRV=host:port` the cases that need no control over the servers run against that cluster instead, such as
//! the real Apache one, which shows whether a case itself is right.

mod admin;
mod outages;
mod trips;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use crate::support::eventually;
use mainstem_broker::{Broker, BrokerConfig};
use mainstem_client::{
    Admin, ConsumeFrom, Message, NewTopic, Outcome, Producer, PullConsumer, PushConsumer,
    PushConsumerBuilder, ReceivedMessage, ResetTo,
};
use mainstem_common::protocol::SubscriptionGroupConfig;
use mainstem_nameserver::{NameServer, NameServerConfig};
use parking_lot::Mutex;

const LONG: Duration = Duration::from_secs(60);

/// Servers, ours or somebody else's.
struct Cluster {
    name_servers: String,
    servers: Option<(NameServer, Vec<Broker>, tempfile::TempDir)>,
}

impl Cluster {
    async fn start() -> Self {
        match std::env::var("MAINSTEM_TEST_NAMESRV") {
            Ok(name_servers) => Self {
                name_servers,
                servers: None,
            },
            Err(_) => Self::ours(1).await,
        }
    }

    async fn ours(brokers: usize) -> Self {
        let config = NameServerConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            ..NameServerConfig::default()
        };
        let name_server = NameServer::start(config).unwrap();
        let name_servers = name_server.local_addr().to_string();
        let dir = tempfile::tempdir().unwrap();
        let mut started = Vec::new();
        for n in 0..brokers {
            started.push(
                Broker::start(broker_config(&name_servers, &dir, n))
                    .await
                    .unwrap(),
            );
        }
        let cluster = Self {
            name_servers,
            servers: Some((name_server, started, dir)),
        };
        let admin = cluster.admin().await;
        for _ in 0..1_000 {
            if admin
                .cluster()
                .await
                .is_ok_and(|info| info.broker_addr_table.len() == brokers)
            {
                return cluster;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the brokers never registered");
    }

    async fn admin(&self) -> Admin {
        Admin::builder()
            .name_servers(&self.name_servers)
            .request_timeout(Duration::from_secs(20))
            .build()
            .await
            .unwrap()
    }

    async fn producer(&self) -> Producer {
        Producer::builder("e2e-producer")
            .name_servers(&self.name_servers)
            .attempt_timeout(Duration::from_secs(20))
            .timeout(LONG)
            .build()
            .await
            .unwrap()
    }

    fn push(&self, group: &str, topic: &str) -> PushConsumerBuilder {
        PushConsumer::builder(group)
            .name_servers(&self.name_servers)
            .subscribe(topic, "*")
            .from(ConsumeFrom::Earliest)
            .commit_interval(Duration::from_millis(100))
    }

    async fn reader(&self) -> PullConsumer {
        PullConsumer::without_group()
            .name_servers(&self.name_servers)
            .from(ConsumeFrom::Earliest)
            .request_timeout(Duration::from_secs(20))
            .build()
            .await
            .unwrap()
    }

    /// Every body of a topic, in no order.
    async fn bodies(&self, topic: &str) -> BTreeSet<String> {
        let mut reader = self.reader().await;
        let ends = reader.end_offsets(topic).await.unwrap();
        reader.subscribe(topic, "*").await.unwrap();
        let mut bodies = BTreeSet::new();
        while !reader.has_reached(&ends) {
            bodies.extend(
                reader
                    .poll(Duration::from_millis(200))
                    .await
                    .unwrap()
                    .iter()
                    .map(body),
            );
        }
        reader.shutdown().await;
        bodies
    }

    async fn stop(mut self) {
        if let Some((name_server, brokers, _dir)) = self.servers.take() {
            for broker in brokers {
                broker.shutdown().await.unwrap();
            }
            name_server.shutdown().await;
        }
    }
}

fn broker_config(name_servers: &str, dir: &tempfile::TempDir, n: usize) -> BrokerConfig {
    let mut config = BrokerConfig {
        broker_name: format!("broker-{n}"),
        listen_port: 0,
        name_servers: vec![name_servers.to_owned()],
        data_dir: dir.path().join(n.to_string()),
        shutdown_grace: Duration::from_secs(2),
        ..BrokerConfig::default()
    };
    config.store.commit_log_file_bytes = 16 << 20;
    config.store.index_slots = 1000;
    config.store.index_entries = 4000;
    config
}

/// A name that no other run has used.
fn unique(name: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let nanos = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    format!(
        "{name}-{}-{nanos}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

fn body(message: &ReceivedMessage) -> String {
    String::from_utf8(message.body.clone()).unwrap()
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<ReceivedMessage>>>);

impl Seen {
    async fn collect(&self, messages: &[ReceivedMessage]) -> Outcome {
        self.0.lock().extend_from_slice(messages);
        Outcome::Done
    }

    fn len(&self) -> usize {
        self.0.lock().len()
    }

    fn bodies(&self) -> BTreeSet<String> {
        self.0.lock().iter().map(body).collect()
    }
}

async fn send_all(producer: &Producer, topic: &str, count: usize) {
    for n in 0..count {
        producer
            .send(
                Message::builder(topic)
                    .body(format!("m{n:04}"))
                    .build()
                    .unwrap(),
            )
            .await
            .unwrap();
    }
}
