//! Writing heads. Answers are always JSON with compact text and Java's key order, the only form that every client
//! reads; they go straight into the outgoing bytes, the two length words filled in at the end. Requests can be
//! written in both forms.

use super::scanner::{repeated, zero_bytes};
use super::{HeadType, VERSION};
use crate::remoting::Language;

/// The two words before a header: frame length, and type byte with header length.
pub(crate) const PREFIX_BYTES: usize = 8;
/// What follows the opaque in a head without remark.
const TAIL: &[u8] = b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":";

/// One response frame being written at the end of a buffer. Fields can be added until [`finish`](Self::finish);
/// dropping the writer instead leaves a partial frame, which its owner must cut off at [`start`](Self::start).
#[derive(Debug)]
pub struct HeadWriter {
    start: usize,
    opaque: i32,
    fields: Fields,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fields {
    None,
    Empty,
    Some,
}

impl HeadWriter {
    /// Begins a response to the request `opaque` at the end of `out`.
    #[inline]
    pub fn begin(out: &mut Vec<u8>, code: i32, opaque: i32) -> HeadWriter {
        let start = out.len();
        out.extend_from_slice(b"\0\0\0\0\0\0\0\0{\"code\":");
        write_int(out, i64::from(code));
        HeadWriter {
            start,
            opaque,
            fields: Fields::None,
        }
    }

    /// Where the frame begins in its buffer.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Writes `extFields` as `{}` even if no field follows: some clients tell that from an absent map.
    pub fn empty_ext(&mut self) {
        if self.fields == Fields::None {
            self.fields = Fields::Empty;
        }
    }

    /// Adds a text field.
    #[inline]
    pub fn text(&mut self, out: &mut Vec<u8>, name: &str, value: &str) {
        self.name(out, name);
        write_escaped(out, value);
        out.push(b'"');
    }

    /// Adds an integer field; as all ext values it goes out as text.
    #[inline]
    pub fn int(&mut self, out: &mut Vec<u8>, name: &str, value: i64) {
        self.name(out, name);
        write_int(out, value);
        out.push(b'"');
    }

    #[inline]
    fn name(&mut self, out: &mut Vec<u8>, name: &str) {
        out.extend_from_slice(if self.fields == Fields::Some {
            b",\""
        } else {
            b",\"extFields\":{\""
        });
        self.fields = Fields::Some;
        write_escaped(out, name);
        out.extend_from_slice(b"\":\"");
    }

    /// Ends the head and fills in both lengths for a body of `body_bytes`, which the caller puts behind it. Returns
    /// the head's length, length words included.
    #[inline]
    pub fn finish(self, out: &mut Vec<u8>, remark: Option<&str>, body_bytes: usize) -> usize {
        match self.fields {
            Fields::None => out.extend_from_slice(b",\"flag\":1,\"language\":\"JAVA\",\"opaque\":"),
            Fields::Empty => {
                out.extend_from_slice(
                    b",\"extFields\":{},\"flag\":1,\"language\":\"JAVA\",\"opaque\":",
                );
            }
            Fields::Some => {
                out.extend_from_slice(b"},\"flag\":1,\"language\":\"JAVA\",\"opaque\":")
            }
        }
        write_int(out, i64::from(self.opaque));
        if let Some(remark) = remark {
            write_remark(out, remark);
        }
        out.extend_from_slice(TAIL);
        write_int(out, i64::from(VERSION));
        out.push(b'}');
        fill_lengths(out, self.start, HeadType::Json, body_bytes);
        out.len() - self.start
    }
}

/// The head of a command that is written from owned parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadParts<'a> {
    pub code: i32,
    pub language: Language,
    pub version: i32,
    pub opaque: i32,
    pub flag: i32,
    pub remark: Option<&'a str>,
}

/// Writes length words and a JSON head of any command, request or response.
pub(crate) fn write_head_json<'a>(
    out: &mut Vec<u8>,
    head: HeadParts<'_>,
    ext: impl Iterator<Item = (&'a str, &'a str)>,
    body_bytes: usize,
) {
    let start = out.len();
    out.extend_from_slice(b"\0\0\0\0\0\0\0\0{\"code\":");
    write_int(out, i64::from(head.code));
    let mut first = true;
    for (name, value) in ext {
        out.extend_from_slice(if first { b",\"extFields\":{\"" } else { b",\"" });
        first = false;
        write_escaped(out, name);
        out.extend_from_slice(b"\":\"");
        write_escaped(out, value);
        out.push(b'"');
    }
    if !first {
        out.push(b'}');
    }
    out.extend_from_slice(b",\"flag\":");
    write_int(out, i64::from(head.flag));
    out.extend_from_slice(b",\"language\":\"");
    out.extend_from_slice(head.language.name().as_bytes());
    out.extend_from_slice(b"\",\"opaque\":");
    write_int(out, i64::from(head.opaque));
    if let Some(remark) = head.remark {
        write_remark(out, remark);
    }
    out.extend_from_slice(TAIL);
    write_int(out, i64::from(head.version));
    out.push(b'}');
    fill_lengths(out, start, HeadType::Json, body_bytes);
}

/// Writes length words and a binary head of any command. The code is cut to 16 bits and a name to its int16
/// length as the format demands; a code that does not fit cannot travel in this form.
pub(crate) fn write_head_binary<'a>(
    out: &mut Vec<u8>,
    head: HeadParts<'_>,
    ext: impl Iterator<Item = (&'a str, &'a str)>,
    body_bytes: usize,
) {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX_BYTES]);
    out.extend_from_slice(&(head.code as i16).to_be_bytes());
    out.push(head.language.ordinal());
    out.extend_from_slice(&(head.version as i16).to_be_bytes());
    out.extend_from_slice(&head.opaque.to_be_bytes());
    out.extend_from_slice(&head.flag.to_be_bytes());
    let remark = head.remark.unwrap_or_default();
    out.extend_from_slice(&(remark.len() as i32).to_be_bytes());
    out.extend_from_slice(remark.as_bytes());
    let ext_length_at = out.len();
    out.extend_from_slice(&[0; 4]);
    for (name, value) in ext {
        debug_assert!(name.len() <= i16::MAX as usize);
        out.extend_from_slice(&(name.len() as i16).to_be_bytes());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&(value.len() as i32).to_be_bytes());
        out.extend_from_slice(value.as_bytes());
    }
    let ext_bytes = (out.len() - ext_length_at - 4) as i32;
    out[ext_length_at..ext_length_at + 4].copy_from_slice(&ext_bytes.to_be_bytes());
    fill_lengths(out, start, HeadType::Binary, body_bytes);
}

fn fill_lengths(out: &mut [u8], start: usize, head_type: HeadType, body_bytes: usize) {
    let header_bytes = out.len() - start - PREFIX_BYTES;
    let type_byte = match head_type {
        HeadType::Json => 0,
        HeadType::Binary => 1 << 24,
    };
    out[start..start + 4].copy_from_slice(&((4 + header_bytes + body_bytes) as u32).to_be_bytes());
    out[start + 4..start + 8].copy_from_slice(&(header_bytes as u32 | type_byte).to_be_bytes());
}

fn write_remark(out: &mut Vec<u8>, remark: &str) {
    out.extend_from_slice(b",\"remark\":\"");
    write_escaped(out, remark);
    out.push(b'"');
}

#[inline]
pub(crate) fn write_int(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Writes the inside of a JSON string.
#[inline]
pub(crate) fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        write_with_escapes(out, bytes);
    }
}

/// Whether JSON takes all of `bytes` as they are; eight at a time.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().all(|word| {
        let word = u64::from_le_bytes(*word);
        let controls = word.wrapping_sub(repeated(0x20)) & !word & repeated(0x80);
        let quotes = zero_bytes(word ^ repeated(b'"')) | zero_bytes(word ^ repeated(b'\\'));
        controls | quotes == 0
    }) && rest.iter().all(|byte| plain(*byte))
}

#[cold]
fn write_with_escapes(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in bytes {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
}
