//! Members of groups, their offsets and locks, over a real socket.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mainstem_common::protocol::{ConsumerList, LockBatchResponse};
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::{Command, PeerAnswer, PeerRequests};
use support::{PullOf, TestBroker, TestClient, bodies, ext, until};

/// Counts the notices of changed members.
#[derive(Debug, Default)]
struct Notices(AtomicUsize);

impl PeerRequests for Notices {
    fn request(&self, _from: &str, command: Command) -> Option<PeerAnswer> {
        if command.code == request::NOTIFY_CONSUMER_IDS_CHANGED {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        None
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_are_told_when_one_joins_leaves_or_breaks_off() {
    let broker = TestBroker::start().await;
    let notices = Arc::new(Notices::default());
    let stays = TestClient::new(&broker.addr(), notices.clone());
    let reply = stays.heartbeat("one", "cg", &[("T", "*")], 1).await;
    assert_eq!(ext(&reply, "IS_SUPPORT_HEART_BEAT_V2"), Some("true"));
    assert_eq!(ext(&reply, "IS_SUB_CHANGE"), Some("true"));
    until("its own joining", async || {
        notices.0.load(Ordering::SeqCst) == 1
    })
    .await;
    let leaves = broker.client();
    leaves.heartbeat("two", "cg", &[("T", "*")], 1).await;
    until("another joins", async || {
        notices.0.load(Ordering::SeqCst) == 2
    })
    .await;
    let list = stays
        .ask(
            request::GET_CONSUMER_LIST_BY_GROUP,
            &[("consumerGroup", "cg")],
        )
        .await;
    let mut ids = ConsumerList::from_json(&list.body)
        .unwrap()
        .consumer_id_list;
    ids.sort();
    assert_eq!(ids, ["one", "two"]);
    let bye = leaves
        .ask(
            request::UNREGISTER_CLIENT,
            &[("clientID", "two"), ("consumerGroup", "cg")],
        )
        .await;
    assert_eq!(bye.code, response::SUCCESS);
    until("it leaves", async || notices.0.load(Ordering::SeqCst) == 3).await;
    leaves.heartbeat("two", "cg", &[("T", "*")], 1).await;
    until("it comes back", async || {
        notices.0.load(Ordering::SeqCst) == 4
    })
    .await;
    leaves.remoting.close().await;
    until("it breaks off", async || {
        notices.0.load(Ordering::SeqCst) == 5
    })
    .await;
    let list = stays
        .ask(
            request::GET_CONSUMER_LIST_BY_GROUP,
            &[("consumerGroup", "cg")],
        )
        .await;
    assert_eq!(
        ConsumerList::from_json(&list.body)
            .unwrap()
            .consumer_id_list,
        ["one"]
    );
    assert!(broker.broker().core().topics().contains("%RETRY%cg"));
    assert!(broker.broker().core().groups().contains("cg"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_with_a_fingerprint_keeps_the_subscriptions() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    let body = |without: bool, subscriptions: &str| {
        format!(
            r#"{{"clientID":"c","consumerDataSet":[{{"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","consumeType":"CONSUME_PASSIVELY","groupName":"cg","messageModel":"CLUSTERING","subscriptionDataSet":[{subscriptions}],"unitMode":false}}],"heartbeatFingerprint":-5,"producerDataSet":[],"withoutSub":{without}}}"#
        )
    };
    let beat = |text: String| client.call(Command::request(request::HEART_BEAT).with_body(text));
    let reply = beat(body(true, "")).await;
    assert_eq!(ext(&reply, "IS_SUB_CHANGE"), Some("true"));
    let full = r#"{"classFilterMode":false,"codeSet":[],"expressionType":"TAG","subString":"*","subVersion":1,"tagsSet":[],"topic":"T"}"#;
    assert_eq!(
        ext(&beat(body(false, full)).await, "IS_SUB_CHANGE"),
        Some("false")
    );
    assert_eq!(
        ext(&beat(body(true, "")).await, "IS_SUB_CHANGE"),
        Some("false")
    );
    assert!(
        broker
            .broker()
            .core()
            .consumers()
            .subscription("cg", "T")
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_client_is_forgotten_and_cut_off() {
    let broker = TestBroker::with(|config| config.client_expiry = Duration::from_millis(200)).await;
    let client = broker.client();
    client.heartbeat("one", "cg", &[("T", "*")], 1).await;
    until("it is forgotten", async || {
        broker.broker().core().consumers().group_count() == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_answered_like_the_real_broker_does() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    client.send_ok("T", 0, "", b"x").await;
    let query = async |group, queue| {
        client
            .ask(
                request::QUERY_CONSUMER_OFFSET,
                &[("consumerGroup", group), ("topic", "T"), ("queueId", queue)],
            )
            .await
    };
    let young = query("new", "0").await;
    assert_eq!(
        (young.code, ext(&young, "offset")),
        (response::SUCCESS, Some("0"))
    );
    let empty = query("new", "1").await;
    assert_eq!(empty.code, response::QUERY_NOT_FOUND);
    assert!(empty.ext.is_empty());
    let strict = client
        .ask(
            request::QUERY_CONSUMER_OFFSET,
            &[
                ("consumerGroup", "new"),
                ("topic", "T"),
                ("queueId", "0"),
                ("setZeroIfNotFound", "false"),
            ],
        )
        .await;
    assert_eq!(strict.code, response::QUERY_NOT_FOUND);

    let commit = async |ext: Vec<(&'static str, &'static str)>| {
        client.ask(request::UPDATE_CONSUMER_OFFSET, &ext).await
    };
    let unknown = commit(vec![
        ("consumerGroup", "nogrp"),
        ("topic", "T"),
        ("queueId", "0"),
        ("commitOffset", "1"),
    ])
    .await;
    assert_eq!(unknown.code, response::SUBSCRIPTION_GROUP_NOT_EXIST);
    client.pull(&PullOf::default()).await;
    let unknown = commit(vec![
        ("consumerGroup", "cg"),
        ("topic", "NoSuch"),
        ("queueId", "0"),
        ("commitOffset", "1"),
    ])
    .await;
    assert_eq!(unknown.code, response::TOPIC_NOT_EXIST);
    let nothing = commit(vec![
        ("consumerGroup", "cg"),
        ("topic", "T"),
        ("queueId", "0"),
    ])
    .await;
    assert_eq!(nothing.code, response::INVALID_PARAMETER);
    let fine = commit(vec![
        ("consumerGroup", "cg"),
        ("topic", "T"),
        ("queueId", "0"),
        ("commitOffset", "1"),
    ])
    .await;
    assert_eq!(fine.code, response::SUCCESS);
    assert_eq!(ext(&query("cg", "0").await, "offset"), Some("1"));

    for (code, topic, offset) in [
        (request::GET_MAX_OFFSET, "T", "1"),
        (request::GET_MIN_OFFSET, "T", "0"),
        (request::GET_MAX_OFFSET, "NoSuch", "0"),
    ] {
        let reply = client
            .ask(code, &[("topic", topic), ("queueId", "0")])
            .await;
        assert_eq!(ext(&reply, "offset"), Some(offset));
    }
    for (time, boundary, offset) in [
        ("0", "LOWER", "0"),
        ("9999999999999", "LOWER", "1"),
        ("9999999999999", "UPPER", "0"),
    ] {
        let reply = client
            .ask(
                request::SEARCH_OFFSET_BY_TIMESTAMP,
                &[
                    ("topic", "T"),
                    ("queueId", "0"),
                    ("timestamp", time),
                    ("boundaryType", boundary),
                ],
            )
            .await;
        assert_eq!(ext(&reply, "offset"), Some(offset), "{time} {boundary}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_clients_have_their_own_codes() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    for (code, ext, expected) in [
        (
            request::GET_CONSUMER_LIST_BY_GROUP,
            ("consumerGroup", "nobody"),
            response::SYSTEM_ERROR,
        ),
        (
            request::GET_CONSUMER_CONNECTION_LIST,
            ("consumerGroup", "nobody"),
            response::CONSUMER_NOT_ONLINE,
        ),
        (
            request::GET_PRODUCER_CONNECTION_LIST,
            ("producerGroup", "nobody"),
            response::SYSTEM_ERROR,
        ),
        (
            request::VIEW_MESSAGE_BY_ID,
            ("offset", "12345678"),
            response::SYSTEM_ERROR,
        ),
        (
            request::GET_TOPIC_CONFIG,
            ("topic", "NoSuch"),
            response::TOPIC_NOT_EXIST,
        ),
        (
            request::GET_TOPIC_STATS_INFO,
            ("topic", "NoSuch"),
            response::TOPIC_NOT_EXIST,
        ),
    ] {
        let reply = client.ask(code, &[ext]).await;
        assert_eq!(reply.code, expected, "{code} {:?}", reply.remark);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queue_locks_belong_to_one_client() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    let lock = async |code, id: &str, queues: &[i32]| {
        let set: Vec<_> = queues
            .iter()
            .map(|queue| serde_json::json!({"brokerName":"broker-a","queueId":queue,"topic":"T"}))
            .collect();
        let body = serde_json::json!({"clientId": id, "consumerGroup": "cg", "mqSet": set});
        client
            .call(Command::request(code).with_body(body.to_string()))
            .await
    };
    let granted = |reply: &Command| {
        let mut ids: Vec<i32> = LockBatchResponse::from_json(&reply.body)
            .unwrap()
            .lock_ok_mq_set
            .iter()
            .map(|queue| queue.queue_id)
            .collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(
        granted(&lock(request::LOCK_BATCH_MQ, "c1", &[0, 1]).await),
        [0, 1]
    );
    assert_eq!(
        granted(&lock(request::LOCK_BATCH_MQ, "c2", &[0, 2]).await),
        [2]
    );
    assert_eq!(
        lock(request::UNLOCK_BATCH_MQ, "c1", &[0]).await.code,
        response::SUCCESS
    );
    assert_eq!(
        granted(&lock(request::LOCK_BATCH_MQ, "c2", &[0]).await),
        [0]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_reaches_the_consumer_with_its_next_pull_and_blocks_its_commits_until_then() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    for body in ["a", "b", "c"] {
        client.send_ok("T", 0, "", body.as_bytes()).await;
    }
    client
        .pull(&PullOf {
            sys_flag: 5,
            commit: 3,
            ..PullOf::default()
        })
        .await;
    let reset = client
        .ask(
            request::INVOKE_BROKER_TO_RESET_OFFSET,
            &[
                ("topic", "T"),
                ("group", "cg"),
                ("timestamp", "0"),
                ("isForce", "true"),
                ("queueId", "0"),
                ("offset", "1"),
            ],
        )
        .await;
    assert_eq!(reset.code, response::SUCCESS, "{:?}", reset.remark);
    let text = String::from_utf8(reset.body.to_vec()).unwrap();
    assert_eq!(
        text,
        r#"{"offsetTable":{{"brokerName":"broker-a","queueId":0,"topic":"T"}:1}}"#
    );
    let commit = [
        ("consumerGroup", "cg"),
        ("topic", "T"),
        ("queueId", "0"),
        ("commitOffset", "3"),
    ];
    assert_eq!(
        client
            .ask(request::UPDATE_CONSUMER_OFFSET, &commit)
            .await
            .code,
        response::SUCCESS
    );
    assert_eq!(
        broker.broker().core().offsets().committed("cg", "T", 0),
        Some(1)
    );
    let moved = client
        .pull(&PullOf {
            offset: 3,
            ..PullOf::default()
        })
        .await;
    assert_eq!(
        (moved.code, moved.remark.as_deref()),
        (response::PULL_OFFSET_MOVED, Some("OFFSET_RESET"))
    );
    assert_eq!(ext(&moved, "nextBeginOffset"), Some("1"));
    assert_eq!(
        bodies(
            &client
                .pull(&PullOf {
                    offset: 1,
                    ..PullOf::default()
                })
                .await
        ),
        ["b", "c"]
    );
    client.ask(request::UPDATE_CONSUMER_OFFSET, &commit).await;
    assert_eq!(
        broker.broker().core().offsets().committed("cg", "T", 0),
        Some(3)
    );
}
