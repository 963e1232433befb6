//! The head of a frame: everything of a command but its body, in either of the protocol's two encodings. Decoding
//! borrows from the frame and from a [`Scratch`] that a connection reuses, so a request costs no allocation; bad
//! heads are typed errors, and the transport closes the connection on them as RocketMQ does.
//!
//! JSON heads are one UTF-8 object with the keys `code`, `language`, `version`, `opaque`, `flag`, `remark`,
//! `extFields` (all values text), type byte 0. Binary heads ("ROCKETMQ") have type byte 1; their code is an int16.

mod binary;
mod ext;
mod json;
mod scanner;
mod scratch;
#[cfg(test)]
mod tests;
mod write;

pub use ext::{Ext, ExtPairs};
pub use scratch::Scratch;
pub use write::HeadWriter;
pub(crate) use write::{HeadParts, write_head_binary, write_head_json};

use crate::remoting::Language;

/// The protocol version this implementation announces: the ordinal of release 5.5.0. Clients switch features on
/// by it, so it is never 0.
pub const VERSION: i32 = 513;
/// Bit of `flag` that marks a response.
pub const FLAG_RESPONSE: i32 = 1;
/// Bit of `flag` that marks a request whose sender wants no answer.
pub const FLAG_ONE_WAY: i32 = 2;
/// Most `extFields` entries that a head may have; the protocol's largest header has two dozen.
pub const MAX_EXT_FIELDS: usize = 1024;

/// How a head is encoded: the high byte of the header word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadType {
    /// Type byte 0.
    Json,
    /// Type byte 1.
    Binary,
}

/// A decoded command that borrows the frame it came in: a request, or a response when [`is_response`](Self::is_response).
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The request code, or the response code of a response.
    pub code: i32,
    /// The sender's language.
    pub language: Language,
    /// The sender's protocol version, an ordinal; 0 when it did not say.
    pub version: i32,
    /// The number that the answer must echo.
    pub opaque: i32,
    /// Bits: [`FLAG_RESPONSE`], [`FLAG_ONE_WAY`].
    pub flag: i32,
    /// Human text, mostly on errors.
    pub remark: Option<&'a str>,
    /// The custom header.
    pub ext: Ext<'a>,
    /// The raw body, empty when there is none.
    pub body: &'a [u8],
}

impl Request<'_> {
    /// Whether the sender wants no answer, not even an error.
    pub fn is_one_way(&self) -> bool {
        self.flag & FLAG_ONE_WAY != 0
    }

    /// Whether this is the answer to a request of ours.
    pub fn is_response(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }
}

/// Decodes a head. `header` is exactly the header's bytes, `body` what follows them in the frame.
///
/// # Errors
/// When the head is not what its type says. Such a frame cannot be answered: its opaque is unknown.
pub fn decode<'a>(
    head_type: HeadType,
    header: &'a [u8],
    body: &'a [u8],
    scratch: &'a mut Scratch,
) -> Result<Request<'a>, HeadError> {
    match head_type {
        HeadType::Json => json::decode(header, body, scratch),
        HeadType::Binary => binary::decode(header, body, scratch),
    }
}

/// Why a head could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// A JSON head that is not JSON, or not of the expected shape.
    #[error("JSON header: expected {expected} at byte {at}")]
    Json {
        /// What would have been right there.
        expected: &'static str,
        /// Offset into the header.
        at: usize,
    },
    /// A binary head whose inner lengths do not fit.
    #[error("binary header: {field} of {length} bytes runs past the header's end at byte {at}")]
    Binary {
        /// The part that does not fit.
        field: &'static str,
        /// Its stated length.
        length: i64,
        /// Offset into the header.
        at: usize,
    },
    /// More ext fields than [`MAX_EXT_FIELDS`].
    #[error("header has more than {MAX_EXT_FIELDS} ext fields")]
    TooManyFields,
}

/// Why a custom header could not be read from the ext fields of an otherwise good request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A required field is absent.
    #[error("the header field `{name}` is missing")]
    Missing {
        /// The field's name on the wire.
        name: &'static str,
    },
    /// A field does not have the text of its type.
    #[error("the header field `{name}` is not {expected}: {value:?}")]
    Invalid {
        /// The field's name on the wire.
        name: &'static str,
        /// The type it should have.
        expected: &'static str,
        /// The text it has, cut after 64 characters.
        value: String,
    },
}

impl HeaderError {
    pub(crate) fn invalid(name: &'static str, expected: &'static str, value: &str) -> HeaderError {
        HeaderError::Invalid {
            name,
            expected,
            value: value.chars().take(64).collect(),
        }
    }
}
