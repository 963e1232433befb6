//! Members, offsets, retries, delays, topics and groups over a real socket.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mainstem_common::protocol::{ConsumerList, LockBatchResponse};
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::{Command, PeerAnswer, PeerRequests};
use support::{PullOf, TestBroker, TestClient, bodies, ext, ext_keys, messages, until};

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
async fn a_message_sent_back_returns_after_its_delay_and_then_goes_to_the_dead_letters() {
    let broker = TestBroker::with(|config| {
        config.delay_levels = mainstem_broker::DelayLevels::parse("1s 1s 1s 1s").unwrap();
    })
    .await;
    let client = broker.client();
    let sent = client
        .send_ok("T", 0, "TAGS\u{1}TagA\u{2}KEYS\u{1}k\u{2}", b"again")
        .await;
    let id = ext(&sent, "msgId").unwrap().to_owned();
    let back = async |offset: i64, level: &str| {
        client
            .ask(
                request::CONSUMER_SEND_MSG_BACK,
                &[
                    ("offset", &offset.to_string()),
                    ("group", "cg"),
                    ("delayLevel", level),
                    ("maxReconsumeTimes", "1"),
                    ("originMsgId", "x"),
                ],
            )
            .await
    };
    let started = Instant::now();
    let reply = back(i64::from_str_radix(&id[16..], 16).unwrap(), "1").await;
    assert_eq!(reply.code, response::SUCCESS, "{:?}", reply.remark);
    let retry = PullOf {
        topic: "%RETRY%cg",
        sys_flag: 6,
        suspend_ms: 10_000,
        ..PullOf::default()
    };
    let pulled = client.pull(&retry).await;
    let waited = started.elapsed();
    let message = messages(&pulled).remove(0);
    assert!(
        waited >= Duration::from_millis(990) && waited < Duration::from_secs(5),
        "{waited:?}"
    );
    assert_eq!(message.body, b"again");
    assert_eq!(message.reconsume_times, 1);
    assert_eq!(message.properties.get("RETRY_TOPIC"), Some("T"));
    assert_eq!(
        message.properties.get("ORIGIN_MESSAGE_ID"),
        Some(id.as_str())
    );
    assert_eq!(message.properties.get("REAL_TOPIC"), Some("%RETRY%cg"));
    assert_eq!(message.properties.get("TAGS"), Some("TagA"));

    assert_eq!(
        back(message.physical_offset, "0").await.code,
        response::SUCCESS
    );
    let dead = client
        .pull(&PullOf {
            topic: "%DLQ%cg",
            sys_flag: 6,
            suspend_ms: 10_000,
            ..PullOf::default()
        })
        .await;
    let dead = messages(&dead).remove(0);
    assert_eq!(dead.reconsume_times, 2);
    assert_eq!(dead.properties.get("DELAY"), Some("0"));
    assert_eq!(back(999_999, "0").await.code, response::SYSTEM_ERROR);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_message_comes_when_its_time_has_come_with_its_properties() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    client.create_topic("T", 2, 6).await;
    let started = Instant::now();
    client
        .send_ok("T", 1, "DELAY\u{1}1\u{2}KEYS\u{1}k\u{2}", b"later")
        .await;
    let reply = client
        .send_ok("T", 1, "DELAY\u{1}30\u{2}", b"much later")
        .await;
    assert_eq!(ext(&reply, "queueId"), Some("1"));
    let pulled = client
        .pull(&PullOf {
            queue_id: 1,
            sys_flag: 6,
            suspend_ms: 10_000,
            ..PullOf::default()
        })
        .await;
    assert!(started.elapsed() >= Duration::from_millis(990));
    assert_eq!(bodies(&pulled), ["later"]);
    let message = messages(&pulled).remove(0);
    assert_eq!(message.properties.get("REAL_TOPIC"), Some("T"));
    assert_eq!(message.properties.get("REAL_QID"), Some("1"));
    assert_eq!(message.properties.get("DELAY"), Some("1"));
    assert_eq!(
        broker
            .broker()
            .store()
            .queue_bounds("SCHEDULE_TOPIC_XXXX", 17)
            .max,
        1
    );
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_and_groups_are_set_up_and_removed_by_request() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    client.create_topic("Made", 8, 6).await;
    for (topic, code) in [
        ("bad topic!", response::INVALID_PARAMETER),
        ("TBW102", response::INVALID_PARAMETER),
    ] {
        let reply = client
            .ask(
                request::UPDATE_AND_CREATE_TOPIC,
                &[
                    ("topic", topic),
                    ("defaultTopic", "TBW102"),
                    ("readQueueNums", "2"),
                    ("writeQueueNums", "2"),
                    ("perm", "6"),
                ],
            )
            .await;
        assert_eq!(reply.code, code);
    }
    let got = client
        .ask(request::GET_TOPIC_CONFIG, &[("topic", "Made")])
        .await;
    assert_eq!(
        String::from_utf8(got.body.to_vec()).unwrap(),
        r#"{"attributes":{},"order":false,"perm":6,"readQueueNums":8,"topicFilterType":"SINGLE_TAG","topicName":"Made","topicSysFlag":0,"writeQueueNums":8}"#
    );
    client.send_ok("Made", 0, "", b"x").await;
    let stats = client
        .ask(request::GET_TOPIC_STATS_INFO, &[("topic", "Made")])
        .await;
    assert!(String::from_utf8_lossy(&stats.body).contains(
        r#"{"brokerName":"broker-a","queueId":0,"topic":"Made"}:{"lastUpdateTimestamp":"#
    ));
    let group = client
        .ask(
            request::GET_SUBSCRIPTIONGROUP_CONFIG,
            &[("group", "made_by_asking")],
        )
        .await;
    assert_eq!(group.code, response::SUCCESS);
    let removed = client
        .ask(
            request::DELETE_SUBSCRIPTIONGROUP,
            &[("groupName", "made_by_asking"), ("cleanOffset", "true")],
        )
        .await;
    assert_eq!(removed.code, response::SUCCESS);
    assert!(!broker.broker().core().groups().contains("made_by_asking"));
    assert_eq!(
        client
            .ask(request::DELETE_TOPIC_IN_BROKER, &[("topic", "Made")])
            .await
            .code,
        response::SUCCESS
    );
    assert!(!broker.broker().core().topics().contains("Made"));
    assert_eq!(
        client
            .ask(request::DELETE_TOPIC_IN_BROKER, &[("topic", "TBW102")])
            .await
            .code,
        response::INVALID_PARAMETER
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_shown_and_changed_and_a_bad_one_changes_nothing() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    let shown = client.ask(request::GET_BROKER_CONFIG, &[]).await;
    assert!(ext(&shown, "version").unwrap().contains("counter"));
    assert!(String::from_utf8_lossy(&shown.body).contains("autoCreateTopicEnable=true"));
    let change = |text: &str| {
        client.call(Command::request(request::UPDATE_BROKER_CONFIG).with_body(text.to_owned()))
    };
    assert_eq!(
        change("autoCreateTopicEnable=false\n").await.code,
        response::SUCCESS
    );
    assert_eq!(
        client.send("New", 0, "", b"x").await.code,
        response::TOPIC_NOT_EXIST
    );
    assert_eq!(
        change("autoCreateTopicEnable=true\nlistenPort=1\n")
            .await
            .code,
        response::INVALID_PARAMETER
    );
    assert_eq!(
        client.send("New", 0, "", b"x").await.code,
        response::TOPIC_NOT_EXIST
    );
    assert_eq!(
        change("brokerConfigPath=/x\n").await.code,
        response::NO_PERMISSION
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runtime_info_has_what_tools_parse() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    client.send_ok("T", 0, "", b"x").await;
    let reply = client.ask(request::GET_BROKER_RUNTIME_INFO, &[]).await;
    let table = mainstem_common::protocol::KvTable::from_json(&reply.body)
        .unwrap()
        .table;
    assert_eq!(table["putTps"].split(' ').count(), 3);
    for token in table["putTps"].split(' ') {
        token.parse::<f64>().unwrap();
    }
    assert_eq!(table["brokerActive"], "true");
    assert_eq!(table["msgPutTotalTodayNow"], "1");
    table["commitLogDiskRatio"].parse::<f64>().unwrap();
    assert!(ext_keys(&reply).is_empty());
}
