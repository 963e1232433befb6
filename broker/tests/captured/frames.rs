//! Captured frames: which request got which reply.

use std::collections::BTreeMap;

use mainstem_common::remoting::Command;
use serde_json::Value;

/// A request to the broker and, if it was answered, what the real broker said.
pub(crate) struct Exchange {
    pub(crate) seq: i64,
    pub(crate) request: Command,
    /// The request as it was on the wire.
    pub(crate) bytes: Vec<u8>,
    pub(crate) reply: Value,
}

pub(crate) fn bytes_of(frame: &Value) -> Vec<u8> {
    let text = frame["hex"].as_str().unwrap();
    (0..text.len() / 2)
        .map(|index| u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).unwrap())
        .collect()
}

pub(crate) fn body_of(frame: &Value) -> Vec<u8> {
    let bytes = bytes_of(frame);
    let head = u32::from_be_bytes([0, bytes[5], bytes[6], bytes[7]]) as usize;
    bytes[8 + head..].to_vec()
}

pub(crate) fn ext_of(frame: &Value) -> BTreeMap<String, String> {
    let Some(fields) = frame["extFields"].as_object() else {
        return BTreeMap::new();
    };
    fields
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect()
}

/// The requests to the broker that were answered; those whose body was cut in the capture are left out.
pub(crate) fn exchanges(text: &str) -> Vec<Exchange> {
    let mut all = requests(text);
    all.retain(|exchange| !exchange.reply.is_null());
    all
}

/// The requests to the broker, with a reply of null where none was captured.
pub(crate) fn requests(text: &str) -> Vec<Exchange> {
    let frames: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut found = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        if frame["direction"] != "client->broker"
            || frame["kind"] != "request"
            || !frame["cut"].is_null()
        {
            continue;
        }
        let reply = frames[index + 1..].iter().find(|later| {
            later["direction"] == "broker->client"
                && later["kind"] == "response"
                && later["opaque"] == frame["opaque"]
                && later["conn"] == frame["conn"]
        });
        let mut request =
            Command::request(frame["code"].as_i64().unwrap() as i32).with_body(body_of(frame));
        request.version = frame["version"].as_i64().unwrap() as i32;
        request.flag = frame["flag"].as_i64().unwrap() as i32;
        request.opaque = frame["opaque"].as_i64().unwrap() as i32;
        for (name, value) in ext_of(frame) {
            request = request.with_ext(name, value);
        }
        found.push(Exchange {
            seq: frame["seq"].as_i64().unwrap(),
            request,
            bytes: bytes_of(frame),
            reply: reply.cloned().unwrap_or(Value::Null),
        });
    }
    found
}
