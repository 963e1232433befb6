//! The memory that decoding a head reuses: where its ext fields lie and the few texts that had to be unescaped. It
//! promises that a warmed-up decode allocates nothing; it holds no meaning between two decodes.

use super::{HeadError, MAX_EXT_FIELDS};

/// Memory kept between uses; one oversized header must not stay resident for a connection's life.
const KEEP_TEXT_BYTES: usize = 64 * 1024;

/// Reused memory for [`decode`](super::decode).
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) fields: Vec<Field>,
    /// Texts that are not in the header as they are: unescaped strings, and everything of a binary head.
    pub(super) arena: String,
    /// A whole JSON header made valid UTF-8; used only when the sender's was not.
    pub(super) repaired: String,
}

impl Scratch {
    /// Empty scratch; its memory comes with use.
    pub fn new() -> Scratch {
        Scratch::default()
    }

    pub(super) fn clear(&mut self) {
        self.fields.clear();
        self.arena.clear();
        if self.arena.capacity() > KEEP_TEXT_BYTES {
            self.arena = String::new();
        }
        if self.repaired.capacity() > 0 {
            self.repaired = String::new();
        }
    }
}

/// One ext field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: Span,
    pub(super) value: Span,
}

pub(super) fn push_field(
    fields: &mut Vec<Field>,
    name: Span,
    value: Span,
) -> Result<(), HeadError> {
    if fields.len() >= MAX_EXT_FIELDS {
        return Err(HeadError::TooManyFields);
    }
    fields.push(Field { name, value });
    Ok(())
}

/// A text by position, in the header or (top bit of `start`) in the arena. Frames are far below 2 GiB, and the
/// arena never outgrows its header by more than the replacement characters of bad UTF-8 (threefold).
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

const IN_ARENA: u32 = 1 << 31;

impl Span {
    pub(super) fn in_header(start: usize, end: usize) -> Span {
        debug_assert!(start <= end && end < IN_ARENA as usize);
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    pub(super) fn in_arena(start: usize, end: usize) -> Span {
        debug_assert!(start <= end && end < IN_ARENA as usize);
        Span {
            start: start as u32 | IN_ARENA,
            end: end as u32,
        }
    }

    /// The text; empty if the span does not fit, which no decoder lets happen.
    #[inline]
    pub(super) fn text<'a>(self, header: &'a str, arena: &'a str) -> &'a str {
        let (source, start) = if self.start & IN_ARENA != 0 {
            (arena, self.start & !IN_ARENA)
        } else {
            (header, self.start)
        };
        let text = source.get(start as usize..self.end as usize);
        debug_assert!(text.is_some(), "a span lies outside of its text");
        text.unwrap_or_default()
    }
}
