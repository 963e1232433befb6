//! `mainstem topic`.

use crate::support::{Start, eventually, expect_success, run_with_input, succeed, text};

#[test]
fn topics_are_created_listed_described_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    succeed(&mut server.client(&["topic", "create", "orders", "--queues", "3"]));
    assert!(
        succeed(&mut server.client(&["topic", "list"]))
            .lines()
            .any(|line| line.starts_with("orders"))
    );
    expect_success(&run_with_input(
        &mut server.client(&["produce", "orders", "--batch", "10"]),
        b"a\nb\nc\n",
    ));
    let described =
        succeed(&mut server.client(&["topic", "describe", "orders", "--format", "json"]));
    let described: serde_json::Value = serde_json::from_str(&described).unwrap();
    let queues = described["queues"].as_array().unwrap();
    assert_eq!(queues.len(), 3, "{described}");
    let messages: i64 = queues
        .iter()
        .map(|queue| queue["max_offset"].as_i64().unwrap() - queue["min_offset"].as_i64().unwrap())
        .sum();
    assert_eq!(messages, 3, "{described}");

    succeed(&mut server.client(&["topic", "delete", "orders"]));
    eventually("the topic has left the list", || {
        !succeed(&mut server.client(&["topic", "list"])).contains("orders")
    });
    let output = server
        .client(&["topic", "describe", "orders"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("orders"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_topic_with_an_illegal_name_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    for name in ["no spaces", "TBW102", &"x".repeat(200)] {
        let output = server.client(&["topic", "create", name]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
    }
}

#[test]
fn a_deleted_topic_that_is_created_again_begins_empty() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Start::standalone(&data).ready();
    succeed(&mut server.client(&["topic", "create", "again", "--queues", "1"]));
    expect_success(&run_with_input(
        &mut server.client(&["produce", "again"]),
        b"old\n",
    ));
    succeed(&mut server.client(&["topic", "delete", "again"]));
    succeed(&mut server.client(&["topic", "create", "again", "--queues", "1"]));
    expect_success(&run_with_input(
        &mut server.client(&["produce", "again"]),
        b"new\n",
    ));
    assert_eq!(
        succeed(&mut server.client(&["consume", "again", "--until-end"])),
        "new\n"
    );
    server.kill();
    let server = Start::standalone(&data).ready();
    assert_eq!(
        succeed(&mut server.client(&["consume", "again", "--until-end"])),
        "new\n"
    );
}
