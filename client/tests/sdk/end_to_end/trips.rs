//! Messages from a producer to a consumer.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_makes_the_whole_trip_with_all_that_belongs_to_it() {
    let cluster = Cluster::start().await;
    let topic = unique("whole-trip");
    let producer = cluster.producer().await;
    let long = "a long text ".repeat(2_000);
    let message = Message::builder(topic.as_str())
        .body(long.clone())
        .tag("blue")
        .key("k1")
        .key("k2")
        .property("origin", "北京")
        .flag(7)
        .build()
        .unwrap();
    let receipt = producer.send(message).await.unwrap();
    let seen = Seen::default();
    let consumer = cluster
        .push(&unique("g"), &topic)
        .handler_with(seen.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    eventually("the message arrives", || seen.len() == 1).await;
    let message = seen.0.lock()[0].clone();
    assert_eq!(body(&message), long);
    assert_eq!(
        (
            message.tag(),
            message.flag,
            message.properties.get("origin")
        ),
        (Some("blue"), 7, Some("北京"))
    );
    assert_eq!(message.keys().collect::<Vec<_>>(), ["k1", "k2"]);
    assert_eq!(
        (message.topic.as_str(), message.broker_name()),
        (topic.as_str(), receipt.broker_name())
    );
    assert_eq!(
        (message.queue_id, message.queue_offset),
        (receipt.queue_id(), receipt.queue_offset())
    );
    assert_eq!(message.message_id(), receipt.message_id());
    assert_eq!(
        message.offset_message_id().to_string(),
        receipt.offset_message_id()
    );
    consumer.shutdown().await;
    producer.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_send_is_consumed_once() {
    let cluster = Cluster::start().await;
    let topic = unique("ways");
    let producer = cluster.producer().await;
    let one = |text: &str| {
        Message::builder(topic.as_str())
            .body(text.to_owned())
            .build()
            .unwrap()
    };
    producer.send(one("plain")).await.unwrap();
    producer.send_ordered(one("ordered"), "key").await.unwrap();
    producer
        .send_batch((0..10).map(|n| one(&format!("batch {n}"))).collect())
        .await
        .unwrap();
    producer.send_one_way(one("one way")).await.unwrap();
    let seen = Seen::default();
    let consumer = cluster
        .push(&unique("g"), &topic)
        .batch_size(8)
        .handler_with(seen.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    eventually("13 messages", || seen.len() == 13).await;
    assert_eq!(seen.bodies().len(), 13);
    consumer.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_comes_again_and_a_dead_one_goes_to_the_dead_letters() {
    let cluster = Cluster::start().await;
    let (topic, group) = (unique("retry"), unique("g"));
    let producer = cluster.producer().await;
    for text in ["again", "dead", "fine"] {
        producer
            .send(Message::builder(topic.as_str()).body(text).build().unwrap())
            .await
            .unwrap();
    }
    let seen = Seen::default();
    let consumer = cluster
        .push(&group, &topic)
        .handler_with(
            seen.clone(),
            async |seen: &Seen, messages: &[ReceivedMessage]| {
                seen.collect(messages).await;
                match (&*messages[0].body, messages[0].reconsume_times) {
                    (b"again", 0) => Outcome::RetryAfter(Duration::from_secs(1)),
                    (b"dead", _) => Outcome::DeadLetter,
                    _ => Outcome::Done,
                }
            },
        )
        .start()
        .await
        .unwrap();
    eventually("the failed one comes again", || seen.len() == 4).await;
    let again = seen
        .0
        .lock()
        .iter()
        .find(|message| message.reconsume_times == 1)
        .cloned()
        .unwrap();
    assert_eq!(
        (body(&again).as_str(), again.topic.as_str()),
        ("again", topic.as_str())
    );
    assert_eq!(again.queue_topic(), format!("%RETRY%{group}"));
    let dead_letters = format!("%DLQ%{group}");
    let admin = cluster.admin().await;
    for _ in 0..500 {
        if admin.queues(&dead_letters).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        cluster.bodies(&dead_letters).await,
        BTreeSet::from(["dead".to_owned()])
    );
    consumer.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_resumes_where_it_stopped() {
    let cluster = Cluster::start().await;
    let (topic, group) = (unique("resume"), unique("g"));
    let producer = cluster.producer().await;
    send_all(&producer, &topic, 20).await;
    let seen = Seen::default();
    let consumer = cluster
        .push(&group, &topic)
        .handler_with(seen.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    eventually("20 messages", || seen.len() == 20).await;
    consumer.shutdown().await;
    producer
        .send(
            Message::builder(topic.as_str())
                .body("later")
                .build()
                .unwrap(),
        )
        .await
        .unwrap();
    let seen = Seen::default();
    let consumer = cluster
        .push(&group, &topic)
        .handler_with(seen.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    eventually("what came later", || seen.len() == 1).await;
    assert_eq!(seen.bodies(), BTreeSet::from(["later".to_owned()]));
    consumer.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_consumer_of_a_group_commits_and_one_without_leaves_no_trace() {
    let cluster = Cluster::start().await;
    let (topic, group) = (unique("pull"), unique("g"));
    let producer = cluster.producer().await;
    send_all(&producer, &topic, 40).await;
    let admin = cluster.admin().await;
    let groups_before: BTreeSet<String> = admin.groups().await.unwrap().into_keys().collect();
    assert_eq!(cluster.bodies(&topic).await.len(), 40);
    let groups: BTreeSet<String> = admin.groups().await.unwrap().into_keys().collect();
    let new: Vec<_> = groups
        .difference(&groups_before)
        .filter(|group| group.contains("TOOLS"))
        .collect();
    assert!(new.is_empty(), "{new:?}");
    assert!(admin.groups_of_topic(&topic).await.unwrap().is_empty());

    let build = || {
        PullConsumer::builder(group.as_str())
            .name_servers(&cluster.name_servers)
            .from(ConsumeFrom::Earliest)
            .request_timeout(Duration::from_secs(20))
            .build()
    };
    let mut consumer = build().await.unwrap();
    consumer.subscribe(&topic, "*").await.unwrap();
    let mut count = 0;
    while count < 40 {
        count += consumer.poll(LONG).await.unwrap().len();
    }
    assert_eq!(count, 40);
    consumer.shutdown().await;
    assert_eq!(
        admin.group_lag(&group, Some(&topic)).await.unwrap().total(),
        0
    );
    let mut again = build().await.unwrap();
    again.subscribe(&topic, "*").await.unwrap();
    assert_eq!(
        again.poll(Duration::from_millis(300)).await.unwrap().len(),
        0
    );
    again.shutdown().await;
    cluster.stop().await;
}
