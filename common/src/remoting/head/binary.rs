//! The binary ("ROCKETMQ") form of a head: int16 code, int8 language, int16 version, int32 opaque, int32 flag, then
//! an int32-counted remark and an int32-counted block of (int16-counted name, int32-counted value) pairs, all big
//! endian. Every inner length is checked against the header before use.

use super::scratch::{Scratch, Span, push_field};
use super::{Ext, HeadError, Request};
use crate::remoting::Language;

pub(super) fn decode<'a>(
    header: &'a [u8],
    body: &'a [u8],
    scratch: &'a mut Scratch,
) -> Result<Request<'a>, HeadError> {
    scratch.clear();
    let Scratch { fields, arena, .. } = scratch;
    let mut reader = Reader {
        bytes: header,
        at: 0,
    };
    let code = i32::from(i16::from_be_bytes(reader.array("code")?));
    let language = Language::from_ordinal(i64::from(i8::from_be_bytes(reader.array("language")?)));
    let version = i32::from(i16::from_be_bytes(reader.array("version")?));
    let opaque = i32::from_be_bytes(reader.array("opaque")?);
    let flag = i32::from_be_bytes(reader.array("flag")?);
    let remark_length = i32::from_be_bytes(reader.array("remark length")?);
    let remark = if remark_length == 0 {
        None
    } else {
        Some(text_into(
            arena,
            reader.take("remark", remark_length.into())?,
        ))
    };
    let ext_length = i32::from_be_bytes(reader.array("ext length")?);
    let block = reader.take("ext fields", ext_length.into())?;
    if reader.at != header.len() {
        let rest = header.len() - reader.at;
        return Err(HeadError::Binary {
            field: "surplus",
            length: rest as i64,
            at: reader.at,
        });
    }
    let mut reader = Reader {
        bytes: block,
        at: 0,
    };
    while reader.at < block.len() {
        let name_length = i16::from_be_bytes(reader.array("name length")?);
        let name = text_into(arena, reader.take("name", name_length.into())?);
        let value_length = i32::from_be_bytes(reader.array("value length")?);
        let value = text_into(arena, reader.take("value", value_length.into())?);
        push_field(fields, name, value)?;
    }
    let arena: &'a str = arena;
    let remark = remark.map(|span| span.text("", arena));
    Ok(Request {
        code,
        language,
        version,
        opaque,
        flag,
        remark,
        ext: Ext::decoded(fields, "", arena),
        body,
    })
}

fn text_into(arena: &mut String, bytes: &[u8]) -> Span {
    let start = arena.len();
    arena.push_str(&String::from_utf8_lossy(bytes));
    Span::in_arena(start, arena.len())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, field: &'static str, length: i64) -> Result<&'a [u8], HeadError> {
        let taken = usize::try_from(length)
            .ok()
            .and_then(|length| self.at.checked_add(length))
            .and_then(|end| self.bytes.get(self.at..end))
            .ok_or(HeadError::Binary {
                field,
                length,
                at: self.at,
            })?;
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], HeadError> {
        let at = self.at;
        let taken = self.take(field, N as i64)?;
        taken.try_into().map_err(|_| HeadError::Binary {
            field,
            length: N as i64,
            at,
        })
    }
}
