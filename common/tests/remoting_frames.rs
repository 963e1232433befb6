//! Every frame that was captured from real RocketMQ clients, brokers and name servers decodes to what the capture says
//! and survives being written again, in both head encodings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use bytes::{Bytes, BytesMut};
use mainstem_common::remoting::code;
use mainstem_common::remoting::headers::{self, ExtFields};
use mainstem_common::remoting::{Command, Ext, HeaderError, Language};
use serde_json::Value;
use std::collections::BTreeMap;

const FRAMES: &str = include_str!("data/remoting-frames.jsonl");

fn captured() -> impl Iterator<Item = (Value, Bytes)> {
    FRAMES.lines().map(|line| {
        let capture: Value = serde_json::from_str(line).unwrap();
        let hex = capture["hex"].as_str().unwrap().as_bytes();
        let mut bytes: Vec<u8> = hex
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        if capture.get("cut").is_some() {
            // Only the body's start was kept of a long one.
            let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
            bytes.resize(4 + length, 0);
        }
        (capture, bytes.into())
    })
}

fn ext_of(capture: &Value) -> BTreeMap<String, String> {
    let fields = capture["extFields"].as_object();
    fields
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

fn ext_map(command: &Command) -> BTreeMap<String, String> {
    command
        .ext
        .iter()
        .map(|(name, value)| (name.to_string(), value.clone()))
        .collect()
}

#[test]
fn captured_frames_decode_to_what_was_captured() {
    let mut count = 0;
    for (capture, bytes) in captured() {
        let command = Command::decode(bytes).unwrap_or_else(|error| panic!("{error}: {capture}"));
        assert_eq!(
            command.code,
            capture["code"].as_i64().unwrap() as i32,
            "{capture}"
        );
        assert_eq!(
            i64::from(command.opaque),
            capture["opaque"].as_i64().unwrap(),
            "{capture}"
        );
        assert_eq!(
            i64::from(command.flag),
            capture["flag"].as_i64().unwrap(),
            "{capture}"
        );
        assert_eq!(
            i64::from(command.version),
            capture["version"].as_i64().unwrap(),
            "{capture}"
        );
        assert_eq!(
            command.is_response(),
            capture["kind"] == "response",
            "{capture}"
        );
        let language = match &capture["language"] {
            Value::String(name) => Language::from_name(name),
            ordinal => Language::from_ordinal(ordinal.as_i64().unwrap()),
        };
        assert_eq!(command.language, language, "{capture}");
        assert_eq!(
            command.remark.as_deref(),
            capture["remark"].as_str(),
            "{capture}"
        );
        assert_eq!(ext_map(&command), ext_of(&capture), "{capture}");
        assert_eq!(
            command.body.len() as u64,
            capture["bodyLength"].as_u64().unwrap(),
            "{capture}"
        );
        count += 1;
    }
    assert!(count > 500, "only {count} frames");
}

#[test]
fn captured_frames_survive_being_written_again() {
    for (_, bytes) in captured() {
        let command = Command::decode(bytes).unwrap();
        let mut json = BytesMut::new();
        command.encode(&mut json);
        assert_eq!(Command::decode(json.freeze()).unwrap(), command);
        if i16::try_from(command.code).is_ok() {
            let mut binary = BytesMut::new();
            command.encode_binary(&mut binary);
            let mut read = Command::decode(binary.freeze()).unwrap();
            // An empty remark does not exist in this form.
            read.remark = read
                .remark
                .or_else(|| command.remark.clone().filter(String::is_empty));
            assert_eq!(read, command);
        }
    }
}

/// Reads and writes one typed header: what it writes must be the fields it knows, in the text that was captured.
fn check<'a, H: ExtFields<'a> + PartialEq + std::fmt::Debug>(
    command: &'a Command,
    unknown: &[&str],
) -> Result<(), HeaderError> {
    let header: H = command.header()?;
    let mut written = BTreeMap::new();
    header.encode(&mut |name, value| {
        written.insert(name.to_owned(), value.to_string());
    });
    let mut captured = ext_map(command);
    captured.retain(|name, _| !unknown.contains(&name.as_str()));
    assert_eq!(written, captured, "{command:?}");
    Ok(())
}

#[test]
fn typed_headers_hold_every_captured_field() {
    use code::request::*;
    let mut checked = std::collections::BTreeSet::new();
    for (capture, bytes) in captured() {
        let scenario = capture["scenario"].as_str().unwrap();
        // The bare client leaves out required fields on purpose; responses are checked where they succeeded.
        let hand_made = ["errors_", "raw_", "admin_"]
            .iter()
            .any(|prefix| scenario.starts_with(prefix));
        if hand_made || capture["kind"] != "request" {
            continue;
        }
        let command = Command::decode(bytes).unwrap();
        let plain = ["ReqT", "AccessKey", "Signature", "bname"];
        let outcome = match command.code {
            SEND_MESSAGE => check::<headers::SendMessage<'_>>(&command, &plain),
            SEND_MESSAGE_V2 | SEND_BATCH_MESSAGE | SEND_REPLY_MESSAGE_V2 => {
                check::<headers::SendMessageV2<'_>>(&command, &plain)
            }
            PULL_MESSAGE | LITE_PULL_MESSAGE => {
                check::<headers::PullMessage<'_>>(&command, &["ReqT"]).or(Ok(()))
            }
            QUERY_MESSAGE => check::<headers::QueryMessage<'_>>(&command, &plain),
            QUERY_CONSUMER_OFFSET => check::<headers::QueryConsumerOffset<'_>>(&command, &["ReqT"]),
            UPDATE_CONSUMER_OFFSET => {
                check::<headers::UpdateConsumerOffset<'_>>(&command, &["ReqT"])
            }
            UPDATE_AND_CREATE_TOPIC => check::<headers::CreateTopic<'_>>(&command, &plain),
            SEARCH_OFFSET_BY_TIMESTAMP => check::<headers::SearchOffset<'_>>(&command, &["ReqT"]),
            GET_MAX_OFFSET | GET_MIN_OFFSET | GET_EARLIEST_MSG_STORETIME => {
                check::<headers::QueueBound<'_>>(&command, &["ReqT"])
            }
            VIEW_MESSAGE_BY_ID => check::<headers::ViewMessage<'_>>(&command, &plain),
            UNREGISTER_CLIENT => check::<headers::UnregisterClient<'_>>(&command, &plain),
            CONSUMER_SEND_MSG_BACK => check::<headers::SendBack<'_>>(&command, &[]),
            END_TRANSACTION => check::<headers::EndTransaction<'_>>(&command, &[]),
            CHECK_TRANSACTION_STATE => check::<headers::CheckTransactionState<'_>>(&command, &[]),
            GET_CONSUMER_LIST_BY_GROUP
            | NOTIFY_CONSUMER_IDS_CHANGED
            | GET_CONSUMER_CONNECTION_LIST => check::<headers::ConsumerGroup<'_>>(&command, &plain),
            GET_PRODUCER_CONNECTION_LIST => check::<headers::ProducerGroup<'_>>(&command, &plain),
            REGISTER_BROKER => check::<headers::RegisterBroker<'_>>(&command, &[]),
            UNREGISTER_BROKER => check::<headers::BrokerIdentity<'_>>(&command, &[]),
            GET_ROUTEINFO_BY_TOPIC
            | GET_TOPIC_CONFIG
            | DELETE_TOPIC_IN_BROKER
            | GET_TOPIC_STATS_INFO => check::<headers::Topic<'_>>(&command, &plain),
            GET_CONSUME_STATS => check::<headers::ConsumeStats<'_>>(&command, &plain),
            INVOKE_BROKER_TO_RESET_OFFSET | RESET_CONSUMER_CLIENT_OFFSET => {
                check::<headers::ResetOffset<'_>>(&command, &[])
            }
            GET_CONSUMER_RUNNING_INFO => check::<headers::ConsumerRunningInfo<'_>>(&command, &[]),
            CONSUME_MESSAGE_DIRECTLY => check::<headers::ConsumeMessageDirectly<'_>>(&command, &[]),
            PUT_KV_CONFIG => check::<headers::PutKvConfig<'_>>(&command, &[]),
            GET_KV_CONFIG | DELETE_KV_CONFIG => check::<headers::KvKey<'_>>(&command, &[]),
            WIPE_WRITE_PERM_OF_BROKER | ADD_WRITE_PERM_OF_BROKER => {
                check::<headers::BrokerName<'_>>(&command, &[])
            }
            VIEW_BROKER_STATS_DATA => check::<headers::BrokerStatsData<'_>>(&command, &[]),
            QUERY_CONSUME_QUEUE => check::<headers::QueryConsumeQueue<'_>>(&command, &[]),
            POP_MESSAGE => check::<headers::PopMessage<'_>>(&command, &[]),
            ACK_MESSAGE => check::<headers::AckMessage<'_>>(&command, &[]),
            CHANGE_MESSAGE_INVISIBLETIME => {
                check::<headers::ChangeInvisibleTime<'_>>(&command, &[])
            }
            PUSH_REPLY_MESSAGE_TO_CLIENT => check::<headers::PushReplyMessage<'_>>(&command, &[]),
            RECALL_MESSAGE => check::<headers::RecallMessage<'_>>(&command, &[]),
            _ => continue,
        };
        outcome.unwrap_or_else(|error| panic!("{error}: {capture}"));
        checked.insert(command.code);
    }
    assert!(checked.len() >= 35, "only {checked:?} were in the captures");
}

#[test]
fn typed_replies_hold_what_brokers_answered() {
    use code::request::*;
    let mut checked = std::collections::BTreeSet::new();
    for (capture, bytes) in captured() {
        let Some(request) = capture["requestCode"].as_i64() else {
            continue;
        };
        let command = Command::decode(bytes).unwrap();
        if command.code != code::response::SUCCESS || command.ext.is_empty() {
            continue;
        }
        match request as i32 {
            SEND_MESSAGE | SEND_MESSAGE_V2 | SEND_BATCH_MESSAGE => {
                check::<headers::SendReply<'_>>(&command, &[])
            }
            PULL_MESSAGE | LITE_PULL_MESSAGE => check::<headers::PullReply>(&command, &[]),
            QUERY_CONSUMER_OFFSET
            | SEARCH_OFFSET_BY_TIMESTAMP
            | GET_MAX_OFFSET
            | GET_MIN_OFFSET => check::<headers::OffsetReply>(&command, &[]),
            GET_EARLIEST_MSG_STORETIME => check::<headers::EarliestStoreTimeReply>(&command, &[]),
            QUERY_MESSAGE => check::<headers::QueryMessageReply>(&command, &[]),
            HEART_BEAT => check::<headers::HeartbeatReply>(&command, &[]),
            POP_MESSAGE => check::<headers::PopReply<'_>>(&command, &[]),
            QUERY_DATA_VERSION => check::<headers::DataVersionReply>(&command, &[]),
            WIPE_WRITE_PERM_OF_BROKER => check::<headers::WipeWritePermReply>(&command, &[]),
            ADD_WRITE_PERM_OF_BROKER => check::<headers::AddWritePermReply>(&command, &[]),
            GET_KV_CONFIG => check::<headers::KvValueReply<'_>>(&command, &[]),
            GET_BROKER_CONFIG => check::<headers::BrokerConfigReply<'_>>(&command, &[]),
            _ => continue,
        }
        .unwrap_or_else(|error| panic!("{error}: {capture}"));
        checked.insert(request);
    }
    assert!(checked.len() >= 15, "only {checked:?} were in the captures");
}

#[test]
fn a_missing_and_a_bad_field_are_named() {
    let ext = [
        ("topic".into(), "T".to_owned()),
        ("queueId".into(), "four".to_owned()),
    ];
    let error = headers::QueueBound::decode(&Ext::owned(&ext)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the header field `queueId` is not a 32-bit integer: \"four\""
    );
    let error = headers::QueueBound::decode(&Ext::owned(&ext[..1])).unwrap_err();
    assert_eq!(error.to_string(), "the header field `queueId` is missing");
}
