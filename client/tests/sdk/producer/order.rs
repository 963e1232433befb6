//! Ordered sends while brokers refuse, close and stay silent.

use super::*;

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
