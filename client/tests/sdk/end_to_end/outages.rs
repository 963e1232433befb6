//! Brokers and consumers that come and go.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn sends_and_consumers_outlive_a_restart_of_the_broker() {
    let mut cluster = Cluster::ours(1).await;
    let topic = unique("restart");
    let producer = Producer::builder("p")
        .name_servers(&cluster.name_servers)
        .retries(10_000)
        .timeout(LONG)
        .build()
        .await
        .unwrap();
    let seen = Seen::default();
    let consumer = cluster
        .push(&unique("g"), &topic)
        .handler_with(seen.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    send_all(&producer, &topic, 10).await;
    let (_, brokers, dir) = cluster.servers.as_mut().unwrap();
    let broker = brokers.pop().unwrap();
    let mut config = broker_config(&cluster.name_servers, dir, 0);
    // The same port: that is what a restart is.
    config.listen_port = broker.addr().port();
    broker.shutdown().await.unwrap();
    let sending = tokio::spawn({
        let (producer, topic) = (producer.clone(), topic.clone());
        async move {
            for n in 0..20 {
                let message = Message::builder(topic.as_str())
                    .body(format!("during {n}"))
                    .build()
                    .unwrap();
                producer.send_ordered(message, "k").await.unwrap();
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    brokers.push(Broker::start(config).await.unwrap());
    sending.await.unwrap();
    eventually("everything arrives", || seen.bodies().len() == 30).await;
    consumer.shutdown().await;
    producer.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_over_two_brokers_is_sent_to_both_and_survives_the_loss_of_one() {
    let mut cluster = Cluster::ours(2).await;
    let topic = unique("two");
    let admin = cluster.admin().await;
    admin
        .create_topic(&NewTopic::new(topic.as_str(), 2))
        .await
        .unwrap();
    let producer = cluster.producer().await;
    assert_eq!(producer.queues(&topic).await.unwrap().len(), 4);
    send_all(&producer, &topic, 40).await;
    let seen = Seen::default();
    let consumer = cluster
        .push(&unique("g"), &topic)
        .handler_with(seen.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    eventually("all 40", || seen.len() == 40).await;
    let from: BTreeSet<String> = seen
        .0
        .lock()
        .iter()
        .map(|message| message.broker_name().to_owned())
        .collect();
    assert_eq!(from.len(), 2);
    let (_, brokers, _) = cluster.servers.as_mut().unwrap();
    brokers.pop().unwrap().shutdown().await.unwrap();
    for n in 0..20 {
        let message = Message::builder(topic.as_str())
            .body(format!("after {n}"))
            .build()
            .unwrap();
        assert_eq!(
            producer.send(message).await.unwrap().broker_name(),
            "broker-0"
        );
    }
    eventually("all 60", || seen.bodies().len() == 60).await;
    consumer.shutdown().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_consumers_share_the_queues_and_the_one_left_takes_them_all() {
    let cluster = Cluster::start().await;
    let (topic, group) = (unique("shared"), unique("g"));
    let admin = cluster.admin().await;
    admin
        .create_topic(&NewTopic::new(topic.as_str(), 8))
        .await
        .unwrap();
    let (one, two) = (Seen::default(), Seen::default());
    let first = cluster
        .push(&group, &topic)
        .handler_with(one.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    let second = cluster
        .push(&group, &topic)
        .handler_with(two.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    let held = |consumer: &PushConsumer| {
        consumer
            .assignment()
            .iter()
            .filter(|queue| queue.topic == topic)
            .count()
    };
    eventually("four queues each", || {
        held(&first) == 4 && held(&second) == 4
    })
    .await;
    let producer = cluster.producer().await;
    send_all(&producer, &topic, 80).await;
    eventually("80 messages", || one.len() + two.len() == 80).await;
    assert!(one.len() > 0 && two.len() > 0);
    first.shutdown().await;
    eventually("the other has all", || held(&second) == 8).await;
    let third = cluster
        .push(&group, &topic)
        .handler_with(one.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    eventually("shared again", || held(&second) == 4 && held(&third) == 4).await;
    // One that dies without a word is noticed by its closed connection.
    drop(third);
    eventually("the other has all again", || held(&second) == 8).await;
    send_all(&producer, &topic, 16).await;
    eventually("nothing is missing", || one.len() + two.len() >= 96).await;
    second.shutdown().await;
    cluster.stop().await;
}
