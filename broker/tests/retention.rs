//! Old messages go, needed ones stay, and consumers and producers are told in RocketMQ's codes.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::sync::atomic::{AtomicI8, AtomicUsize, Ordering};
use std::time::Duration;

use mainstem_broker::DelayLevels;
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_store::{DiskStage, Retention};
use support::{PullOf, TestBroker, TestClient, ext, messages, until};

const FILE_BYTES: u64 = 64 << 10;

/// A broker with small log files, whose messages have expired as soon as they are stored.
async fn broker() -> TestBroker {
    TestBroker::with(|config| {
        config.store.commit_log_file_bytes = FILE_BYTES;
        config.store.checkpoint_interval = Duration::from_millis(20);
        config.store.retention = Retention {
            max_age: Some(Duration::ZERO),
            ..Retention::default()
        };
        config.delete_hours = Vec::new();
        config.delay_levels = DelayLevels::parse("2s 1h").unwrap();
        config.delay_journal_interval = Duration::from_millis(50);
    })
    .await
}

/// Sends until the log has reached so many files.
async fn fill(broker: &TestBroker, client: &TestClient, files: u64) {
    let body = vec![b'x'; 3000];
    while broker.broker().store().watermarks().appended() < (files - 1) * FILE_BYTES + 9000 {
        client.send_ok("T", 0, "", &body).await;
    }
}

async fn remove_expired(client: &TestClient) {
    let reply = client
        .call(Command::request(request::DELETE_EXPIRED_COMMITLOG))
        .await;
    assert_eq!(reply.code, response::SUCCESS, "{:?}", reply.remark);
}

fn log_begins_at(broker: &TestBroker) -> u64 {
    broker.broker().store().usage().min_position
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_of_removed_messages_are_sent_to_the_first_that_is_left() {
    let mut broker = broker().await;
    let client = broker.client();
    fill(&broker, &client, 4).await;
    until("expired files are gone", async || {
        remove_expired(&client).await;
        log_begins_at(&broker) == 3 * FILE_BYTES
    })
    .await;
    for _ in 0..2 {
        let client = broker.client();
        let pulled = client.pull(&PullOf::default()).await;
        assert_eq!(pulled.code, response::PULL_OFFSET_MOVED);
        assert_eq!(pulled.remark.as_deref(), Some("OFFSET_TOO_SMALL"));
        let min = ext(&pulled, "minOffset").unwrap().to_owned();
        assert_eq!(ext(&pulled, "nextBeginOffset"), Some(min.as_str()));
        let asked = client
            .ask(request::GET_MIN_OFFSET, &[("topic", "T"), ("queueId", "0")])
            .await;
        assert_eq!(ext(&asked, "offset"), Some(min.as_str()));
        let offset: i64 = min.parse().unwrap();
        assert!(offset > 0);
        let pulled = client
            .pull(&PullOf {
                offset,
                ..PullOf::default()
            })
            .await;
        assert_eq!(pulled.code, response::SUCCESS);
        assert_eq!(messages(&pulled)[0].queue_offset, offset);
        broker.restart().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_message_keeps_its_file_until_it_is_delivered() {
    let broker = broker().await;
    let client = broker.client();
    client.create_topic("L", 1, 6).await;
    fill(&broker, &client, 2).await;
    client.send_ok("L", 0, "DELAY\u{1}1\u{2}", b"later").await;
    fill(&broker, &client, 5).await;
    until("the files before it are gone", async || {
        remove_expired(&client).await;
        log_begins_at(&broker) >= FILE_BYTES
    })
    .await;
    let pulled = client
        .pull(&PullOf {
            topic: "L",
            sys_flag: 6,
            suspend_ms: 20_000,
            ..PullOf::default()
        })
        .await;
    assert_eq!(messages(&pulled)[0].body, b"later");
    until("its file is gone after its delivery is saved", async || {
        remove_expired(&client).await;
        log_begins_at(&broker) >= 4 * FILE_BYTES
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_delayed_for_long_outlives_everything_around_it() {
    let broker = broker().await;
    let client = broker.client();
    fill(&broker, &client, 2).await;
    client
        .send_ok("T", 0, "DELAY\u{1}2\u{2}", b"much later")
        .await;
    fill(&broker, &client, 5).await;
    until("the file before it is gone", async || {
        remove_expired(&client).await;
        log_begins_at(&broker) == FILE_BYTES
    })
    .await;
    for _ in 0..20 {
        remove_expired(&client).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(log_begins_at(&broker), FILE_BYTES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_changes_while_the_broker_runs() {
    let broker = broker().await;
    let client = broker.client();
    let change = async |text: &str| {
        client
            .call(Command::request(request::UPDATE_BROKER_CONFIG).with_body(text.to_owned()))
            .await
            .code
    };
    assert_eq!(
        change("fileReservedTime=48\ncleanFileForciblyEnable=true\n").await,
        response::SUCCESS
    );
    let policy = broker.broker().store().retention();
    assert_eq!(policy.max_age, Some(Duration::from_secs(48 * 3600)));
    assert!(policy.remove_unexpired);
    assert_eq!(change("deleteWhen=25").await, response::INVALID_PARAMETER);
    fill(&broker, &client, 6).await;
    let limit = 4 * FILE_BYTES;
    assert_eq!(
        change(&format!("maxCommitLogBytes={limit}")).await,
        response::SUCCESS
    );
    until("the log is cut to its size", async || {
        log_begins_at(&broker) >= 2 * FILE_BYTES
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_over_its_limit_refuses_sends_with_a_code_of_its_own_and_shows_its_stage() {
    let broker = broker().await;
    let client = broker.client();
    client.send_ok("T", 0, "", b"before").await;
    let store = broker.broker().store();
    let limit = |percent: u8| Retention {
        full_percent: Some(percent),
        ..Retention::default()
    };
    // Whatever the disk of the test has, it is over this limit.
    store.set_retention(limit(0));
    assert_eq!(store.disk_stage(), DiskStage::Full);
    let refused = client.send("T", 0, "", b"x").await;
    assert_eq!(refused.code, response::SERVICE_NOT_AVAILABLE);
    let remark = refused.remark.unwrap();
    assert!(remark.contains("disk full"), "{remark}");
    let pulled = client.pull(&PullOf::default()).await;
    assert_eq!(pulled.code, response::SUCCESS, "reads go on");
    let info = client
        .call(Command::request(request::GET_BROKER_RUNTIME_INFO))
        .await;
    let text = String::from_utf8(info.body.to_vec()).unwrap();
    assert!(text.contains(r#""diskStage":"full""#), "{text}");
    store.set_retention(limit(101));
    client.send_ok("T", 0, "", b"after").await;
}

/// The hour that the broker below is told.
static HOUR: AtomicI8 = AtomicI8::new(3);
/// How often it has asked.
static ASKED: AtomicUsize = AtomicUsize::new(0);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_messages_go_by_themselves_at_the_set_hour_and_at_no_other() {
    let broker = TestBroker::with(|config| {
        config.store.commit_log_file_bytes = FILE_BYTES;
        config.store.checkpoint_interval = Duration::from_millis(20);
        config.store.retention = Retention {
            max_age: Some(Duration::ZERO),
            ..Retention::default()
        };
        config.delete_hours = vec![4];
        config.clean_interval = Duration::from_millis(10);
        config.hour_of_day = || {
            ASKED.fetch_add(1, Ordering::Relaxed);
            HOUR.load(Ordering::Relaxed)
        };
    })
    .await;
    let client = broker.client();
    fill(&broker, &client, 4).await;
    for hour in [3, 5, 23] {
        HOUR.store(hour, Ordering::Relaxed);
        let asked = ASKED.load(Ordering::Relaxed);
        until("the hour was looked at", async || {
            ASKED.load(Ordering::Relaxed) > asked + 5
        })
        .await;
        assert_eq!(log_begins_at(&broker), 0, "at {hour} nothing is removed");
    }
    HOUR.store(4, Ordering::Relaxed);
    until("expired files go at four", async || {
        log_begins_at(&broker) == 3 * FILE_BYTES
    })
    .await;
}
