//! An owned command: what clients send and get back, and what a server sends to its clients. Servers answer
//! requests without it; it is for callers who keep a command beyond the frame it came in.

use crate::remoting::Language;
use crate::remoting::frame::{self, FrameError};
use crate::remoting::head::{
    Ext, FLAG_ONE_WAY, FLAG_RESPONSE, HeadParts, HeadType, HeaderError, Request, Scratch, VERSION,
    decode, write_head_binary, write_head_json,
};
use crate::remoting::headers::{ExtFields, Value};
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;

/// A request or response with its body, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Request code, or response code of a response.
    pub code: i32,
    /// The sender's language.
    pub language: Language,
    /// The sender's protocol version.
    pub version: i32,
    /// Request number; the transport sets it on calls.
    pub opaque: i32,
    /// Bits: response 1, one-way 2.
    pub flag: i32,
    /// Human text, mostly on errors.
    pub remark: Option<String>,
    /// Ext fields in wire order.
    pub ext: Vec<(Cow<'static, str>, String)>,
    /// The raw body, empty when there is none.
    pub body: Bytes,
}

impl Command {
    /// A request with this code.
    pub fn request(code: i32) -> Command {
        Command {
            code,
            language: Language::Java,
            version: VERSION,
            opaque: 0,
            flag: 0,
            remark: None,
            ext: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// A response with this code; the transport sets its opaque where it answers a request.
    pub fn response(code: i32) -> Command {
        Command {
            flag: FLAG_RESPONSE,
            ..Command::request(code)
        }
    }

    /// Adds an ext field.
    #[must_use]
    pub fn with_ext(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> Command {
        self.ext.push((name.into(), value.into()));
        self
    }

    /// Adds the present fields of a typed header.
    #[must_use]
    pub fn with_header<'a>(mut self, header: &impl ExtFields<'a>) -> Command {
        self.ext.reserve(16);
        header.encode(&mut |name, value| {
            let text = match value {
                Value::Text(text) => text.to_owned(),
                Value::Int(number) => number.to_string(),
                Value::Bool(value) => value.to_string(),
            };
            self.ext.push((Cow::Borrowed(name), text));
        });
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Command {
        self.body = body.into();
        self
    }

    /// Sets the remark.
    #[must_use]
    pub fn with_remark(mut self, remark: impl Into<String>) -> Command {
        self.remark = Some(remark.into());
        self
    }

    /// Whether the sender wants no answer.
    pub fn is_one_way(&self) -> bool {
        self.flag & FLAG_ONE_WAY != 0
    }

    /// Whether this is a response.
    pub fn is_response(&self) -> bool {
        self.flag & FLAG_RESPONSE != 0
    }

    /// The ext fields, for typed headers.
    pub fn ext(&self) -> Ext<'_> {
        Ext::owned(&self.ext)
    }

    /// Reads a typed header from the ext fields.
    ///
    /// # Errors
    /// As [`ExtFields::decode`].
    pub fn header<'a, H: ExtFields<'a>>(&'a self) -> Result<H, HeaderError> {
        H::decode(&self.ext())
    }

    /// Appends the whole frame, length word and body included, with a JSON head.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut head = Vec::with_capacity(256);
        self.encode_head(HeadType::Json, &mut head);
        out.extend_from_slice(&head);
        out.extend_from_slice(&self.body);
    }

    /// Appends the whole frame with a binary head; codes above 32,767 do not survive that form.
    pub fn encode_binary(&self, out: &mut BytesMut) {
        let mut head = Vec::with_capacity(256);
        self.encode_head(HeadType::Binary, &mut head);
        out.extend_from_slice(&head);
        out.extend_from_slice(&self.body);
    }

    /// Appends everything of the frame that stands before the body.
    pub(crate) fn encode_head(&self, head_type: HeadType, out: &mut Vec<u8>) {
        let parts = HeadParts {
            code: self.code,
            language: self.language,
            version: self.version,
            opaque: self.opaque,
            flag: self.flag,
            remark: self.remark.as_deref(),
        };
        let ext = self
            .ext
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_str()));
        match head_type {
            HeadType::Json => write_head_json(out, parts, ext, self.body.len()),
            HeadType::Binary => write_head_binary(out, parts, ext, self.body.len()),
        }
    }

    /// Decodes exactly one whole frame, length word included. The body is a slice of `frame`.
    ///
    /// # Errors
    /// When the frame's lengths lie or its head cannot be decoded.
    pub fn decode(bytes: Bytes) -> Result<Command, FrameError> {
        let parts = frame::split(&bytes, usize::MAX)?.ok_or(FrameError::Incomplete)?;
        if parts.length != bytes.len() {
            return Err(FrameError::Incomplete);
        }
        let mut scratch = Scratch::new();
        let request = decode(parts.head_type, parts.header, parts.body, &mut scratch)?;
        let body = bytes.slice_ref(parts.body);
        Ok(Command::from_request(&request, body))
    }

    /// Copies a decoded command; `body` is given separately so that it can be shared instead of copied.
    pub fn from_request(request: &Request<'_>, body: Bytes) -> Command {
        Command {
            code: request.code,
            language: request.language,
            version: request.version,
            opaque: request.opaque,
            flag: request.flag,
            remark: request.remark.map(str::to_owned),
            ext: request
                .ext
                .iter()
                .map(|(name, value)| (intern(name), value.to_owned()))
                .collect(),
            body,
        }
    }
}

/// The names that most responses carry, so that reading one allocates for values only.
fn intern(name: &str) -> Cow<'static, str> {
    const COMMON: [&str; 16] = [
        "msgId",
        "queueId",
        "queueOffset",
        "transactionId",
        "MSG_REGION",
        "TRACE_ON",
        "suggestWhichBrokerId",
        "nextBeginOffset",
        "minOffset",
        "maxOffset",
        "topicSysFlag",
        "groupSysFlag",
        "offset",
        "topic",
        "consumerGroup",
        "timestamp",
    ];
    match COMMON.iter().find(|common| **common == name) {
        Some(common) => Cow::Borrowed(common),
        None => Cow::Owned(name.to_owned()),
    }
}
