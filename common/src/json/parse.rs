//! The tolerant reader: text in, `serde_json::Value` out. Promises to take what RocketMQ's clients send, to end on every
//! input within stated depth and count, and to name the byte at which it gave up.

use serde_json::{Map, Number, Value};
use thiserror::Error;

/// How much a text may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Objects and arrays within one another.
    pub depth: usize,
    /// Values in all: a few bytes of text each, but some 80 bytes of memory.
    pub values: usize,
}

impl Limits {
    /// For the bodies of requests.
    pub const NETWORK: Self = Self {
        depth: 64,
        values: 1_000_000,
    };
    /// For files of one's own: offsets of many groups and queues.
    pub const FILE: Self = Self {
        depth: 64,
        values: 50_000_000,
    };
}

/// Why a text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JsonError {
    /// Something else was expected.
    #[error("JSON: expected {expected} at byte {position}")]
    Unexpected {
        /// What would have been right.
        expected: &'static str,
        /// Byte position in the text.
        position: usize,
    },
    /// The text is no UTF-8.
    #[error("JSON: no UTF-8 in the string at byte {position}")]
    NotUtf8 {
        /// Byte position in the text.
        position: usize,
    },
    /// Too deep.
    #[error("JSON: more than {limit} objects and arrays within one another at byte {position}")]
    TooDeep {
        /// The limit.
        limit: usize,
        /// Byte position in the text.
        position: usize,
    },
    /// Too many values.
    #[error("JSON: more than {limit} values")]
    TooManyValues {
        /// The limit.
        limit: usize,
    },
    /// Well-formed, but not what this place needs.
    #[error("JSON: {cause}")]
    Shape {
        /// What the type wanted.
        cause: String,
    },
}

/// Reads one value under the limits for requests.
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    parse_with(text, Limits::NETWORK)
}

/// Reads one value; only white space may follow it.
pub fn parse_with(text: &[u8], limits: Limits) -> Result<Value, JsonError> {
    let mut parser = Parser {
        text,
        position: 0,
        limits,
        values: 0,
    };
    let value = parser.value(0)?;
    parser.skip_space();
    if parser.position < text.len() {
        return Err(parser.unexpected("the end"));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a [u8],
    position: usize,
    limits: Limits,
    values: usize,
}

impl Parser<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.values += 1;
        if self.values > self.limits.values {
            return Err(JsonError::TooManyValues {
                limit: self.limits.values,
            });
        }
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.check_depth(depth)?;
        self.position += 1;
        let mut members = Map::new();
        loop {
            self.skip_space();
            if self.take(b'}') {
                return Ok(Value::Object(members));
            }
            if !members.is_empty() {
                self.expect(b',', "',' or '}'")?;
                self.skip_space();
            }
            let key = self.key(depth)?;
            self.skip_space();
            self.expect(b':', "':'")?;
            let value = self.value(depth)?;
            members.insert(key, value);
        }
    }

    /// A string, a bare number, or an object (or array) whose compact text becomes the key.
    fn key(&mut self, depth: usize) -> Result<String, JsonError> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number().map(|number| number.to_string()),
            Some(b'{' | b'[') => self.value(depth).map(|value| value.to_string()),
            _ => Err(self.unexpected("a key")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.check_depth(depth)?;
        self.position += 1;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            if !items.is_empty() {
                self.expect(b',', "',' or ']'")?;
            }
            items.push(self.value(depth)?);
        }
    }

    /// Finds the closing quote here and leaves escapes and surrogates to `serde_json`, which knows them all.
    fn string(&mut self) -> Result<String, JsonError> {
        let start = self.position;
        let mut at = start + 1;
        let mut plain = true;
        loop {
            match self.text.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    plain = false;
                    at += 2;
                }
                Some(byte) => {
                    plain &= *byte >= 0x20;
                    at += 1;
                }
                None => {
                    return Err(JsonError::Unexpected {
                        expected: "'\"'",
                        position: self.text.len(),
                    });
                }
            }
        }
        self.position = at + 1;
        if plain {
            let text = std::str::from_utf8(&self.text[start + 1..at])
                .map_err(|_| JsonError::NotUtf8 { position: start })?;
            return Ok(text.to_owned());
        }
        serde_json::from_slice(&self.text[start..=at]).map_err(|_| JsonError::Unexpected {
            expected: "a well-formed string",
            position: start,
        })
    }

    fn number(&mut self) -> Result<Number, JsonError> {
        let start = self.position;
        while matches!(
            self.peek(),
            Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
        ) {
            self.position += 1;
        }
        let malformed = JsonError::Unexpected {
            expected: "a well-formed number",
            position: start,
        };
        let text =
            std::str::from_utf8(&self.text[start..self.position]).map_err(|_| malformed.clone())?;
        if let Ok(number) = text.parse::<i64>() {
            return Ok(number.into());
        }
        if let Ok(number) = text.parse::<u64>() {
            return Ok(number.into());
        }
        text.parse::<f64>()
            .ok()
            .and_then(Number::from_f64)
            .ok_or(malformed)
    }

    fn word(&mut self, word: &'static str, value: Value) -> Result<Value, JsonError> {
        if !self.text[self.position..].starts_with(word.as_bytes()) {
            return Err(self.unexpected(word));
        }
        self.position += word.len();
        Ok(value)
    }

    fn check_depth(&self, depth: usize) -> Result<(), JsonError> {
        if depth > self.limits.depth {
            return Err(JsonError::TooDeep {
                limit: self.limits.depth,
                position: self.position,
            });
        }
        Ok(())
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.position).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.position += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.unexpected(expected))
        }
    }

    fn unexpected(&self, expected: &'static str) -> JsonError {
        JsonError::Unexpected {
            expected,
            position: self.position,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_dialect_of_fastjson_is_read() {
        let text = br#"{"brokerAddrs":{0:"10.0.0.1:10911",-1:"x"},"offsetTable":{{"queueId":0,"topic":"T"}:12},"a":1,"a":2} "#;
        assert_eq!(
            parse(text).unwrap(),
            json!({"brokerAddrs": {"0": "10.0.0.1:10911", "-1": "x"}, "offsetTable": {r#"{"queueId":0,"topic":"T"}"#: 12}, "a": 2})
        );
        assert_eq!(parse(b" [ ] \r\n").unwrap(), json!([]));
        assert_eq!(
            parse(r#""h\u00e4\uD83D\uDE00\n ü""#.as_bytes()).unwrap(),
            json!("hä\u{1F600}\n ü")
        );
        assert_eq!(parse(b"9223372036854775807").unwrap(), json!(i64::MAX));
        assert_eq!(parse(b"1.5E3").unwrap(), json!(1500.0));
    }

    #[test]
    fn an_error_names_the_byte() {
        for (text, position) in [
            (&b"{\"a\" 1}"[..], 5),
            (b"[1,]", 3),
            (b"", 0),
            (b"{\"a\":1} x", 8),
            (b"tru", 0),
            (b"\"abc", 4),
            (b"[1 2]", 3),
        ] {
            assert!(
                matches!(parse(text), Err(JsonError::Unexpected { position: p, .. }) if p == position),
                "{:?}: {:?}",
                String::from_utf8_lossy(text),
                parse(text)
            );
        }
        assert_eq!(parse(b"\"\xff\""), Err(JsonError::NotUtf8 { position: 0 }));
    }

    #[test]
    fn depth_and_count_are_bounded() {
        let deep = "[".repeat(100_000);
        assert!(matches!(
            parse(deep.as_bytes()),
            Err(JsonError::TooDeep { .. })
        ));
        let deep_keys = "{".repeat(100_000);
        assert!(matches!(
            parse(deep_keys.as_bytes()),
            Err(JsonError::TooDeep { .. })
        ));
        let many = format!("[{}1]", "1,".repeat(Limits::NETWORK.values));
        assert!(matches!(
            parse(many.as_bytes()),
            Err(JsonError::TooManyValues { .. })
        ));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,10}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::hash_map(".{0,8}", inner, 0..6)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn standard_json_is_read_as_others_read_it(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
            prop_assert_eq!(parse(&text).unwrap(), value);
        }

        #[test]
        fn hostile_text_never_panics(text in "[\\[\\]{}:,\"0-9a-ntrue\\\\. -]{0,60}", bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(text.as_bytes());
            let _ = parse(&bytes);
        }
    }
}
