//! What becomes of messages that a handler does not finish.

use super::*;

#[tokio::test]
async fn a_panic_in_the_handler_sends_the_message_back_and_the_consumer_lives() {
    let (name_server, broker) = cluster(1).await;
    broker.store("t", 0, "bad");
    broker.store("t", 0, "good");
    let seen = Seen::default();
    let consumer = builder(&name_server)
        .handler_with(
            seen.clone(),
            async |seen: &Seen, messages: &[ReceivedMessage]| {
                assert_ne!(messages[0].body, b"bad", "this handler cannot stand it");
                collect(seen, messages).await
            },
        )
        .start()
        .await
        .unwrap();
    eventually("both are settled", || {
        broker.committed("g", "t", 0) == Some(2)
    })
    .await;
    assert_eq!(seen.bodies(), ["good"]);
    assert_eq!(delay_levels(&broker), [0]);
    consumer.shutdown().await;
}

#[tokio::test]
async fn each_outcome_sends_back_with_its_delay() {
    let (name_server, broker) = cluster(1).await;
    for body in ["retry", "after 30 s", "dead"] {
        broker.store("t", 0, body);
    }
    let consumer = builder(&name_server)
        .concurrency(Concurrency::Unordered)
        .handlers(1)
        .handler(
            async |messages: &[ReceivedMessage]| match &*messages[0].body {
                b"retry" => Outcome::Retry,
                b"dead" => Outcome::DeadLetter,
                _ => Outcome::RetryAfter(Duration::from_secs(30)),
            },
        )
        .start()
        .await
        .unwrap();
    eventually("all are settled", || {
        broker.committed("g", "t", 0) == Some(3)
    })
    .await;
    assert_eq!(delay_levels(&broker), [0, 4, -1]);
    let back = broker.server.seen(BACK);
    let header: SendBack<'_> = back[1].header().unwrap();
    assert_eq!(
        (
            header.group,
            header.origin_topic,
            header.max_reconsume_times
        ),
        ("g", Some("t"), Some(16))
    );
    assert!(header.offset > 0);
    consumer.shutdown().await;
}

#[tokio::test]
async fn the_committed_offset_never_passes_a_message_that_is_still_being_handled() {
    let (name_server, broker) = cluster(1).await;
    for n in 0..10 {
        broker.store("t", 0, &format!("m{n}"));
    }
    let seen = Seen::default();
    let consumer = builder(&name_server)
        .shutdown_timeout(Duration::from_millis(50))
        .handler_with(
            seen.clone(),
            async |seen: &Seen, messages: &[ReceivedMessage]| {
                if messages[0].body == b"m3" {
                    std::future::pending::<()>().await;
                }
                collect(seen, messages).await
            },
        )
        .start()
        .await
        .unwrap();
    eventually("all but one are handled", || seen.len() == 9).await;
    eventually("the offset moves up to it", || {
        broker.committed("g", "t", 0) == Some(3)
    })
    .await;
    consumer.shutdown().await;
    assert_eq!(broker.committed("g", "t", 0), Some(3));
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_back_stays_in_flight() {
    let (name_server, broker) = cluster(1).await;
    broker.intercept(|command| {
        (command.code == BACK).then(|| Reaction::Reply(Command::response(response::SYSTEM_ERROR)))
    });
    broker.store("t", 0, "bad");
    broker.store("t", 0, "good");
    let consumer = builder(&name_server)
        .shutdown_timeout(Duration::from_millis(50))
        .handler(async |messages: &[ReceivedMessage]| {
            if messages[0].body == b"bad" {
                Outcome::Retry
            } else {
                Outcome::Done
            }
        })
        .start()
        .await
        .unwrap();
    eventually("it was tried", || broker.server.count(BACK) >= 1).await;
    eventually("the start is committed", || {
        broker.committed("g", "t", 0) == Some(0)
    })
    .await;
    consumer.shutdown().await;
    assert_eq!(broker.committed("g", "t", 0), Some(0));
}

#[tokio::test]
async fn a_message_that_cannot_be_decoded_goes_to_the_dead_letters_and_blocks_nothing() {
    let (name_server, broker) = cluster(1).await;
    broker.store_with("t", 0, b"no zlib stream", "", 0x301);
    broker.store("t", 0, "good");
    let seen = Seen::default();
    let consumer = builder(&name_server)
        .handler_with(seen.clone(), collect)
        .start()
        .await
        .unwrap();
    eventually("the good one is handled", || seen.len() == 1).await;
    eventually("the bad one is sent away", || delay_levels(&broker) == [-1]).await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn per_queue_order_holds_back_everything_behind_a_message_that_fails() {
    let (name_server, broker) = cluster(1).await;
    for body in ["a", "fails twice", "b"] {
        broker.store("t", 0, body);
    }
    let (seen, failures) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    let consumer = builder(&name_server)
        .concurrency(Concurrency::PerQueue)
        .local_retry(Duration::from_millis(20))
        .handler_with(
            (seen.clone(), failures),
            async |state: &(Seen, Arc<AtomicUsize>), messages: &[ReceivedMessage]| {
                state.0.add(messages);
                if messages[0].body == b"fails twice" && state.1.fetch_add(1, Ordering::SeqCst) < 2
                {
                    Outcome::Retry
                } else {
                    Outcome::Done
                }
            },
        )
        .start()
        .await
        .unwrap();
    eventually("all are done", || broker.committed("g", "t", 0) == Some(3)).await;
    assert_eq!(
        seen.bodies(),
        ["a", "fails twice", "fails twice", "fails twice", "b"]
    );
    assert_eq!(broker.server.count(BACK), 0);
    consumer.shutdown().await;
}

#[tokio::test]
async fn per_queue_order_gives_a_poison_message_up_in_the_end() {
    let (name_server, broker) = cluster(1).await;
    broker.store("t", 0, "poison");
    broker.store("t", 0, "good");
    let seen = Seen::default();
    let consumer = builder(&name_server)
        .concurrency(Concurrency::PerQueue)
        .local_retry(Duration::from_millis(5))
        .max_attempts(2)
        .handler_with(
            seen.clone(),
            async |seen: &Seen, messages: &[ReceivedMessage]| {
                seen.add(messages);
                if messages[0].body == b"poison" {
                    Outcome::Retry
                } else {
                    Outcome::Done
                }
            },
        )
        .start()
        .await
        .unwrap();
    eventually("all are settled", || {
        broker.committed("g", "t", 0) == Some(2)
    })
    .await;
    assert_eq!(seen.bodies(), ["poison", "poison", "poison", "good"]);
    assert_eq!(delay_levels(&broker), [-1]);
    consumer.shutdown().await;
}

#[tokio::test]
async fn a_broadcast_message_that_fails_is_tried_again_here() {
    let (name_server, broker) = cluster(1).await;
    broker.store("t", 0, "bad");
    let dir = tempfile::tempdir().unwrap();
    let seen = Seen::default();
    let consumer = builder(&name_server)
        .broadcasting()
        .local_offsets_dir(dir.path())
        .local_retry(Duration::from_millis(5))
        .max_attempts(3)
        .handler_with(
            seen.clone(),
            async |seen: &Seen, messages: &[ReceivedMessage]| {
                seen.add(messages);
                Outcome::Retry
            },
        )
        .start()
        .await
        .unwrap();
    eventually("four attempts", || seen.len() == 4).await;
    assert_eq!(broker.server.count(BACK), 0);
    consumer.shutdown().await;
}
