//! The layers together: precedence, sources, and every way to get a configuration wrong.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::config::keys::broker::{
    BROKER_NAME, BROKER_PERMISSION, FLUSH_DISK_TYPE, LISTEN_PORT, NAMESRV_ADDR, STORE_PATH_ROOT_DIR,
};
use crate::config::keys::namesrv;

fn file(name: &str, text: &str) -> (tempfile::TempDir, Layers) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    (
        dir,
        Layers {
            file: Some(path),
            ..Layers::default()
        },
    )
}

fn refusal(name: &str, text: &str) -> String {
    let (_dir, layers) = file(name, text);
    Settings::load(Role::Broker, &layers)
        .unwrap_err()
        .to_string()
}

#[test]
fn later_layers_override_earlier_ones_and_sources_say_which() {
    let (_dir, mut layers) = file(
        "broker.conf",
        "# c\nlistenPort = 1\nbrokerName = from-file\nnamesrvAddr = f:1\nflushDiskType=ASYNC_FLUSH\n",
    );
    layers.environment(&NAMESRV_ADDR, "NAMESRV_ADDR", Some("e:1".to_owned()));
    layers.sets = vec!["listenPort=2".to_owned(), "brokerName=from-set".to_owned()];
    layers.flag(&LISTEN_PORT, "--broker-port", Some("3".to_owned()));
    layers.flag(&STORE_PATH_ROOT_DIR, "--data-dir", None);
    let settings = Settings::load(Role::Broker, &layers).unwrap().settings;
    assert_eq!(
        (settings.get(&LISTEN_PORT), settings.source(&LISTEN_PORT)),
        (3, &Source::Flag("--broker-port"))
    );
    assert_eq!(
        (
            settings.get(&BROKER_NAME).as_str(),
            settings.source(&BROKER_NAME)
        ),
        ("from-set", &Source::Set)
    );
    assert_eq!(settings.get(&NAMESRV_ADDR), ["f:1"]);
    assert!(matches!(
        settings.source(&FLUSH_DISK_TYPE),
        Source::File { line: 5, .. }
    ));
    assert_eq!(settings.source(&STORE_PATH_ROOT_DIR), &Source::Default);
}

#[test]
fn the_file_that_apache_ships_is_taken_with_warnings() {
    let text = "brokerClusterName = DefaultCluster\nbrokerName = broker-a\nbrokerId = 0\ndeleteWhen = 04\nfileReservedTime = 48\n\
                brokerRole = ASYNC_MASTER\nflushDiskType = ASYNC_FLUSH\nsendMessageThreadPoolNums = 16\n";
    let (_dir, layers) = file("broker.conf", text);
    let loaded = Settings::load(Role::Broker, &layers).unwrap();
    assert_eq!(loaded.settings.get(&FLUSH_DISK_TYPE), "ASYNC_FLUSH");
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert!(
        warnings
            .iter()
            .any(|w| w.contains("broker.conf:8: sendMessageThreadPoolNums has no meaning here")),
        "{warnings:?}"
    );
}

#[test]
fn an_unknown_key_names_line_and_nearest_key() {
    let message = refusal("broker.conf", "listenPort=1\nbrokerNmae = x\n");
    assert!(
        message.contains("broker.conf:2:")
            && message.contains("\"brokerNmae\"")
            && message.contains("\"brokerName\""),
        "{message}"
    );
}

#[test]
fn a_bad_value_names_line_and_what_is_allowed() {
    let message = refusal("broker.toml", "\nflushDiskType = \"SINC\"\n");
    assert!(
        message.contains("broker.toml:2: flushDiskType = \"SINC\"")
            && message.contains("SYNC_FLUSH, ASYNC_FLUSH"),
        "{message}"
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let message = refusal("broker.conf", "listenPort=x\nfoo=1\naclEnable=true\n");
    assert_eq!(message.lines().count(), 3, "{message}");
}

#[test]
fn what_is_not_built_stops_the_start_unless_accepted() {
    for line in [
        "aclEnable=true",
        "brokerRole = SLAVE",
        "brokerId=1",
        "storeType=defaultRocksDB",
        "enableDLegerCommitLog=true",
        "storePathCommitLog=/a/commitlog,/b/commitlog",
        "inSyncReplicas=2",
        "tls.server.mode=enforcing",
        "enableControllerMode=TRUE",
    ] {
        let (_dir, mut layers) = file("broker.conf", line);
        let key = line.split('=').next().unwrap().trim();
        let message = Settings::load(Role::Broker, &layers)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains(&format!("--accept-unsupported {key}")),
            "{message}"
        );
        layers.accept_unsupported = vec![key.to_owned()];
        let warnings = Settings::load(Role::Broker, &layers).unwrap().warnings;
        assert!(
            matches!(&warnings[..], [Warning::AcceptedUnsupported { .. }]),
            "{warnings:?}"
        );
    }
}

#[test]
fn values_that_ask_for_nothing_pass_in_silence() {
    let text = "aclEnable=false\nbrokerRole=ASYNC_MASTER\nbrokerId=0\ninSyncReplicas=1\nstoreType=default\nenableControllerMode=\n\
                storePathCommitLog=/d/commitlog/\nstorePathRootDir=/d\n";
    let (_dir, layers) = file("broker.conf", text);
    let loaded = Settings::load(Role::Broker, &layers).unwrap();
    assert_eq!(loaded.warnings, []);
}

#[test]
fn accepting_a_key_that_stops_nothing_is_a_mistake() {
    let layers = Layers {
        accept_unsupported: vec!["listenPort".to_owned()],
        ..Layers::default()
    };
    assert!(Settings::load(Role::Broker, &layers).is_err());
}

#[test]
fn the_name_server_reads_its_own_table_in_a_standalone_file() {
    let (_dir, mut layers) = file("s.toml", "listenPort = 1\n[namesrv]\nlistenPort = 2\n");
    layers.sets = vec!["namesrv.brokerTimeoutMs=5000".to_owned()];
    assert_eq!(
        Settings::load(Role::Broker, &layers)
            .unwrap()
            .settings
            .get(&LISTEN_PORT),
        1
    );
    let name_server = Settings::load_name_server_table(&layers).unwrap().settings;
    assert_eq!(
        (
            name_server.get(&namesrv::LISTEN_PORT),
            name_server.get(&namesrv::BROKER_TIMEOUT_MS)
        ),
        (2, 5000)
    );
}

#[test]
fn a_key_set_twice_warns_and_the_last_one_holds() {
    let (_dir, layers) = file("broker.conf", "listenPort=1\n\nlistenPort=2\n");
    let loaded = Settings::load(Role::Broker, &layers).unwrap();
    assert_eq!(loaded.settings.get(&LISTEN_PORT), 2);
    assert!(matches!(
        loaded.warnings[0],
        Warning::SetTwice {
            first_line: 1,
            line: 3,
            ..
        }
    ));
}

#[test]
fn only_live_keys_change_at_run_time() {
    let mut settings = Settings::defaults(Role::Broker);
    let change = settings.change("brokerPermission", "4").unwrap();
    assert_eq!((change.from.as_str(), change.to.as_str()), ("6", "4"));
    assert_eq!(settings.get(&BROKER_PERMISSION), 4);
    assert_eq!(settings.source(&BROKER_PERMISSION), &Source::Request);
    assert!(matches!(
        settings.change("listenPort", "1"),
        Err(Problem::OnlyAtStart { .. })
    ));
    assert!(
        settings.change("listenPort", "10911").is_ok(),
        "the value that it has"
    );
    assert!(matches!(
        settings.change("brokerPermission", "9"),
        Err(Problem::BadValue { .. })
    ));
    assert!(matches!(
        settings.change("sendMessageThreadPoolNums", "9"),
        Err(Problem::NoMeaning { .. })
    ));
    assert!(matches!(
        settings.change("nonsense", "9"),
        Err(Problem::UnknownKey { .. })
    ));
}

#[test]
fn derived_values_fill_only_what_nothing_set() {
    let mut settings = Settings::defaults(Role::Broker);
    settings.derive(&BROKER_NAME, "host-1", "host name");
    settings.derive(&BROKER_NAME, "host-2", "host name");
    assert_eq!(settings.get(&BROKER_NAME), "host-1");
    assert_eq!(settings.source(&BROKER_NAME), &Source::Derived("host name"));
}

#[test]
fn the_properties_text_reads_back_to_the_same_values() {
    let mut settings = Settings::defaults(Role::Broker);
    settings.derive(&BROKER_NAME, "a", "test");
    let (_dir, layers) = file("broker.conf", &settings.to_properties());
    let again = Settings::load(Role::Broker, &layers).unwrap().settings;
    for ((info, before), (_, after)) in settings.iter().zip(again.iter()) {
        assert_eq!(before.value, after.value, "{}", info.name);
    }
}
