//! Starting, stopping, coming back, and the name servers a broker registers with.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mainstem_broker::{Broker, StartError};
use mainstem_common::config::{Role, Settings};
use mainstem_common::protocol::TopicRoute;
use mainstem_common::remoting::NoPeerRequests;
use mainstem_common::remoting::code::{request, response};
use mainstem_nameserver::{NameServer, NameServerConfig};
use support::{PullOf, TestBroker, TestClient, bodies, ext, until};

fn name_server(port: u16) -> NameServer {
    let mut config = NameServerConfig::from_settings(Settings::defaults(Role::NameServer));
    config.listen = SocketAddr::from(([127, 0, 0, 1], port));
    NameServer::start(config).unwrap()
}

async fn route(name_server: &TestClient, topic: &str) -> Option<TopicRoute> {
    let reply = name_server
        .ask(request::GET_ROUTEINFO_BY_TOPIC, &[("topic", topic)])
        .await;
    (reply.code == response::SUCCESS).then(|| TopicRoute::from_json(&reply.body).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_messages_topics_groups_offsets_and_delays() {
    let mut broker = TestBroker::start().await;
    let client = broker.client();
    client.create_topic("Made", 3, 6).await;
    for index in 0..20 {
        client
            .send_ok(
                "Made",
                2,
                "TAGS\u{1}TagA\u{2}KEYS\u{1}k\u{2}",
                index.to_string().as_bytes(),
            )
            .await;
    }
    client
        .send_ok("Made", 0, "DELAY\u{1}1\u{2}", b"delayed")
        .await;
    client
        .pull(&PullOf {
            topic: "Made",
            queue_id: 2,
            sys_flag: 5,
            commit: 7,
            ..PullOf::default()
        })
        .await;
    let version = broker.broker().core().topics().version();
    broker.restart().await;

    let core = broker.broker().core();
    assert_eq!(core.topics().get("Made").unwrap().config.read_queue_nums, 3);
    assert!(core.topics().version().counter >= version.counter);
    assert!(core.groups().contains("cg"));
    assert_eq!(core.offsets().committed("cg", "Made", 2), Some(7));
    let client = broker.client();
    let mut found = Vec::new();
    while found.len() < 13 {
        // The first pull after a start reads from disk, and so gets fewer.
        let pulled = client
            .pull(&PullOf {
                topic: "Made",
                queue_id: 2,
                offset: 7 + found.len() as i64,
                ..PullOf::default()
            })
            .await;
        let bodies = bodies(&pulled);
        assert!(!bodies.is_empty(), "{} were found", found.len());
        found.extend(bodies);
    }
    assert_eq!(
        found,
        (7..20).map(|index| index.to_string()).collect::<Vec<_>>()
    );
    let reply = client.send_ok("Made", 2, "", b"more").await;
    assert_eq!(ext(&reply, "queueOffset"), Some("20"));
    let delayed = PullOf {
        topic: "Made",
        sys_flag: 6,
        suspend_ms: 10_000,
        ..PullOf::default()
    };
    assert_eq!(bodies(&client.pull(&delayed).await), ["delayed"]);
    broker.restart().await;
    // Delivered once: the progress was saved.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(broker.broker().store().queue_bounds("Made", 0).max, 1);
    for name in [
        "topics.json",
        "subscriptionGroup.json",
        "consumerOffset.json",
        "delayOffset.json",
    ] {
        assert!(
            broker.dir.path().join("config").join(name).exists(),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_lost_without_a_stop_comes_back_with_what_it_acknowledged() {
    let mut broker =
        TestBroker::with(|config| config.offset_journal_interval = Duration::from_millis(20)).await;
    let client = broker.client();
    for index in 0..5 {
        client
            .send_ok("T", 0, "", index.to_string().as_bytes())
            .await;
    }
    client
        .pull(&PullOf {
            sys_flag: 5,
            commit: 3,
            ..PullOf::default()
        })
        .await;
    // Longer than the journal's own round.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // A copy of the directory as it lies there is what a killed process leaves.
    let copy = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp")
        .args([
            "-a",
            &format!("{}/.", broker.dir.path().display()),
            &copy.path().display().to_string(),
        ])
        .status()
        .unwrap();
    assert!(copied.success());
    broker.stop().await;
    let mut config = broker.config.clone();
    config.data_dir = copy.path().to_owned();
    let again = TestBroker {
        broker: Some(Broker::start(config.clone()).await.unwrap()),
        dir: Arc::new(copy),
        config,
    };
    let client = again.client();
    assert_eq!(
        bodies(&client.pull(&PullOf::default()).await),
        ["0", "1", "2", "3", "4"]
    );
    assert_eq!(
        again.broker().core().offsets().committed("cg", "T", 0),
        Some(3)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_topic_has_a_route_when_its_first_send_is_answered() {
    let (one, two) = (name_server(0), name_server(0));
    let servers = vec![one.local_addr().to_string(), two.local_addr().to_string()];
    let asked = servers.clone();
    let mut broker = TestBroker::with(|config| config.name_servers = servers).await;
    let first = TestClient::new(&asked[0], Arc::new(NoPeerRequests));
    let second = TestClient::new(&asked[1], Arc::new(NoPeerRequests));
    for server in [&first, &second] {
        until("TBW102 has a route", async || {
            route(server, "TBW102").await.is_some()
        })
        .await;
    }
    assert_eq!(
        route(&first, "TBW102").await.unwrap().queue_datas[0].perm,
        7
    );
    broker.client().send_ok("New", 0, "", b"x").await;
    for server in [&first, &second] {
        let found = route(server, "New").await.unwrap();
        assert_eq!(found.queue_datas[0].write_queue_nums, 4);
        assert_eq!(found.broker_datas[0].broker_addrs[&0], broker.addr());
    }
    broker
        .client()
        .heartbeat("c", "cg", &[("New", "*")], 1)
        .await;
    until("the retry topic has a route", async || {
        route(&first, "%RETRY%cg").await.is_some()
    })
    .await;
    broker.stop().await;
    until("the broker left", async || {
        route(&first, "New").await.is_none() && route(&second, "New").await.is_none()
    })
    .await;
    one.shutdown().await;
    two.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_server_that_is_down_at_the_start_or_comes_back_empty_is_told_everything() {
    let first = name_server(0);
    let addr = first.local_addr();
    first.shutdown().await;
    let broker = TestBroker::with(|config| config.name_servers = vec![addr.to_string()]).await;
    broker.client().send_ok("T", 0, "", b"x").await;
    let asks = TestClient::new(&addr.to_string(), Arc::new(NoPeerRequests));
    let back = name_server(addr.port());
    until("registered with the late one", async || {
        route(&asks, "T").await.is_some()
    })
    .await;
    back.shutdown().await;
    let again = name_server(addr.port());
    until("registered with the restarted one", async || {
        let reply = asks
            .remoting
            .call(
                &asks.addr,
                mainstem_common::remoting::Command::request(request::GET_ROUTEINFO_BY_TOPIC)
                    .with_ext("topic", "T"),
                support::TIMEOUT,
            )
            .await;
        reply.is_ok_and(|reply| reply.code == response::SUCCESS)
    })
    .await;
    again.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taking_the_write_permission_away_drains_the_broker() {
    let server = name_server(0);
    let addr = server.local_addr().to_string();
    let broker = TestBroker::with(|config| config.name_servers = vec![addr.clone()]).await;
    let client = broker.client();
    client.send_ok("T", 0, "", b"x").await;
    let asks = TestClient::new(&addr, Arc::new(NoPeerRequests));
    let change = mainstem_common::remoting::Command::request(request::UPDATE_BROKER_CONFIG)
        .with_body("brokerPermission=4");
    assert_eq!(client.call(change).await.code, response::SUCCESS);
    until("the route says so", async || {
        route(&asks, "T")
            .await
            .is_some_and(|route| route.queue_datas[0].perm == 4)
    })
    .await;
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_brokers_live_in_one_process_and_a_taken_port_or_directory_is_named() {
    let one = TestBroker::start().await;
    let two = TestBroker::start().await;
    one.client().send_ok("T", 0, "", b"one").await;
    two.client().send_ok("T", 0, "", b"two").await;
    assert_eq!(
        bodies(&one.client().pull(&PullOf::default()).await),
        ["one"]
    );

    let mut taken = two.config.clone();
    taken.listen_port = one.broker().addr().port();
    let error = Broker::start(taken).await.err().unwrap();
    assert!(matches!(error, StartError::Bind(_)), "{error}");
    assert!(error.to_string().contains(&one.addr()), "{error}");
    let error = Broker::start(two.config.clone()).await.err().unwrap();
    assert!(matches!(error, StartError::Store(_)), "{error}");
    let mut unreachable = two.config.clone();
    unreachable.advertised_ip = Some("192.0.2.7".parse().unwrap());
    let error = Broker::start(unreachable).await.err().unwrap();
    assert!(matches!(error, StartError::Unreachable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_served_as_text() {
    let broker = TestBroker::with(|config| {
        config.metrics_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)))
    })
    .await;
    broker.client().send_ok("T", 0, "", b"x").await;
    let addr = broker.broker().metrics_addr().unwrap();
    let text = tokio::task::spawn_blocking(move || {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(addr).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    })
    .await
    .unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK"));
    assert!(text.contains("mainstem_messages_in_total 1"), "{text}");
}
