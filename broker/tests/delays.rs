//! Messages that come later: delay levels, retries, dead letters.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

use std::time::{Duration, Instant};

use mainstem_common::remoting::code::{request, response};
use support::{PullOf, TestBroker, bodies, ext, messages};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_sent_back_returns_after_its_delay_and_then_goes_to_the_dead_letters() {
    let broker = TestBroker::with(|config| {
        config.delay_levels = mainstem_broker::DelayLevels::parse("1s 1s 1s 1s").unwrap();
    })
    .await;
    let client = broker.client();
    let sent = client
        .send_ok("T", 0, "TAGS\u{1}TagA\u{2}KEYS\u{1}k\u{2}", b"again")
        .await;
    let id = ext(&sent, "msgId").unwrap().to_owned();
    let back = async |offset: i64, level: &str| {
        client
            .ask(
                request::CONSUMER_SEND_MSG_BACK,
                &[
                    ("offset", &offset.to_string()),
                    ("group", "cg"),
                    ("delayLevel", level),
                    ("maxReconsumeTimes", "1"),
                    ("originMsgId", "x"),
                ],
            )
            .await
    };
    let started = Instant::now();
    let reply = back(i64::from_str_radix(&id[16..], 16).unwrap(), "1").await;
    assert_eq!(reply.code, response::SUCCESS, "{:?}", reply.remark);
    let retry = PullOf {
        topic: "%RETRY%cg",
        sys_flag: 6,
        suspend_ms: 10_000,
        ..PullOf::default()
    };
    let pulled = client.pull(&retry).await;
    let waited = started.elapsed();
    let message = messages(&pulled).remove(0);
    assert!(
        waited >= Duration::from_millis(990) && waited < Duration::from_secs(5),
        "{waited:?}"
    );
    assert_eq!(message.body, b"again");
    assert_eq!(message.reconsume_times, 1);
    assert_eq!(message.properties.get("RETRY_TOPIC"), Some("T"));
    assert_eq!(
        message.properties.get("ORIGIN_MESSAGE_ID"),
        Some(id.as_str())
    );
    assert_eq!(message.properties.get("REAL_TOPIC"), Some("%RETRY%cg"));
    assert_eq!(message.properties.get("TAGS"), Some("TagA"));

    assert_eq!(
        back(message.physical_offset, "0").await.code,
        response::SUCCESS
    );
    let dead = client
        .pull(&PullOf {
            topic: "%DLQ%cg",
            sys_flag: 6,
            suspend_ms: 10_000,
            ..PullOf::default()
        })
        .await;
    let dead = messages(&dead).remove(0);
    assert_eq!(dead.reconsume_times, 2);
    assert_eq!(dead.properties.get("DELAY"), Some("0"));
    assert_eq!(back(999_999, "0").await.code, response::SYSTEM_ERROR);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_message_comes_when_its_time_has_come_with_its_properties() {
    let broker = TestBroker::start().await;
    let client = broker.client();
    client.create_topic("T", 2, 6).await;
    let started = Instant::now();
    client
        .send_ok("T", 1, "DELAY\u{1}1\u{2}KEYS\u{1}k\u{2}", b"later")
        .await;
    let reply = client
        .send_ok("T", 1, "DELAY\u{1}30\u{2}", b"much later")
        .await;
    assert_eq!(ext(&reply, "queueId"), Some("1"));
    let pulled = client
        .pull(&PullOf {
            queue_id: 1,
            sys_flag: 6,
            suspend_ms: 10_000,
            ..PullOf::default()
        })
        .await;
    assert!(started.elapsed() >= Duration::from_millis(990));
    assert_eq!(bodies(&pulled), ["later"]);
    let message = messages(&pulled).remove(0);
    assert_eq!(message.properties.get("REAL_TOPIC"), Some("T"));
    assert_eq!(message.properties.get("REAL_QID"), Some("1"));
    assert_eq!(message.properties.get("DELAY"), Some("1"));
    assert_eq!(
        broker
            .broker()
            .store()
            .queue_bounds("SCHEDULE_TOPIC_XXXX", 17)
            .max,
        1
    );
}
