//! Start, stop and start again.

use rustix::process::Signal;

use crate::support::{Start, expect_success, run_with_input, succeed};

#[test]
fn the_banner_tells_where_everything_is_and_ends_with_ready() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    let banner = server.banner();
    assert!(
        banner.lines().last().unwrap().starts_with("ready"),
        "{banner}"
    );
    for part in [
        "name server",
        "broker-a",
        "data",
        "SYNC_FLUSH",
        "on disk",
        "produce",
        "consume",
    ] {
        assert!(banner.contains(part), "no {part} in\n{banner}");
    }
    server.stop();
}

#[test]
fn a_second_start_finds_everything_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let first = Start::standalone(&data).ready();
    succeed(&mut first.client(&["topic", "create", "kept", "--queues", "2"]));
    expect_success(&run_with_input(
        &mut first.client(&["produce", "kept", "--tag", "t"]),
        b"one\ntwo\nthree\n",
    ));
    let group = [
        "consume",
        "kept",
        "--until-end",
        "--group",
        "readers",
        "--limit",
        "2",
    ];
    assert_eq!(succeed(&mut first.client(&group)).lines().count(), 2);
    first.stop();

    let second = Start::standalone(&data).ready();
    let mut all: Vec<String> = succeed(&mut second.client(&["consume", "kept", "--until-end"]))
        .lines()
        .map(str::to_owned)
        .collect();
    all.sort();
    assert_eq!(all, ["one", "three", "two"]);
    let rest =
        succeed(&mut second.client(&["consume", "kept", "--until-end", "--group", "readers"]));
    assert_eq!(
        rest.lines().count(),
        1,
        "the group's offsets are kept: {rest}"
    );
    assert!(succeed(&mut second.client(&["topic", "describe", "kept"])).contains("kept"));
    second.stop();
}

#[test]
fn a_second_start_after_a_kill_finds_what_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let first = Start::standalone(&data).ready();
    expect_success(&run_with_input(
        &mut first.client(&["produce", "kept"]),
        b"one\ntwo\n",
    ));
    first.kill();
    let second = Start::standalone(&data).ready();
    let mut all: Vec<String> = succeed(&mut second.client(&["consume", "kept", "--until-end"]))
        .lines()
        .map(str::to_owned)
        .collect();
    all.sort();
    assert_eq!(all, ["one", "two"]);
}

#[test]
fn sigterm_and_ctrl_c_stop_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let server = Start::standalone(&data).ready();
        server.signal(signal);
        let (status, log) = server.wait();
        assert!(status.success(), "{status}\n{log}");
        assert!(log.contains("stopped"), "{log}");
        assert!(
            !data.join("abort").exists(),
            "a clean stop leaves no abort file"
        );
    }
}

#[test]
fn the_fast_port_is_two_below_the_main_port_and_can_be_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let with = Start::standalone(&dir.path().join("a")).ready();
    let fast = with.broker().port() - 2;
    assert!(
        with.banner().contains(&format!("fast port {fast}")),
        "{}",
        with.banner()
    );
    assert!(std::net::TcpStream::connect(("127.0.0.1", fast)).is_ok());
    let without = Start::standalone(&dir.path().join("b"))
        .args(&["--fast-port", "off"])
        .ready();
    assert!(
        without.banner().contains("fast port off"),
        "{}",
        without.banner()
    );
}
