//! Pull consumers against a watched broker.

use std::time::Duration;

use crate::support::{FakeBroker, FakeNameServer, Reaction, eventually};
use mainstem_client::{ConsumeError, ConsumeFrom, MessageQueue, PullConsumer, ReceivedMessage};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};

const LONG: Duration = Duration::from_secs(20);

async fn cluster(queues: i32) -> (FakeNameServer, FakeBroker) {
    let (name_server, broker) = (FakeNameServer::start().await, FakeBroker::start().await);
    name_server.set("t", queues, &[("a", &broker.text())]);
    (name_server, broker)
}

fn bodies(messages: &[ReceivedMessage]) -> Vec<String> {
    messages
        .iter()
        .map(|message| String::from_utf8_lossy(&message.body).into_owned())
        .collect()
}

fn queue(queue_id: i32) -> MessageQueue {
    MessageQueue::new("t", "a", queue_id)
}

async fn member(name_server: &FakeNameServer) -> PullConsumer {
    PullConsumer::builder("g")
        .name_servers(name_server.text())
        .from(ConsumeFrom::Earliest)
        .commit_interval(Duration::from_millis(30))
        .build()
        .await
        .unwrap()
}

#[tokio::test]
async fn without_a_group_all_queues_are_read_to_their_end_and_no_trace_is_left() {
    let (name_server, broker) = cluster(3).await;
    for n in 0..90 {
        broker.store("t", n % 3, &format!("m{n}"));
    }
    let mut reader = PullConsumer::without_group()
        .name_servers(name_server.text())
        .from(ConsumeFrom::Earliest)
        .build()
        .await
        .unwrap();
    let ends = reader.end_offsets("t").await.unwrap();
    reader.subscribe("t", "*").await.unwrap();
    let mut count = 0;
    while !reader.has_reached(&ends) {
        count += reader.poll(LONG).await.unwrap().len();
    }
    assert_eq!(count, 90);
    assert!(matches!(reader.commit().await, Err(ConsumeError::NoGroup)));
    reader.shutdown().await;
    for code in [
        request::HEART_BEAT,
        request::UPDATE_CONSUMER_OFFSET,
        request::QUERY_CONSUMER_OFFSET,
        request::GET_CONSUMER_LIST_BY_GROUP,
        request::UNREGISTER_CLIENT,
    ] {
        assert_eq!(
            broker.server.count(code),
            0,
            "request {code} leaves a trace"
        );
    }
    assert!(broker.state.offsets.lock().is_empty());
}

#[tokio::test]
async fn messages_count_as_consumed_when_the_next_poll_comes() {
    let (name_server, broker) = cluster(1).await;
    for n in 0..4 {
        broker.store("t", 0, &format!("m{n}"));
    }
    let mut consumer = PullConsumer::builder("g")
        .name_servers(name_server.text())
        .from(ConsumeFrom::Earliest)
        .commit_interval(Duration::from_millis(20))
        .max_poll(2)
        .build()
        .await
        .unwrap();
    consumer.subscribe("t", "*").await.unwrap();
    assert_eq!(bodies(&consumer.poll(LONG).await.unwrap()), ["m0", "m1"]);
    eventually("the start is committed", || {
        broker.committed("g", "t", 0) == Some(0)
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(broker.committed("g", "t", 0), Some(0));
    assert_eq!(bodies(&consumer.poll(LONG).await.unwrap()), ["m2", "m3"]);
    eventually("the first two are committed", || {
        broker.committed("g", "t", 0) == Some(2)
    })
    .await;
    consumer.shutdown().await;
    assert_eq!(broker.committed("g", "t", 0), Some(4));
    assert_eq!(broker.server.count(request::UNREGISTER_CLIENT), 1);
}

#[tokio::test]
async fn with_manual_commits_nothing_is_committed_by_itself() {
    let (name_server, broker) = cluster(1).await;
    broker.store("t", 0, "a");
    let mut consumer = PullConsumer::builder("g")
        .name_servers(name_server.text())
        .from(ConsumeFrom::Earliest)
        .commit_interval(Duration::from_millis(10))
        .manual_commit()
        .build()
        .await
        .unwrap();
    consumer.subscribe("t", "*").await.unwrap();
    assert_eq!(consumer.poll(LONG).await.unwrap().len(), 1);
    assert_eq!(
        consumer
            .poll(Duration::from_millis(100))
            .await
            .unwrap()
            .len(),
        0
    );
    assert_eq!(broker.committed("g", "t", 0), None);
    consumer.commit().await.unwrap();
    assert_eq!(broker.committed("g", "t", 0), Some(1));
    assert_eq!(consumer.committed(&queue(0)).await.unwrap(), Some(1));
    consumer.shutdown().await;
}

#[tokio::test]
async fn assigned_queues_can_be_sought_in_paused_and_resumed() {
    let (name_server, broker) = cluster(2).await;
    for n in 0..5 {
        broker.store("t", 0, &format!("a{n}"));
        broker.store("t", 1, &format!("b{n}"));
    }
    let mut consumer = member(&name_server).await;
    consumer.assign(vec![queue(0)]).await.unwrap();
    assert_eq!(
        bodies(&consumer.poll(LONG).await.unwrap()),
        ["a0", "a1", "a2", "a3", "a4"]
    );
    assert_eq!(consumer.position(&queue(0)).unwrap(), 5);

    consumer.seek(&queue(0), 3).unwrap();
    assert_eq!(bodies(&consumer.poll(LONG).await.unwrap()), ["a3", "a4"]);
    consumer.seek_to_start(&queue(0)).await.unwrap();
    assert_eq!(consumer.poll(LONG).await.unwrap().len(), 5);

    consumer.pause(&[queue(0)]).unwrap();
    consumer.seek_to_start(&queue(0)).await.unwrap();
    assert_eq!(
        consumer
            .poll(Duration::from_millis(100))
            .await
            .unwrap()
            .len(),
        0
    );
    consumer.resume(&[queue(0)]).unwrap();
    assert_eq!(consumer.poll(LONG).await.unwrap().len(), 5);

    consumer.assign(vec![queue(1)]).await.unwrap();
    assert_eq!(consumer.assignment(), [queue(1)]);
    assert_eq!(bodies(&consumer.poll(LONG).await.unwrap())[0], "b0");
    assert!(matches!(
        consumer.seek(&queue(0), 1),
        Err(ConsumeError::NotAssigned { queue_id: 0, .. })
    ));
    assert!(matches!(
        consumer.subscribe("t", "*").await,
        Err(ConsumeError::Mixed { .. })
    ));
    consumer.shutdown().await;
}

#[tokio::test]
async fn a_poll_hands_out_every_queue_in_turn() {
    let (name_server, broker) = cluster(3).await;
    for n in 0..3 {
        for _ in 0..100 {
            broker.store("t", n, &n.to_string());
        }
    }
    let mut reader = PullConsumer::without_group()
        .name_servers(name_server.text())
        .from(ConsumeFrom::Earliest)
        .max_poll(10)
        .build()
        .await
        .unwrap();
    reader.subscribe("t", "*").await.unwrap();
    let positions = || reader.positions().values().copied().collect::<Vec<_>>();
    eventually("all queues are fetched", || positions().len() == 3).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(reader.poll(LONG).await.unwrap()[0].queue_id);
    }
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2]);
    reader.shutdown().await;
}

#[tokio::test]
async fn an_error_that_will_not_pass_comes_out_of_a_poll_with_nothing_else() {
    let (name_server, broker) = cluster(1).await;
    broker.intercept(|command| {
        (command.code == request::PULL_MESSAGE).then(|| {
            Reaction::Reply(
                Command::response(response::SUBSCRIPTION_GROUP_NOT_EXIST).with_remark("no group"),
            )
        })
    });
    let mut consumer = member(&name_server).await;
    consumer.subscribe("t", "*").await.unwrap();
    let error = consumer.poll(Duration::from_millis(500)).await.unwrap_err();
    assert_eq!(error.code(), Some(response::SUBSCRIPTION_GROUP_NOT_EXIST));
    assert!(
        error.to_string().contains("autoCreateSubscriptionGroup"),
        "{error}"
    );
    broker.behave();
    broker.store("t", 0, "x");
    assert_eq!(consumer.poll(LONG).await.unwrap().len(), 1);
    consumer.shutdown().await;
}

#[tokio::test]
async fn a_changed_filter_holds_from_the_next_message_not_handed_out() {
    let (name_server, broker) = cluster(1).await;
    broker.store_with("t", 0, b"a1", "TAGS\u{1}a\u{2}", 0);
    broker.store_with("t", 0, b"b1", "TAGS\u{1}b\u{2}", 0);
    let mut consumer = member(&name_server).await;
    consumer.subscribe("t", "a").await.unwrap();
    assert_eq!(bodies(&consumer.poll(LONG).await.unwrap()), ["a1"]);
    consumer.subscribe("t", "b").await.unwrap();
    broker.store_with("t", 0, b"a2", "TAGS\u{1}a\u{2}", 0);
    broker.store_with("t", 0, b"b2", "TAGS\u{1}b\u{2}", 0);
    let mut seen = Vec::new();
    while seen.last().map(String::as_str) != Some("b2") {
        seen.extend(bodies(&consumer.poll(LONG).await.unwrap()));
    }
    assert!(!seen.iter().any(|body| body == "a2"), "{seen:?}");
    consumer.shutdown().await;
}
