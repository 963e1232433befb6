//! What the configuration file and the flags do as seen from outside.

use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};

use crate::support::{BareClient, Start, mainstem, run_with_input, succeed, text, write};

#[test]
fn unknown_keys_and_bad_values_name_line_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let config = write(
        &dir,
        "broker.conf",
        "brokerName=x\nlistenPrt=1\nflushDiskType=NEVER\n",
    );
    let (status, log) = Start::standalone(&dir.path().join("data"))
        .args(&["--config", config.to_str().unwrap()])
        .fails();
    assert_eq!(status.code(), Some(2), "{log}");
    for part in [
        "broker.conf:2:",
        "listenPrt",
        "listenPort",
        "broker.conf:3:",
        "SYNC_FLUSH, ASYNC_FLUSH",
    ] {
        assert!(log.contains(part), "no {part} in {log}");
    }
}

#[test]
fn both_file_formats_work_and_flags_override_them() {
    let dir = tempfile::tempdir().unwrap();
    let properties = write(
        &dir,
        "broker.conf",
        "brokerName=from-properties\nbrokerClusterName=C1\nflushDiskType=ASYNC_FLUSH\n",
    );
    let toml = write(
        &dir,
        "broker.toml",
        "brokerName = \"from-toml\"\n[namesrv]\nscanNotActiveBrokerInterval = 100\n",
    );
    let server = Start::standalone(&dir.path().join("a"))
        .args(&["--config", properties.to_str().unwrap()])
        .ready();
    let banner = server.banner();
    assert!(
        banner.contains("from-properties of C1") && banner.contains("ASYNC_FLUSH"),
        "{banner}"
    );
    server.stop();
    let start =
        Start::standalone(&dir.path().join("b")).args(&["--config", toml.to_str().unwrap()]);
    let server = start.set("brokerName=from-set").ready();
    assert!(server.banner().contains("from-set"), "{}", server.banner());
}

#[test]
fn config_prints_every_key_and_effective_values_with_sources() {
    let dir = tempfile::tempdir().unwrap();
    let config = write(&dir, "broker.conf", "# a comment\nlistenPort=12345\n");
    let all = succeed(mainstem().arg("config"));
    assert!(all.contains("flushDiskType = SYNC_FLUSH"), "{all}");
    let args = [
        "config",
        "--effective",
        "--config",
        config.to_str().unwrap(),
        "--set",
        "traceOn=false",
    ];
    let effective = succeed(mainstem().args(args));
    let line = |key: &str| {
        effective
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap()
            .to_owned()
    };
    assert!(
        line("listenPort ").contains("12345") && line("listenPort ").contains("broker.conf:2"),
        "{effective}"
    );
    assert!(line("traceOn ").contains("--set"), "{effective}");
    assert!(line("brokerPermission ").contains("default"), "{effective}");
}

#[test]
fn logs_are_json_where_asked_and_the_level_changes_by_hang_up() {
    let dir = tempfile::tempdir().unwrap();
    let config = write(&dir, "broker.conf", "logLevel=info\n");
    let start = Start::standalone(&dir.path().join("data")).args(&[
        "--config",
        config.to_str().unwrap(),
        "--log-format",
        "json",
    ]);
    let server = start.ready();
    std::fs::write(&config, "logLevel=debug\n").unwrap();
    server.signal(rustix::process::Signal::HUP);
    crate::support::eventually("the reload is logged", || {
        server.log().contains("configuration read again")
    });
    for line in server.log().lines() {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "no JSON: {line}"
        );
    }
    std::fs::write(&config, "logLevel=nonsense\n").unwrap();
    server.signal(rustix::process::Signal::HUP);
    crate::support::eventually("the refusal is logged", || {
        server.log().contains("nothing is changed")
    });
    server.stop();
}

#[test]
fn live_keys_change_by_request_and_others_are_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let server = Start::standalone(&dir.path().join("data")).ready();
    let change = |text: &'static str| {
        let command = Command::request(request::UPDATE_BROKER_CONFIG).with_body(text);
        BareClient::connect(server.broker()).call(&command).unwrap()
    };
    assert_eq!(change("logLevel=error\n").code, response::SUCCESS);
    let before = server.log();
    assert!(
        before.contains("logLevel"),
        "the change itself is logged: {before}"
    );
    assert_eq!(change("brokerPermission=4\n").code, response::SUCCESS);
    assert_eq!(
        server.log(),
        before,
        "a change is logged as information, which is off now"
    );
    let refused = change("listenPort=1\n");
    assert_ne!(refused.code, response::SUCCESS);
    assert!(
        refused
            .remark
            .as_deref()
            .is_some_and(|remark| remark.contains("listenPort") && remark.contains("restart")),
        "{refused:?}"
    );
    assert_eq!(change("brokerPermission=6\n").code, response::SUCCESS);
}

#[test]
fn arguments_that_make_no_sense_exit_with_2() {
    for args in [
        &["produce"][..],
        &["topic", "create"],
        &["--broker-port", "x"],
        &["consume", "t", "--from", "yesterday"],
        &["nonsense"],
    ] {
        let output = run_with_input(mainstem().args(args), b"");
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            text(&output.stderr)
        );
    }
}
