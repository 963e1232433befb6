//! Writes records. Owns the one pass from a message's parts to its stored bytes and the later patching of what only the
//! append lock knows (queue offset, physical offset, store time); promises that what it writes, `RecordView` accepts.

use std::net::SocketAddr;

use thiserror::Error;

use super::host;
use super::layout::{
    BEFORE_BODY_LEN, BODY_CRC_POSITION, BORN_HOST_POSITION, BORN_TIMESTAMP_POSITION, CRC_MASK,
    FLAG_POSITION, HOST_LEN_V4, HOST_LEN_V6, MAGIC_POSITION, MAGIC_V1, MAGIC_V2, MAX_HEAD_LEN,
    MAX_TOPIC_LEN_V1, MAX_TOPIC_LEN_V2, MIN_RECORD_LEN, PHYSICAL_OFFSET_POSITION,
    QUEUE_ID_POSITION, QUEUE_OFFSET_POSITION, SYS_FLAG_POSITION, host_len,
};
use crate::properties::MAX_PROPERTIES_LEN;
use crate::sys_flag;

/// A message on its way to the log, all but what only the log can give.
#[derive(Debug, Clone, Copy)]
pub struct NewRecord<'a> {
    /// Topic the record is stored under.
    pub topic: &'a str,
    /// Queue of that topic.
    pub queue_id: i32,
    /// The user's flag, opaque to the broker.
    pub flag: i32,
    /// Bits of [`sys_flag`]; the two host bits are set by the encoder.
    pub sys_flag: i32,
    /// When the producer made the message, in milliseconds since the epoch.
    pub born_timestamp_ms: i64,
    /// The producer's address.
    pub born_host: SocketAddr,
    /// The broker's advertised address; it ends up in message ids.
    pub store_host: SocketAddr,
    /// How often the message was consumed in vain.
    pub reconsume_times: i32,
    /// Physical offset of the half record on a commit, else 0.
    pub prepared_transaction_offset: i64,
    /// The body as stored, compressed or not.
    pub body: &'a [u8],
    /// The properties in their stored form (see [`Properties::encode`](crate::Properties::encode)).
    pub properties: &'a [u8],
}

/// Why a record cannot be encoded. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// A record needs a topic.
    #[error("the record has no topic; name one")]
    EmptyTopic,
    /// The topic does not fit its length field.
    #[error("the topic takes {len} bytes, the limit is {MAX_TOPIC_LEN_V2}; use a shorter name")]
    TopicTooLong {
        /// Length in bytes.
        len: usize,
    },
    /// Recovery tells lost sectors by zero bytes, so a topic may hold none.
    #[error(
        "topic {topic:?} holds a zero byte; use a name of letters, digits, '-', '_', '%' and '|'"
    )]
    NulInTopic {
        /// The topic given.
        topic: String,
    },
    /// The properties do not fit their length field.
    #[error(
        "the properties take {len} bytes, the limit is {MAX_PROPERTIES_LEN}; shorten or move them into the body"
    )]
    PropertiesTooLong {
        /// Length in bytes.
        len: usize,
    },
    /// Recovery tells lost sectors by zero bytes, so properties may hold none.
    #[error("the properties hold a zero byte at position {position}; remove it")]
    NulInProperties {
        /// Position in the stored form.
        position: usize,
    },
    /// The whole does not fit its length field.
    #[error(
        "the record would take {len} bytes, the limit is {}; send a smaller body",
        i32::MAX
    )]
    RecordTooLarge {
        /// Length in bytes.
        len: usize,
    },
}

impl NewRecord<'_> {
    /// Length of the encoded record in bytes.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        let topic_len = self.topic.len();
        if topic_len == 0 {
            return Err(EncodeError::EmptyTopic);
        }
        if topic_len > MAX_TOPIC_LEN_V2 {
            return Err(EncodeError::TopicTooLong { len: topic_len });
        }
        if self.properties.len() > MAX_PROPERTIES_LEN {
            return Err(EncodeError::PropertiesTooLong {
                len: self.properties.len(),
            });
        }
        let hosts = Self::len_of_host(self.born_host) + Self::len_of_host(self.store_host);
        let topic_len_len = if topic_len > MAX_TOPIC_LEN_V1 { 2 } else { 1 };
        let rest = BORN_HOST_POSITION
            + hosts
            + 8
            + BEFORE_BODY_LEN
            + topic_len_len
            + topic_len
            + 2
            + self.properties.len();
        let len = rest.saturating_add(self.body.len());
        if i32::try_from(len).is_err() {
            return Err(EncodeError::RecordTooLarge { len });
        }
        Ok(len)
    }

    /// Appends the record to `out` and returns its length. The placement fields are zero until [`place`] fills them.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
        let total = self.encoded_len()?;
        if memchr::memchr(0, self.topic.as_bytes()).is_some() {
            return Err(EncodeError::NulInTopic {
                topic: self.topic.to_owned(),
            });
        }
        if let Some(position) = memchr::memchr(0, self.properties) {
            return Err(EncodeError::NulInProperties { position });
        }
        let long_topic = self.topic.len() > MAX_TOPIC_LEN_V1;
        let mut sys_flag = self.sys_flag & !(sys_flag::BORN_HOST_V6 | sys_flag::STORE_HOST_V6);
        if host::is_v6(self.born_host) {
            sys_flag |= sys_flag::BORN_HOST_V6;
        }
        if host::is_v6(self.store_host) {
            sys_flag |= sys_flag::STORE_HOST_V6;
        }

        let mut head = [0u8; MAX_HEAD_LEN];
        put(&mut head, 0, (total as u32).to_be_bytes());
        put(
            &mut head,
            MAGIC_POSITION,
            if long_topic { MAGIC_V2 } else { MAGIC_V1 }.to_be_bytes(),
        );
        put(
            &mut head,
            BODY_CRC_POSITION,
            (crc32fast::hash(self.body) & CRC_MASK).to_be_bytes(),
        );
        put(&mut head, QUEUE_ID_POSITION, self.queue_id.to_be_bytes());
        put(&mut head, FLAG_POSITION, self.flag.to_be_bytes());
        put(&mut head, SYS_FLAG_POSITION, sys_flag.to_be_bytes());
        put(
            &mut head,
            BORN_TIMESTAMP_POSITION,
            self.born_timestamp_ms.to_be_bytes(),
        );
        let mut at = BORN_HOST_POSITION;
        at += host::write(self.born_host, &mut head[at..]);
        at += 8; // store time
        at += host::write(self.store_host, &mut head[at..]);
        put(&mut head, at, self.reconsume_times.to_be_bytes());
        put(
            &mut head,
            at + 4,
            self.prepared_transaction_offset.to_be_bytes(),
        );
        put(&mut head, at + 12, (self.body.len() as u32).to_be_bytes());
        at += BEFORE_BODY_LEN;

        let start = out.len();
        out.reserve(total);
        out.extend_from_slice(&head[..at]);
        out.extend_from_slice(self.body);
        if long_topic {
            out.extend_from_slice(&(self.topic.len() as u16).to_be_bytes());
        } else {
            out.push(self.topic.len() as u8);
        }
        out.extend_from_slice(self.topic.as_bytes());
        out.extend_from_slice(&(self.properties.len() as u16).to_be_bytes());
        out.extend_from_slice(self.properties);
        debug_assert_eq!(
            out.len() - start,
            total,
            "the encoded length must be the announced one"
        );
        Ok(total)
    }

    fn len_of_host(host: SocketAddr) -> usize {
        if host::is_v6(host) {
            HOST_LEN_V6
        } else {
            HOST_LEN_V4
        }
    }
}

/// What only the append lock can give a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Offset in its queue.
    pub queue_offset: i64,
    /// Position in the commit log, in bytes.
    pub physical_offset: i64,
    /// When the record was stored, in milliseconds since the epoch.
    pub store_timestamp_ms: i64,
}

/// Fills in the placement fields of a record made by [`NewRecord::encode_into`].
///
/// # Panics
/// If `record` is shorter than any record can be: it must hold one whole encoded record.
pub fn place(record: &mut [u8], placement: &Placement) {
    assert!(
        record.len() >= MIN_RECORD_LEN,
        "place() needs a whole encoded record, got {} bytes",
        record.len()
    );
    put(
        record,
        QUEUE_OFFSET_POSITION,
        placement.queue_offset.to_be_bytes(),
    );
    put(
        record,
        PHYSICAL_OFFSET_POSITION,
        placement.physical_offset.to_be_bytes(),
    );
    let mut word = [0; 4];
    word.copy_from_slice(&record[SYS_FLAG_POSITION..SYS_FLAG_POSITION + 4]);
    let store_timestamp_position =
        BORN_HOST_POSITION + host_len(i32::from_be_bytes(word), sys_flag::BORN_HOST_V6);
    put(
        record,
        store_timestamp_position,
        placement.store_timestamp_ms.to_be_bytes(),
    );
}

fn put<const N: usize>(out: &mut [u8], at: usize, bytes: [u8; N]) {
    out[at..at + N].copy_from_slice(&bytes);
}
