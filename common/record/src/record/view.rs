//! Reads a record in place. Owns the checks that make a record trustworthy to look at (magic, lengths that add up, topic and
//! properties well formed); after them the getters cannot fail. Never allocates.

use std::net::{Ipv4Addr, SocketAddr};

use thiserror::Error;

use super::host;
use super::layout::{
    BEFORE_BODY_LEN, BODY_CRC_POSITION, BORN_HOST_POSITION, BORN_TIMESTAMP_POSITION, CRC_MASK,
    FLAG_POSITION, MAGIC_POSITION, MAGIC_V1, MAGIC_V2, MAX_TOPIC_LEN_V1, MIN_RECORD_LEN,
    PHYSICAL_OFFSET_POSITION, QUEUE_ID_POSITION, QUEUE_OFFSET_POSITION, SYS_FLAG_POSITION,
    host_len,
};
use crate::properties::PropertiesView;
use crate::sys_flag;

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Fewer bytes than the record claims, or than any record has.
    #[error("a record of {needed} bytes does not fit the {available} bytes at hand")]
    Truncated {
        /// Bytes needed.
        needed: usize,
        /// Bytes there.
        available: usize,
    },
    /// Neither of the two magic numbers.
    #[error("{magic:#010X} is not a record's magic number")]
    BadMagic {
        /// The number found.
        magic: u32,
    },
    /// The announced size is too small, or negative as Java reads it.
    #[error("a record cannot be {size} bytes long")]
    BadSize {
        /// The size as announced.
        size: i32,
    },
    /// The lengths inside do not add up to the announced size.
    #[error("the record announces {size} bytes, but its fields do not end there")]
    SizeMismatch {
        /// The size as announced.
        size: usize,
    },
    /// The topic is empty, too long for its version, no UTF-8, or holds a zero byte.
    #[error("the record's topic is empty or malformed")]
    BadTopic,
    /// The properties hold a zero byte.
    #[error("the record's properties hold a zero byte")]
    BadProperties,
    /// A port beyond 65535.
    #[error("{port} is not a port")]
    BadPort {
        /// The number found.
        port: u32,
    },
}

/// A record, borrowed and checked.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'a> {
    /// Exactly the record.
    bytes: &'a [u8],
    topic: &'a str,
    properties: &'a [u8],
    body: &'a [u8],
    sys_flag: i32,
}

impl<'a> RecordView<'a> {
    /// Checks and borrows the record at the start of `bytes`, which may go on behind it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let Some((size, magic)) = Self::peek_size_and_magic(bytes) else {
            return Err(DecodeError::Truncated {
                needed: MIN_RECORD_LEN,
                available: bytes.len(),
            });
        };
        if magic != MAGIC_V1 && magic != MAGIC_V2 {
            return Err(DecodeError::BadMagic { magic });
        }
        let bad_size = DecodeError::BadSize { size: size as i32 };
        if size > i32::MAX as u32 {
            return Err(bad_size);
        }
        let size = size as usize;
        if size < MIN_RECORD_LEN {
            return Err(bad_size);
        }
        let Some(bytes) = bytes.get(..size) else {
            return Err(DecodeError::Truncated {
                needed: size,
                available: bytes.len(),
            });
        };
        Self::parse_exact(bytes, magic)
    }

    fn parse_exact(bytes: &'a [u8], magic: u32) -> Result<Self, DecodeError> {
        let size = bytes.len();
        let mismatch = DecodeError::SizeMismatch { size };
        let sys_flag = i32_at(bytes, SYS_FLAG_POSITION);
        let born_len = host_len(sys_flag, sys_flag::BORN_HOST_V6);
        let store_len = host_len(sys_flag, sys_flag::STORE_HOST_V6);
        let head_len = BORN_HOST_POSITION + born_len + 8 + store_len + BEFORE_BODY_LEN;
        if size < head_len {
            return Err(mismatch);
        }
        for (at, len) in [
            (BORN_HOST_POSITION, born_len),
            (BORN_HOST_POSITION + born_len + 8, store_len),
        ] {
            host::read(&bytes[at..at + len]).map_err(|port| DecodeError::BadPort { port })?;
        }
        let body_len = usize::try_from(i32_at(bytes, head_len - 4)).map_err(|_| mismatch)?;
        let (body, rest) = bytes[head_len..]
            .split_at_checked(body_len)
            .ok_or(mismatch)?;
        let (topic_len, rest) = if magic == MAGIC_V1 {
            let (&len, rest) = rest.split_first().ok_or(mismatch)?;
            if usize::from(len) > MAX_TOPIC_LEN_V1 {
                return Err(DecodeError::BadTopic);
            }
            (usize::from(len), rest)
        } else {
            let (len, rest) = rest.split_first_chunk::<2>().ok_or(mismatch)?;
            (
                usize::try_from(i16::from_be_bytes(*len)).map_err(|_| DecodeError::BadTopic)?,
                rest,
            )
        };
        let (topic, rest) = rest.split_at_checked(topic_len).ok_or(mismatch)?;
        let (properties_len, properties) = rest.split_first_chunk::<2>().ok_or(mismatch)?;
        if usize::try_from(i16::from_be_bytes(*properties_len)).map_err(|_| mismatch)?
            != properties.len()
        {
            return Err(mismatch);
        }
        if topic.is_empty() || topic.contains(&0) {
            return Err(DecodeError::BadTopic);
        }
        let topic = std::str::from_utf8(topic).map_err(|_| DecodeError::BadTopic)?;
        // Not checked for UTF-8: Apache stores a batch item's bytes as they come, and one odd value must not end a log.
        if properties.contains(&0) {
            return Err(DecodeError::BadProperties);
        }
        Ok(Self {
            bytes,
            topic,
            properties,
            body,
            sys_flag,
        })
    }

    /// Size and magic of whatever begins here (record, blank or zeros), `None` below eight bytes.
    #[must_use]
    pub fn peek_size_and_magic(bytes: &[u8]) -> Option<(u32, u32)> {
        let head = bytes.first_chunk::<8>()?;
        Some((i32_at(head, 0) as u32, i32_at(head, MAGIC_POSITION) as u32))
    }

    /// The record's own bytes, nothing behind them.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Length of the record in bytes.
    #[must_use]
    pub fn total_size(&self) -> usize {
        self.bytes.len()
    }

    /// The stored CRC32 of the body, 31 bits.
    #[must_use]
    pub fn body_crc(&self) -> u32 {
        i32_at(self.bytes, BODY_CRC_POSITION) as u32
    }

    /// Whether the body still has its stored CRC. Reads the whole body.
    #[must_use]
    pub fn body_crc_matches(&self) -> bool {
        crc32fast::hash(self.body) & CRC_MASK == self.body_crc()
    }

    /// Queue of the topic.
    #[must_use]
    pub fn queue_id(&self) -> i32 {
        i32_at(self.bytes, QUEUE_ID_POSITION)
    }

    /// The user's flag.
    #[must_use]
    pub fn flag(&self) -> i32 {
        i32_at(self.bytes, FLAG_POSITION)
    }

    /// Offset in the queue; the base offset of an inner batch.
    #[must_use]
    pub fn queue_offset(&self) -> i64 {
        i64_at(self.bytes, QUEUE_OFFSET_POSITION)
    }

    /// Position in the commit log, in bytes.
    #[must_use]
    pub fn physical_offset(&self) -> i64 {
        i64_at(self.bytes, PHYSICAL_OFFSET_POSITION)
    }

    /// Bits of [`sys_flag`].
    #[must_use]
    pub fn sys_flag(&self) -> i32 {
        self.sys_flag
    }

    /// When the producer made the message, in milliseconds since the epoch.
    #[must_use]
    pub fn born_timestamp_ms(&self) -> i64 {
        i64_at(self.bytes, BORN_TIMESTAMP_POSITION)
    }

    /// The producer's address.
    #[must_use]
    pub fn born_host(&self) -> SocketAddr {
        self.host_at(BORN_HOST_POSITION, sys_flag::BORN_HOST_V6)
    }

    /// When the record was stored, in milliseconds since the epoch.
    #[must_use]
    pub fn store_timestamp_ms(&self) -> i64 {
        i64_at(self.bytes, self.store_timestamp_position())
    }

    /// The broker's advertised address.
    #[must_use]
    pub fn store_host(&self) -> SocketAddr {
        self.host_at(self.store_timestamp_position() + 8, sys_flag::STORE_HOST_V6)
    }

    /// How often the message was consumed in vain.
    #[must_use]
    pub fn reconsume_times(&self) -> i32 {
        i32_at(self.bytes, self.after_hosts_position())
    }

    /// Physical offset of the half record on a commit, else 0.
    #[must_use]
    pub fn prepared_transaction_offset(&self) -> i64 {
        i64_at(self.bytes, self.after_hosts_position() + 4)
    }

    /// The body as stored, compressed or not.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The topic the record is stored under.
    #[must_use]
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The properties as stored.
    #[must_use]
    pub fn properties(&self) -> PropertiesView<'a> {
        PropertiesView(self.properties)
    }

    fn store_timestamp_position(&self) -> usize {
        BORN_HOST_POSITION + host_len(self.sys_flag, sys_flag::BORN_HOST_V6)
    }

    fn after_hosts_position(&self) -> usize {
        self.store_timestamp_position() + 8 + host_len(self.sys_flag, sys_flag::STORE_HOST_V6)
    }

    fn host_at(&self, at: usize, v6_bit: i32) -> SocketAddr {
        let len = host_len(self.sys_flag, v6_bit);
        // The port was checked on parse; the fallback only spares a panic path.
        host::read(&self.bytes[at..at + len])
            .unwrap_or(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0))
    }
}

/// Reads four bytes whose presence the caller has checked.
fn i32_at(bytes: &[u8], at: usize) -> i32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    i32::from_be_bytes(word)
}

/// Reads eight bytes whose presence the caller has checked.
fn i64_at(bytes: &[u8], at: usize) -> i64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    i64::from_be_bytes(word)
}
