//! Producers, consumers and admin over a real name server and broker. They run in this process on free ports; with
//! `MAINSTEM_TEST_NAMESRV=host:port` the cases that need no control over the servers run against that cluster instead, such as
//! the real Apache one, which shows whether a case itself is right.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use mainstem_broker::{Broker, BrokerConfig};
use mainstem_client::{
    Admin, ConsumeFrom, Message, NewTopic, Outcome, Producer, PullConsumer, PushConsumer,
    PushConsumerBuilder, ReceivedMessage, ResetTo,
};
use mainstem_common::protocol::SubscriptionGroupConfig;
use mainstem_nameserver::{NameServer, NameServerConfig};
use parking_lot::Mutex;
use support::eventually;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_message_makes_the_whole_trip_with_all_that_belongs_to_it() {
    let cluster = Cluster::start().await;
    let topic = unique("whole-trip");
    let producer = cluster.producer().await;
    let long = "a long text ".repeat(2_000);
    let message = Message::builder(topic.as_str())
        .body(long.clone())
        .tag("blue")
        .key("k1")
        .key("k2")
        .property("origin", "北京")
        .flag(7)
        .build()
        .unwrap();
    let receipt = producer.send(message).await.unwrap();
    let seen = Seen::default();
    let consumer = cluster
        .push(&unique("g"), &topic)
        .handler_with(seen.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    eventually("the message arrives", || seen.len() == 1).await;
    let message = seen.0.lock()[0].clone();
    assert_eq!(body(&message), long);
    assert_eq!(
        (
            message.tag(),
            message.flag,
            message.properties.get("origin")
        ),
        (Some("blue"), 7, Some("北京"))
    );
    assert_eq!(message.keys().collect::<Vec<_>>(), ["k1", "k2"]);
    assert_eq!(
        (message.topic.as_str(), message.broker_name()),
        (topic.as_str(), receipt.broker_name())
    );
    assert_eq!(
        (message.queue_id, message.queue_offset),
        (receipt.queue_id(), receipt.queue_offset())
    );
    assert_eq!(message.message_id(), receipt.message_id());
    assert_eq!(
        message.offset_message_id().to_string(),
        receipt.offset_message_id()
    );
    consumer.shutdown().await;
    producer.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_send_is_consumed_once() {
    let cluster = Cluster::start().await;
    let topic = unique("ways");
    let producer = cluster.producer().await;
    let one = |text: &str| {
        Message::builder(topic.as_str())
            .body(text.to_owned())
            .build()
            .unwrap()
    };
    producer.send(one("plain")).await.unwrap();
    producer.send_ordered(one("ordered"), "key").await.unwrap();
    producer
        .send_batch((0..10).map(|n| one(&format!("batch {n}"))).collect())
        .await
        .unwrap();
    producer.send_one_way(one("one way")).await.unwrap();
    let seen = Seen::default();
    let consumer = cluster
        .push(&unique("g"), &topic)
        .batch_size(8)
        .handler_with(seen.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    eventually("13 messages", || seen.len() == 13).await;
    assert_eq!(seen.bodies().len(), 13);
    consumer.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_comes_again_and_a_dead_one_goes_to_the_dead_letters() {
    let cluster = Cluster::start().await;
    let (topic, group) = (unique("retry"), unique("g"));
    let producer = cluster.producer().await;
    for text in ["again", "dead", "fine"] {
        producer
            .send(Message::builder(topic.as_str()).body(text).build().unwrap())
            .await
            .unwrap();
    }
    let seen = Seen::default();
    let consumer = cluster
        .push(&group, &topic)
        .handler_with(
            seen.clone(),
            async |seen: &Seen, messages: &[ReceivedMessage]| {
                seen.collect(messages).await;
                match (&*messages[0].body, messages[0].reconsume_times) {
                    (b"again", 0) => Outcome::RetryAfter(Duration::from_secs(1)),
                    (b"dead", _) => Outcome::DeadLetter,
                    _ => Outcome::Done,
                }
            },
        )
        .start()
        .await
        .unwrap();
    eventually("the failed one comes again", || seen.len() == 4).await;
    let again = seen
        .0
        .lock()
        .iter()
        .find(|message| message.reconsume_times == 1)
        .cloned()
        .unwrap();
    assert_eq!(
        (body(&again).as_str(), again.topic.as_str()),
        ("again", topic.as_str())
    );
    assert_eq!(again.queue_topic(), format!("%RETRY%{group}"));
    let dead_letters = format!("%DLQ%{group}");
    let admin = cluster.admin().await;
    for _ in 0..500 {
        if admin.queues(&dead_letters).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        cluster.bodies(&dead_letters).await,
        BTreeSet::from(["dead".to_owned()])
    );
    consumer.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_consumers_share_the_queues_and_the_one_left_takes_them_all() {
    let cluster = Cluster::start().await;
    let (topic, group) = (unique("shared"), unique("g"));
    let admin = cluster.admin().await;
    admin
        .create_topic(&NewTopic::new(topic.as_str(), 8))
        .await
        .unwrap();
    let (one, two) = (Seen::default(), Seen::default());
    let first = cluster
        .push(&group, &topic)
        .handler_with(one.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    let second = cluster
        .push(&group, &topic)
        .handler_with(two.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    let held = |consumer: &PushConsumer| {
        consumer
            .assignment()
            .iter()
            .filter(|queue| queue.topic == topic)
            .count()
    };
    eventually("four queues each", || {
        held(&first) == 4 && held(&second) == 4
    })
    .await;
    let producer = cluster.producer().await;
    send_all(&producer, &topic, 80).await;
    eventually("80 messages", || one.len() + two.len() == 80).await;
    assert!(one.len() > 0 && two.len() > 0);
    first.shutdown().await;
    eventually("the other has all", || held(&second) == 8).await;
    let third = cluster
        .push(&group, &topic)
        .handler_with(one.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    eventually("shared again", || held(&second) == 4 && held(&third) == 4).await;
    // One that dies without a word is noticed by its closed connection.
    drop(third);
    eventually("the other has all again", || held(&second) == 8).await;
    send_all(&producer, &topic, 16).await;
    eventually("nothing is missing", || one.len() + two.len() >= 96).await;
    second.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_resumes_where_it_stopped() {
    let cluster = Cluster::start().await;
    let (topic, group) = (unique("resume"), unique("g"));
    let producer = cluster.producer().await;
    send_all(&producer, &topic, 20).await;
    let seen = Seen::default();
    let consumer = cluster
        .push(&group, &topic)
        .handler_with(seen.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    eventually("20 messages", || seen.len() == 20).await;
    consumer.shutdown().await;
    producer
        .send(
            Message::builder(topic.as_str())
                .body("later")
                .build()
                .unwrap(),
        )
        .await
        .unwrap();
    let seen = Seen::default();
    let consumer = cluster
        .push(&group, &topic)
        .handler_with(seen.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    eventually("what came later", || seen.len() == 1).await;
    assert_eq!(seen.bodies(), BTreeSet::from(["later".to_owned()]));
    consumer.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_consumer_of_a_group_commits_and_one_without_leaves_no_trace() {
    let cluster = Cluster::start().await;
    let (topic, group) = (unique("pull"), unique("g"));
    let producer = cluster.producer().await;
    send_all(&producer, &topic, 40).await;
    let admin = cluster.admin().await;
    let groups_before: BTreeSet<String> = admin.groups().await.unwrap().into_keys().collect();
    assert_eq!(cluster.bodies(&topic).await.len(), 40);
    let groups: BTreeSet<String> = admin.groups().await.unwrap().into_keys().collect();
    let new: Vec<_> = groups
        .difference(&groups_before)
        .filter(|group| group.contains("TOOLS"))
        .collect();
    assert!(new.is_empty(), "{new:?}");
    assert!(admin.groups_of_topic(&topic).await.unwrap().is_empty());

    let build = || {
        PullConsumer::builder(group.as_str())
            .name_servers(&cluster.name_servers)
            .from(ConsumeFrom::Earliest)
            .request_timeout(Duration::from_secs(20))
            .build()
    };
    let mut consumer = build().await.unwrap();
    consumer.subscribe(&topic, "*").await.unwrap();
    let mut count = 0;
    while count < 40 {
        count += consumer.poll(LONG).await.unwrap().len();
    }
    assert_eq!(count, 40);
    consumer.shutdown().await;
    assert_eq!(
        admin.group_lag(&group, Some(&topic)).await.unwrap().total(),
        0
    );
    let mut again = build().await.unwrap();
    again.subscribe(&topic, "*").await.unwrap();
    assert_eq!(
        again.poll(Duration::from_millis(300)).await.unwrap().len(),
        0
    );
    again.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_and_changes_topics() {
    let cluster = Cluster::start().await;
    let topic = unique("admin");
    let admin = cluster.admin().await;
    admin
        .create_topic(&NewTopic::new(topic.as_str(), 3))
        .await
        .unwrap();
    assert!(admin.topics().await.unwrap().contains(&topic));
    let producer = cluster.producer().await;
    let begin = SystemTime::now() - Duration::from_secs(5);
    let message = Message::builder(topic.as_str())
        .body("find me")
        .key("needle")
        .build()
        .unwrap();
    let receipt = producer.send(message).await.unwrap();

    let found = admin
        .message_by_id(&topic, receipt.offset_message_id())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(body(&found), "find me");
    let until = SystemTime::now() + Duration::from_secs(60);
    let mut by_key = Vec::new();
    for _ in 0..500 {
        by_key = admin
            .messages_by_key(&topic, "needle", 10, (begin, until))
            .await
            .unwrap();
        if !by_key.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(by_key.len(), 1);
    let by_unique_key = admin
        .messages_by_unique_key(&topic, receipt.message_id())
        .await
        .unwrap();
    assert_eq!(by_unique_key.len(), 1);

    let description = admin.describe_topic(&topic).await.unwrap();
    assert_eq!(
        (
            description.configs.len(),
            description.configs[0].1.write_queue_nums
        ),
        (1, 3)
    );
    assert_eq!(description.stats.offset_table.len(), 3);
    let messages: i64 = description
        .stats
        .offset_table
        .iter()
        .map(|(_, queue)| queue.max_offset - queue.min_offset)
        .sum();
    assert_eq!(messages, 1);
    let queue = receipt.queue();
    assert_eq!(
        (
            admin.min_offset(&queue).await.unwrap(),
            admin.max_offset(&queue).await.unwrap()
        ),
        (0, 1)
    );
    assert_eq!(admin.offset_at(&queue, begin).await.unwrap(), 0);
    assert_eq!(admin.offset_at(&queue, until).await.unwrap(), 1);

    admin
        .create_topic(&NewTopic::new(topic.as_str(), 5))
        .await
        .unwrap();
    assert_eq!(
        admin.topic_configs(&topic).await.unwrap()[0]
            .1
            .write_queue_nums,
        5
    );
    admin.delete_topic(&topic, None).await.unwrap();
    assert!(!admin.topics().await.unwrap().contains(&topic));
    assert!(
        admin
            .create_topic(&NewTopic::new("bad name", 1))
            .await
            .unwrap_err()
            .to_string()
            .contains("bad name")
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_and_changes_groups_and_brokers() {
    let cluster = Cluster::start().await;
    let (topic, group) = (unique("groups"), unique("g"));
    let (admin, producer) = (cluster.admin().await, cluster.producer().await);
    admin
        .create_topic(&NewTopic::new(topic.as_str(), 1))
        .await
        .unwrap();
    send_all(&producer, &topic, 10).await;
    admin
        .create_group(&SubscriptionGroupConfig::new(group.as_str()))
        .await
        .unwrap();
    assert!(admin.groups().await.unwrap().contains_key(&group));
    assert!(admin.consumer_connections(&group).await.unwrap().is_none());

    let seen = Seen::default();
    let consumer = cluster
        .push(&group, &topic)
        .handler_with(seen.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    eventually("10 messages", || seen.len() == 10).await;
    let connections = admin.consumer_connections(&group).await.unwrap().unwrap();
    assert_eq!(
        connections.connection_set[0].client_id,
        consumer.client_id()
    );
    assert!(connections.subscription_table.contains_key(&topic));
    for _ in 0..500 {
        if admin.group_lag(&group, Some(&topic)).await.unwrap().total() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lag = admin.group_lag(&group, Some(&topic)).await.unwrap();
    assert_eq!(
        (lag.total(), lag.queues.len(), lag.queues[0].consumer_offset),
        (0, 1, 10)
    );
    assert_eq!(
        admin.groups_of_topic(&topic).await.unwrap(),
        std::slice::from_ref(&group)
    );
    let info = admin
        .running_info(&group, consumer.client_id())
        .await
        .unwrap();
    assert!(info.mq_table.iter().any(|(queue, _)| queue.topic == topic));
    let first = seen.0.lock()[0].offset_message_id().to_string();
    admin
        .consume_directly(&group, consumer.client_id(), &topic, &first)
        .await
        .unwrap();
    assert_eq!(seen.len(), 11);

    let reset = admin
        .reset_offsets(&group, &topic, ResetTo::Earliest)
        .await
        .unwrap();
    assert_eq!(
        reset.iter().map(|(_, offset)| *offset).collect::<Vec<_>>(),
        [0]
    );
    eventually("all come again", || seen.len() == 21).await;
    consumer.shutdown().await;
    assert!(admin.consumer_connections(&group).await.unwrap().is_none());
    admin.delete_group(&group, true).await.unwrap();

    let brokers = admin.brokers().await.unwrap();
    let broker = &brokers[0];
    assert!(
        broker.version().is_some() && broker.put_rate().is_some(),
        "{broker:?}"
    );
    let config = admin.broker_config(&broker.name).await.unwrap();
    assert!(config.contains_key("maxMessageSize") && config.contains_key("brokerName"));
    assert!(admin.wipe_write_permission(&broker.name).await.unwrap() > 0);
    assert!(admin.add_write_permission(&broker.name).await.unwrap() > 0);
    assert!(
        admin
            .broker_runtime("nobody")
            .await
            .unwrap_err()
            .to_string()
            .contains(&broker.name)
    );
    let connected = admin.producer_connections("e2e-producer").await.unwrap();
    assert!(
        connected
            .connection_set
            .iter()
            .any(|connection| connection.client_id == producer.client_id())
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_and_consumers_outlive_a_restart_of_the_broker() {
    let mut cluster = Cluster::ours(1).await;
    let topic = unique("restart");
    let producer = Producer::builder("p")
        .name_servers(&cluster.name_servers)
        .retries(10_000)
        .timeout(LONG)
        .build()
        .await
        .unwrap();
    let seen = Seen::default();
    let consumer = cluster
        .push(&unique("g"), &topic)
        .handler_with(seen.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    send_all(&producer, &topic, 10).await;
    let (_, brokers, dir) = cluster.servers.as_mut().unwrap();
    let broker = brokers.pop().unwrap();
    let mut config = broker_config(&cluster.name_servers, dir, 0);
    // The same port: that is what a restart is.
    config.listen_port = broker.addr().port();
    broker.shutdown().await.unwrap();
    let sending = tokio::spawn({
        let (producer, topic) = (producer.clone(), topic.clone());
        async move {
            for n in 0..20 {
                let message = Message::builder(topic.as_str())
                    .body(format!("during {n}"))
                    .build()
                    .unwrap();
                producer.send_ordered(message, "k").await.unwrap();
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    brokers.push(Broker::start(config).await.unwrap());
    sending.await.unwrap();
    eventually("everything arrives", || seen.bodies().len() == 30).await;
    consumer.shutdown().await;
    producer.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_over_two_brokers_is_sent_to_both_and_survives_the_loss_of_one() {
    let mut cluster = Cluster::ours(2).await;
    let topic = unique("two");
    let admin = cluster.admin().await;
    admin
        .create_topic(&NewTopic::new(topic.as_str(), 2))
        .await
        .unwrap();
    let producer = cluster.producer().await;
    assert_eq!(producer.queues(&topic).await.unwrap().len(), 4);
    send_all(&producer, &topic, 40).await;
    let seen = Seen::default();
    let consumer = cluster
        .push(&unique("g"), &topic)
        .handler_with(seen.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    eventually("all 40", || seen.len() == 40).await;
    let from: BTreeSet<String> = seen
        .0
        .lock()
        .iter()
        .map(|message| message.broker_name().to_owned())
        .collect();
    assert_eq!(from.len(), 2);
    let (_, brokers, _) = cluster.servers.as_mut().unwrap();
    brokers.pop().unwrap().shutdown().await.unwrap();
    for n in 0..20 {
        let message = Message::builder(topic.as_str())
            .body(format!("after {n}"))
            .build()
            .unwrap();
        assert_eq!(
            producer.send(message).await.unwrap().broker_name(),
            "broker-0"
        );
    }
    eventually("all 60", || seen.bodies().len() == 60).await;
    consumer.shutdown().await;
    cluster.stop().await;
}
