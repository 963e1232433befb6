//! Topics, groups and settings changed by request, and what operators are shown.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use support::{TestBroker, ext, ext_keys};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_and_groups_are_set_up_and_removed_by_request() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    client.create_topic("Made", 8, 6).await;
    for (topic, code) in [
        ("bad topic!", response::INVALID_PARAMETER),
        ("TBW102", response::INVALID_PARAMETER),
    ] {
        let reply = client
            .ask(
                request::UPDATE_AND_CREATE_TOPIC,
                &[
                    ("topic", topic),
                    ("defaultTopic", "TBW102"),
                    ("readQueueNums", "2"),
                    ("writeQueueNums", "2"),
                    ("perm", "6"),
                ],
            )
            .await;
        assert_eq!(reply.code, code);
    }
    let got = client
        .ask(request::GET_TOPIC_CONFIG, &[("topic", "Made")])
        .await;
    assert_eq!(
        String::from_utf8(got.body.to_vec()).unwrap(),
        r#"{"attributes":{},"order":false,"perm":6,"readQueueNums":8,"topicFilterType":"SINGLE_TAG","topicName":"Made","topicSysFlag":0,"writeQueueNums":8}"#
    );
    client.send_ok("Made", 0, "", b"x").await;
    let stats = client
        .ask(request::GET_TOPIC_STATS_INFO, &[("topic", "Made")])
        .await;
    assert!(String::from_utf8_lossy(&stats.body).contains(
        r#"{"brokerName":"broker-a","queueId":0,"topic":"Made"}:{"lastUpdateTimestamp":"#
    ));
    let group = client
        .ask(
            request::GET_SUBSCRIPTIONGROUP_CONFIG,
            &[("group", "made_by_asking")],
        )
        .await;
    assert_eq!(group.code, response::SUCCESS);
    let removed = client
        .ask(
            request::DELETE_SUBSCRIPTIONGROUP,
            &[("groupName", "made_by_asking"), ("cleanOffset", "true")],
        )
        .await;
    assert_eq!(removed.code, response::SUCCESS);
    assert!(!broker.broker().core().groups().contains("made_by_asking"));
    assert_eq!(
        client
            .ask(request::DELETE_TOPIC_IN_BROKER, &[("topic", "Made")])
            .await
            .code,
        response::SUCCESS
    );
    assert!(!broker.broker().core().topics().contains("Made"));
    assert_eq!(
        client
            .ask(request::DELETE_TOPIC_IN_BROKER, &[("topic", "TBW102")])
            .await
            .code,
        response::INVALID_PARAMETER
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_shown_and_changed_and_a_bad_one_changes_nothing() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    let shown = client.ask(request::GET_BROKER_CONFIG, &[]).await;
    assert!(ext(&shown, "version").unwrap().contains("counter"));
    assert!(String::from_utf8_lossy(&shown.body).contains("autoCreateTopicEnable=true"));
    let change = |text: &str| {
        client.call(Command::request(request::UPDATE_BROKER_CONFIG).with_body(text.to_owned()))
    };
    assert_eq!(
        change("autoCreateTopicEnable=false\n").await.code,
        response::SUCCESS
    );
    assert_eq!(
        client.send("New", 0, "", b"x").await.code,
        response::TOPIC_NOT_EXIST
    );
    assert_eq!(
        change("autoCreateTopicEnable=true\nlistenPort=1\n")
            .await
            .code,
        response::INVALID_PARAMETER
    );
    assert_eq!(
        client.send("New", 0, "", b"x").await.code,
        response::TOPIC_NOT_EXIST
    );
    assert_eq!(
        change("brokerConfigPath=/x\n").await.code,
        response::NO_PERMISSION
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runtime_info_has_what_tools_parse() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    client.send_ok("T", 0, "", b"x").await;
    let reply = client.ask(request::GET_BROKER_RUNTIME_INFO, &[]).await;
    let table = mainstem_common::protocol::KvTable::from_json(&reply.body)
        .unwrap()
        .table;
    assert_eq!(table["putTps"].split(' ').count(), 3);
    for token in table["putTps"].split(' ') {
        token.parse::<f64>().unwrap();
    }
    assert_eq!(table["brokerActive"], "true");
    assert_eq!(table["msgPutTotalTodayNow"], "1");
    table["commitLogDiskRatio"].parse::<f64>().unwrap();
    assert!(ext_keys(&reply).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn very_many_topics_are_made_by_one_request_and_a_list_that_no_frame_holds_is_refused_with_the_remedy()
 {
    let broker = TestBroker::start().await;
    let client = broker.client();
    for half in 0..2 {
        let list: Vec<String> = (0..60_000)
            .map(|n| {
                format!(
                    r#"{{"topicName":"a-topic-with-a-name-of-some-length-{half}-{n:06}","readQueueNums":1,"writeQueueNums":1,"perm":6}}"#
                )
            })
            .collect();
        let command = Command::request(request::UPDATE_AND_CREATE_TOPIC_LIST)
            .with_body(format!(r#"{{"topicConfigList":[{}]}}"#, list.join(",")));
        assert_eq!(client.call(command).await.code, response::SUCCESS);
        let all = client.ask(request::GET_ALL_TOPIC_CONFIG, &[]).await;
        let remark = all.remark.clone().unwrap_or_default();
        if half == 0 {
            assert_eq!(all.code, response::SUCCESS, "{remark}");
            assert!(all.body.len() > 8 << 20);
        } else {
            assert_eq!(all.code, response::SYSTEM_ERROR);
            assert!(
                remark.contains("frame") && remark.contains("351"),
                "{remark}"
            );
        }
    }
    let one = client
        .ask(
            request::GET_TOPIC_CONFIG,
            &[("topic", "a-topic-with-a-name-of-some-length-1-059999")],
        )
        .await;
    assert_eq!(one.code, response::SUCCESS);
}
