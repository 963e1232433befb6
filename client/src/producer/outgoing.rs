//! One send's bytes: the message, or a batch of them, in the form that the request carries. It is worked out once and
//! is the same for every attempt, unique key included.

use std::sync::Arc;

use bytes::Bytes;
use mainstem_record::batch::{self, BatchItem};
use mainstem_record::{compression, property, sys_flag};

use crate::error::NotSentCause;
use crate::message::Message;

/// zlib's level; the one that RocketMQ's clients use.
const COMPRESSION_LEVEL: u32 = 5;
/// Compressing more than this many bytes takes longer than other tasks should wait: it leaves the runtime's thread.
const COMPRESS_ELSEWHERE_OVER: usize = 64 * 1024;

/// What an attempt to send puts on the wire, but for the queue.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) topic: Arc<str>,
    pub(crate) flag: i32,
    pub(crate) sys_flag: i32,
    pub(crate) body: Bytes,
    /// In the stored form.
    pub(crate) properties: String,
    /// Of the message, or of the first one of a batch.
    pub(crate) unique_key: String,
    pub(crate) is_batch: bool,
}

impl Outgoing {
    /// One message, its body compressed if it is long enough and gets shorter by it.
    pub(crate) async fn one(message: Message, compress_over: usize) -> Self {
        let mut body = message.body().clone();
        let mut sys_flag = 0;
        if body.len() > compress_over {
            let compressed = compress(body.clone()).await;
            if compressed.len() < body.len() {
                body = compressed;
                sys_flag = sys_flag::COMPRESSED | sys_flag::COMPRESSION_ZLIB;
            }
        }
        let (flag, properties) = (message.flag(), message.stored_properties());
        let (topic, unique_key) = message.into_name();
        Self {
            topic,
            flag,
            sys_flag,
            body,
            properties,
            unique_key,
            is_batch: false,
        }
    }

    /// A batch, with the unique keys of its messages.
    pub(crate) fn batch(
        messages: Vec<Message>,
        max_bytes: usize,
    ) -> Result<(Self, Vec<String>), NotSentCause> {
        let Some(first) = messages.first() else {
            return Err(NotSentCause::Batch(
                "the batch holds no message; add at least one".to_owned(),
            ));
        };
        let topic = Arc::clone(first.shared_topic());
        let mut body = Vec::with_capacity(
            messages
                .iter()
                .map(|message| message.body().len() + 128)
                .sum(),
        );
        let mut unique_keys = Vec::with_capacity(messages.len());
        for message in &messages {
            if message.topic() != &*topic {
                return Err(NotSentCause::Batch(format!(
                    "the batch holds messages of the topics {topic} and {}; send a batch for each topic",
                    message.topic()
                )));
            }
            if !message.fits_a_batch() {
                return Err(NotSentCause::Batch(format!(
                    "the batch to topic {topic} holds a delayed message, which brokers refuse; send that one alone"
                )));
            }
            let properties = message.stored_properties();
            let item = BatchItem {
                flag: message.flag(),
                body: message.body(),
                properties: properties.as_bytes(),
            };
            batch::encode_item_into(&item, &mut body)
                .map_err(|error| NotSentCause::Batch(error.to_string()))?;
            unique_keys.push(message.unique_key().unwrap_or_default().to_owned());
        }
        if body.len() > max_bytes {
            return Err(NotSentCause::Batch(format!(
                "the batch of {} messages to topic {topic} takes {} bytes, the limit is {max_bytes}; send fewer at a time",
                messages.len(),
                body.len()
            )));
        }
        let waits = messages
            .iter()
            .any(|message| message.properties().get(property::WAIT) != Some("false"));
        let properties = if waits {
            String::new()
        } else {
            format!("{}\u{1}false\u{2}", property::WAIT)
        };
        let outgoing = Self {
            topic,
            flag: 0,
            sys_flag: 0,
            body: body.into(),
            properties,
            unique_key: unique_keys.first().cloned().unwrap_or_default(),
            is_batch: true,
        };
        Ok((outgoing, unique_keys))
    }
}

async fn compress(body: Bytes) -> Bytes {
    if body.len() <= COMPRESS_ELSEWHERE_OVER {
        return compression::compress_zlib(&body, COMPRESSION_LEVEL).into();
    }
    let original = body.clone();
    // If the runtime is ending there is no thread left; the body then goes as it is.
    tokio::task::spawn_blocking(move || compression::compress_zlib(&body, COMPRESSION_LEVEL).into())
        .await
        .unwrap_or(original)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(topic: &str, body: impl Into<Bytes>) -> Message {
        let mut message = Message::builder(topic).body(body).build().unwrap();
        message.set_unique_key("K1".to_owned());
        message
    }

    #[tokio::test]
    async fn a_long_body_is_compressed_and_marked_as_java_marks_it() {
        for size in [5_000, COMPRESS_ELSEWHERE_OVER + 1] {
            let body = vec![b'a'; size];
            let outgoing = Outgoing::one(message("t", body.clone()), 4096).await;
            assert_eq!(outgoing.sys_flag, 0x301);
            assert_eq!(
                *compression::decompress(outgoing.sys_flag, &outgoing.body, size).unwrap(),
                *body
            );
        }
    }

    #[tokio::test]
    async fn a_body_that_compression_makes_longer_goes_as_it_is() {
        let body: Vec<u8> = (0..5_000_u32)
            .flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes())
            .collect();
        let body = compression::compress_zlib(&body, 9);
        assert!(body.len() > 4096);
        let outgoing = Outgoing::one(message("t", body.clone()), 4096).await;
        assert_eq!((outgoing.sys_flag, &*outgoing.body), (0, &*body));
    }

    #[test]
    fn a_batch_keeps_its_messages_in_order_with_their_properties() {
        let (outgoing, keys) =
            Outgoing::batch(vec![message("t", "a"), message("t", "bc")], 1_000).unwrap();
        let items: Vec<_> = batch::iter(&outgoing.body).map(Result::unwrap).collect();
        assert_eq!(
            items.iter().map(|item| item.body).collect::<Vec<_>>(),
            [&b"a"[..], b"bc"]
        );
        assert!(
            items
                .iter()
                .all(|item| item.properties.starts_with(b"UNIQ_KEY\x01K1"))
        );
        assert_eq!(keys, ["K1", "K1"]);
    }

    #[test]
    fn a_batch_that_no_broker_would_take_is_refused_with_its_remedy() {
        let text = |batch: Vec<Message>| Outgoing::batch(batch, 100).unwrap_err().to_string();
        assert!(text(vec![]).contains("no message"));
        assert!(
            text(vec![message("a", "x"), message("b", "x")])
                .contains("send a batch for each topic")
        );
        assert!(text(vec![message("a", "x".repeat(90))]).contains("send fewer"));
        let delayed = Message::builder("a")
            .body("x")
            .delay_level(1)
            .build()
            .unwrap();
        assert!(text(vec![delayed]).contains("send that one alone"));
    }
}
