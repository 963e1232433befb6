//! The properties of a message in their stored form, `name \x01 value \x02 …`, as a borrowed view and as an owned ordered
//! map. Promises to read whatever Apache's parser reads and to skip what it skips; knows no property's meaning.

use thiserror::Error;

use crate::property::{NAME_VALUE_SEPARATOR, PROPERTY_SEPARATOR};

/// The longest stored properties, in bytes: their length is a signed 16-bit number in the record.
pub const MAX_PROPERTIES_LEN: usize = i16::MAX as usize;

/// Shorter pieces are skipped by Apache's parser: a name, a separator and a value need three characters.
const MIN_PIECE_LEN: usize = 3;

/// The encoded properties do not fit the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the properties take {len} bytes, the limit is {MAX_PROPERTIES_LEN}; shorten or move them into the body"
)]
pub struct PropertiesTooLong {
    /// Encoded length in bytes.
    pub len: usize,
}

/// Stored properties, read in place. Values that are no UTF-8 are skipped, for no client could have meant them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PropertiesView<'a>(pub &'a [u8]);

impl<'a> PropertiesView<'a> {
    /// The value of `name`; the last one if the name occurs twice, as in Apache's map.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let mut found = None;
        for (n, value) in Pieces(self.0) {
            if n == name.as_bytes() {
                found = std::str::from_utf8(value).ok();
            }
        }
        found
    }

    /// All properties in stored order, duplicates included.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        Pieces(self.0)
            .filter_map(|(n, v)| Some((std::str::from_utf8(n).ok()?, std::str::from_utf8(v).ok()?)))
    }

    /// The stored bytes themselves.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// Splits the stored form into name and value, skipping what Apache's parser skips.
struct Pieces<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.0.is_empty() {
            let (piece, rest) = match find_byte(self.0, PROPERTY_SEPARATOR) {
                Some(end) => (&self.0[..end], &self.0[end + 1..]),
                None => (self.0, &[][..]),
            };
            self.0 = rest;
            if piece.len() < MIN_PIECE_LEN {
                continue;
            }
            match find_byte(piece, NAME_VALUE_SEPARATOR) {
                Some(at) if at > 0 && at + 1 < piece.len() => {
                    return Some((&piece[..at], &piece[at + 1..]));
                }
                _ => {}
            }
        }
        None
    }
}

/// Position of the first `needle`, eight bytes at a time: the dispatcher looks into the properties of every message.
fn find_byte(haystack: &[u8], needle: u8) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let pattern = ONES * u64::from(needle);
    let (words, rest) = haystack.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let x = u64::from_le_bytes(*word) ^ pattern;
        let zeros = x.wrapping_sub(ONES) & !x & HIGHS;
        if zeros != 0 {
            // Borrows run upwards only, so the lowest marked byte is a true match.
            return Some(i * 8 + (zeros.trailing_zeros() / 8) as usize);
        }
    }
    rest.iter()
        .position(|&b| b == needle)
        .map(|at| words.len() * 8 + at)
}

/// Properties in insertion order, each name once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties(Vec<(String, String)>);

impl Properties {
    /// No properties.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Reads the stored form; malformed pieces are skipped, a repeated name keeps its last value.
    #[must_use]
    pub fn parse(stored: &[u8]) -> Self {
        let mut properties = Self::new();
        for (name, value) in PropertiesView(stored).iter() {
            properties.set(name, value);
        }
        properties
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// Sets `name`, keeping its place if it is there already. Neither text is checked here; see
    /// [`check_user_property`](crate::property::check_user_property).
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, v)) => *v = value,
            None => self.0.push((name, value)),
        }
    }

    /// Removes `name` and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(n, _)| n == name)?;
        Some(self.0.remove(at).1)
    }

    /// All properties in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Length of the stored form in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.0.iter().map(|(n, v)| n.len() + v.len() + 2).sum()
    }

    /// Appends the stored form, each property ended by its separator, without checking the limit.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_len());
        for (name, value) in &self.0 {
            out.extend_from_slice(name.as_bytes());
            out.push(NAME_VALUE_SEPARATOR);
            out.extend_from_slice(value.as_bytes());
            out.push(PROPERTY_SEPARATOR);
        }
    }

    /// The stored form, if it fits a record.
    pub fn encode(&self) -> Result<Vec<u8>, PropertiesTooLong> {
        let len = self.encoded_len();
        if len > MAX_PROPERTIES_LEN {
            return Err(PropertiesTooLong { len });
        }
        let mut out = Vec::new();
        self.encode_into(&mut out);
        Ok(out)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut properties = Self::new();
        for (name, value) in pairs {
            properties.set(name, value);
        }
        properties
    }
}

impl From<PropertiesView<'_>> for Properties {
    fn from(view: PropertiesView<'_>) -> Self {
        Self::parse(view.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pieces_without_name_or_value_are_skipped_as_apache_skips_them() {
        let stored = b"A\x01b\x02\x01x\x02cc\x02D\x01\x02\x02E\x01f\x01g\x02A\x01z";
        let view = PropertiesView(stored);
        assert_eq!(
            view.iter().collect::<Vec<_>>(),
            [("A", "b"), ("E", "f\u{1}g"), ("A", "z")]
        );
        assert_eq!(view.get("A"), Some("z"));
        assert_eq!(view.get("D"), None);
        let owned = Properties::parse(stored);
        assert_eq!(
            owned.iter().collect::<Vec<_>>(),
            [("A", "z"), ("E", "f\u{1}g")]
        );
    }

    #[test]
    fn a_missing_last_separator_is_tolerated() {
        assert_eq!(PropertiesView(b"TAGS\x01TagA").get("TAGS"), Some("TagA"));
    }

    #[test]
    fn set_keeps_the_place_and_remove_returns_the_value() {
        let mut p: Properties = [("a", "1"), ("b", "2")].into_iter().collect();
        p.set("a", "3");
        assert_eq!(p.encode().unwrap(), b"a\x013\x02b\x012\x02");
        assert_eq!(p.remove("a").as_deref(), Some("3"));
        assert_eq!((p.remove("a"), p.len()), (None, 1));
    }

    #[test]
    fn properties_beyond_the_limit_are_refused_with_their_length() {
        let fits: Properties = [("k", "v".repeat(MAX_PROPERTIES_LEN - 3))]
            .into_iter()
            .collect();
        assert_eq!(fits.encode().unwrap().len(), MAX_PROPERTIES_LEN);
        let long: Properties = [("k", "v".repeat(MAX_PROPERTIES_LEN - 2))]
            .into_iter()
            .collect();
        assert_eq!(
            long.encode(),
            Err(PropertiesTooLong {
                len: MAX_PROPERTIES_LEN + 1
            })
        );
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(pairs in proptest::collection::vec(("[^\u{1}\u{2}]{1,12}", "[^\u{1}\u{2}]{1,30}"), 0..12)) {
            let properties: Properties = pairs.into_iter().collect();
            let stored = properties.encode().unwrap();
            prop_assert_eq!(&Properties::parse(&stored), &properties);
            for (name, value) in properties.iter() {
                prop_assert_eq!(PropertiesView(&stored).get(name), Some(value));
            }
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..200)) {
            let view = PropertiesView(&bytes);
            prop_assert!(view.iter().count() <= bytes.len());
            let owned = Properties::parse(&bytes);
            let mut again = Vec::new();
            owned.encode_into(&mut again);
            prop_assert_eq!(Properties::parse(&again), owned);
        }

        #[test]
        fn the_byte_search_agrees_with_the_plain_one(bytes in proptest::collection::vec(0u8..4, 0..40), needle in 0u8..4) {
            prop_assert_eq!(find_byte(&bytes, needle), bytes.iter().position(|&b| b == needle));
        }
    }
}
