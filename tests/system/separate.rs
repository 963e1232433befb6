//! Name servers and brokers as processes of their own, several of each.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use crate::support::{Start, eventually, expect_success, run_with_input, succeed, text};

#[test]
fn a_topic_spans_two_brokers_known_to_two_name_servers() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Start::name_server().ready(), Start::name_server().ready());
    let both = format!("{};{}", one.name_server(), two.name_server());
    let _a = Start::broker(&dir.path().join("a"), "broker-a", &both).ready();
    let _b = Start::broker(&dir.path().join("b"), "broker-b", &both).ready();
    for name_server in [&one, &two] {
        eventually("both brokers are registered", || {
            let shown = succeed(&mut name_server.client(&["status"]));
            shown.contains("broker-a") && shown.contains("broker-b")
        });
    }
    succeed(&mut one.client(&["topic", "create", "wide", "--queues", "2"]));
    let lines: String = (0..100).map(|n| format!("{n}\n")).collect();
    expect_success(&run_with_input(
        &mut two.client(&["produce", "wide"]),
        lines.as_bytes(),
    ));
    let described = succeed(&mut two.client(&["topic", "describe", "wide", "--format", "json"]));
    let described: serde_json::Value = serde_json::from_str(&described).unwrap();
    assert_eq!(
        described["queues"].as_array().unwrap().len(),
        4,
        "{described}"
    );
    let mut back: Vec<u32> = succeed(&mut one.client(&["consume", "wide", "--until-end"]))
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    back.sort_unstable();
    assert_eq!(back, (0..100).collect::<Vec<_>>());
}

#[test]
fn produce_waits_for_the_first_broker_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let name_server = Start::name_server().ready();
    let mut produce = name_server
        .client(&["produce", "early"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    produce.stdin.take().unwrap().write_all(b"line\n").unwrap();
    let mut stderr = BufReader::new(produce.stderr.take().unwrap());
    let mut told = String::new();
    stderr.read_line(&mut told).unwrap();
    assert!(
        told.contains("waiting up to 30s") && told.contains("knows no broker"),
        "{told}"
    );
    let address = name_server.name_server().to_string();
    let _broker = Start::broker(&dir.path().join("a"), "broker-a", &address).ready();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(produce.wait().unwrap().success(), "{rest}");
    assert!(rest.contains("1 messages acknowledged"), "{rest}");
    assert_eq!(
        succeed(&mut name_server.client(&["consume", "early", "--until-end"])),
        "line\n"
    );
}

#[test]
fn produce_gives_up_when_no_broker_comes() {
    let name_server = Start::name_server().ready();
    let output = run_with_input(
        &mut name_server.client(&["produce", "early", "--retry-for", "200ms"]),
        b"line\n",
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("knows no broker; start one"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_broker_outlives_its_name_server_and_finds_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let name_server = Start::name_server().ready();
    let address = name_server.name_server();
    let broker = Start::broker(&dir.path().join("a"), "broker-a", &address.to_string())
        .set("registerNameServerPeriod=10000")
        .ready();
    name_server.kill();
    let name_server = Start::name_server_at(&address.to_string()).ready();
    eventually("the broker has registered again", || {
        name_server
            .client(&["status", "--ready"])
            .output()
            .unwrap()
            .status
            .success()
    });
    broker.stop();
    name_server.stop();
}

#[test]
fn a_broker_starts_without_its_name_server_and_registers_when_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap().to_string();
    drop(reserved);
    let broker = Start::broker(&dir.path().join("a"), "broker-a", &address)
        .set("registerNameServerPeriod=10000")
        .ready();
    let name_server = Start::name_server_at(&address).ready();
    eventually("the broker has registered", || {
        name_server
            .client(&["status", "--ready"])
            .output()
            .unwrap()
            .status
            .success()
    });
    broker.stop();
}

#[test]
fn two_brokers_of_one_name_are_reported_with_both_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let name_server = Start::name_server().ready();
    let address = name_server.name_server().to_string();
    let one = Start::broker(&dir.path().join("a"), "twin", &address).ready();
    let two = Start::broker(&dir.path().join("b"), "twin", &address).ready();
    eventually("the name server complains", || {
        let log = name_server.log();
        let complaint = log
            .lines()
            .find(|line| line.contains("ERROR") && line.contains("twin"));
        complaint.is_some_and(|line| {
            line.contains(&one.broker().to_string()) && line.contains(&two.broker().to_string())
        })
    });
}
