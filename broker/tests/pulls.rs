//! Pulls over a real socket: codes, numbers, filters, and waiting.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstem_broker::TransferMode;
use mainstem_common::remoting::code::{request, response};
use support::{PullOf, TestBroker, TestClient, bodies, ext, ext_keys, messages, until};

const NUMBERS: [&str; 6] = [
    "groupSysFlag",
    "maxOffset",
    "minOffset",
    "nextBeginOffset",
    "suggestWhichBrokerId",
    "topicSysFlag",
];

async fn with_three_messages() -> (TestBroker, TestClient) {
    let broker = TestBroker::start().await;
    let client = broker.client();
    for body in ["a", "b", "c"] {
        client
            .send_ok("T", 0, "TAGS\u{1}TagA\u{2}", body.as_bytes())
            .await;
    }
    (broker, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_have_the_codes_and_numbers_of_the_real_broker() {
    let (_broker, client) = with_three_messages().await;
    let cases = [
        (PullOf::default(), response::SUCCESS, "FOUND", "3"),
        (
            PullOf {
                offset: 9999,
                ..PullOf::default()
            },
            response::PULL_OFFSET_MOVED,
            "OFFSET_OVERFLOW_BADLY",
            "3",
        ),
        (
            PullOf {
                offset: 20,
                sys_flag: 6,
                ..PullOf::default()
            },
            response::PULL_OFFSET_MOVED,
            "OFFSET_OVERFLOW_BADLY",
            "3",
        ),
        (
            PullOf {
                offset: -5,
                ..PullOf::default()
            },
            response::PULL_OFFSET_MOVED,
            "OFFSET_TOO_SMALL",
            "0",
        ),
        (
            PullOf {
                expression: "NoTag",
                ..PullOf::default()
            },
            response::PULL_RETRY_IMMEDIATELY,
            "NO_MATCHED_MESSAGE",
            "3",
        ),
        (
            PullOf {
                offset: 3,
                ..PullOf::default()
            },
            response::PULL_NOT_FOUND,
            "OFFSET_OVERFLOW_ONE",
            "3",
        ),
    ];
    for (pull, code, remark, next) in cases {
        let reply = client.pull(&pull).await;
        assert_eq!((reply.code, reply.remark.as_deref()), (code, Some(remark)));
        assert_eq!(ext_keys(&reply), NUMBERS);
        assert_eq!(ext(&reply, "nextBeginOffset"), Some(next), "{remark}");
        assert_eq!(ext(&reply, "maxOffset"), Some("3"));
    }
    let empty = PullOf {
        queue_id: 1,
        offset: 7,
        ..PullOf::default()
    };
    let reply = client.pull(&empty).await;
    assert_eq!(reply.code, response::PULL_OFFSET_MOVED);
    assert_eq!(ext(&reply, "nextBeginOffset"), Some("0"));
    let reply = client.pull(&PullOf { offset: 0, ..empty }).await;
    assert_eq!(reply.code, response::PULL_NOT_FOUND);
    assert_eq!(ext_keys(&reply), NUMBERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_have_the_codes_and_ext_fields_of_the_real_broker() {
    let (_broker, client) = with_three_messages().await;
    let cases = [
        (
            PullOf {
                queue_id: 9,
                ..PullOf::default()
            },
            response::INVALID_PARAMETER,
        ),
        (
            PullOf {
                sys_flag: 0,
                group: "nobody",
                ..PullOf::default()
            },
            response::SUBSCRIPTION_NOT_EXIST,
        ),
        (
            PullOf {
                topic: "NoSuchTopic",
                ..PullOf::default()
            },
            response::TOPIC_NOT_EXIST,
        ),
        (
            PullOf {
                expression: "||",
                ..PullOf::default()
            },
            response::SUBSCRIPTION_PARSE_FAILED,
        ),
    ];
    for (pull, code) in cases {
        let reply = client.pull(&pull).await;
        assert_eq!(reply.code, code, "{:?}", reply.remark);
        assert!(reply.ext.is_empty());
    }
    let mut sql = PullOf {
        expression: "a = 1",
        ..PullOf::default()
    }
    .command();
    for (name, value) in &mut sql.ext {
        if name == "expressionType" {
            *value = "SQL92".to_owned();
        }
    }
    assert_eq!(client.call(sql).await.code, response::SYSTEM_ERROR);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_uses_the_subscription_of_the_heartbeat() {
    let (_broker, client) = with_three_messages().await;
    client.send_ok("T", 0, "TAGS\u{1}TagB\u{2}", b"d").await;
    client
        .heartbeat("c1", "cg", &[("T", "TagB"), ("%RETRY%cg", "*")], 5)
        .await;
    let pull = PullOf {
        sys_flag: 2,
        suspend_ms: 1000,
        version: 5,
        ..PullOf::default()
    };
    assert_eq!(bodies(&client.pull(&pull).await), ["d"]);
    let newer = PullOf { version: 6, ..pull };
    assert_eq!(
        client.pull(&newer).await.code,
        response::SUBSCRIPTION_NOT_LATEST
    );
    let other = PullOf {
        topic: "%RETRY%cg",
        version: 5,
        sys_flag: 0,
        ..PullOf::default()
    };
    assert_eq!(client.pull(&other).await.code, response::PULL_NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commit_bit_commits_once_and_lite_pull_is_served_alike() {
    let (broker, client) = with_three_messages().await;
    client
        .pull(&PullOf {
            sys_flag: 5,
            commit: 2,
            ..PullOf::default()
        })
        .await;
    assert_eq!(
        broker.broker().core().offsets().committed("cg", "T", 0),
        Some(2)
    );
    client
        .pull(&PullOf {
            sys_flag: 4,
            commit: 1,
            ..PullOf::default()
        })
        .await;
    assert_eq!(
        broker.broker().core().offsets().committed("cg", "T", 0),
        Some(2)
    );
    let mut lite = PullOf {
        sys_flag: 22,
        ..PullOf::default()
    }
    .command();
    lite.code = request::LITE_PULL_MESSAGE;
    assert_eq!(bodies(&client.call(lite).await), ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_pull_is_answered_by_a_message_it_wants_and_by_no_other() {
    let (broker, client) = with_three_messages().await;
    let producer = broker.client();
    let pull = PullOf {
        offset: 3,
        sys_flag: 6,
        suspend_ms: 20_000,
        expression: "TagB",
        ..PullOf::default()
    }
    .command();
    let waiting = tokio::spawn(async move { client.call(pull).await });
    let core = broker.broker().core().clone();
    until("the pull is parked", async || {
        core.runtime_info()["parkedPulls"] == "1"
    })
    .await;
    producer
        .send_ok("T", 0, "TAGS\u{1}TagA\u{2}", b"unwanted")
        .await;
    producer
        .send_ok("T", 1, "TAGS\u{1}TagB\u{2}", b"elsewhere")
        .await;
    assert!(!waiting.is_finished());
    assert_eq!(core.runtime_info()["parkedPulls"], "1");
    producer
        .send_ok("T", 0, "TAGS\u{1}TagB\u{2}", b"wanted")
        .await;
    let reply = waiting.await.unwrap();
    assert_eq!(bodies(&reply), ["wanted"]);
    assert_eq!(ext(&reply, "nextBeginOffset"), Some("5"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_pull_ends_at_its_time() {
    let (_broker, client) = with_three_messages().await;
    let started = Instant::now();
    let reply = client
        .pull(&PullOf {
            offset: 3,
            sys_flag: 6,
            suspend_ms: 200,
            ..PullOf::default()
        })
        .await;
    let waited = started.elapsed();
    assert_eq!(reply.code, response::PULL_NOT_FOUND);
    assert_eq!(ext_keys(&reply), NUMBERS);
    assert!(waited >= Duration::from_millis(199), "{waited:?}");
    assert!(waited < Duration::from_secs(3), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_parked_pulls_are_each_answered_by_their_own_message() {
    const PULLS: usize = 1000;
    let broker = TestBroker::start().await;
    let client = Arc::new(broker.client());
    client.create_topic("T", PULLS as i32, 6).await;
    let mut waiting = tokio::task::JoinSet::new();
    for queue in 0..PULLS {
        let client = client.clone();
        let pull = PullOf {
            queue_id: queue as i32,
            sys_flag: 6,
            suspend_ms: 30_000,
            ..PullOf::default()
        }
        .command();
        waiting.spawn(async move { (queue, client.call(pull).await) });
    }
    let core = broker.broker().core().clone();
    until("all are parked", async || {
        core.runtime_info()["parkedPulls"] == PULLS.to_string()
    })
    .await;
    let producer = Arc::new(broker.client());
    let mut sends = tokio::task::JoinSet::new();
    for queue in 0..PULLS {
        let producer = producer.clone();
        sends.spawn(async move {
            let body = queue.to_string();
            producer
                .send_ok("T", queue as i32, "", body.as_bytes())
                .await
        });
    }
    while let Some(sent) = sends.join_next().await {
        sent.unwrap();
    }
    while let Some(done) = waiting.join_next().await {
        let (queue, reply) = done.unwrap();
        assert_eq!(bodies(&reply), [queue.to_string()]);
    }
    assert_eq!(core.runtime_info()["parkedPulls"], "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_pulls_go_with_their_connection_and_end_when_the_subscription_changes() {
    let (broker, gone) = with_three_messages().await;
    let core = broker.broker().core().clone();
    let pull = PullOf {
        offset: 3,
        sys_flag: 6,
        suspend_ms: 60_000,
        ..PullOf::default()
    }
    .command();
    let first = pull.clone();
    let lost = tokio::spawn(async move {
        let _ = tokio::time::timeout(Duration::from_millis(300), gone.call(first)).await;
        gone.remoting.close().await;
    });
    until("parked", async || core.runtime_info()["parkedPulls"] == "1").await;
    lost.await.unwrap();
    until("dropped", async || {
        core.runtime_info()["parkedPulls"] == "0"
    })
    .await;

    let stays = broker.client();
    let changes = broker.client();
    let waiting = tokio::spawn(async move { stays.call(pull).await });
    until("parked again", async || {
        core.runtime_info()["parkedPulls"] == "1"
    })
    .await;
    changes.heartbeat("c1", "cg", &[("T", "TagZ")], 9).await;
    assert_eq!(waiting.await.unwrap().code, response::PULL_NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_parked_pulls() {
    let (mut broker, client) = with_three_messages().await;
    let core = broker.broker().core().clone();
    let pull = PullOf {
        offset: 3,
        sys_flag: 6,
        suspend_ms: 60_000,
        ..PullOf::default()
    }
    .command();
    let waiting = tokio::spawn(async move { client.call(pull).await });
    until("parked", async || core.runtime_info()["parkedPulls"] == "1").await;
    let started = Instant::now();
    broker.stop().await;
    // Far less than the minute that the pull would have waited.
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(waiting.await.unwrap().code, response::PULL_NOT_FOUND);
}

/// Whichever way the bytes take to the socket, and however small the socket's buffers, they are the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transfer_mode_sends_the_same_bytes() {
    const MESSAGES: usize = 48;
    let body = |i: usize| {
        let bytes = [10, 100, 3_000, 70_000][i % 4] + i;
        (0..bytes).map(|at| b'a' + ((at + i) % 26) as u8).collect()
    };
    let expected: Vec<Vec<u8>> = (0..MESSAGES).map(body).collect();
    for mode in [
        TransferMode::Mmap,
        TransferMode::Sendfile,
        TransferMode::Heap,
    ] {
        let broker = TestBroker::with(|config| {
            config.transfer = mode;
            config.max_transfer_bytes_in_memory = 4 << 20;
            config.max_transfer_count_in_memory = MESSAGES;
        })
        .await;
        let client = broker.client();
        let mut sent = None;
        for body in &expected {
            // Neighbours in the log, and between them at times one of another queue.
            sent = Some(client.send_ok("T", 0, "", body).await);
            if body.len() > 60_000 {
                client.send_ok("T", 1, "", b"between").await;
            }
        }
        client.until_readable("T", &sent.unwrap()).await;
        // More answers at once than a socket takes.
        let client = Arc::new(client);
        let mut pulls = tokio::task::JoinSet::new();
        for _ in 0..24 {
            let client = Arc::clone(&client);
            pulls.spawn(async move {
                let mut bodies = Vec::new();
                while bodies.len() < MESSAGES {
                    let pull = PullOf {
                        offset: bodies.len() as i64,
                        ..PullOf::default()
                    };
                    let reply = client.pull(&pull).await;
                    assert_eq!(reply.code, response::SUCCESS);
                    bodies.extend(messages(&reply).iter().map(|m| m.body.to_vec()));
                }
                bodies
            });
        }
        while let Some(bodies) = pulls.join_next().await {
            assert!(bodies.unwrap() == expected, "{mode:?}");
        }
    }
}

/// A pull that waits is answered in the same way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pull_that_waited_gets_its_message_by_sendfile_too() {
    let broker = TestBroker::with(|config| config.transfer = TransferMode::Sendfile).await;
    let client = broker.client();
    let first = client.send_ok("T", 0, "", b"first").await;
    client.until_readable("T", &first).await;
    let pull = PullOf {
        offset: 1,
        sys_flag: 6,
        suspend_ms: 20_000,
        ..PullOf::default()
    };
    let body = vec![b'x'; 50_000];
    let (reply, _) = tokio::join!(client.pull(&pull), client.send_ok("T", 0, "", &body));
    assert_eq!(messages(&reply)[0].body, body);
}
