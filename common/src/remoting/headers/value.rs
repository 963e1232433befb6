//! The types that a header field can have, and how each reads from and writes to text.

use crate::remoting::head::HeaderError;
use std::fmt;

/// A header field's value on its way out; on the wire it is always text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text as it is.
    Text(&'a str),
    /// A decimal integer.
    Int(i64),
    /// `true` or `false`.
    Bool(bool),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => out.write_str(text),
            Value::Int(number) => number.fmt(out),
            Value::Bool(value) => value.fmt(out),
        }
    }
}

/// A type of header fields.
pub trait ExtValue<'a>: Sized {
    /// Reads the field `name` from its text, `None` when it is absent.
    ///
    /// # Errors
    /// When the text is not of this type, or absent though required.
    fn read(name: &'static str, text: Option<&'a str>) -> Result<Self, HeaderError>;

    /// The value to write, `None` to leave the field out.
    fn write(&self) -> Option<Value<'_>>;
}

impl<'a> ExtValue<'a> for &'a str {
    #[inline]
    fn read(name: &'static str, text: Option<&'a str>) -> Result<Self, HeaderError> {
        text.ok_or(HeaderError::Missing { name })
    }

    fn write(&self) -> Option<Value<'_>> {
        Some(Value::Text(self))
    }
}

impl<'a> ExtValue<'a> for Option<&'a str> {
    #[inline]
    fn read(_name: &'static str, text: Option<&'a str>) -> Result<Self, HeaderError> {
        Ok(text)
    }

    fn write(&self) -> Option<Value<'_>> {
        self.map(Value::Text)
    }
}

/// Numbers and booleans: an empty text counts as absent, since one client sends that for what it does not know.
macro_rules! parsed {
    ($($type:ty, $parse:expr, $value:expr;)*) => {$(
        impl<'a> ExtValue<'a> for $type {
            #[inline]
            fn read(name: &'static str, text: Option<&'a str>) -> Result<Self, HeaderError> {
                <Option<$type>>::read(name, text)?.ok_or(HeaderError::Missing { name })
            }

            fn write(&self) -> Option<Value<'_>> {
                Some($value(*self))
            }
        }

        impl<'a> ExtValue<'a> for Option<$type> {
            #[inline]
            fn read(name: &'static str, text: Option<&'a str>) -> Result<Self, HeaderError> {
                match text {
                    None | Some("") => Ok(None),
                    Some(text) => $parse(name, text).map(Some),
                }
            }

            fn write(&self) -> Option<Value<'_>> {
                self.map($value)
            }
        }
    )*};
}

parsed! {
    i32, |name, text: &str| text.parse().map_err(|_| HeaderError::invalid(name, "a 32-bit integer", text)),
        |number| Value::Int(i64::from(number));
    i64, |name, text: &str| text.parse().map_err(|_| HeaderError::invalid(name, "a 64-bit integer", text)),
        Value::Int;
    // Java's rule: whatever is not `true` is false.
    bool, |_name, text: &str| Ok::<bool, HeaderError>(text.eq_ignore_ascii_case("true")), Value::Bool;
}
