//! A scanner over one JSON text: strings, scalars, members, and values that nobody reads. It hands out positions
//! instead of texts, unescapes into an arena that its user owns, and never steps outside of its text.

use super::HeadError;
use super::scratch::Span;

/// Deepest nesting of a value that nobody reads.
const MAX_DEPTH: usize = 64;

pub(super) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    arena: &'a mut String,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str, arena: &'a mut String) -> Scanner<'a> {
        Scanner {
            text,
            bytes: text.as_bytes(),
            at: 0,
            arena,
        }
    }

    pub(super) fn into_arena(self) -> &'a str {
        self.arena
    }

    /// The text of a span that this scanner handed out.
    #[inline]
    pub(super) fn text_of(&self, span: Span) -> &str {
        span.text(self.text, self.arena)
    }

    /// Where the next byte is read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The members of an object whose brace is already read, up to and with the closing one.
    #[inline(always)]
    pub(super) fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, Span) -> Result<(), HeadError>,
    ) -> Result<(), HeadError> {
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blank();
            let name = self.string()?;
            self.blank();
            self.expect(b':', "a colon")?;
            self.blank();
            member(self, name)?;
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.error("a comma or the object's end")),
            }
        }
    }

    /// Any value as text: strings unescaped, numbers and booleans as written, nested values raw, `null` as `None`.
    #[inline]
    pub(super) fn scalar(&mut self) -> Result<Option<Span>, HeadError> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => return self.string().map(Some),
            Some(b'n') => {
                self.literal(b"null")?;
                return Ok(None);
            }
            _ => self.skip()?,
        }
        Ok(Some(Span::in_header(start, self.at)))
    }

    /// A string; where it has escapes its text is built in the arena.
    #[inline]
    fn string(&mut self) -> Result<Span, HeadError> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        self.seek_quote_or_backslash()?;
        if self.bytes[self.at] == b'"' {
            self.at += 1;
            return Ok(Span::in_header(start, self.at - 1));
        }
        self.escaped_string(start)
    }

    fn escaped_string(&mut self, start: usize) -> Result<Span, HeadError> {
        let arena_start = self.arena.len();
        let mut plain_start = start;
        loop {
            // Both ends are next to ASCII characters, so the slice always is on character boundaries.
            self.arena.push_str(&self.text[plain_start..self.at]);
            if self.bytes[self.at] == b'"' {
                self.at += 1;
                return Ok(Span::in_arena(arena_start, self.arena.len()));
            }
            let escaped = self.escape()?;
            self.arena.push(escaped);
            plain_start = self.at;
            self.seek_quote_or_backslash()?;
        }
    }

    /// Moves to the next `"` or `\`, eight bytes at a time.
    #[inline]
    fn seek_quote_or_backslash(&mut self) -> Result<(), HeadError> {
        let bytes = self.bytes;
        let mut at = self.at;
        while let Some(chunk) = bytes
            .get(at..at + 8)
            .and_then(|chunk| <[u8; 8]>::try_from(chunk).ok())
        {
            let word = u64::from_le_bytes(chunk);
            let found = zero_bytes(word ^ repeated(b'"')) | zero_bytes(word ^ repeated(b'\\'));
            if found != 0 {
                self.at = at + (found.trailing_zeros() / 8) as usize;
                return Ok(());
            }
            at += 8;
        }
        while let Some(&byte) = bytes.get(at) {
            if byte == b'"' || byte == b'\\' {
                self.at = at;
                return Ok(());
            }
            at += 1;
        }
        self.at = at;
        Err(self.error("the string's end"))
    }

    /// The character of an escape; the position is at its backslash.
    fn escape(&mut self) -> Result<char, HeadError> {
        self.at += 1;
        let kind = self.peek().ok_or_else(|| self.error("an escape"))?;
        self.at += 1;
        Ok(match kind {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex4()?;
                match unit {
                    0xd800..0xdc00 if self.bytes[self.at..].starts_with(b"\\u") => {
                        let before_low = self.at;
                        self.at += 2;
                        let low = self.hex4()?;
                        if (0xdc00..0xe000).contains(&low) {
                            let point = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                            char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER)
                        } else {
                            self.at = before_low;
                            char::REPLACEMENT_CHARACTER
                        }
                    }
                    // A lone half of a pair, which Java's strings may hold and UTF-8 may not.
                    _ => char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER),
                }
            }
            _ => {
                self.at -= 1;
                return Err(self.error("an escape"));
            }
        })
    }

    fn hex4(&mut self) -> Result<u32, HeadError> {
        let digits: [u8; 4] = self
            .bytes
            .get(self.at..self.at + 4)
            .and_then(|digits| digits.try_into().ok())
            .ok_or_else(|| self.error("four hex digits"))?;
        let [a, b, c, d] = digits.map(|digit| NIBBLES[usize::from(digit)]);
        if (a | b | c | d) > 15 {
            return Err(self.error("four hex digits"));
        }
        self.at += 4;
        Ok(u32::from(a) << 12 | u32::from(b) << 8 | u32::from(c) << 4 | u32::from(d))
    }

    /// Steps over any value; nested ones must be well formed too, as the frame's end is not where they stop.
    pub(super) fn skip(&mut self) -> Result<(), HeadError> {
        let mut depth = 0_usize;
        // Which bracket closes each open level: a set bit is an object.
        let mut objects = 0_u64;
        loop {
            self.blank();
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth == MAX_DEPTH {
                        return Err(self.error("less nesting"));
                    }
                    self.at += 1;
                    depth += 1;
                    objects = objects << 1 | u64::from(open == b'{');
                    self.blank();
                    if self.peek() != Some(closing(objects)) {
                        if objects & 1 == 1 {
                            self.skip_name()?;
                        }
                        continue;
                    }
                }
                Some(b'"') => self.skip_string()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                _ => return Err(self.error("a value")),
            }
            // After a value: close what ends here, or go on with the next element.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                self.blank();
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if objects & 1 == 1 {
                            self.blank();
                            self.skip_name()?;
                        }
                        break;
                    }
                    Some(close) if close == closing(objects) => {
                        self.at += 1;
                        depth -= 1;
                        objects >>= 1;
                    }
                    _ => return Err(self.error("a comma or the end of a nested value")),
                }
            }
        }
    }

    fn skip_name(&mut self) -> Result<(), HeadError> {
        self.skip_string()?;
        self.blank();
        self.expect(b':', "a colon")
    }

    fn skip_string(&mut self) -> Result<(), HeadError> {
        let arena_length = self.arena.len();
        self.string()?;
        self.arena.truncate(arena_length);
        Ok(())
    }

    fn number(&mut self) -> Result<(), HeadError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        if self.digits()? > 1 && leading_zero {
            return Err(self.error("a number without leading zeros"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<usize, HeadError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.error("a digit"))
        } else {
            Ok(self.at - start)
        }
    }

    fn literal(&mut self, word: &'static [u8]) -> Result<(), HeadError> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.error("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    pub(super) fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), HeadError> {
        if self.peek() != Some(byte) {
            return Err(self.error(expected));
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[cold]
    pub(super) fn error(&self, expected: &'static str) -> HeadError {
        HeadError::Json {
            expected,
            at: self.at,
        }
    }
}

fn closing(objects: u64) -> u8 {
    if objects & 1 == 1 { b'}' } else { b']' }
}

/// The value of each hex digit; other bytes have bits above the nibble.
static NIBBLES: [u8; 256] = nibbles();

const fn nibbles() -> [u8; 256] {
    let mut table = [0xff; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    table
}

pub(super) const fn repeated(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// High bits of the zero bytes of `word`: whether there are any is exact, and so is the lowest one; nothing else is.
pub(super) const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(repeated(1)) & !word & repeated(0x80)
}
