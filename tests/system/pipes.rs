//! `produce` and `consume` in pipes.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::support::{Start, expect_success, run_with_input, succeed, text};

#[test]
fn bytes_come_out_as_they_went_in() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    succeed(&mut server.client(&["topic", "create", "bytes", "--queues", "1"]));
    let lines: &[u8] =
        b"plain\n\xff\xfe not UTF-8\ncarriage return\r\n  blanks  \nlast without an end";
    let output = run_with_input(
        &mut server.client(&["produce", "bytes", "--ordered-by", "1"]),
        lines,
    );
    expect_success(&output);
    assert!(
        text(&output.stderr).contains("5 messages acknowledged"),
        "{}",
        text(&output.stderr)
    );
    let back = server
        .client(&["consume", "bytes", "--until-end"])
        .output()
        .unwrap();
    expect_success(&back);
    assert_eq!(back.stdout, [lines, b"\n"].concat());
}

#[test]
fn json_shows_all_that_a_message_carries() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    let args = [
        "produce",
        "events",
        "--key-from",
        "/id",
        "--tag",
        "news",
        "--property",
        "origin=test",
    ];
    expect_success(&run_with_input(
        &mut server.client(&args),
        b"{\"id\": 17}\n",
    ));
    let json =
        succeed(&mut server.client(&["consume", "events", "--until-end", "--format", "json"]));
    let message: serde_json::Value = serde_json::from_str(json.trim_end()).unwrap();
    assert_eq!(message["topic"], "events");
    assert_eq!(message["body"], "{\"id\": 17}");
    assert_eq!(message["tag"], "news");
    assert_eq!(message["keys"], serde_json::json!(["17"]));
    assert_eq!(message["properties"]["origin"], "test");
    assert!(
        message["unique_key"]
            .as_str()
            .is_some_and(|key| key.len() == 32),
        "{message}"
    );
}

#[test]
fn lines_without_the_wanted_field_stop_with_their_number() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    let output = run_with_input(
        &mut server.client(&["produce", "t", "--ordered-by", "2"]),
        b"a b\nonly\n",
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("line 2 has no field 2"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn empty_lines_are_left_out_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    let output = run_with_input(&mut server.client(&["produce", "t"]), b"a\n\nb\n");
    expect_success(&output);
    assert!(
        text(&output.stderr).contains("1 empty lines left out"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_closed_pipe_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    let lines: String = (0..5_000)
        .map(|n| format!("a line of some length, so that pipes fill: {n:050}\n"))
        .collect();
    expect_success(&run_with_input(
        &mut server.client(&["produce", "t", "--batch", "100"]),
        lines.as_bytes(),
    ));
    let mut child = server
        .client(&["consume", "t"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    assert!(first.starts_with("a line"), "{first}");
    drop(stdout);
    // It follows the topic, and notices at the next line that nobody reads any more.
    let output = child.wait_with_output().unwrap();
    expect_success(&output);
    assert_eq!(text(&output.stderr), "", "no complaint");
}

#[test]
fn consume_follows_what_is_sent_later() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    expect_success(&run_with_input(
        &mut server.client(&["produce", "live"]),
        b"before\n",
    ));
    let mut child = server
        .client(&["consume", "live", "--limit", "2"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut producer = server
        .client(&["produce", "live"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = producer.stdin.take().unwrap();
    stdin.write_all(b"after\n").unwrap();
    // The line is sent while the input stays open.
    let mut got = vec![
        lines.next().unwrap().unwrap(),
        lines.next().unwrap().unwrap(),
    ];
    got.sort();
    assert_eq!(got, ["after", "before"]);
    assert!(child.wait().unwrap().success());
    drop(stdin);
    assert!(producer.wait().unwrap().success());
}

#[test]
fn without_a_group_nothing_is_left_and_with_one_it_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    expect_success(&run_with_input(
        &mut server.client(&["produce", "t"]),
        b"1\n2\n3\n",
    ));
    let count = |args: &[&str]| succeed(&mut server.client(args)).lines().count();
    for _ in 0..2 {
        assert_eq!(count(&["consume", "t", "--until-end"]), 3);
    }
    assert_eq!(count(&["consume", "t", "--until-end", "--group", "g"]), 3);
    assert_eq!(count(&["consume", "t", "--until-end", "--group", "g"]), 0);
    expect_success(&run_with_input(
        &mut server.client(&["produce", "t"]),
        b"4\n",
    ));
    assert_eq!(count(&["consume", "t", "--until-end", "--group", "g"]), 1);
    assert_eq!(
        count(&["consume", "t", "--until-end", "--from", "latest"]),
        0
    );
    assert_eq!(count(&["consume", "t", "--until-end", "--from", "-1h"]), 4);
    assert_eq!(
        count(&["consume", "t", "--until-end", "--filter", "x || y"]),
        0
    );
}

#[test]
fn no_name_server_is_said_with_its_address() {
    let output = run_with_input(
        crate::support::mainstem().args(["produce", "t", "-n", "127.0.0.1:1", "--retry-for", "0s"]),
        b"a\n",
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("127.0.0.1:1"),
        "{}",
        text(&output.stderr)
    );
}
