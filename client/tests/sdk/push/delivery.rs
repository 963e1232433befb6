//! Messages on their way to the handler, and how a consumer begins and ends.

use super::*;

#[tokio::test]
async fn messages_are_handled_and_their_offsets_committed() {
    let (name_server, broker) = cluster(2).await;
    for n in 0..20 {
        broker.store("t", n % 2, &format!("m{n:02}"));
    }
    let seen = Seen::default();
    let consumer = builder(&name_server)
        .handler_with(seen.clone(), collect)
        .start()
        .await
        .unwrap();
    eventually("20 messages", || seen.len() == 20).await;
    broker.store("t", 0, "late");
    eventually("the one that came later", || seen.len() == 21).await;
    eventually("offsets are committed", || {
        broker.committed("g", "t", 0) == Some(11) && broker.committed("g", "t", 1) == Some(10)
    })
    .await;
    assert_eq!(consumer.assignment().len(), 3);
    consumer.shutdown().await;
    assert_eq!(broker.server.count(request::UNREGISTER_CLIENT), 1);
    eventually("the connection is closed", || broker.server.open() == 0).await;
}

#[tokio::test]
async fn shutting_down_lets_handlers_finish_and_commits_what_they_did() {
    let (name_server, broker) = cluster(1).await;
    broker.store("t", 0, "slow");
    let begun = Arc::new(AtomicBool::new(false));
    let consumer = builder(&name_server)
        .commit_interval(Duration::from_secs(60))
        .handler_with(
            Arc::clone(&begun),
            async |begun: &Arc<AtomicBool>, _: &[ReceivedMessage]| {
                begun.store(true, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(150)).await;
                Outcome::Done
            },
        )
        .start()
        .await
        .unwrap();
    eventually("the handler runs", || begun.load(Ordering::SeqCst)).await;
    consumer.shutdown().await;
    assert_eq!(broker.committed("g", "t", 0), Some(1));
    let codes: Vec<i32> = [request::UPDATE_CONSUMER_OFFSET, request::UNREGISTER_CLIENT]
        .into_iter()
        .filter(|code| broker.server.count(*code) > 0)
        .collect();
    assert_eq!(codes.len(), 2);
}

#[tokio::test]
async fn a_dropped_consumer_ends_its_tasks_handlers_and_connections() {
    let (name_server, broker) = cluster(1).await;
    broker.store("t", 0, "x");
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let (begun, ended) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let consumer = builder(&name_server)
        .handler_with(
            (Arc::clone(&begun), Arc::clone(&ended)),
            async |state: &(Arc<AtomicBool>, Arc<AtomicBool>), _: &[ReceivedMessage]| {
                let _dropped = Dropped(Arc::clone(&state.1));
                state.0.store(true, Ordering::SeqCst);
                std::future::pending().await
            },
        )
        .start()
        .await
        .unwrap();
    eventually("the handler runs", || begun.load(Ordering::SeqCst)).await;
    drop(consumer);
    eventually("the handler is gone", || ended.load(Ordering::SeqCst)).await;
    eventually("the connections are closed", || {
        broker.server.open() == 0 && name_server.server.open() == 0
    })
    .await;
    assert_eq!(broker.server.count(request::UNREGISTER_CLIENT), 0);
}

#[tokio::test]
async fn a_full_process_queue_stops_pulling_until_there_is_room() {
    let (name_server, broker) = cluster(1).await;
    for n in 0..200 {
        broker.store("t", 0, &format!("m{n:03}"));
    }
    let (go, seen) = (Arc::new(tokio::sync::Semaphore::new(0)), Seen::default());
    let consumer = builder(&name_server)
        .max_cached_messages(40)
        .handlers(4)
        .handler_with(
            (Arc::clone(&go), seen.clone()),
            async |state: &(Arc<tokio::sync::Semaphore>, Seen), messages: &[ReceivedMessage]| {
                state.0.acquire().await.unwrap().forget();
                collect(&state.1, messages).await
            },
        )
        .start()
        .await
        .unwrap();
    let pulls = || {
        broker
            .server
            .seen(request::PULL_MESSAGE)
            .iter()
            .filter(|pull| pull.ext().get("topic") == Some("t"))
            .count()
    };
    eventually("two pulls of 32", || pulls() == 2).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(pulls(), 2);
    go.add_permits(1_000);
    eventually("everything is handled", || seen.len() == 200).await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn tags_of_one_hash_are_told_apart_and_filtered_messages_still_move_the_offset() {
    let (name_server, broker) = cluster(1).await;
    broker.store_with("t", 0, b"wanted", "TAGS\u{1}Aa\u{2}", 0);
    broker.store_with("t", 0, b"same hash", "TAGS\u{1}BB\u{2}", 0);
    let seen = Seen::default();
    let consumer = PushConsumer::builder("g")
        .name_servers(name_server.text())
        .subscribe("t", "Aa")
        .from(ConsumeFrom::Earliest)
        .commit_interval(Duration::from_millis(30))
        .handler_with(seen.clone(), collect)
        .start()
        .await
        .unwrap();
    eventually("both are passed", || {
        broker.committed("g", "t", 0) == Some(2)
    })
    .await;
    assert_eq!(seen.bodies(), ["wanted"]);
    consumer.shutdown().await;
}

#[tokio::test]
async fn a_consumer_may_start_before_its_topic_and_its_servers_exist() {
    let (name_server, broker) = (FakeNameServer::start().await, FakeBroker::start().await);
    let seen = Seen::default();
    let consumer = builder(&name_server)
        .handler_with(seen.clone(), collect)
        .start()
        .await
        .unwrap();
    eventually("the route was asked for", || {
        name_server.server.count(request::GET_ROUTEINFO_BY_TOPIC) > 0
    })
    .await;
    broker.store("t", 0, "x");
    name_server.set("t", 1, &[("a", &broker.text())]);
    eventually("the message is handled", || seen.len() == 1).await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn a_builder_refuses_what_could_never_work() {
    let refused =
        |builder: PushConsumerBuilder| async { builder.start().await.unwrap_err().to_string() };
    let done = async |_: &[ReceivedMessage]| Outcome::Done;
    assert!(
        refused(PushConsumer::builder("g").subscribe("t", "*"))
            .await
            .contains("handler")
    );
    assert!(
        refused(PushConsumer::builder("g").handler(done))
            .await
            .contains("subscribe")
    );
    assert!(
        refused(
            PushConsumer::builder("g g")
                .subscribe("t", "*")
                .handler(done)
        )
        .await
        .contains("group")
    );
    assert!(
        refused(
            PushConsumer::builder("g")
                .subscribe("t t", "*")
                .handler(done)
        )
        .await
        .contains("topic")
    );
    assert!(
        refused(
            PushConsumer::builder("g")
                .subscribe("t", "||")
                .handler(done)
        )
        .await
        .contains("names no tag")
    );
    assert!(
        refused(
            PushConsumer::builder("g")
                .subscribe("t", "*")
                .handler(done)
                .handlers(0)
        )
        .await
        .contains("handlers")
    );
}
