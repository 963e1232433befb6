//! Producers against brokers that misbehave.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mainstem_client::{
    Message, NotSentCause, Producer, RequestError, RouteError, SendError, SendStatus,
};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::SendMessageV2;
use parking_lot::Mutex;
use support::{FakeBroker, FakeNameServer, Reaction, Server, eventually};
use tokio::sync::oneshot;

const SEND: i32 = request::SEND_MESSAGE_V2;

fn message(body: &str) -> Message {
    Message::builder("t").body(body.to_owned()).build().unwrap()
}

async fn producer(name_servers: &str) -> Producer {
    Producer::builder("p")
        .name_servers(name_servers)
        .attempt_timeout(Duration::from_millis(300))
        .build()
        .await
        .unwrap()
}

/// A name server that knows one topic `t` of four queues on one broker.
async fn one_broker() -> (FakeNameServer, FakeBroker, Producer) {
    let (name_server, broker) = (FakeNameServer::start().await, FakeBroker::start().await);
    name_server.set("t", 4, &[("a", &broker.text())]);
    let producer = producer(&name_server.text()).await;
    (name_server, broker, producer)
}

async fn two_brokers() -> (FakeNameServer, FakeBroker, FakeBroker, Producer) {
    let (name_server, a, b) = (
        FakeNameServer::start().await,
        FakeBroker::start().await,
        FakeBroker::start().await,
    );
    name_server.set("t", 2, &[("a", &a.text()), ("b", &b.text())]);
    let producer = producer(&name_server.text()).await;
    (name_server, a, b, producer)
}

fn unique_keys(server: &Server) -> Vec<String> {
    let key = |command: &Command| {
        let header: SendMessageV2<'_> = command.header().unwrap();
        let properties = mainstem_record::Properties::parse(header.properties.unwrap().as_bytes());
        properties.get("UNIQ_KEY").unwrap().to_owned()
    };
    server.seen(SEND).iter().map(key).collect()
}

fn refuse(code: i32, remark: &str) -> Option<Reaction> {
    Some(Reaction::Reply(Command::response(code).with_remark(remark)))
}

#[tokio::test]
async fn queues_take_turns_and_the_receipt_says_where_a_message_lies() {
    let (_name_server, broker, producer) = one_broker().await;
    let mut queues = Vec::new();
    for n in 0..8 {
        let receipt = producer.send(message(&format!("m{n}"))).await.unwrap();
        assert_eq!(
            (receipt.broker_name(), receipt.status(), receipt.attempts()),
            ("a", SendStatus::Stored, 1)
        );
        queues.push(receipt.queue_id());
    }
    for queue in 0..4 {
        assert_eq!(queues.iter().filter(|id| **id == queue).count(), 2);
        assert_eq!(broker.bodies("t", queue).len(), 2);
    }
}

#[tokio::test]
async fn a_send_moves_to_another_broker_with_the_same_unique_key_when_the_first_stays_silent() {
    let (_name_server, a, b, producer) = two_brokers().await;
    a.intercept(|command| (command.code == SEND).then_some(Reaction::Silence));
    for _ in 0..4 {
        let receipt = producer.send(message("x")).await.unwrap();
        assert_eq!(receipt.broker_name(), "b");
    }
    let (asked, stored) = (unique_keys(&a.server), unique_keys(&b.server));
    assert_eq!(stored.len(), 4);
    // After its first silence the broker is left alone.
    assert!(asked.len() <= 1, "{asked:?}");
    assert!(asked.iter().all(|key| stored.contains(key)));
}

#[tokio::test]
async fn a_broker_that_cannot_be_reached_is_passed_by() {
    let (name_server, a, b, _) = two_brokers().await;
    drop(a);
    let producer = producer(&name_server.text()).await;
    for _ in 0..6 {
        assert_eq!(
            producer.send(message("x")).await.unwrap().broker_name(),
            "b"
        );
    }
    assert_eq!(b.server.count(SEND), 6);
}

#[tokio::test]
async fn a_refusal_that_no_retry_mends_is_returned_at_once_with_its_code_and_remedy() {
    let (_name_server, broker, producer) = one_broker().await;
    broker.intercept(|command| {
        (command.code == SEND).then(|| {
            Reaction::Reply(Command::response(response::MESSAGE_ILLEGAL).with_remark("too long"))
        })
    });
    let error = producer.send(message("x")).await.unwrap_err();
    assert!(
        matches!(&error, SendError::Refused { attempts: 1, refusal, .. } if refusal.remark == "too long")
    );
    assert_eq!((error.code(), error.can_retry()), (Some(13), false));
    assert!(error.to_string().contains("maxMessageSize"), "{error}");
    assert_eq!(broker.server.count(SEND), 1);
}

#[tokio::test]
async fn a_busy_broker_is_tried_again_and_its_refusal_returned_in_the_end() {
    let (_name_server, broker, producer) = one_broker().await;
    broker.intercept(|command| {
        if command.code == SEND {
            refuse(response::SYSTEM_BUSY, "[REJECTREQUEST]")
        } else {
            None
        }
    });
    let error = producer.send(message("x")).await.unwrap_err();
    assert!(
        matches!(error, SendError::Refused { attempts: 3, .. }),
        "{error}"
    );
    assert!(error.can_retry());
    let keys = unique_keys(&broker.server);
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[tokio::test]
async fn an_unknown_outcome_outweighs_a_later_refusal() {
    let (_name_server, broker, producer) = one_broker().await;
    let attempts = AtomicUsize::new(0);
    broker.intercept(move |command| {
        if command.code != SEND {
            return None;
        }
        if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
            Some(Reaction::Silence)
        } else {
            refuse(response::MESSAGE_ILLEGAL, "no")
        }
    });
    let error = producer.send(message("x")).await.unwrap_err();
    assert!(
        matches!(error, SendError::OutcomeUnknown { attempts: 2, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains(&unique_keys(&broker.server)[0]),
        "{error}"
    );
}

#[tokio::test]
async fn a_connection_that_closes_under_a_send_leaves_its_outcome_unknown() {
    let (_name_server, broker, _) = one_broker().await;
    let producer = Producer::builder("p")
        .name_servers(_name_server.text())
        .retries(0)
        .build()
        .await
        .unwrap();
    broker.intercept(|command| (command.code == SEND).then_some(Reaction::Close));
    let error = producer.send(message("x")).await.unwrap_err();
    assert!(
        matches!(&error, SendError::OutcomeUnknown { cause, .. } if matches!(**cause, RequestError::OutcomeUnknown { .. })),
        "{error}"
    );
}

#[tokio::test]
async fn a_send_survives_a_broker_that_restarts() {
    let (name_server, broker, _) = one_broker().await;
    let producer = Producer::builder("p")
        .name_servers(name_server.text())
        .retries(1_000)
        .timeout(Duration::from_secs(20))
        .build()
        .await
        .unwrap();
    producer.send(message("before")).await.unwrap();
    drop(broker);
    let sending = tokio::spawn({
        let producer = producer.clone();
        async move { producer.send_ordered(message("during"), "k").await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let again = FakeBroker::start().await;
    name_server.set("t", 4, &[("a", &again.text())]);
    sending.await.unwrap().unwrap();
    assert_eq!(again.server.count(SEND), 1);
}

#[tokio::test]
async fn an_ordered_send_is_retried_on_its_own_broker_only() {
    let (_name_server, a, b, producer) = two_brokers().await;
    let queue = producer.queue_of_key("t", "k").await.unwrap();
    let (own, other) = if queue.broker_name == "a" {
        (&a, &b)
    } else {
        (&b, &a)
    };
    let attempts = AtomicUsize::new(0);
    own.intercept(move |command| {
        if command.code == SEND && attempts.fetch_add(1, Ordering::SeqCst) < 2 {
            refuse(response::SYSTEM_BUSY, "busy")
        } else {
            None
        }
    });
    let receipt = producer.send_ordered(message("x"), "k").await.unwrap();
    assert_eq!((receipt.queue(), receipt.attempts()), (queue, 3));
    assert_eq!((own.server.count(SEND), other.server.count(SEND)), (3, 0));
    let keys = unique_keys(&own.server);
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[tokio::test]
async fn ordered_messages_are_stored_in_the_order_they_were_sent_whatever_fails_between() {
    let (name_server, broker, _) = one_broker().await;
    let producer = Producer::builder("p")
        .name_servers(name_server.text())
        .retries(50)
        .attempt_timeout(Duration::from_millis(50))
        .timeout(Duration::from_secs(30))
        .build()
        .await
        .unwrap();
    let attempts = AtomicUsize::new(0);
    broker.intercept(move |command| {
        if command.code != SEND {
            return None;
        }
        match attempts.fetch_add(1, Ordering::SeqCst) % 5 {
            1 => refuse(response::SYSTEM_BUSY, "busy"),
            3 => Some(Reaction::Close),
            _ => None,
        }
    });
    let mut sends = tokio::task::JoinSet::new();
    for n in 0..40 {
        let producer = producer.clone();
        sends.spawn(async move {
            producer
                .send_ordered(message(&format!("{n:02}")), "k")
                .await
                .map(drop)
        });
        // The order is that in which the sends were begun.
        tokio::task::yield_now().await;
    }
    while let Some(sent) = sends.join_next().await {
        sent.unwrap().unwrap();
    }
    let queue = producer.queue_of_key("t", "k").await.unwrap();
    let mut bodies = broker.bodies("t", queue.queue_id);
    bodies.dedup();
    assert_eq!(
        bodies,
        (0..40).map(|n| format!("{n:02}")).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn ordered_messages_behind_one_that_failed_for_good_are_not_sent() {
    let (_name_server, broker, producer) = one_broker().await;
    broker.intercept(|command| {
        let bad = command.code == SEND && command.body == "bad";
        bad.then(|| {
            Reaction::ReplyAfter(
                Duration::from_millis(100),
                Command::response(response::MESSAGE_ILLEGAL),
            )
        })
    });
    let queue = producer.queue_of_key("t", "k").await.unwrap();
    let sends =
        ["bad", "behind 1", "behind 2"].map(|body| producer.send_ordered(message(body), "k"));
    let [bad, one, two] = sends;
    let (bad, one, two) = tokio::join!(bad, one, two);
    assert!(matches!(bad, Err(SendError::Refused { .. })));
    for turned_away in [one, two] {
        let error = turned_away.unwrap_err();
        assert!(
            matches!(
                &error,
                SendError::NotSent {
                    cause: NotSentCause::EarlierFailed { .. },
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.can_retry());
    }
    producer.send_ordered(message("after"), "k").await.unwrap();
    assert_eq!(broker.bodies("t", queue.queue_id), ["after"]);
}

#[tokio::test]
async fn a_key_goes_where_java_sends_it() {
    let (_name_server, _broker, producer) = one_broker().await;
    // "TagA".hashCode() is 2598919, "polygenelubricants".hashCode() is Integer.MIN_VALUE.
    for (key, queue_id) in [("TagA", 2_598_919 % 4), ("polygenelubricants", 0)] {
        assert_eq!(
            producer.queue_of_key("t", key).await.unwrap().queue_id,
            queue_id
        );
        assert_eq!(
            producer
                .send_ordered(message("x"), key)
                .await
                .unwrap()
                .queue_id(),
            queue_id
        );
    }
}

#[tokio::test]
async fn a_callers_own_rule_chooses_the_queue() {
    let (_name_server, _broker, producer) = one_broker().await;
    let receipt = producer
        .send_selecting(message("x"), |queues, _| queues.len() - 1)
        .await
        .unwrap();
    assert_eq!(receipt.queue_id(), 3);
    let mut unknown = receipt.queue();
    unknown.queue_id = 77;
    let error = producer
        .send_to_queue(message("x"), &unknown)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            SendError::NotSent {
                cause: NotSentCause::Route(RouteError::UnknownQueue { .. }),
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_batch_is_one_request_to_one_queue() {
    let (_name_server, broker, producer) = one_broker().await;
    let receipt = producer
        .send_batch((0..5).map(|n| message(&format!("m{n}"))).collect())
        .await
        .unwrap();
    assert_eq!(
        (
            receipt.len(),
            receipt.message_ids().len(),
            receipt.first_queue_offset()
        ),
        (5, 5, 0)
    );
    assert_eq!(
        broker.bodies("t", receipt.queue().queue_id),
        ["m0", "m1", "m2", "m3", "m4"]
    );
    assert_eq!(broker.server.count(request::SEND_BATCH_MESSAGE), 1);
}

#[tokio::test]
async fn a_one_way_send_asks_for_no_answer() {
    let (_name_server, broker, producer) = one_broker().await;
    producer.send_one_way(message("x")).await.unwrap();
    eventually("the message arrives", || broker.server.count(SEND) == 1).await;
    assert!(broker.server.seen(SEND)[0].is_one_way());
}

#[tokio::test]
async fn a_full_window_pushes_back_until_an_answer_makes_room() {
    let (name_server, broker, _) = one_broker().await;
    let unanswered: Arc<Mutex<Vec<oneshot::Sender<Command>>>> = Arc::default();
    let later = Arc::clone(&unanswered);
    broker.intercept(move |command| {
        (command.code == SEND).then(|| {
            let (answer, answered) = oneshot::channel();
            later.lock().push(answer);
            Reaction::ReplyLater(answered)
        })
    });
    let producer = Producer::builder("p")
        .name_servers(name_server.text())
        .max_in_flight_messages(2)
        .build()
        .await
        .unwrap();
    let mut sends = tokio::task::JoinSet::new();
    for n in 0..5 {
        let producer = producer.clone();
        sends.spawn(async move { producer.send(message(&n.to_string())).await.map(drop) });
    }
    for answered in 0..5_usize {
        let allowed = (answered + 2).min(5);
        eventually("the window is used", || {
            broker.server.count(SEND) == allowed
        })
        .await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(broker.server.count(SEND), allowed);
        let answer = unanswered.lock().pop().unwrap();
        answer.send(support::broker::send_reply(0, 0)).unwrap();
    }
    while let Some(sent) = sends.join_next().await {
        sent.unwrap().unwrap();
    }
}

#[tokio::test]
async fn shutting_down_waits_for_what_is_in_flight_and_takes_leave() {
    let (_name_server, broker, producer) = one_broker().await;
    broker.intercept(|command| {
        (command.code == SEND).then(|| {
            Reaction::ReplyAfter(
                Duration::from_millis(150),
                support::broker::send_reply(0, 7),
            )
        })
    });
    producer.send(message("first")).await.unwrap();
    let sending = tokio::spawn({
        let producer = producer.clone();
        async move { producer.send(message("second")).await }
    });
    eventually("the second send is in flight", || {
        broker.server.count(SEND) == 2
    })
    .await;
    producer.shutdown().await;
    assert_eq!(sending.await.unwrap().unwrap().queue_offset(), 7);
    assert_eq!(broker.server.count(request::UNREGISTER_CLIENT), 1);
    eventually("the connection is closed", || broker.server.open() == 0).await;
    let error = producer.send(message("third")).await.unwrap_err();
    assert!(
        matches!(
            error,
            SendError::NotSent {
                cause: NotSentCause::ShutDown,
                ..
            }
        ),
        "{error}"
    );
    producer.shutdown().await;
}

#[tokio::test]
async fn a_dropped_producer_ends_its_tasks_and_connections() {
    let (name_server, broker, producer) = one_broker().await;
    producer.send(message("x")).await.unwrap();
    assert!(broker.server.open() == 1 && name_server.server.open() == 1);
    let tasks = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    drop(producer);
    eventually("the connections are closed", || {
        broker.server.open() == 0 && name_server.server.open() == 0
    })
    .await;
    eventually("its tasks have ended", || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
            < tasks
    })
    .await;
}

#[tokio::test]
async fn a_dropped_send_leaves_room_for_others() {
    let (name_server, broker, _) = one_broker().await;
    let producer = Producer::builder("p")
        .name_servers(name_server.text())
        .max_in_flight_messages(1)
        .build()
        .await
        .unwrap();
    broker.intercept(|command| (command.code == SEND).then_some(Reaction::Silence));
    let dropped = tokio::time::timeout(
        Duration::from_millis(100),
        producer.send_ordered(message("x"), "k"),
    )
    .await;
    assert!(dropped.is_err());
    broker.behave();
    producer.send_ordered(message("y"), "k").await.unwrap();
}

#[tokio::test]
async fn a_topic_that_nobody_knows_is_an_error_that_names_the_name_server_and_the_remedy() {
    let name_server = FakeNameServer::start().await;
    let producer = producer(&name_server.text()).await;
    let error = producer.send(message("x")).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&format!(
            "name server {} knows no such topic",
            name_server.text()
        )),
        "{text}"
    );
    assert!(
        text.contains("mainstem topic create t") && text.contains("autoCreateTopicEnable"),
        "{text}"
    );
    assert!(!error.can_retry());
}

#[tokio::test]
async fn a_name_server_that_is_down_is_an_error_that_can_be_retried() {
    let producer = Producer::builder("p")
        .name_servers("127.0.0.1:1")
        .build()
        .await
        .unwrap();
    let error = producer.send(message("x")).await.unwrap_err();
    assert!(
        matches!(
            &error,
            SendError::NotSent {
                cause: NotSentCause::Route(RouteError::NoNameServer { .. }),
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.can_retry() && error.to_string().contains("127.0.0.1:1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_new_topic_gets_the_queues_of_tbw102_until_its_own_route_is_known() {
    let (name_server, broker) = (FakeNameServer::start().await, FakeBroker::start().await);
    name_server.set("TBW102", 8, &[("a", &broker.text())]);
    let producer = producer(&name_server.text()).await;
    assert_eq!(producer.queues("t").await.unwrap().len(), 4);
    name_server.set("t", 2, &[("a", &broker.text())]);
    producer.send(message("x")).await.unwrap();
    let seen = broker.server.seen(SEND);
    let header: SendMessageV2<'_> = seen[0].header().unwrap();
    assert_eq!(
        (header.default_topic, header.default_topic_queue_nums),
        ("TBW102", 4)
    );
    for _ in 0..1_000 {
        if producer.queues("t").await.unwrap().len() == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the topic's own route was never asked for");
}

#[tokio::test]
async fn the_next_name_server_is_asked_when_one_is_down_or_silent() {
    let (name_server, broker) = (FakeNameServer::start().await, FakeBroker::start().await);
    name_server.set("t", 4, &[("a", &broker.text())]);
    let silent = Server::start(|_| Reaction::Silence).await;
    let all = format!("127.0.0.1:1;{};{}", silent.text(), name_server.text());
    let producer = Producer::builder("p")
        .name_servers(all)
        .request_timeout(Duration::from_millis(200))
        .build()
        .await
        .unwrap();
    producer.send(message("x")).await.unwrap();
}

#[tokio::test]
async fn many_sends_to_a_new_topic_ask_for_its_route_once() {
    let (name_server, _broker, producer) = one_broker().await;
    let mut sends = tokio::task::JoinSet::new();
    for n in 0..100 {
        let producer = producer.clone();
        sends.spawn(async move { producer.send(message(&n.to_string())).await.map(drop) });
    }
    while let Some(sent) = sends.join_next().await {
        sent.unwrap().unwrap();
    }
    assert_eq!(name_server.server.count(request::GET_ROUTEINFO_BY_TOPIC), 1);
}

#[tokio::test]
async fn a_slow_broker_is_avoided_while_others_are_well() {
    let (_name_server, a, b, producer) = two_brokers().await;
    let producer = {
        drop(producer);
        Producer::builder("p")
            .name_servers(_name_server.text())
            .build()
            .await
            .unwrap()
    };
    a.intercept(|command| {
        (command.code == SEND).then(|| {
            Reaction::ReplyAfter(
                Duration::from_millis(700),
                support::broker::send_reply(0, 0),
            )
        })
    });
    for _ in 0..8 {
        producer.send(message("x")).await.unwrap();
    }
    assert!(a.server.count(SEND) <= 1 && b.server.count(SEND) >= 7);
}

#[tokio::test]
async fn a_known_route_outlives_a_name_server_that_forgets_the_topic() {
    let (name_server, broker, _) = one_broker().await;
    let producer = Producer::builder("p")
        .name_servers(name_server.text())
        .route_interval(Duration::from_millis(20))
        .build()
        .await
        .unwrap();
    producer.send(message("x")).await.unwrap();
    name_server.remove("t");
    let asked = name_server.server.count(request::GET_ROUTEINFO_BY_TOPIC);
    eventually("the route was asked for again", || {
        name_server.server.count(request::GET_ROUTEINFO_BY_TOPIC) > asked + 1
    })
    .await;
    producer.send(message("y")).await.unwrap();
    assert_eq!(broker.server.count(SEND), 2);
}

#[tokio::test]
async fn heartbeats_reach_the_brokers_soon_and_go_on() {
    let (name_server, broker, _) = one_broker().await;
    let producer = Producer::builder("p")
        .name_servers(name_server.text())
        .heartbeat_interval(Duration::from_millis(50))
        .build()
        .await
        .unwrap();
    producer.send(message("x")).await.unwrap();
    eventually("three heartbeats", || {
        broker.server.count(request::HEART_BEAT) >= 3
    })
    .await;
    let body = String::from_utf8(broker.server.seen(request::HEART_BEAT)[0].body.to_vec()).unwrap();
    assert!(
        body.contains("\"groupName\":\"p\"") && body.contains(producer.client_id()),
        "{body}"
    );
}

#[tokio::test]
async fn sends_are_pipelined_on_one_connection() {
    let (_name_server, broker, producer) = one_broker().await;
    broker.intercept(|command| {
        (command.code == SEND).then(|| {
            Reaction::ReplyAfter(
                Duration::from_millis(200),
                support::broker::send_reply(0, 0),
            )
        })
    });
    let began = Instant::now();
    let mut sends = tokio::task::JoinSet::new();
    let producer = Arc::new(producer);
    for _ in 0..50 {
        let producer = Arc::clone(&producer);
        sends.spawn(async move { producer.send(message("x")).await.map(drop) });
    }
    while let Some(sent) = sends.join_next().await {
        sent.unwrap().unwrap();
    }
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "50 sends of 200 ms took {:?}",
        began.elapsed()
    );
    assert_eq!(broker.server.accepted(), 1);
}

#[tokio::test]
async fn a_builder_refuses_what_could_never_work() {
    let refused = |builder: mainstem_client::ProducerBuilder| async {
        builder.build().await.unwrap_err().to_string()
    };
    assert!(
        refused(Producer::builder("bad group"))
            .await
            .contains("group")
    );
    assert!(
        refused(Producer::builder("p").name_servers("nowhere"))
            .await
            .contains("127.0.0.1:9876")
    );
    assert!(
        refused(Producer::builder("p").timeout(Duration::ZERO))
            .await
            .contains("timeout")
    );
    assert!(
        refused(Producer::builder("p").max_in_flight_messages(0))
            .await
            .contains("max_in_flight_messages")
    );
    let too_long = Message::builder("t")
        .body(vec![0; 5 << 20])
        .build()
        .unwrap();
    let producer = Producer::builder("p")
        .name_servers("127.0.0.1:1")
        .build()
        .await
        .unwrap();
    let error = producer.send(too_long).await.unwrap_err();
    assert!(
        !error.can_retry() && error.to_string().contains("max_message_bytes"),
        "{error}"
    );
}
