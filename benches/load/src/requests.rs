//! The frames of a load, written by hand into a reused buffer: a generator that is slower than the broker measures
//! itself. Field names: SEND_MESSAGE_V2's letters, and PULL_MESSAGE.

use std::io::Write;

use mainstem_common::remoting::code::request;

/// Begins a frame whose header goes on with ext fields, and ends it with the body in place.
fn frame(
    out: &mut Vec<u8>,
    code: i32,
    opaque: i32,
    ext: impl FnOnce(&mut Vec<u8>),
    body: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    // Writing into a Vec does not fail.
    let _ = write!(out, "{{\"code\":{code},\"extFields\":{{");
    ext(out);
    let _ = write!(
        out,
        "}},\"flag\":0,\"language\":\"JAVA\",\"opaque\":{opaque},\"serializeTypeCurrentRPC\":\"JSON\",\"version\":453}}"
    );
    let header = out.len() - start - 8;
    body(out);
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    out[start + 4..start + 8].copy_from_slice(&(header as u32).to_be_bytes());
}

/// Creates a topic with as many read and write queues.
pub fn create_topic(out: &mut Vec<u8>, opaque: i32, topic: &str, queues: u32) {
    let ext = |out: &mut Vec<u8>| {
        let _ = write!(
            out,
            "\"topic\":\"{topic}\",\"defaultTopic\":\"TBW102\",\"readQueueNums\":\"{queues}\",\"writeQueueNums\":\"{queues}\",\
             \"perm\":\"6\",\"topicFilterType\":\"SINGLE_TAG\",\"topicSysFlag\":\"0\",\"order\":\"false\""
        );
    };
    frame(out, request::UPDATE_AND_CREATE_TOPIC, opaque, ext, |_| {});
}

/// Where a message goes and what tells it from the others.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Queue.
    pub queue: u32,
    /// Queues of the topic.
    pub queues: u32,
    /// Number of the message in the whole run; it becomes the unique key.
    pub number: u64,
    /// When it was made, milliseconds since 1970.
    pub born_ms: u64,
    /// Body.
    pub body: &'a [u8],
}

fn unique_key(out: &mut Vec<u8>, number: u64, separators: [&str; 2]) {
    let _ = write!(
        out,
        "UNIQ_KEY{0}7F0000010001{number:020X}{1}WAIT{0}true{1}",
        separators[0], separators[1]
    );
}

fn send_ext(out: &mut Vec<u8>, message: &Message<'_>, batch: bool) {
    let Message {
        topic,
        queue,
        queues,
        born_ms,
        ..
    } = message;
    let _ = write!(
        out,
        "\"a\":\"bench\",\"b\":\"{topic}\",\"c\":\"TBW102\",\"d\":\"{queues}\",\"e\":\"{queue}\",\"f\":\"0\",\"g\":\"{born_ms}\",\"h\":\"0\",\"i\":\""
    );
    unique_key(out, message.number, ["\\u0001", "\\u0002"]);
    let _ = write!(out, "\",\"j\":\"0\",\"k\":\"false\",\"m\":\"{batch}\"");
}

/// A send of one message.
pub fn send(out: &mut Vec<u8>, opaque: i32, message: &Message<'_>) {
    frame(
        out,
        request::SEND_MESSAGE_V2,
        opaque,
        |out| send_ext(out, message, false),
        |out| out.extend_from_slice(message.body),
    );
}

/// `count` messages that share `message`'s fields; their numbers follow its own.
pub fn send_batch(out: &mut Vec<u8>, opaque: i32, message: &Message<'_>, count: u32) {
    let body = |out: &mut Vec<u8>| {
        for i in 0..u64::from(count) {
            let start = out.len();
            out.extend_from_slice(&[0; 16]); // item size, magic, CRC, flag
            out.extend_from_slice(&(message.body.len() as u32).to_be_bytes());
            out.extend_from_slice(message.body);
            let properties = out.len();
            out.extend_from_slice(&[0; 2]);
            unique_key(out, message.number + i, ["\u{1}", "\u{2}"]);
            let len = (out.len() - properties - 2) as u16;
            out[properties..properties + 2].copy_from_slice(&len.to_be_bytes());
            let size = (out.len() - start) as u32;
            out[start..start + 4].copy_from_slice(&size.to_be_bytes());
        }
    };
    frame(
        out,
        request::SEND_BATCH_MESSAGE,
        opaque,
        |out| send_ext(out, message, true),
        body,
    );
}

/// A pull of up to `max` messages; parked for `suspend_ms` when nothing is there and that is not 0.
pub fn pull(
    out: &mut Vec<u8>,
    opaque: i32,
    topic: &str,
    queue: u32,
    offset: i64,
    max: u32,
    suspend_ms: u32,
) {
    // Bit 4: the subscription is in the request; bit 2: may be parked.
    let sys_flag = if suspend_ms > 0 { 6 } else { 4 };
    let ext = |out: &mut Vec<u8>| {
        let _ = write!(
            out,
            "\"consumerGroup\":\"bench\",\"topic\":\"{topic}\",\"queueId\":\"{queue}\",\"queueOffset\":\"{offset}\",\"maxMsgNums\":\"{max}\",\
             \"sysFlag\":\"{sys_flag}\",\"commitOffset\":\"0\",\"suspendTimeoutMillis\":\"{suspend_ms}\",\"subscription\":\"*\",\
             \"subVersion\":\"0\",\"expressionType\":\"TAG\""
        );
    };
    frame(out, request::PULL_MESSAGE, opaque, ext, |_| {});
}

/// The upper bound of a queue.
pub fn max_offset(out: &mut Vec<u8>, opaque: i32, topic: &str, queue: u32) {
    let ext = |out: &mut Vec<u8>| {
        let _ = write!(out, "\"topic\":\"{topic}\",\"queueId\":\"{queue}\"");
    };
    frame(out, request::GET_MAX_OFFSET, opaque, ext, |_| {});
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mainstem_common::remoting::Command;

    const MESSAGE: Message<'static> = Message {
        topic: "t",
        queue: 2,
        queues: 4,
        number: 7,
        born_ms: 1,
        body: b"body",
    };

    #[test]
    fn a_send_is_a_frame_with_the_message_in_it() {
        let mut out = Vec::new();
        send(&mut out, 9, &MESSAGE);
        let command = Command::decode(out.into()).unwrap();
        assert_eq!(
            (command.code, command.opaque, &command.body[..]),
            (310, 9, &b"body"[..])
        );
        let properties = command.ext().get("i").unwrap().to_owned();
        assert_eq!(
            properties,
            format!("UNIQ_KEY\u{1}7F0000010001{:020X}\u{2}WAIT\u{1}true\u{2}", 7)
        );
    }

    #[test]
    fn a_batch_holds_every_item_with_its_own_key() {
        let mut out = Vec::new();
        send_batch(&mut out, 9, &MESSAGE, 3);
        let command = Command::decode(out.into()).unwrap();
        let items: Vec<_> = mainstem_record::batch::iter(&command.body)
            .map(Result::unwrap)
            .collect();
        assert_eq!(items.len(), 3);
        assert!(items.iter().all(|item| item.body == b"body"));
        assert!(String::from_utf8_lossy(items[2].properties).contains(&format!("{:020X}", 9)));
    }
}
