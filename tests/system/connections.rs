//! Clients that misbehave, and very many that do nothing: each gets a clear answer or loses its connection, and everybody else is served.

use std::net::TcpStream;
use std::time::Instant;

use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};

use crate::support::{
    BareClient, PATIENCE, Server, Start, expect_success, oversized_prefix, run_with_input, succeed,
};

fn serves(server: &Server, topic: &str) {
    expect_success(&run_with_input(
        &mut server.client(&["produce", topic]),
        b"still there\n",
    ));
    assert!(
        succeed(&mut server.client(&["consume", topic, "--until-end"])).contains("still there")
    );
}

#[test]
fn malformed_frames_cost_their_sender_the_connection_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    let mut lying_header = 8_u32.to_be_bytes().to_vec();
    lying_header.extend_from_slice(&[0, 0xff, 0xff, 0xff, 1, 2, 3, 4]);
    let frames: [(&str, Vec<u8>); 5] = [
        ("a length over the limit", oversized_prefix()),
        (
            "a length too short for a header",
            [0, 0, 0, 1, 0, 0, 0, 0].to_vec(),
        ),
        ("a header longer than its frame", lying_header),
        (
            "a header that is no JSON",
            [&[0, 0, 0, 8, 0, 0, 0, 4][..], b"}{]["].concat(),
        ),
        (
            "a request of another protocol",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        ),
    ];
    for address in [server.broker(), server.name_server()] {
        for (what, frame) in &frames {
            let mut client = BareClient::connect(address);
            client.send(frame);
            assert!(client.is_closed(), "{what} at {address}");
        }
    }
    serves(&server, "after-malformed");
    server.stop();
}

#[test]
fn unknown_codes_are_answered_as_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    for address in [server.broker(), server.name_server()] {
        let mut client = BareClient::connect(address);
        let answer = client.call(&Command::request(31_999)).unwrap();
        assert_eq!(answer.code, response::REQUEST_CODE_NOT_SUPPORTED);
        let answer = client.call(&Command::request(31_998)).unwrap();
        assert_eq!(
            answer.code,
            response::REQUEST_CODE_NOT_SUPPORTED,
            "the connection lives on"
        );
    }
}

#[test]
fn ten_thousand_idle_connections_leave_room_for_work() {
    let wanted = 10_000;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit {
            current: limit.maximum,
            ..limit
        },
    )
    .unwrap();
    let possible = limit.maximum.map_or(wanted, |hard| {
        usize::try_from(hard)
            .unwrap()
            .saturating_sub(1_000)
            .min(wanted)
    });
    if possible < wanted {
        eprintln!("the hard descriptor limit allows only {possible} connections here");
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    let before = server.resident_bytes();
    let idle: Vec<TcpStream> = (0..possible)
        .map(|_| TcpStream::connect(server.broker()).unwrap())
        .collect();
    serves(&server, "among-many");
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(
        grown < 400 << 20,
        "{possible} idle connections cost {grown} bytes"
    );
    drop(idle);
    serves(&server, "after-many");
    server.stop();
}

#[test]
fn a_consumer_that_never_reads_loses_its_connection() {
    let dir = tempfile::tempdir().unwrap();
    let start = Start::standalone(&dir.path().join("data"))
        .set("slowReaderTimeoutMs=500")
        .set("maxUnsentBytesPerConnection=65536");
    let server = start.ready();
    let line = "x".repeat(1_000);
    let lines: String = (0..2_000).map(|_| format!("{line}\n")).collect();
    succeed(&mut server.client(&["topic", "create", "fat", "--queues", "1"]));
    expect_success(&run_with_input(
        &mut server.client(&["produce", "fat", "--batch", "100"]),
        lines.as_bytes(),
    ));

    let mut client = BareClient::connect(server.broker());
    let pull = Command::request(request::PULL_MESSAGE)
        .with_ext("consumerGroup", "TOOLS_CONSUMER")
        .with_ext("topic", "fat")
        .with_ext("queueId", "0")
        .with_ext("queueOffset", "0")
        .with_ext("maxMsgNums", "32")
        .with_ext("sysFlag", "4")
        .with_ext("commitOffset", "0")
        .with_ext("suspendTimeoutMillis", "0")
        .with_ext("subscription", "*")
        .with_ext("subVersion", "0")
        .with_ext("expressionType", "TAG");
    let mut frame = bytes::BytesMut::new();
    pull.encode(&mut frame);
    // Asks and asks and never reads: the server stops reading, then gives up on it.
    client
        .socket
        .set_write_timeout(Some(std::time::Duration::from_millis(200)))
        .unwrap();
    let started = Instant::now();
    while client.send(&frame) || !server.log().contains("took no bytes") {
        assert!(
            started.elapsed() < PATIENCE,
            "the connection still takes requests:\n{}",
            server.log()
        );
    }
    serves(&server, "after-slow-reader");
    server.stop();
}
