//! A process under load stays below the sum of its limits that it prints at its start.

use std::time::{Duration, Instant};

use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};

use crate::support::{BareClient, PATIENCE, Start, succeed};

/// The number before `MiB at most`, or behind the name of a part.
fn printed_mib(banner: &str, part: Option<&str>) -> u64 {
    let line = banner
        .lines()
        .find(|line| line.contains("MiB at most"))
        .unwrap_or_else(|| panic!("no sum of limits in\n{banner}"));
    let number = match part {
        None => line
            .split(" MiB at most")
            .next()
            .unwrap()
            .split(' ')
            .next_back(),
        Some(part) => line
            .split(part)
            .nth(1)
            .unwrap()
            .trim()
            .split([',', ' '])
            .next(),
    };
    number.unwrap().parse().unwrap()
}

fn pull(topic: &str, offset: u32, suspend_ms: u32) -> Vec<u8> {
    let pull = Command::request(request::PULL_MESSAGE)
        .with_ext("consumerGroup", "TOOLS_CONSUMER")
        .with_ext("topic", topic)
        .with_ext("queueId", "0")
        .with_ext("queueOffset", offset.to_string())
        .with_ext("maxMsgNums", "32")
        .with_ext("sysFlag", "6")
        .with_ext("commitOffset", "0")
        .with_ext("suspendTimeoutMillis", suspend_ms.to_string())
        .with_ext("subscription", "*")
        .with_ext("subVersion", "0")
        .with_ext("expressionType", "TAG");
    let mut frame = bytes::BytesMut::new();
    pull.encode(&mut frame);
    frame.to_vec()
}

#[test]
fn a_loaded_process_stays_below_the_sum_that_it_prints() {
    const HALF_SENT: usize = 60;
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data"))
        .set("maxBufferedBytes=8388608")
        .set("maxConnections=1000")
        .ready();
    let sum = printed_mib(&server.banner(), None) << 20;
    let buffers = printed_mib(&server.banner(), Some("unread answers")) << 20;
    assert_eq!(buffers, 32 << 20, "twice for each of two ports");
    let before = server.anonymous_bytes();

    // Long requests that never end: 120 MiB are sent, and the budget takes 8.
    let mut long = (15_u32 << 20).to_be_bytes().to_vec();
    long.extend_from_slice(&64_u32.to_be_bytes());
    long.resize(2 << 20, b'x');
    let mut half_sent: Vec<_> = (0..HALF_SENT)
        .map(|_| {
            let mut client = BareClient::connect(server.broker());
            client
                .socket
                .set_write_timeout(Some(Duration::from_millis(500)))
                .unwrap();
            client.send(&long);
            client
        })
        .collect();
    // Pulls that wait, thousands on one connection.
    succeed(&mut server.client(&["topic", "create", "quiet", "--queues", "1"]));
    let mut waiting = BareClient::connect(server.broker());
    let pulls: Vec<u8> = (0..4000).flat_map(|_| pull("quiet", 0, 60_000)).collect();
    assert!(waiting.send(&pulls));

    let started = Instant::now();
    while !server.log().contains("maxBufferedBytes") {
        assert!(
            started.elapsed() < PATIENCE,
            "nobody was refused:\n{}",
            server.log()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let now = server.anonymous_bytes();
    assert!(now < sum, "{now} of {sum} bytes");
    let grown = now.saturating_sub(before);
    assert!(
        grown < buffers + (24 << 20),
        "{HALF_SENT} unfinished requests cost {grown} bytes"
    );

    // Room that was held comes back, and short requests are served all the while.
    let answer = BareClient::connect(server.broker())
        .call(&Command::request(request::GET_BROKER_RUNTIME_INFO))
        .unwrap();
    assert_eq!(answer.code, response::SUCCESS);
    half_sent.clear();
    let mut frame = bytes::BytesMut::new();
    Command::request(31_999)
        .with_body(vec![b'x'; 4 << 20])
        .encode(&mut frame);
    let started = Instant::now();
    loop {
        let mut client = BareClient::connect(server.broker());
        if client.send(&frame) && client.read().is_some() {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "the room did not come back");
    }
    server.stop();
}
