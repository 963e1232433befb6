//! The JSON form of a head, scanned by hand: one pass, no tree, no allocation but into the reused arena. It accepts
//! what RocketMQ's clients send (numbers and booleans as ext values, a trailing newline, `null`, duplicate keys, raw
//! control characters, bad UTF-8) and refuses what is not JSON.

use super::scanner::Scanner;
use super::scratch::{Field, Scratch, Span, push_field};
use super::{Ext, HeadError, Request};
use crate::remoting::Language;

pub(super) fn decode<'a>(
    header: &'a [u8],
    body: &'a [u8],
    scratch: &'a mut Scratch,
) -> Result<Request<'a>, HeadError> {
    scratch.clear();
    let Scratch {
        fields,
        arena,
        repaired,
    } = scratch;
    let text: &'a str = match std::str::from_utf8(header) {
        Ok(text) => text,
        Err(_) => {
            *repaired = String::from_utf8_lossy(header).into_owned();
            repaired
        }
    };
    let mut scanner = Scanner::new(text, arena);
    let head = scanner.head(fields)?;
    let arena: &'a str = scanner.into_arena();
    Ok(Request {
        code: head.code,
        language: head.language,
        version: head.version,
        opaque: head.opaque,
        flag: head.flag,
        remark: head.remark.map(|span| span.text(text, arena)),
        ext: Ext::decoded(fields, text, arena),
        body,
    })
}

#[derive(Default)]
struct Head {
    code: i32,
    language: Language,
    version: i32,
    opaque: i32,
    flag: i32,
    remark: Option<Span>,
}

impl Scanner<'_> {
    fn head(&mut self, fields: &mut Vec<Field>) -> Result<Head, HeadError> {
        let mut head = Head::default();
        self.blank();
        self.expect(b'{', "an object")?;
        self.members(|scanner, name| scanner.member(name, &mut head, fields))?;
        self.blank();
        if self.peek().is_some() {
            return Err(self.error("the end"));
        }
        Ok(head)
    }

    fn member(
        &mut self,
        name: Span,
        head: &mut Head,
        fields: &mut Vec<Field>,
    ) -> Result<(), HeadError> {
        match self.text_of(name).as_bytes() {
            b"code" => head.code = self.integer()?,
            b"flag" => head.flag = self.integer()?,
            b"opaque" => head.opaque = self.integer()?,
            b"version" => head.version = self.integer()?,
            b"language" => {
                if let Some(span) = self.scalar()? {
                    let text = self.text_of(span);
                    head.language = match text.parse() {
                        Ok(ordinal) => Language::from_ordinal(ordinal),
                        Err(_) => Language::from_name(text),
                    };
                }
            }
            b"remark" => head.remark = self.scalar()?,
            b"extFields" => {
                fields.clear();
                if self.peek() == Some(b'{') {
                    self.expect(b'{', "an object")?;
                    self.members(|scanner, name| match scanner.scalar()? {
                        Some(value) => push_field(fields, name, value),
                        None => Ok(()),
                    })?;
                } else if self.scalar()?.is_some() {
                    return Err(self.error("an object as extFields"));
                }
            }
            _ => self.skip()?,
        }
        Ok(())
    }

    /// A member that must be a 32-bit number, perhaps in quotes; `null` reads as 0.
    fn integer(&mut self) -> Result<i32, HeadError> {
        let at = self.position();
        match self.scalar()? {
            None => Ok(0),
            Some(span) => {
                let error = |_| HeadError::Json {
                    expected: "a 32-bit integer",
                    at,
                };
                self.text_of(span).parse().map_err(error)
            }
        }
    }
}
