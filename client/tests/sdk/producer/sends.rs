//! What a healthy broker sees of a producer, and how a producer begins and ends.

use super::*;
use crate::support::broker;

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
        answer.send(broker::send_reply(0, 0)).unwrap();
    }
    while let Some(sent) = sends.join_next().await {
        sent.unwrap().unwrap();
    }
}

#[tokio::test]
async fn shutting_down_waits_for_what_is_in_flight_and_takes_leave() {
    let (_name_server, broker, producer) = one_broker().await;
    broker.intercept(|command| {
        (command.code == SEND)
            .then(|| Reaction::ReplyAfter(Duration::from_millis(150), broker::send_reply(0, 7)))
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
        (command.code == SEND)
            .then(|| Reaction::ReplyAfter(Duration::from_millis(200), broker::send_reply(0, 0)))
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
