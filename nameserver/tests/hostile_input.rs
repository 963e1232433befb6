//! Input that no honest peer sends: it is refused with the right code, and the server serves on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use mainstem_common::protocol::{RegisterBrokerBody, TopicConfig};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_nameserver::{NameServer, NameServerConfig};
use proptest::prelude::*;
use support::{Peer, register, set_ext, start, table, two_topics};

#[tokio::test]
async fn damaged_registrations_are_refused_and_leave_no_trace() {
    let server = start();
    let mut peer = Peer::connect(&server).await;
    let good = two_topics(1).to_json();
    let deep = "[".repeat(1_000_000).into_bytes();
    let lying = set_ext(
        register(
            "a",
            "127.0.0.1:1",
            RegisterBrokerBody::default().to_compressed(),
        ),
        "compressed",
        "true",
    );
    let mut cut = two_topics(1).to_compressed();
    cut.truncate(cut.len() / 2);
    let cases = [
        (
            set_ext(
                register("a", "127.0.0.1:1", good.clone()),
                "bodyCrc32",
                "12345",
            ),
            "crc32",
        ),
        (
            register(
                "a",
                "127.0.0.1:1",
                &b"{\"topicConfigSerializeWrapper\":"[..],
            ),
            "JSON",
        ),
        (register("a", "127.0.0.1:1", &b"\xff\xfe"[..]), "JSON"),
        (register("a", "127.0.0.1:1", deep), "JSON"),
        (
            register(
                "a",
                "127.0.0.1:1",
                &br#"{"topicConfigSerializeWrapper":{"topicConfigTable":[]}}"#[..],
            ),
            "JSON",
        ),
        (
            set_ext(register("a", "127.0.0.1:1", cut), "compressed", "true"),
            "compressed",
        ),
        (
            set_ext(
                register("a", "127.0.0.1:1", good.clone()),
                "compressed",
                "true",
            ),
            "compressed",
        ),
        (register("", "127.0.0.1:1", good.clone()), "broker name"),
        (
            register("a", &"x".repeat(300), good.clone()),
            "broker address",
        ),
        (
            set_ext(
                register("a", "127.0.0.1:1", good.clone()),
                "brokerId",
                "seven",
            ),
            "brokerId",
        ),
        (
            Command::request(request::REGISTER_BROKER).with_body(good.clone()),
            "brokerName",
        ),
        (
            register(
                "a",
                "127.0.0.1:1",
                table(1, [TopicConfig::new("T", 1)]).to_json(),
            ),
            "register broker failed",
        ),
    ];
    for (command, word) in cases {
        let reply = peer.call(command).await;
        assert_eq!(
            reply.code,
            response::SYSTEM_ERROR,
            "{word}: {:?}",
            reply.remark
        );
        assert!(
            reply.remark.as_deref().unwrap_or_default().contains(word),
            "{word}: {:?}",
            reply.remark
        );
    }
    assert_eq!(
        peer.call(lying).await.code,
        response::SUCCESS,
        "an empty table is a table"
    );
    assert!(peer.route("T").await.is_none());
    let with_crc = set_ext(
        register("a", "127.0.0.1:1", good.clone()),
        "bodyCrc32",
        &(crc32fast::hash(&good) & 0x7FFF_FFFF).to_string(),
    );
    assert_eq!(peer.call(with_crc).await.code, response::SUCCESS);
    assert!(peer.route("T").await.is_some());
    server.shutdown().await;
}

#[tokio::test]
async fn the_compressed_form_registers_like_the_plain_one() {
    let server = start();
    let mut peer = Peer::connect(&server).await;
    let command = set_ext(
        register("a", "127.0.0.1:1", two_topics(1).to_compressed()),
        "compressed",
        "true",
    );
    assert_eq!(peer.call(command).await.code, response::SUCCESS);
    assert_eq!(
        peer.route("T").await.unwrap().queue_datas[0].write_queue_nums,
        4
    );
    server.shutdown().await;
}

#[tokio::test]
async fn requests_without_their_fields_are_answered_and_unknown_codes_refused() {
    let server = start();
    let mut peer = Peer::connect(&server).await;
    for code in [
        100, 101, 102, 103, 104, 105, 205, 216, 217, 219, 224, 322, 327, 901, 904,
    ] {
        let reply = peer.call(Command::request(code)).await;
        assert_eq!(reply.code, response::SYSTEM_ERROR, "code {code}");
        assert!(reply.remark.is_some(), "code {code}");
    }
    for code in [0, -1, 10, 11, 34, 200_050, i32::MAX] {
        let reply = peer.call(Command::request(code)).await;
        assert_eq!(
            reply.code,
            response::REQUEST_CODE_NOT_SUPPORTED,
            "code {code}"
        );
    }
    server.shutdown().await;
}

#[tokio::test]
async fn one_way_requests_take_effect_and_are_not_answered() {
    let server = start();
    let mut broker = Peer::connect(&server).await;
    let mut command = register("a", "127.0.0.1:1", two_topics(1).to_json());
    command.flag = 2;
    let mut frame = bytes::BytesMut::new();
    command.encode(&mut frame);
    broker.send(&frame).await;
    broker.await_route("T", true).await;
    server.shutdown().await;
}

#[tokio::test]
async fn configuration_is_shown_and_changed_within_its_limits() {
    let server = start();
    let mut peer = Peer::connect(&server).await;
    let text = peer
        .call(Command::request(request::GET_NAMESRV_CONFIG))
        .await
        .body;
    assert!(String::from_utf8_lossy(&text).contains("scanNotActiveBrokerInterval=5000"));
    let update = |text: &'static str| {
        Command::request(request::UPDATE_NAMESRV_CONFIG).with_body(text.as_bytes())
    };
    for (text, code, word) in [
        ("logLevel=debug", response::SUCCESS, ""),
        (
            "kvConfigPath=/tmp/x",
            response::NO_PERMISSION,
            "kvConfigPath",
        ),
        ("listenPort=1", response::NO_PERMISSION, "listenPort"),
        ("logLevel=loud", response::INVALID_PARAMETER, "logLevel"),
        ("noSuchKey=1", response::INVALID_PARAMETER, "noSuchKey"),
    ] {
        let reply = peer.call(update(text)).await;
        assert_eq!(reply.code, code, "{text}: {:?}", reply.remark);
        assert!(reply.remark.unwrap_or_default().contains(word), "{text}");
    }
    let text = peer
        .call(Command::request(request::GET_NAMESRV_CONFIG))
        .await
        .body;
    assert!(String::from_utf8_lossy(&text).contains("logLevel=debug"));
    server.shutdown().await;
}

#[tokio::test]
async fn key_value_entries_are_on_disk_before_they_are_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kvConfig.json");
    let config = || NameServerConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        kv_path: Some(path.clone()),
        ..NameServerConfig::default()
    };
    let server = NameServer::start(config()).unwrap();
    let mut peer = Peer::connect(&server).await;
    let put = Command::request(request::PUT_KV_CONFIG)
        .with_ext("namespace", "ORDER_TOPIC_CONFIG")
        .with_ext("key", "T")
        .with_ext("value", "a:4");
    assert_eq!(peer.call(put).await.code, response::SUCCESS);
    assert!(std::fs::read_to_string(&path).unwrap().contains("a:4"));
    drop(server);

    let server = NameServer::start(config()).unwrap();
    let mut broker = Peer::connect(&server).await;
    let told = broker
        .call(register("a", "127.0.0.1:1", two_topics(1).to_json()))
        .await;
    assert_eq!(&told.body[..], br#"{"table":{"T":"a:4"}}"#);
    let again = broker
        .call(register("a", "127.0.0.1:1", two_topics(1).to_json()))
        .await;
    assert_eq!(again.body, told.body);
    server.shutdown().await;
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let server = start();
    let taken = server.local_addr();
    let config = NameServerConfig {
        listen: taken,
        ..NameServerConfig::default()
    };
    let error = NameServer::start(config).unwrap_err().to_string();
    assert!(error.contains(&taken.to_string()), "{error}");
    server.shutdown().await;
}

proptest! {
    // Each case is a conversation: an eighth of what other properties get.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 8))]

    #[test]
    fn any_fields_and_bodies_are_survived(
        requests in proptest::collection::vec(
            (
                prop_oneof![100..107i32, Just(205), Just(206), 216..220i32, Just(224), Just(304), 311..314i32, 318..323i32, Just(327), Just(901), Just(904)],
                proptest::collection::vec((prop_oneof![Just("brokerName"), Just("brokerAddr"), Just("clusterName"), Just("brokerId"), Just("compressed"), Just("topic"), Just("namespace"), Just("key"), Just("value"), Just("haServerAddr"), Just("cluster")], "\\PC{0,20}"), 0..8),
                proptest::collection::vec(any::<u8>(), 0..80),
            ),
            1..12,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = start();
            let mut peer = Peer::connect(&server).await;
            for (code, ext, body) in requests {
                let mut command = Command::request(code).with_body(body);
                for (name, value) in ext {
                    command = command.with_ext(name, value);
                }
                let reply = peer.call(command).await;
                assert!([0, 1, 3, 16, 17, 22, 29].contains(&reply.code), "{code}: {}", reply.code);
            }
            assert!(peer.route("none").await.is_none());
            server.shutdown().await;
        });
    }
}
