//! Brokers that are silent, slow, busy, gone: retries, and which error comes out.

use super::*;
use crate::support::broker;

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
        (command.code == SEND)
            .then(|| Reaction::ReplyAfter(Duration::from_millis(700), broker::send_reply(0, 0)))
    });
    for _ in 0..8 {
        producer.send(message("x")).await.unwrap();
    }
    assert!(a.server.count(SEND) <= 1 && b.server.count(SEND) >= 7);
}
