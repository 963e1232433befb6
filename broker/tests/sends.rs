//! Sends over a real socket: what is stored, what is answered, what is refused and with which code.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use bytes::BytesMut;
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_record::batch::{BatchItem, encode_item_into};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use support::{PullOf, TestBroker, bodies, ext, ext_keys, messages, send_command, with_ext};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_send_creates_its_topic_and_the_reply_names_the_message() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    let reply = client
        .send_ok(
            "T",
            0,
            "TAGS\u{1}TagA\u{2}KEYS\u{1}k1\u{2}UNIQ_KEY\u{1}abc\u{2}WAIT\u{1}true\u{2}",
            b"hello",
        )
        .await;
    assert_eq!(
        ext_keys(&reply),
        [
            "MSG_REGION",
            "TRACE_ON",
            "msgId",
            "queueId",
            "queueOffset",
            "transactionId"
        ]
    );
    assert_eq!(ext(&reply, "transactionId"), Some("abc"));
    assert_eq!(ext(&reply, "queueOffset"), Some("0"));
    let topic = broker.broker().core().topics().get("T").unwrap();
    assert_eq!(
        (
            topic.config.read_queue_nums,
            topic.config.write_queue_nums,
            topic.config.perm
        ),
        (4, 4, 6)
    );

    let pulled = client.pull(&PullOf::default()).await;
    assert_eq!(pulled.code, response::SUCCESS);
    assert_eq!(pulled.remark.as_deref(), Some("FOUND"));
    let message = messages(&pulled).remove(0);
    assert_eq!(message.body, b"hello");
    for (name, value) in [
        ("TAGS", "TagA"),
        ("UNIQ_KEY", "abc"),
        ("WAIT", "true"),
        ("CLUSTER", "DefaultCluster"),
        ("MSG_REGION", "DefaultRegion"),
        ("TRACE_ON", "true"),
    ] {
        assert_eq!(message.properties.get(name), Some(value), "{name}");
    }
    let id = ext(&reply, "msgId").unwrap();
    let viewed = client
        .ask(
            request::VIEW_MESSAGE_BY_ID,
            &[(
                "offset",
                &i64::from_str_radix(&id[16..], 16).unwrap().to_string(),
            )],
        )
        .await;
    assert_eq!(bodies(&viewed), ["hello"]);
}

/// Writes all commands at once, before any answer; returns the answers in the order of the commands.
async fn pipelined(addr: &str, commands: impl IntoIterator<Item = Command>) -> Vec<Command> {
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let mut bytes = BytesMut::new();
    let mut count = 0;
    for mut command in commands {
        command.opaque = count;
        command.encode(&mut bytes);
        count += 1;
    }
    stream.write_all(&bytes).await.unwrap();
    let mut replies = Vec::new();
    for _ in 0..count {
        let len = stream.read_u32().await.unwrap() as usize;
        let mut frame = vec![0; 4 + len];
        frame[..4].copy_from_slice(&u32::try_from(len).unwrap().to_be_bytes());
        stream.read_exact(&mut frame[4..]).await.unwrap();
        replies.push(Command::decode(frame.into()).unwrap());
    }
    replies.sort_by_key(|reply| reply.opaque);
    replies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_behind_the_send_that_creates_the_topic_does_not_overtake_it() {
    let broker = TestBroker::start().await;
    for topic in ["A", "B", "C", "D", "E"] {
        let body = |n: i64| format!("{topic} {n}").into_bytes();
        let sends = (0..200).map(|n| send_command(topic, 0, "", &body(n)));
        let replies = pipelined(&broker.addr(), sends).await;
        let offsets: Vec<i64> = replies
            .iter()
            .map(|reply| ext(reply, "queueOffset").unwrap().parse().unwrap())
            .collect();
        assert_eq!(offsets, (0..200).collect::<Vec<_>>(), "{topic}");
        // The line is gone with the creation.
        let replies = pipelined(&broker.addr(), [send_command(topic, 0, "", b"more")]).await;
        assert_eq!(ext(&replies[0], "queueOffset"), Some("200"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_that_wait_for_a_topic_which_is_not_created_are_all_refused() {
    let broker = TestBroker::with(|config| config.auto_create_topic = false).await;
    let sends = (0..50).map(|_| send_command("Unknown", 0, "", b"x"));
    for reply in pipelined(&broker.addr(), sends).await {
        assert_eq!(reply.code, response::TOPIC_NOT_EXIST, "{:?}", reply.remark);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_without_a_key_gets_one_and_empty_values_are_dropped() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    let reply = client
        .send_ok(
            "T",
            1,
            "WAIT\u{1}true\u{2}A\u{1}\u{2}POP_CK\u{1}x\u{2}KEYS\u{1}k1 k2\u{2}",
            b"x",
        )
        .await;
    let key = ext(&reply, "transactionId").unwrap().to_owned();
    assert_eq!(key.len(), 32);
    let message = messages(
        &client
            .pull(&PullOf {
                queue_id: 1,
                ..PullOf::default()
            })
            .await,
    )
    .remove(0);
    assert_eq!(message.properties.get("UNIQ_KEY"), Some(key.as_str()));
    assert_eq!(message.properties.get("POP_CK"), None);
    assert_eq!(message.properties.get("A"), None);
    let found = client
        .ask(
            request::QUERY_MESSAGE,
            &[
                ("topic", "T"),
                ("key", "k2"),
                ("maxNum", "8"),
                ("beginTimestamp", "0"),
                ("endTimestamp", "9999999999999"),
            ],
        )
        .await;
    assert_eq!(bodies(&found), ["x"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_have_the_codes_and_ext_fields_of_the_real_broker() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    client.send_ok("x_Err", 0, "", b"x").await;
    let large = vec![b'x'; 4 * 1024 * 1024 + 1];
    let cases: [(Command, i32); 8] = [
        (
            send_command("bad topic!", 0, "", b"x"),
            response::INVALID_PARAMETER,
        ),
        (
            send_command("SCHEDULE_TOPIC_XXXX", 0, "", b"x"),
            response::NO_PERMISSION,
        ),
        (
            send_command("RMQ_SYS_TRANS_HALF_TOPIC", 0, "", b"x"),
            response::NO_PERMISSION,
        ),
        (
            send_command("x_Err", 99, "", b"x"),
            response::INVALID_PARAMETER,
        ),
        (
            send_command("x_Err", 0, "", &large),
            response::MESSAGE_ILLEGAL,
        ),
        (send_command("x_Err", 0, "", b""), response::MESSAGE_ILLEGAL),
        (
            send_command("x_Err", 0, "A\u{1}\0b\u{2}", b"x"),
            response::MESSAGE_ILLEGAL,
        ),
        (
            send_command("x_Err", 0, "TRAN_MSG\u{1}true\u{2}", b"x"),
            response::NO_PERMISSION,
        ),
    ];
    for (command, code) in cases {
        let reply = client.call(command.clone()).await;
        assert_eq!(reply.code, code, "{:?} {:?}", command.ext, reply.remark);
        assert_eq!(ext_keys(&reply), ["MSG_REGION", "TRACE_ON"]);
        assert!(reply.remark.is_some());
    }
    let mut unknown = send_command("x_NeverMade", 0, "", b"x");
    for (name, value) in &mut unknown.ext {
        if name == "c" {
            *value = "NoSuchDefault".to_owned();
        }
    }
    let reply = client.call(unknown).await;
    assert_eq!(reply.code, response::TOPIC_NOT_EXIST);
    assert_eq!(ext_keys(&reply), ["MSG_REGION", "TRACE_ON"]);

    let reply = client
        .call(
            with_ext(
                Command::request(request::SEND_MESSAGE_V2),
                &[("b", "x_Err")],
            )
            .with_body("x"),
        )
        .await;
    assert_eq!(reply.code, response::SYSTEM_ERROR);
    let reply = client.ask(9999, &[]).await;
    assert_eq!(reply.code, response::REQUEST_CODE_NOT_SUPPORTED);
    let properties = format!("A\u{1}{}\u{2}", "x".repeat(33_000));
    assert_eq!(
        client.send("x_Err", 0, &properties, b"x").await.code,
        response::MESSAGE_ILLEGAL
    );
    let properties = format!("A\u{1}{}\u{2}", "x".repeat(30_000));
    assert_eq!(
        client.send("x_Err", 0, &properties, b"x").await.code,
        response::SUCCESS
    );
    assert_eq!(
        client.send("x_Err", 0, "", &large[1..]).await.code,
        response::SUCCESS
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_without_write_permission_still_takes_messages_and_one_without_read_gives_none() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    client.create_topic("x_ReadOnly", 2, 4).await;
    client.create_topic("x_WriteOnly", 2, 2).await;
    client.send_ok("x_ReadOnly", 0, "", b"x").await;
    let reply = client
        .pull(&PullOf {
            topic: "x_WriteOnly",
            ..PullOf::default()
        })
        .await;
    assert_eq!(reply.code, response::NO_PERMISSION);
    assert_eq!(ext(&reply, "forbiddenType"), Some("3"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_the_producer_leaves_open_is_chosen() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    let reply = client.send_ok("T", -1, "", b"x").await;
    let queue: i32 = ext(&reply, "queueId").unwrap().parse().unwrap();
    assert!((0..4).contains(&queue));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_becomes_records_with_consecutive_offsets_and_keeps_its_items_properties() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    let mut body = Vec::new();
    for (text, properties) in [
        ("one", "TAGS\u{1}a\u{2}"),
        ("two", "TAGS\u{1}b"),
        ("three", ""),
    ] {
        let item = BatchItem {
            flag: 7,
            body: text.as_bytes(),
            properties: properties.as_bytes(),
        };
        encode_item_into(&item, &mut body).unwrap();
    }
    // The flag decides, not the code.
    for code in [request::SEND_BATCH_MESSAGE, request::SEND_MESSAGE_V2] {
        let mut command = send_command("B", 0, "UNIQ_KEY\u{1}head\u{2}", &body);
        command.code = code;
        for (name, value) in &mut command.ext {
            if name == "m" {
                *value = "true".to_owned();
            }
        }
        let reply = client.call(command).await;
        assert_eq!(reply.code, response::SUCCESS, "{:?}", reply.remark);
        assert_eq!(ext(&reply, "msgId").unwrap().split(',').count(), 3);
        assert_eq!(ext(&reply, "transactionId"), Some("head"));
    }
    support::until("both batches are readable", async || {
        let pull = PullOf {
            topic: "B",
            ..PullOf::default()
        };
        messages(&client.pull(&pull).await).len() == 6
    })
    .await;
    let pulled = client
        .pull(&PullOf {
            topic: "B",
            ..PullOf::default()
        })
        .await;
    let found = messages(&pulled);
    assert_eq!(
        found
            .iter()
            .map(|message| message.queue_offset)
            .collect::<Vec<_>>(),
        [0, 1, 2, 3, 4, 5]
    );
    assert_eq!(bodies(&pulled)[..3], ["one", "two", "three"]);
    assert_eq!(found[1].properties.get("TAGS"), Some("b"));
    assert_eq!(found[1].flag, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_one_way_send_is_stored_and_not_answered() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    client.send_ok("T", 0, "", b"first").await;
    client
        .remoting
        .one_way(&client.addr, send_command("T", 0, "", b"second"))
        .await
        .unwrap();
    support::until("the one-way message is readable", async || {
        bodies(&client.pull(&PullOf::default()).await) == ["first", "second"]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sends_at_once_are_all_stored_in_the_order_of_their_connection() {
    const MESSAGES: usize = 500;
    let broker = TestBroker::start().await;
    let clients = [broker.client(), broker.client()];
    clients[0].create_topic("T", 2, 6).await;
    let mut calls = tokio::task::JoinSet::new();
    for (queue, client) in clients.into_iter().enumerate() {
        calls.spawn(async move {
            let client = std::sync::Arc::new(client);
            let sends: Vec<_> = (0..MESSAGES)
                .map(|index| {
                    let command = send_command("T", queue as i32, "", index.to_string().as_bytes());
                    let client = client.clone();
                    async move { client.call(command).await }
                })
                .collect();
            let mut sending = tokio::task::JoinSet::new();
            for send in sends {
                sending.spawn(send);
            }
            while let Some(reply) = sending.join_next().await {
                assert_eq!(reply.unwrap().code, response::SUCCESS);
            }
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    for queue in 0..2 {
        // A reply may come a moment before its message is readable.
        support::until("every message is readable", async || {
            broker.broker().store().queue_bounds("T", queue).max == MESSAGES as u64
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fast_port_takes_sends_and_serves_no_pulls() {
    let broker = TestBroker::start().await;
    let fast = broker.broker().fast_addr().unwrap();
    assert_eq!(fast.port(), broker.broker().addr().port() - 2);
    let client = support::TestClient::new(
        &fast.to_string(),
        std::sync::Arc::new(mainstem_common::remoting::NoPeerRequests),
    );
    client.send_ok("T", 0, "", b"x").await;
    assert_eq!(
        client.pull(&PullOf::default()).await.code,
        response::REQUEST_CODE_NOT_SUPPORTED
    );
    assert_eq!(
        bodies(&broker.client().pull(&PullOf::default()).await),
        ["x"]
    );
}
