//! Administration of a live cluster.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_and_changes_topics() {
    let cluster = Cluster::start().await;
    let topic = unique("admin");
    let admin = cluster.admin().await;
    admin
        .create_topic(&NewTopic::new(topic.as_str(), 3))
        .await
        .unwrap();
    assert!(admin.topics().await.unwrap().contains(&topic));
    let producer = cluster.producer().await;
    let begin = SystemTime::now() - Duration::from_secs(5);
    let message = Message::builder(topic.as_str())
        .body("find me")
        .key("needle")
        .build()
        .unwrap();
    let receipt = producer.send(message).await.unwrap();

    let found = admin
        .message_by_id(&topic, receipt.offset_message_id())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(body(&found), "find me");
    let until = SystemTime::now() + Duration::from_secs(60);
    let mut by_key = Vec::new();
    for _ in 0..500 {
        by_key = admin
            .messages_by_key(&topic, "needle", 10, (begin, until))
            .await
            .unwrap();
        if !by_key.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(by_key.len(), 1);
    let by_unique_key = admin
        .messages_by_unique_key(&topic, receipt.message_id())
        .await
        .unwrap();
    assert_eq!(by_unique_key.len(), 1);

    let description = admin.describe_topic(&topic).await.unwrap();
    assert_eq!(
        (
            description.configs.len(),
            description.configs[0].1.write_queue_nums
        ),
        (1, 3)
    );
    assert_eq!(description.stats.offset_table.len(), 3);
    let messages: i64 = description
        .stats
        .offset_table
        .iter()
        .map(|(_, queue)| queue.max_offset - queue.min_offset)
        .sum();
    assert_eq!(messages, 1);
    let queue = receipt.queue();
    assert_eq!(
        (
            admin.min_offset(&queue).await.unwrap(),
            admin.max_offset(&queue).await.unwrap()
        ),
        (0, 1)
    );
    assert_eq!(admin.offset_at(&queue, begin).await.unwrap(), 0);
    assert_eq!(admin.offset_at(&queue, until).await.unwrap(), 1);

    admin
        .create_topic(&NewTopic::new(topic.as_str(), 5))
        .await
        .unwrap();
    assert_eq!(
        admin.topic_configs(&topic).await.unwrap()[0]
            .1
            .write_queue_nums,
        5
    );
    admin.delete_topic(&topic, None).await.unwrap();
    assert!(!admin.topics().await.unwrap().contains(&topic));
    assert!(
        admin
            .create_topic(&NewTopic::new("bad name", 1))
            .await
            .unwrap_err()
            .to_string()
            .contains("bad name")
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_and_changes_groups_and_brokers() {
    let cluster = Cluster::start().await;
    let (topic, group) = (unique("groups"), unique("g"));
    let (admin, producer) = (cluster.admin().await, cluster.producer().await);
    admin
        .create_topic(&NewTopic::new(topic.as_str(), 1))
        .await
        .unwrap();
    send_all(&producer, &topic, 10).await;
    admin
        .create_group(&SubscriptionGroupConfig::new(group.as_str()))
        .await
        .unwrap();
    assert!(admin.groups().await.unwrap().contains_key(&group));
    assert!(admin.consumer_connections(&group).await.unwrap().is_none());

    let seen = Seen::default();
    let consumer = cluster
        .push(&group, &topic)
        .handler_with(seen.clone(), Seen::collect)
        .start()
        .await
        .unwrap();
    eventually("10 messages", || seen.len() == 10).await;
    let connections = admin.consumer_connections(&group).await.unwrap().unwrap();
    assert_eq!(
        connections.connection_set[0].client_id,
        consumer.client_id()
    );
    assert!(connections.subscription_table.contains_key(&topic));
    for _ in 0..500 {
        if admin.group_lag(&group, Some(&topic)).await.unwrap().total() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let lag = admin.group_lag(&group, Some(&topic)).await.unwrap();
    assert_eq!(
        (lag.total(), lag.queues.len(), lag.queues[0].consumer_offset),
        (0, 1, 10)
    );
    assert_eq!(
        admin.groups_of_topic(&topic).await.unwrap(),
        std::slice::from_ref(&group)
    );
    let info = admin
        .running_info(&group, consumer.client_id())
        .await
        .unwrap();
    assert!(info.mq_table.iter().any(|(queue, _)| queue.topic == topic));
    let first = seen.0.lock()[0].offset_message_id().to_string();
    admin
        .consume_directly(&group, consumer.client_id(), &topic, &first)
        .await
        .unwrap();
    assert_eq!(seen.len(), 11);

    let reset = admin
        .reset_offsets(&group, &topic, ResetTo::Earliest)
        .await
        .unwrap();
    assert_eq!(
        reset.iter().map(|(_, offset)| *offset).collect::<Vec<_>>(),
        [0]
    );
    eventually("all come again", || seen.len() == 21).await;
    consumer.shutdown().await;
    assert!(admin.consumer_connections(&group).await.unwrap().is_none());
    admin.delete_group(&group, true).await.unwrap();

    let brokers = admin.brokers().await.unwrap();
    let broker = &brokers[0];
    assert!(
        broker.version().is_some() && broker.put_rate().is_some(),
        "{broker:?}"
    );
    let config = admin.broker_config(&broker.name).await.unwrap();
    assert!(config.contains_key("maxMessageSize") && config.contains_key("brokerName"));
    assert!(admin.wipe_write_permission(&broker.name).await.unwrap() > 0);
    assert!(admin.add_write_permission(&broker.name).await.unwrap() > 0);
    assert!(
        admin
            .broker_runtime("nobody")
            .await
            .unwrap_err()
            .to_string()
            .contains(&broker.name)
    );
    let connected = admin.producer_connections("e2e-producer").await.unwrap();
    assert!(
        connected
            .connection_set
            .iter()
            .any(|connection| connection.client_id == producer.client_id())
    );
    cluster.stop().await;
}
