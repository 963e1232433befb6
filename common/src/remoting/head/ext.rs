//! The ext fields of a command: its custom header as text pairs. An [`Ext`] borrows, either from a decoded frame or
//! from an owned [`Command`](crate::remoting::Command); the typed headers read themselves from it.

use super::HeaderError;
use super::scratch::Field;
use std::borrow::Cow;

/// Ext fields by name. When a name occurs twice the last one counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ext<'a> {
    source: Source<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Source<'a> {
    Decoded {
        fields: &'a [Field],
        header: &'a str,
        arena: &'a str,
    },
    Owned(&'a [(Cow<'static, str>, String)]),
}

impl Default for Source<'_> {
    fn default() -> Self {
        Source::Owned(&[])
    }
}

impl<'a> Ext<'a> {
    pub(super) fn decoded(fields: &'a [Field], header: &'a str, arena: &'a str) -> Ext<'a> {
        Ext {
            source: Source::Decoded {
                fields,
                header,
                arena,
            },
        }
    }

    /// The pairs of an owned command.
    pub fn owned(pairs: &'a [(Cow<'static, str>, String)]) -> Ext<'a> {
        Ext {
            source: Source::Owned(pairs),
        }
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        match self.source {
            Source::Decoded {
                fields,
                header,
                arena,
            } => fields
                .iter()
                .rev()
                .find(|field| field.name.text(header, arena) == name)
                .map(|field| field.value.text(header, arena)),
            Source::Owned(pairs) => pairs
                .iter()
                .rev()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str()),
        }
    }

    /// Number of pairs, repeated names included.
    pub fn len(&self) -> usize {
        match self.source {
            Source::Decoded { fields, .. } => fields.len(),
            Source::Owned(pairs) => pairs.len(),
        }
    }

    /// Whether there are none: the command had no ext fields, or an empty object.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All pairs in wire order, repeated names included.
    pub fn iter(&self) -> ExtPairs<'a> {
        ExtPairs {
            ext: *self,
            next: 0,
        }
    }

    /// The value of `name` as an int32; absent or empty text is `None`.
    pub fn i32(&self, name: &'static str) -> Result<Option<i32>, HeaderError> {
        self.parsed(name, "a 32-bit integer")
    }

    /// The value of `name` as an int64; absent or empty text is `None`.
    pub fn i64(&self, name: &'static str) -> Result<Option<i64>, HeaderError> {
        self.parsed(name, "a 64-bit integer")
    }

    /// The value of `name` as a boolean: any text but `true` (whatever its case) is false, as in Java.
    pub fn bool(&self, name: &'static str) -> Result<Option<bool>, HeaderError> {
        Ok(self
            .get(name)
            .filter(|text| !text.is_empty())
            .map(|text| text.eq_ignore_ascii_case("true")))
    }

    /// The value of `name`, which may be empty but must be there.
    pub fn required(&self, name: &'static str) -> Result<&'a str, HeaderError> {
        self.get(name).ok_or(HeaderError::Missing { name })
    }

    /// The value of `name`, which must be an int32.
    pub fn required_i32(&self, name: &'static str) -> Result<i32, HeaderError> {
        self.i32(name)?.ok_or(HeaderError::Missing { name })
    }

    /// The value of `name`, which must be an int64.
    pub fn required_i64(&self, name: &'static str) -> Result<i64, HeaderError> {
        self.i64(name)?.ok_or(HeaderError::Missing { name })
    }

    /// The value of `name`, which must be a boolean.
    pub fn required_bool(&self, name: &'static str) -> Result<bool, HeaderError> {
        self.bool(name)?.ok_or(HeaderError::Missing { name })
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, HeaderError> {
        match self.get(name) {
            None | Some("") => Ok(None),
            Some(text) => match text.parse() {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(HeaderError::invalid(name, expected, text)),
            },
        }
    }
}

/// Iterator over the pairs of an [`Ext`].
#[derive(Clone, Debug)]
pub struct ExtPairs<'a> {
    ext: Ext<'a>,
    next: usize,
}

impl<'a> Iterator for ExtPairs<'a> {
    type Item = (&'a str, &'a str);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next;
        self.next += 1;
        match self.ext.source {
            Source::Decoded {
                fields,
                header,
                arena,
            } => fields.get(index).map(|field| {
                (
                    field.name.text(header, arena),
                    field.value.text(header, arena),
                )
            }),
            Source::Owned(pairs) => pairs
                .get(index)
                .map(|(name, value)| (name.as_ref(), value.as_str())),
        }
    }
}
