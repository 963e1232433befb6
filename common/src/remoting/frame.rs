//! Frames on the wire: an int32 length of everything behind it, a word with the head's type (high byte) and length
//! (low 24 bits), the head, the body. This module finds a frame's parts in received bytes and refuses lengths that
//! lie before anything is allocated for them.

use crate::remoting::head::{HeadError, HeadType};

/// Bytes of the length word.
pub const LENGTH_BYTES: usize = 4;
/// Bytes of both words before a head.
pub const WORDS_BYTES: usize = 8;

/// One complete frame's parts.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Encoding of the head.
    pub head_type: HeadType,
    /// The head's bytes.
    pub header: &'a [u8],
    /// The body's bytes.
    pub body: &'a [u8],
    /// Length of the whole frame, length word included.
    pub length: usize,
}

/// Why a peer's bytes are not a frame; the connection cannot be read on after any of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length word is beyond the limit. Text protocols land here, for their first bytes read as huge lengths.
    #[error("frame length {length} is over the limit of {limit} bytes (first bytes {})", first.escape_ascii())]
    TooLong {
        /// The stated length.
        length: u32,
        /// The most that is accepted.
        limit: usize,
        /// The bytes of the length word.
        first: [u8; 4],
    },
    /// The length word leaves no room for the head's word.
    #[error("frame length {length} is shorter than the 4 bytes of its header word")]
    TooShort {
        /// The stated length.
        length: u32,
    },
    /// The head is longer than its frame.
    #[error("header length {header} does not fit into a frame of {frame} bytes")]
    HeaderOverrun {
        /// Stated length of the head.
        header: usize,
        /// Stated length of the frame.
        frame: usize,
    },
    /// A type byte that is neither JSON (0) nor ROCKETMQ (1).
    #[error("header type {0} is neither 0 (JSON) nor 1 (ROCKETMQ)")]
    UnknownHeadType(u8),
    /// The peer speaks TLS.
    #[error(
        "the peer starts a TLS handshake, which this server does not speak; switch TLS off in the client"
    )]
    Tls,
    /// The bytes end before the frame does, or go on behind it.
    #[error("the bytes are not exactly one frame")]
    Incomplete,
    /// The head cannot be decoded.
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// Finds the first frame in `bytes`; `None` when it is not all there yet. `max_bytes` limits the length word.
///
/// # Errors
/// As soon as the words that have arrived are wrong, without waiting for the rest.
#[inline]
pub fn split(bytes: &[u8], max_bytes: usize) -> Result<Option<Parts<'_>>, FrameError> {
    let Some(length) = needed(bytes, max_bytes)? else {
        return Ok(None);
    };
    if bytes.len() < length {
        return Ok(None);
    }
    let frame = &bytes[..length];
    let word = word_at(frame, LENGTH_BYTES);
    let head_end = WORDS_BYTES + (word & 0x00ff_ffff) as usize;
    Ok(Some(Parts {
        head_type: if word >> 24 == 0 {
            HeadType::Json
        } else {
            HeadType::Binary
        },
        header: &frame[WORDS_BYTES..head_end],
        body: &frame[head_end..],
        length,
    }))
}

/// Length of the whole first frame, length word included; `None` until its words have arrived.
///
/// # Errors
/// As [`split`].
#[inline]
pub fn needed(bytes: &[u8], max_bytes: usize) -> Result<Option<usize>, FrameError> {
    if bytes.first() == Some(&0x16) && bytes.get(1).is_none_or(|&major| major == 3) {
        return Err(FrameError::Tls);
    }
    if bytes.len() < LENGTH_BYTES {
        return Ok(None);
    }
    let length = word_at(bytes, 0);
    if length as usize > max_bytes {
        let first = length.to_be_bytes();
        return Err(FrameError::TooLong {
            length,
            limit: max_bytes,
            first,
        });
    }
    if length < 4 {
        return Err(FrameError::TooShort { length });
    }
    if bytes.len() < WORDS_BYTES {
        return Ok(None);
    }
    let word = word_at(bytes, LENGTH_BYTES);
    let header = (word & 0x00ff_ffff) as usize;
    if header > length as usize - 4 {
        return Err(FrameError::HeaderOverrun {
            header,
            frame: length as usize,
        });
    }
    if word >> 24 > 1 {
        return Err(FrameError::UnknownHeadType((word >> 24) as u8));
    }
    Ok(Some(LENGTH_BYTES + length as usize))
}

#[inline]
fn word_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
