//! A pulled message as its consumer sees it: owned, decompressed, under its own topic. Owns the way from stored record to
//! that form; filling in what only the consumer knows (broker name, queue bounds) is the client's.

use std::net::SocketAddr;

use thiserror::Error;

use crate::batch::{self, BatchError};
use crate::compression::{self, DecompressError};
use crate::id::OffsetMessageId;
use crate::properties::Properties;
use crate::record::{DecodeError, RecordView};
use crate::{property, sys_flag, topic};

/// The largest body that [`Message::decode`] lets a compressed one grow to, in bytes.
const MAX_DECOMPRESSED_BODY_LEN: usize = 256 * 1024 * 1024;

/// A message as consumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Topic; for a retried message the one it was first sent to.
    pub topic: String,
    /// The user's flag.
    pub flag: i32,
    /// The properties as stored.
    pub properties: Properties,
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// Queue it was stored in.
    pub queue_id: i32,
    /// Length of its record in bytes.
    pub store_size: usize,
    /// Offset in that queue.
    pub queue_offset: i64,
    /// Bits of [`sys_flag`], the compression bit cleared once the body is decompressed.
    pub sys_flag: i32,
    /// When the producer made it, in milliseconds since the epoch.
    pub born_timestamp_ms: i64,
    /// The producer's address.
    pub born_host: SocketAddr,
    /// When it was stored, in milliseconds since the epoch.
    pub store_timestamp_ms: i64,
    /// The broker's advertised address.
    pub store_host: SocketAddr,
    /// Position in the commit log, in bytes.
    pub physical_offset: i64,
    /// CRC32 of the stored body, 31 bits.
    pub body_crc: u32,
    /// How often it was consumed in vain.
    pub reconsume_times: i32,
    /// Physical offset of the half record on a committed transaction, else 0.
    pub prepared_transaction_offset: i64,
}

/// Why a pulled message cannot be shown.
#[derive(Debug, Error)]
pub enum MessageError {
    /// The bytes are no record.
    #[error(transparent)]
    Record(#[from] DecodeError),
    /// The body cannot be decompressed.
    #[error("message at log position {physical_offset} of {topic}: {cause}")]
    Body {
        /// The record's topic.
        topic: String,
        /// Its position in the log.
        physical_offset: i64,
        /// What went wrong.
        cause: DecompressError,
    },
    /// An inner batch is malformed.
    #[error("inner batch at log position {physical_offset} of {topic}: {cause}")]
    InnerBatch {
        /// The record's topic.
        topic: String,
        /// Its position in the log.
        physical_offset: i64,
        /// What went wrong.
        cause: BatchError,
    },
}

impl Message {
    /// Decodes the record at the start of `bytes`; returns the message and the record's length. An inner batch comes as one
    /// message; [`decode_all`](Self::decode_all) unwraps it.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), MessageError> {
        let record = RecordView::parse(bytes)?;
        Ok((Self::from_record(&record)?, record.total_size()))
    }

    /// Decodes records lying back to back, as in the body of a pull reply.
    pub fn decode_all(mut body: &[u8]) -> Result<Vec<Self>, MessageError> {
        let mut messages = Vec::new();
        while !body.is_empty() {
            let record = RecordView::parse(body)?;
            let message = Self::from_record(&record)?;
            if sys_flag::is_inner_batch(record.sys_flag()) {
                message.unwrap_inner_batch(&mut messages)?;
            } else {
                messages.push(message);
            }
            body = &body[record.total_size()..];
        }
        Ok(messages)
    }

    /// The owned form of a record.
    pub fn from_record(record: &RecordView<'_>) -> Result<Self, MessageError> {
        let body =
            compression::decompress(record.sys_flag(), record.body(), MAX_DECOMPRESSED_BODY_LEN)
                .map_err(|cause| MessageError::Body {
                    topic: record.topic().to_owned(),
                    physical_offset: record.physical_offset(),
                    cause,
                })?;
        let properties = Properties::from(record.properties());
        // Only a record of a retry topic is shown under its first topic: a dead letter carries the same property.
        let topic = match properties.get(property::RETRY_TOPIC) {
            Some(origin) if topic::is_retry(record.topic()) => origin,
            _ => record.topic(),
        };
        Ok(Self {
            topic: topic.to_owned(),
            flag: record.flag(),
            body: body.into_owned(),
            queue_id: record.queue_id(),
            store_size: record.total_size(),
            queue_offset: record.queue_offset(),
            sys_flag: record.sys_flag() & !sys_flag::COMPRESSED,
            born_timestamp_ms: record.born_timestamp_ms(),
            born_host: record.born_host(),
            store_timestamp_ms: record.store_timestamp_ms(),
            store_host: record.store_host(),
            physical_offset: record.physical_offset(),
            body_crc: record.body_crc(),
            reconsume_times: record.reconsume_times(),
            prepared_transaction_offset: record.prepared_transaction_offset(),
            properties,
        })
    }

    /// The tag, if it has one.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.properties.get(property::TAGS)
    }

    /// The business keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.properties
            .get(property::KEYS)
            .unwrap_or_default()
            .split(property::KEY_SEPARATOR)
            .filter(|key| !key.is_empty())
    }

    /// The id that clients show: the unique key, or the offset id when there is none.
    #[must_use]
    pub fn message_id(&self) -> String {
        self.properties
            .get(property::UNIQ_KEY)
            .map_or_else(|| self.offset_message_id().to_string(), str::to_owned)
    }

    /// The id that says where the message lies.
    #[must_use]
    pub fn offset_message_id(&self) -> OffsetMessageId {
        OffsetMessageId {
            host: self.store_host,
            physical_offset: self.physical_offset,
        }
    }

    /// The items of an inner batch, each with its own queue offset, flag and properties, all else being the batch's.
    fn unwrap_inner_batch(self, messages: &mut Vec<Self>) -> Result<(), MessageError> {
        for (item, queue_offset) in batch::iter(&self.body).zip(self.queue_offset..) {
            let item = item.map_err(|cause| MessageError::InnerBatch {
                topic: self.topic.clone(),
                physical_offset: self.physical_offset,
                cause,
            })?;
            messages.push(Self {
                topic: self.topic.clone(),
                flag: item.flag,
                body: item.body.to_vec(),
                properties: Properties::parse(item.properties),
                queue_offset,
                sys_flag: self.sys_flag & !(sys_flag::INNER_BATCH | sys_flag::NEED_UNWRAP),
                ..self
            });
        }
        Ok(())
    }
}
