//! The part of a line that is its key: a field separated by blanks, or what a JSON pointer points to.

use std::str::FromStr;

/// How to find the key in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selector {
    /// The field of this number, from 1.
    Field(usize),
    /// The value at this JSON pointer.
    Pointer(String),
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Selector, String> {
        if text.starts_with('/') {
            return Ok(Selector::Pointer(text.to_owned()));
        }
        match text.parse() {
            Ok(0) | Err(_) => Err(
                "give the number of a field, from 1, or a JSON pointer such as /user/id".to_owned(),
            ),
            Ok(number) => Ok(Selector::Field(number)),
        }
    }
}

impl Selector {
    /// The key of a line; `None` if the line has no such field, is no JSON, or points to nothing or to null.
    pub(crate) fn select(&self, line: &[u8]) -> Option<String> {
        match self {
            Selector::Field(number) => {
                let mut fields = line
                    .split(u8::is_ascii_whitespace)
                    .filter(|field| !field.is_empty());
                let field = fields.nth(number - 1)?;
                Some(String::from_utf8_lossy(field).into_owned())
            }
            Selector::Pointer(pointer) => {
                let value: serde_json::Value = serde_json::from_slice(line).ok()?;
                match value.pointer(pointer)? {
                    serde_json::Value::Null => None,
                    serde_json::Value::String(text) => Some(text.clone()),
                    other => Some(other.to_string()),
                }
            }
        }
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Selector::Field(number) => write!(f, "field {number}"),
            Selector::Pointer(pointer) => write!(f, "value at {pointer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fields_are_separated_by_any_blanks() {
        let second: Selector = "2".parse().unwrap();
        assert_eq!(second.select(b"  a \t b c").as_deref(), Some("b"));
        assert_eq!(second.select(b"a"), None);
    }

    #[test]
    fn pointers_reach_into_json() {
        let id: Selector = "/user/id".parse().unwrap();
        assert_eq!(id.select(br#"{"user":{"id":7}}"#).as_deref(), Some("7"));
        assert_eq!(id.select(br#"{"user":{"id":"x"}}"#).as_deref(), Some("x"));
        assert_eq!(id.select(br#"{"user":{"id":null}}"#), None);
        assert_eq!(id.select(b"no json"), None);
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["0", "", "x", "-1"] {
            assert!(bad.parse::<Selector>().is_err(), "{bad}");
        }
    }
}
