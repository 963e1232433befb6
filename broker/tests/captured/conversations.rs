//! Whole conversations of the official clients, byte for byte as they sent them. Before each request the broker is given what the real
//! one had then (messages, offsets), as far as the captured reply tells; then the replies must agree in code, in the names of their
//! ext fields, and in the values that do not depend on the machine and its clock.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use mainstem_common::protocol::SubscriptionGroupConfig;
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_record::{Message, property};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frames::{Exchange, body_of, ext_of, requests};
use crate::support::{TIMEOUT, TestBroker, TestClient, ext, ext_keys};

/// The conversations, and how many of their requests must have been compared.
const CONVERSATIONS: &[(&str, usize)] = &[
    ("java5_send_310_variants", 5),
    ("java5_send_autocreate_310", 2),
    ("java5_send_batch_320", 1),
    ("java5_send_delay_level", 1),
    ("java5_send_oneway", 1),
    ("java5_route_existing_and_offsets", 4),
    ("java5_push_consumer_tags", 9),
    ("java5_push_consumer_long_poll_wakeup", 4),
    ("java5_push_consumer_second_member", 6),
    ("java5_push_consumer_shutdown", 7),
    ("java5_producer_shutdown", 2),
    ("java5_query_by_key_and_id", 4),
    ("java5_lite_pull_361", 8),
    ("java5_heartbeat_v2", 9),
    ("java5_broadcast_consumer", 6),
    ("java5_consumer_send_back_36", 9),
    ("java5_orderly_lock_41_42", 12),
    ("java5_binary_send", 3),
    ("java5_binary_consume", 8),
    ("java5_binary_error", 4),
    ("java5_acl_signed", 4),
    ("java5_trace", 6),
    ("java5_sql92_disabled", 3),
    ("java49_send_310_variants", 5),
    ("java49_send_batch_320", 1),
    ("java49_push_consumer_tags", 10),
    ("java49_query_by_key_and_id", 4),
    ("java49_broadcast_consumer", 6),
    ("java49_consumer_send_back_36", 12),
    ("java49_orderly_lock_41_42", 12),
    ("go_producer_start_send", 1),
    ("go_push_consumer", 8),
    ("go_push_consumer_shutdown", 0),
    ("go_send_back", 2),
    ("go_send_batch", 1),
    ("go_send_variants", 3),
    ("go_orderly", 10),
];

/// Requests that are left out: what the answer rests on is not in the capture.
const LEFT_OUT: &[(&str, i64, &str)] = &[
    (
        "java5_push_consumer_shutdown",
        5,
        "the heartbeat of the member that stays was sent before",
    ),
    (
        "go_send_variants",
        6,
        "a delayed message's offset is that in the queue of its delay level",
    ),
];

/// Values of the machine and the clock that the capture was made on.
const NOT_COMPARED: &[&str] = &[
    "msgId",
    "timestamp",
    "indexLastUpdateTimestamp",
    "indexLastUpdatePhyoffset",
];

/// A connection that bytes are put on as they are.
struct Wire {
    stream: TcpStream,
    received: BytesMut,
}

impl Wire {
    async fn connect(broker: &TestBroker) -> Wire {
        Wire {
            stream: TcpStream::connect(broker.addr()).await.unwrap(),
            received: BytesMut::new(),
        }
    }

    /// The reply to `opaque`; what the broker asks meanwhile is left unanswered.
    async fn reply(&mut self, opaque: i32) -> Command {
        loop {
            if let Some(length) = self.received.first_chunk::<4>() {
                let total = 4 + u32::from_be_bytes(*length) as usize;
                if self.received.len() >= total {
                    let frame: Bytes = self.received.split_to(total).freeze();
                    let command = Command::decode(frame).unwrap();
                    if command.flag & 1 == 1 && command.opaque == opaque {
                        return command;
                    }
                    continue;
                }
            }
            let read = self.stream.read_buf(&mut self.received);
            let read = tokio::time::timeout(TIMEOUT, read).await.unwrap().unwrap();
            assert_ne!(read, 0, "the broker closed the connection");
        }
    }
}

/// What the broker is given before requests.
struct Setting<'a> {
    client: &'a TestClient,
    /// Position of the last message that the conversation sent or that was put here.
    last_position: i64,
    /// Tags of what the first pull of a topic and queue will find.
    first_tags: HashMap<(String, String), String>,
}

impl Setting<'_> {
    async fn max_offset(&self, topic: &str, queue_id: &str) -> i64 {
        let bound = [("topic", topic), ("queueId", queue_id)];
        let reply = self.client.ask(request::GET_MAX_OFFSET, &bound).await;
        ext(&reply, "offset").map_or(0, |offset| offset.parse().unwrap())
    }

    /// Has the queue hold `count` messages with these properties.
    async fn fill(&mut self, topic: &str, queue_id: &str, count: i64, properties: &str) {
        while self.max_offset(topic, queue_id).await < count {
            let queue_id = queue_id.parse().unwrap();
            let sent = self.client.send_ok(topic, queue_id, properties, b"x").await;
            self.last_position = position_of(&sent);
        }
    }

    async fn before(&mut self, exchange: &mut Exchange) {
        let asked = |name: &str| ext(&exchange.request, name).unwrap_or_default().to_owned();
        let said = ext_of(&exchange.reply);
        let said = |name: &str| said.get(name).map_or("", String::as_str);
        let number = |name: &str| said(name).parse::<i64>().unwrap_or(0);
        let succeeded = exchange.reply["code"] == response::SUCCESS;
        let (topic, queue_id) = (asked("topic"), asked("queueId"));
        match exchange.request.code {
            request::SEND_MESSAGE | request::SEND_MESSAGE_V2 | request::SEND_BATCH_MESSAGE
                if succeeded =>
            {
                // Long names or letters, as the client likes.
                let topic = if topic.is_empty() { asked("b") } else { topic };
                let offset = number("queueOffset");
                self.fill(&topic, said("queueId"), offset, "").await;
            }
            request::PULL_MESSAGE | request::LITE_PULL_MESSAGE => {
                let is_outdated = exchange.reply["code"] == response::SUBSCRIPTION_NOT_LATEST;
                let count = number("maxOffset").max(i64::from(is_outdated));
                let tag = tag_of(exchange);
                self.fill(&topic, &queue_id, count, &tag).await;
            }
            request::GET_MAX_OFFSET => self.fill(&topic, &queue_id, number("offset"), "").await,
            request::GET_EARLIEST_MSG_STORETIME if succeeded => {
                self.fill(&topic, &queue_id, 1, "").await;
            }
            request::QUERY_CONSUMER_OFFSET if succeeded && number("offset") > 0 => {
                let group = asked("consumerGroup");
                self.fill(&topic, &queue_id, number("offset"), "").await;
                let made = SubscriptionGroupConfig::new(group.as_str());
                let made = Command::request(request::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP)
                    .with_body(made.to_json());
                assert_eq!(self.client.call(made).await.code, response::SUCCESS);
                let committed = [
                    ("consumerGroup", group.as_str()),
                    ("topic", &topic),
                    ("queueId", &queue_id),
                    ("commitOffset", said("offset")),
                ];
                let code = request::UPDATE_CONSUMER_OFFSET;
                let reply = self.client.ask(code, &committed).await;
                assert_eq!(
                    reply.code,
                    response::SUCCESS,
                    "{committed:?} {:?}",
                    reply.remark
                );
            }
            // Without an offset the real broker answers 0 for a queue that begins at 0 and is still in memory.
            request::QUERY_CONSUMER_OFFSET if succeeded => {
                let tag = self.first_tags.get(&(topic.clone(), queue_id.clone()));
                let tag = tag.cloned().unwrap_or_default();
                self.fill(&topic, &queue_id, 1, &tag).await;
            }
            request::QUERY_MESSAGE if succeeded => {
                let key = asked("key");
                let properties = format!("KEYS\u{1}{key}\u{2}UNIQ_KEY\u{1}{key}\u{2}");
                let sent = self.client.send_ok(&topic, 0, &properties, b"x").await;
                self.last_position = position_of(&sent);
            }
            // Clients of 4.9 name no topic.
            request::VIEW_MESSAGE_BY_ID => self.fill("java5_Topic", "0", 1, "").await,
            _ => {}
        }
        // What was a place or a time there is one here.
        match exchange.request.code {
            request::CONSUMER_SEND_MSG_BACK | request::VIEW_MESSAGE_BY_ID => {
                self.rewrite(exchange, "offset", self.last_position);
            }
            request::QUERY_MESSAGE => self.rewrite(exchange, "endTimestamp", i64::MAX),
            // A heartbeat that brings the version again is left out of the capture as a repetition.
            request::PULL_MESSAGE
                if exchange.reply["code"] != response::SUBSCRIPTION_NOT_LATEST =>
            {
                self.rewrite(exchange, "subVersion", 0);
            }
            _ => {}
        }
    }

    fn rewrite(&self, exchange: &mut Exchange, name: &'static str, value: i64) {
        let mut ext = std::mem::take(&mut exchange.request.ext);
        ext.retain(|(known, _)| known != name);
        exchange.request.ext = ext;
        exchange.request = exchange.request.clone().with_ext(name, value.to_string());
        let mut bytes = BytesMut::new();
        exchange.request.encode(&mut bytes);
        exchange.bytes = bytes.to_vec();
    }
}

/// Properties for the messages that a pull finds: what was found has its own tag, what was passed over another than was asked for.
fn tag_of(pull: &Exchange) -> String {
    let found = if pull.reply["code"] == response::SUCCESS {
        Message::decode_all(&body_of(&pull.reply)).unwrap_or_default()
    } else {
        Vec::new()
    };
    let tag = found
        .last()
        .and_then(|message| message.properties.get(property::TAGS));
    format!("TAGS\u{1}{}\u{2}", tag.unwrap_or("Other"))
}

/// The position in the log, the last 16 digits of the (first) message id.
fn position_of(sent: &Command) -> i64 {
    let id = ext(sent, "msgId").unwrap().split(',').next().unwrap();
    i64::from_str_radix(&id[id.len() - 16..], 16).unwrap()
}

/// Replays one conversation to a broker of its own; the requests whose replies were compared.
async fn replay(name: &str, differences: &mut Vec<String>) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../common/tests/data/frames")
        .join(format!("{name}.jsonl"));
    let mut broker = TestBroker::start().await;
    let client = broker.client();
    let exchanges = requests(&std::fs::read_to_string(path).unwrap());
    let mut first_tags = HashMap::new();
    for pull in exchanges.iter().filter(|exchange| {
        exchange.request.code == request::PULL_MESSAGE && !exchange.reply.is_null()
    }) {
        let queue = |name| ext(&pull.request, name).unwrap_or_default().to_owned();
        first_tags
            .entry((queue("topic"), queue("queueId")))
            .or_insert_with(|| tag_of(pull));
    }
    let mut setting = Setting {
        client: &client,
        last_position: 0,
        first_tags,
    };
    let mut wire = Wire::connect(&broker).await;
    let mut compared = 0;
    for mut exchange in exchanges {
        let one_way = exchange.request.flag & 2 != 0;
        let left_out = LEFT_OUT
            .iter()
            .any(|(conversation, seq, _)| *conversation == name && *seq == exchange.seq);
        if left_out || (exchange.reply.is_null() && !one_way) {
            continue;
        }
        setting.before(&mut exchange).await;
        wire.stream.write_all(&exchange.bytes).await.unwrap();
        if one_way {
            continue;
        }
        let mut reply = wire.reply(exchange.request.opaque).await;
        let indexed = exchange.request.code == request::QUERY_MESSAGE
            && exchange.reply["code"] == response::SUCCESS;
        // The index follows a moment behind.
        let asked = Instant::now();
        while indexed && reply.code != response::SUCCESS && asked.elapsed() < TIMEOUT {
            tokio::time::sleep(Duration::from_millis(2)).await;
            wire.stream.write_all(&exchange.bytes).await.unwrap();
            reply = wire.reply(exchange.request.opaque).await;
        }
        if let Some(difference) = difference(&exchange, &reply) {
            differences.push(format!(
                "{name}, frame {}, code {}: {difference}; {:?}",
                exchange.seq, exchange.request.code, reply.remark
            ));
        }
        if ext(&reply, "msgId").is_some() {
            setting.last_position = position_of(&reply);
            let asked = |name| ext(&exchange.request, name);
            let properties = asked("i").or_else(|| asked("properties"));
            if !properties.is_some_and(|properties| properties.contains("DELAY\u{1}")) {
                let topic = asked("topic").or_else(|| asked("b")).unwrap();
                client.until_readable(topic, &reply).await;
            }
        }
        compared += 1;
    }
    drop(wire);
    broker.stop().await;
    compared
}

/// What the captured reply has otherwise.
fn difference(exchange: &Exchange, reply: &Command) -> Option<String> {
    let code = &exchange.reply["code"];
    if *code != reply.code {
        return Some(format!("code {} instead of {code}", reply.code));
    }
    let wanted = ext_of(&exchange.reply);
    let names: Vec<&String> = wanted.keys().collect();
    if ext_keys(reply) != names {
        return Some(format!("fields {:?} instead of {names:?}", ext_keys(reply)));
    }
    for (name, value) in &wanted {
        if !NOT_COMPARED.contains(&name.as_str()) && ext(reply, name) != Some(value) {
            let here = ext(reply, name);
            return Some(format!("{name} {here:?} instead of {value:?}"));
        }
    }
    let body = body_of(&exchange.reply);
    (reply.body.is_empty() != body.is_empty()).then(|| {
        let here = reply.body.len();
        format!("a body of {here} bytes instead of {}", body.len())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversations_of_the_official_clients_get_the_answers_of_the_real_broker() {
    let mut differences = Vec::new();
    for (name, at_least) in CONVERSATIONS {
        let compared = replay(name, &mut differences).await;
        if compared < *at_least {
            differences.push(format!("{name}: only {compared} replies compared"));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}
