//! Finding a topic's queues: unknown topics, new ones, name servers that fail.

use super::*;

#[tokio::test]
async fn a_topic_that_nobody_knows_is_an_error_that_names_the_name_server_and_the_remedy() {
    let name_server = FakeNameServer::start().await;
    let producer = producer(&name_server.text()).await;
    let error = producer.send(message("x")).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&format!(
            "name server {} knows no such topic",
            name_server.text()
        )),
        "{text}"
    );
    assert!(
        text.contains("mainstem topic create t") && text.contains("autoCreateTopicEnable"),
        "{text}"
    );
    assert!(!error.can_retry());
}

#[tokio::test]
async fn a_name_server_that_is_down_is_an_error_that_can_be_retried() {
    let producer = Producer::builder("p")
        .name_servers("127.0.0.1:1")
        .build()
        .await
        .unwrap();
    let error = producer.send(message("x")).await.unwrap_err();
    assert!(
        matches!(
            &error,
            SendError::NotSent {
                cause: NotSentCause::Route(RouteError::NoNameServer { .. }),
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error.can_retry() && error.to_string().contains("127.0.0.1:1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_new_topic_gets_the_queues_of_tbw102_until_its_own_route_is_known() {
    let (name_server, broker) = (FakeNameServer::start().await, FakeBroker::start().await);
    name_server.set("TBW102", 8, &[("a", &broker.text())]);
    let producer = producer(&name_server.text()).await;
    assert_eq!(producer.queues("t").await.unwrap().len(), 4);
    name_server.set("t", 2, &[("a", &broker.text())]);
    producer.send(message("x")).await.unwrap();
    let seen = broker.server.seen(SEND);
    let header: SendMessageV2<'_> = seen[0].header().unwrap();
    assert_eq!(
        (header.default_topic, header.default_topic_queue_nums),
        ("TBW102", 4)
    );
    for _ in 0..1_000 {
        if producer.queues("t").await.unwrap().len() == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the topic's own route was never asked for");
}

#[tokio::test]
async fn the_next_name_server_is_asked_when_one_is_down_or_silent() {
    let (name_server, broker) = (FakeNameServer::start().await, FakeBroker::start().await);
    name_server.set("t", 4, &[("a", &broker.text())]);
    let silent = Server::start(|_| Reaction::Silence).await;
    let all = format!("127.0.0.1:1;{};{}", silent.text(), name_server.text());
    let producer = Producer::builder("p")
        .name_servers(all)
        .request_timeout(Duration::from_millis(200))
        .build()
        .await
        .unwrap();
    producer.send(message("x")).await.unwrap();
}

#[tokio::test]
async fn many_sends_to_a_new_topic_ask_for_its_route_once() {
    let (name_server, _broker, producer) = one_broker().await;
    let mut sends = tokio::task::JoinSet::new();
    for n in 0..100 {
        let producer = producer.clone();
        sends.spawn(async move { producer.send(message(&n.to_string())).await.map(drop) });
    }
    while let Some(sent) = sends.join_next().await {
        sent.unwrap().unwrap();
    }
    assert_eq!(name_server.server.count(request::GET_ROUTEINFO_BY_TOPIC), 1);
}

#[tokio::test]
async fn a_known_route_outlives_a_name_server_that_forgets_the_topic() {
    let (name_server, broker, _) = one_broker().await;
    let producer = Producer::builder("p")
        .name_servers(name_server.text())
        .route_interval(Duration::from_millis(20))
        .build()
        .await
        .unwrap();
    producer.send(message("x")).await.unwrap();
    name_server.remove("t");
    let asked = name_server.server.count(request::GET_ROUTEINFO_BY_TOPIC);
    eventually("the route was asked for again", || {
        name_server.server.count(request::GET_ROUTEINFO_BY_TOPIC) > asked + 1
    })
    .await;
    producer.send(message("y")).await.unwrap();
    assert_eq!(broker.server.count(SEND), 2);
}
