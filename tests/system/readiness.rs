//! What supervisors ask: `status --ready`, and the notification socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;

use crate::support::{PATIENCE, Start, eventually, mainstem, succeed, text};

#[test]
fn status_ready_answers_by_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    let name_server = server.name_server().to_string();
    let ready = || {
        mainstem()
            .args(["status", "--ready", "-n", &name_server])
            .output()
            .unwrap()
    };
    eventually("the server is ready", || ready().status.success());
    server.stop();
    let output = ready();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains(&name_server),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_name_server_without_brokers_is_not_ready() {
    let server = Start::name_server().ready();
    let output = server.client(&["status", "--ready"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("no broker"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn status_shows_brokers_topics_and_lag() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    let produced =
        crate::support::run_with_input(&mut server.client(&["produce", "seen"]), b"1\n2\n3\n");
    crate::support::expect_success(&produced);
    succeed(&mut server.client(&[
        "consume",
        "seen",
        "--until-end",
        "--group",
        "behind",
        "--limit",
        "1",
    ]));
    let shown = succeed(&mut server.client(&["status"]));
    for part in ["broker-a", "seen", "behind"] {
        assert!(shown.contains(part), "no {part} in\n{shown}");
    }
    let json: serde_json::Value = serde_json::from_str(&succeed(
        &mut server.client(&["status", "--format", "json"]),
    ))
    .unwrap();
    let group = json["groups"]
        .as_array()
        .unwrap()
        .iter()
        .find(|group| group["group"] == "behind")
        .unwrap();
    assert_eq!(group["lag"], 2, "{json}");
}

#[test]
fn a_supervisor_is_told_of_readiness_and_stop() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let server = Start::standalone(&dir.path().join("data"))
        .env("NOTIFY_SOCKET", path.to_str().unwrap())
        .ready();
    let mut buffer = [0; 256];
    let mut next = || {
        let length = socket.recv(&mut buffer).unwrap();
        text(&buffer[..length])
    };
    assert!(next().starts_with("READY=1\n"));
    server.stop();
    assert_eq!(next(), "STOPPING=1\n");
}

#[test]
fn metrics_are_served_for_prometheus_where_asked() {
    let dir = tempfile::tempdir().unwrap();
    let start =
        Start::standalone(&dir.path().join("data")).args(&["--metrics-listen", "127.0.0.1:0"]);
    let server = start.ready();
    let banner = server.banner();
    let address = banner
        .split("http://")
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("# TYPE"),
        "{answer}"
    );
}
