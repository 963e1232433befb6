//! Push consumers against brokers that are watched closely, and misbehave.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mainstem_client::{
    Concurrency, ConsumeFrom, Outcome, PushConsumer, PushConsumerBuilder, ReceivedMessage,
};
use mainstem_common::protocol::{
    ConsumeMessageDirectlyResult, ConsumeResult, ConsumerRunningInfo, MessageQueue,
    ResetOffsetTable,
};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::{
    ConsumeMessageDirectly, ConsumerGroup, ConsumerRunningInfo as RunningInfoRequest, ResetOffset,
    SendBack,
};
use parking_lot::Mutex;
use support::{FakeBroker, FakeNameServer, Reaction, eventually};

const BACK: i32 = request::CONSUMER_SEND_MSG_BACK;

/// A name server with topic `t` and the retry topic of group `g`, one queue each, on one broker.
async fn cluster(queues: i32) -> (FakeNameServer, FakeBroker) {
    let (name_server, broker) = (FakeNameServer::start().await, FakeBroker::start().await);
    name_server.set("t", queues, &[("a", &broker.text())]);
    name_server.set("%RETRY%g", 1, &[("a", &broker.text())]);
    (name_server, broker)
}

fn builder(name_server: &FakeNameServer) -> PushConsumerBuilder {
    PushConsumer::builder("g")
        .name_servers(name_server.text())
        .subscribe("t", "*")
        .from(ConsumeFrom::Earliest)
        .commit_interval(Duration::from_millis(30))
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn add(&self, messages: &[ReceivedMessage]) {
        self.0.lock().extend(
            messages
                .iter()
                .map(|message| String::from_utf8_lossy(&message.body).into_owned()),
        );
    }

    fn bodies(&self) -> Vec<String> {
        self.0.lock().clone()
    }

    fn len(&self) -> usize {
        self.0.lock().len()
    }
}

async fn collect(seen: &Seen, messages: &[ReceivedMessage]) -> Outcome {
    seen.add(messages);
    Outcome::Done
}

fn delay_levels(broker: &FakeBroker) -> Vec<i32> {
    broker
        .server
        .seen(BACK)
        .iter()
        .map(|command| command.header::<SendBack<'_>>().unwrap().delay_level)
        .collect()
}

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
async fn a_notice_of_the_broker_rebalances_at_once_and_given_up_queues_are_committed() {
    let (name_server, broker) = cluster(4).await;
    for queue in 0..4 {
        broker.store("t", queue, "x");
    }
    let seen = Seen::default();
    let consumer = builder(&name_server)
        .commit_interval(Duration::from_secs(60))
        .handler_with(seen.clone(), collect)
        .start()
        .await
        .unwrap();
    eventually("all queues are held", || seen.len() == 4).await;
    // Another member whose id sorts last takes the upper half.
    *broker.state.members.lock() = Some(vec!["~".to_owned(), consumer.client_id().to_owned()]);
    let notice =
        Command::request(request::NOTIFY_CONSUMER_IDS_CHANGED).with_header(&ConsumerGroup {
            consumer_group: "g",
        });
    broker.server.push(&notice);
    let of_t = || {
        consumer
            .assignment()
            .into_iter()
            .filter(|queue| queue.topic == "t")
            .map(|queue| queue.queue_id)
            .collect::<Vec<_>>()
    };
    eventually("half of the queues are left", || of_t() == [0, 1]).await;
    eventually("the given-up ones are committed", || {
        broker.committed("g", "t", 2) == Some(1) && broker.committed("g", "t", 3) == Some(1)
    })
    .await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn a_group_resumes_at_its_committed_offset() {
    let (name_server, broker) = cluster(1).await;
    for n in 0..5 {
        broker.store("t", 0, &format!("m{n}"));
    }
    broker
        .state
        .offsets
        .lock()
        .insert(("g".to_owned(), ("t".to_owned(), 0)), 3);
    let seen = Seen::default();
    let consumer = builder(&name_server)
        .handler_with(seen.clone(), collect)
        .start()
        .await
        .unwrap();
    eventually("the rest is handled", || seen.len() == 2).await;
    consumer.shutdown().await;
    let mut bodies = seen.bodies();
    bodies.sort();
    assert_eq!(bodies, ["m3", "m4"]);
}

#[tokio::test]
async fn a_new_group_that_wants_only_what_comes_starts_at_the_end_and_remembers_it() {
    let (name_server, broker) = cluster(1).await;
    broker.store("t", 0, "old");
    let seen = Seen::default();
    let consumer = builder(&name_server)
        .from(ConsumeFrom::Latest)
        .handler_with(seen.clone(), collect)
        .start()
        .await
        .unwrap();
    eventually("the end is committed", || {
        broker.committed("g", "t", 0) == Some(1)
    })
    .await;
    broker.store("t", 0, "new");
    eventually("what came is handled", || seen.len() == 1).await;
    assert_eq!(seen.bodies(), ["new"]);
    consumer.shutdown().await;
}

#[tokio::test]
async fn an_offset_that_the_broker_moves_is_followed() {
    let (name_server, broker) = cluster(1).await;
    broker.store("t", 0, "only");
    broker
        .state
        .offsets
        .lock()
        .insert(("g".to_owned(), ("t".to_owned(), 0)), 500);
    let seen = Seen::default();
    let consumer = builder(&name_server)
        .handler_with(seen.clone(), collect)
        .start()
        .await
        .unwrap();
    eventually("the end is committed", || {
        broker.committed("g", "t", 0) == Some(1)
    })
    .await;
    broker.store("t", 0, "new");
    eventually("what came is handled", || seen.len() == 1).await;
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
async fn broadcasting_members_read_every_queue_and_keep_their_offsets_in_a_file() {
    let (name_server, broker) = cluster(2).await;
    broker.store("t", 0, "a");
    broker.store("t", 1, "b");
    let dir = tempfile::tempdir().unwrap();
    let start = |name: &'static str, seen: Seen| {
        builder(&name_server)
            .broadcasting()
            .local_offsets_dir(dir.path())
            .instance_name(name)
            .handler_with(seen, collect)
            .start()
    };
    let (one, two) = (Seen::default(), Seen::default());
    let (first, second) = (
        start("one", one.clone()).await.unwrap(),
        start("two", two.clone()).await.unwrap(),
    );
    eventually("both have everything", || one.len() == 2 && two.len() == 2).await;
    first.shutdown().await;
    second.shutdown().await;
    broker.store("t", 0, "c");
    let again = start("one", one.clone()).await.unwrap();
    eventually("only what is new comes again", || one.len() == 3).await;
    again.shutdown().await;
    assert_eq!(one.bodies()[2], "c");
    assert_eq!(broker.server.count(request::UPDATE_CONSUMER_OFFSET), 0);
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
async fn a_broker_that_lost_sight_of_the_consumer_is_told_again() {
    let (name_server, broker) = cluster(1).await;
    let beats = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&beats);
    broker.intercept(move |command| match command.code {
        request::HEART_BEAT => {
            counted.fetch_add(1, Ordering::SeqCst);
            None
        }
        request::PULL_MESSAGE if counted.load(Ordering::SeqCst) < 4 => Some(Reaction::Reply(
            Command::response(response::SUBSCRIPTION_NOT_EXIST),
        )),
        _ => None,
    });
    broker.store("t", 0, "x");
    let seen = Seen::default();
    let consumer = builder(&name_server)
        .handler_with(seen.clone(), collect)
        .start()
        .await
        .unwrap();
    eventually("the message is handled", || seen.len() == 1).await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn an_admins_reset_moves_a_running_consumer() {
    let (name_server, broker) = cluster(1).await;
    for n in 0..5 {
        broker.store("t", 0, &format!("m{n}"));
    }
    let seen = Seen::default();
    let consumer = builder(&name_server)
        .handler_with(seen.clone(), collect)
        .start()
        .await
        .unwrap();
    eventually("all are committed", || {
        broker.committed("g", "t", 0) == Some(5)
    })
    .await;
    let table = ResetOffsetTable {
        offset_table: vec![(MessageQueue::new("t", "a", 0), 3)],
    };
    let header = ResetOffset {
        topic: "t",
        group: "g",
        timestamp_ms: 0,
        is_force: true,
        queue_id: Some(-1),
        offset: None,
    };
    broker.server.push(
        &Command::request(request::RESET_CONSUMER_CLIENT_OFFSET)
            .with_header(&header)
            .with_body(table.to_json()),
    );
    eventually("two come again", || seen.len() == 7).await;
    consumer.shutdown().await;
    let mut again = seen.bodies().split_off(5);
    again.sort();
    assert_eq!(again, ["m3", "m4"]);
}

#[tokio::test]
async fn questions_of_admin_tools_are_answered_as_java_clients_answer_them() {
    let (name_server, broker) = cluster(1).await;
    broker.store("t", 0, "x");
    let seen = Seen::default();
    let consumer = builder(&name_server)
        .handler_with(seen.clone(), collect)
        .start()
        .await
        .unwrap();
    eventually("it is committed", || {
        broker.committed("g", "t", 0) == Some(1)
    })
    .await;
    let header = RunningInfoRequest {
        consumer_group: "g",
        client_id: consumer.client_id(),
        jstack_enable: None,
    };
    let mut command = Command::request(request::GET_CONSUMER_RUNNING_INFO).with_header(&header);
    command.opaque = 901;
    broker.server.push(&command);
    let answer = |opaque: i32| {
        broker
            .server
            .seen(response::SUCCESS)
            .into_iter()
            .find(|command| command.is_response() && command.opaque == opaque)
    };
    eventually("307 is answered", || answer(901).is_some()).await;
    let info = ConsumerRunningInfo::from_json(&answer(901).unwrap().body).unwrap();
    let (_, queue) = info
        .mq_table
        .iter()
        .find(|(queue, _)| queue.topic == "t")
        .unwrap();
    assert_eq!((queue.commit_offset, queue.cached_msg_count), (1, 0));
    assert!(
        info.subscription_set
            .iter()
            .any(|subscription| subscription.topic == "t")
    );

    let mut record = Vec::new();
    let host = ([127, 0, 0, 1], 1).into();
    mainstem_record::NewRecord {
        topic: "t",
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        born_timestamp_ms: 0,
        born_host: host,
        store_host: host,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: b"directly",
        properties: b"",
    }
    .encode_into(&mut record)
    .unwrap();
    let header = ConsumeMessageDirectly {
        consumer_group: "g",
        client_id: consumer.client_id(),
        ..ConsumeMessageDirectly::default()
    };
    let mut command = Command::request(request::CONSUME_MESSAGE_DIRECTLY)
        .with_header(&header)
        .with_body(record);
    command.opaque = 902;
    broker.server.push(&command);
    eventually("309 is answered", || answer(902).is_some()).await;
    let result = ConsumeMessageDirectlyResult::from_json(&answer(902).unwrap().body).unwrap();
    assert_eq!(result.consume_result, ConsumeResult::Success);
    assert_eq!(seen.bodies(), ["x", "directly"]);
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
