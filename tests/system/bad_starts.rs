//! Starts that cannot go well say why, name the remedy, and leave nothing behind.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Start, write};

#[test]
fn a_port_in_use_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--broker-port", "--namesrv-port"] {
        let other = if flag == "--broker-port" {
            "--namesrv-port"
        } else {
            "--broker-port"
        };
        let data = dir.path().join(flag);
        let start = Start::bare("standalone", &data).args(&[
            flag,
            &port,
            other,
            "0",
            "--data-dir",
            data.to_str().unwrap(),
        ]);
        let (status, log) = start.fails();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(
            log.contains(&port) && log.to_lowercase().contains("in use"),
            "{log}"
        );
    }
}

#[test]
fn a_data_directory_in_use_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let running = Start::standalone(&data).ready();
    let (status, log) = Start::standalone(&data).fails();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(
        log.contains(data.to_str().unwrap()) && log.contains("use"),
        "{log}"
    );
    running.stop();
}

#[test]
fn a_read_only_data_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    // Root may write anywhere by permissions; a file in the way stops it as well.
    let root = rustix::process::geteuid().is_root();
    if root {
        std::fs::write(&data, b"").unwrap();
    } else {
        std::fs::create_dir(&data).unwrap();
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o500)).unwrap();
    }
    let (status, log) = Start::standalone(&data).fails();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains(data.to_str().unwrap()), "{log}");
}

#[test]
fn a_directory_that_does_not_exist_above_is_made() {
    let dir = tempfile::tempdir().unwrap();
    Start::standalone(&dir.path().join("a/b/c")).ready().stop();
}

#[test]
fn an_advertised_address_that_nobody_could_reach_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let start = Start::standalone(&dir.path().join("data")).args(&[
        "--listen",
        "127.0.0.1",
        "--advertise",
        "203.0.113.7",
    ]);
    let (status, log) = start.fails();
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(
        log.contains("203.0.113.7") && log.contains("--advertise"),
        "{log}"
    );
}

#[test]
fn what_is_not_built_stops_the_start_unless_accepted_and_is_said_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let config = write(&dir, "broker.conf", "aclEnable=true\n");
    let with = |name: &str| {
        Start::standalone(&dir.path().join(name)).args(&["--config", config.to_str().unwrap()])
    };
    let (status, log) = with("a").fails();
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(
        log.contains("aclEnable") && log.contains("--accept-unsupported aclEnable"),
        "{log}"
    );
    for _ in 0..2 {
        let server = with("b")
            .args(&["--accept-unsupported", "aclEnable"])
            .ready();
        assert!(server.log().contains("aclEnable"), "{}", server.log());
        server.stop();
    }
}

#[test]
fn a_changed_log_file_size_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    Start::standalone(&data).ready().stop();
    let (status, log) = Start::standalone(&data)
        .set("mappedFileSizeCommitLog=65536")
        .fails();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("33554432") && log.contains("65536"), "{log}");
}

#[test]
fn a_topics_file_that_was_emptied_is_named_and_what_is_better_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (topics, backup) = (
        data.join("config/topics.json"),
        data.join("config/topics.json.bak"),
    );
    for topic in ["orders", "invoices"] {
        let server = Start::standalone(&data).ready();
        let created = server.client(&["topic", "create", topic]).status().unwrap();
        assert!(created.success());
        server.stop();
    }
    let lists = |topic: &str, log_has: &[&str]| {
        let server = Start::standalone(&data).ready();
        let listed = server.client(&["topic", "list"]).output().unwrap();
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.contains(topic), "{listed}");
        let log = server.log();
        let is_said = |line: &str| log_has.iter().all(|part| line.contains(part));
        assert!(log.lines().any(is_said), "{log_has:?}: {log}");
        server.stop();
    };
    std::fs::write(&topics, b"").unwrap();
    lists(
        "invoices",
        &[
            "WARN",
            "config/topics.json",
            "it is empty (0 bytes",
            "the journal",
        ],
    );
    let anew = std::fs::read_to_string(&topics).unwrap();
    assert!(anew.contains("invoices"), "exported anew: {anew}");

    let journal = data.join("mainstem/journal");
    std::fs::remove_file(&journal).unwrap();
    std::fs::write(&topics, b"").unwrap();
    lists(
        "orders",
        &[
            "ERROR",
            "config/topics.json",
            "it is empty (0 bytes",
            "config/topics.json.bak",
        ],
    );

    std::fs::remove_file(&journal).unwrap();
    std::fs::write(&topics, b"").unwrap();
    std::fs::write(&backup, b"").unwrap();
    let (status, log) = Start::standalone(&data).fails();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(
        log.contains("config/topics.json") && log.contains("remove both"),
        "{log}"
    );
}
