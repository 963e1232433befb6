//! Membership: offsets, rebalance, what brokers and admin tools ask.

use super::*;

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
async fn a_queue_that_a_topic_gets_is_read_when_its_route_is_known_not_at_the_next_rebalance() {
    let (name_server, broker) = cluster(1).await;
    broker.store("t", 0, "before");
    let seen = Seen::default();
    let consumer = builder(&name_server)
        .route_interval(Duration::from_millis(50))
        .rebalance_interval(Duration::from_secs(3_600))
        .handler_with(seen.clone(), collect)
        .start()
        .await
        .unwrap();
    eventually("the first queue is read", || seen.len() == 1).await;
    broker.store("t", 1, "behind");
    name_server.set("t", 2, &[("a", &broker.text())]);
    eventually("the new queue is read", || seen.len() == 2).await;
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
