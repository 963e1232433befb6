//! Turns the property string of a request into the one that is stored: adds what the broker adds, drops what may not be
//! stored, and reports what the rest of the send needs to know. It writes into a buffer that the caller reuses and
//! allocates nothing.

use std::ops::Range;

use mainstem_record::property;

/// Separates a property's name from its value.
const SEPARATOR: u8 = property::NAME_VALUE_SEPARATOR;
/// Ends a property.
const END: u8 = property::PROPERTY_SEPARATOR;

/// Shortest piece that can be a property: one byte of name, the separator, one of value.
const MIN_PIECE_LEN: usize = 3;
/// How far ahead a name is searched for again; repeats further apart than this are kept, and readers take the first.
const MAX_SEARCHED_FOR_REPEATS: usize = 64;

/// What the broker adds to every message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Additions<'a> {
    pub(crate) region_id: &'a str,
    pub(crate) trace_on: bool,
    pub(crate) cluster_name: &'a str,
}

/// Where a delayed message goes when its time has come; turns a message into a scheduled one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scheduled<'a> {
    pub(crate) level: i32,
    pub(crate) real_topic: &'a str,
    pub(crate) real_queue_id: i32,
}

/// What a property string asks for, found without writing anything.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wishes<'a> {
    /// `DELAY`, when it is a number.
    pub(crate) delay_level: Option<i32>,
    /// `TRAN_MSG` is `true`.
    pub(crate) transaction: bool,
    /// One of the properties of arbitrary-time messages is there.
    pub(crate) timer: bool,
    /// `WAIT` is `false`: the producer does not wait for the disk.
    pub(crate) no_wait: bool,
    /// `UNIQ_KEY` as sent.
    pub(crate) unique_key: Option<&'a str>,
}

/// Why a property string is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// A NUL byte, which no reader of the log expects.
    #[error("the properties hold a NUL byte at position {position}: remove it")]
    Nul {
        /// Byte position in the string.
        position: usize,
    },
    /// `DELAY` is not a number.
    #[error("property DELAY is {value:?}: it must be a delay level, a number from 1 to 18")]
    DelayLevel {
        /// The value as sent.
        value: String,
    },
}

/// The pairs of a property string, each with what comes behind it.
struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = (&'a str, &'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (piece, rest) = split_at_byte(self.rest, END).unwrap_or((self.rest, ""));
            self.rest = rest;
            if piece.len() < MIN_PIECE_LEN {
                continue;
            }
            if let Some((name, value)) = split_at_byte(piece, SEPARATOR)
                && !name.is_empty()
                && !value.is_empty()
            {
                return Some((name, value, rest));
            }
        }
        None
    }
}

/// What stands before and behind the first `byte`, which must be ASCII.
fn split_at_byte(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = memchr::memchr(byte, text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

fn pieces(raw: &str) -> Pieces<'_> {
    Pieces { rest: raw }
}

/// Reads what the string asks for.
pub(crate) fn wishes(raw: &str) -> Result<Wishes<'_>, PropertiesError> {
    if memchr::memchr(0, raw.as_bytes()).is_some() {
        return Err(PropertiesError::Nul {
            position: raw.find('\0').unwrap_or_default(),
        });
    }
    let mut found = Wishes::default();
    for (name, value, _) in pieces(raw) {
        match name {
            property::DELAY => {
                let level = value.parse().map_err(|_| PropertiesError::DelayLevel {
                    value: value.to_owned(),
                })?;
                found.delay_level = Some(level);
            }
            property::TRAN_MSG => found.transaction = value.eq_ignore_ascii_case("true"),
            property::WAIT => found.no_wait = value.eq_ignore_ascii_case("false"),
            property::UNIQ_KEY => found.unique_key = Some(value),
            property::TIMER_DELAY_SEC | property::TIMER_DELAY_MS | property::TIMER_DELIVER_MS => {
                found.timer = true
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Appends one property to a stored string.
pub(crate) fn push(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.push(SEPARATOR);
    out.extend_from_slice(value.as_bytes());
    out.push(END);
}

fn push_int(out: &mut Vec<u8>, name: &str, value: i32) {
    use std::io::Write as _;
    out.extend_from_slice(name.as_bytes());
    out.push(SEPARATOR);
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{value}");
    out.push(END);
}

/// Appends the stored form of `raw` to `out` and returns where the unique key lies in it. `new_unique_key` writes a key
/// when the producer sent none.
pub(crate) fn write_stored(
    raw: &str,
    additions: &Additions<'_>,
    scheduled: Option<&Scheduled<'_>>,
    out: &mut Vec<u8>,
    new_unique_key: impl FnOnce(&mut Vec<u8>),
) -> Range<usize> {
    push(out, property::MSG_REGION, additions.region_id);
    let mut unique_key = None;
    for (name, value, rest) in pieces(raw) {
        match name {
            property::MSG_REGION | property::TRACE_ON | property::CLUSTER | property::POP_CK => {
                continue;
            }
            property::DELAY | property::REAL_TOPIC | property::REAL_QID if scheduled.is_some() => {
                continue;
            }
            _ => {}
        }
        if is_in(rest, name) {
            continue;
        }
        push(out, name, value);
        if name == property::UNIQ_KEY {
            unique_key = Some(out.len() - 1 - value.len()..out.len() - 1);
        }
    }
    let unique_key = unique_key.unwrap_or_else(|| {
        out.extend_from_slice(property::UNIQ_KEY.as_bytes());
        out.push(SEPARATOR);
        let start = out.len();
        new_unique_key(out);
        let end = out.len();
        out.push(END);
        start..end
    });
    push(out, property::CLUSTER, additions.cluster_name);
    if let Some(scheduled) = scheduled {
        push_int(out, property::DELAY, scheduled.level);
        push(out, property::REAL_TOPIC, scheduled.real_topic);
        push_int(out, property::REAL_QID, scheduled.real_queue_id);
    }
    push(
        out,
        property::TRACE_ON,
        if additions.trace_on { "true" } else { "false" },
    );
    unique_key
}

/// Whether a name comes again later: then its last value counts, as in a map filled in order.
fn is_in(rest: &str, name: &str) -> bool {
    let mut rest = rest.as_bytes();
    for _ in 0..MAX_SEARCHED_FOR_REPEATS {
        // A value has a byte at least, else the property is none.
        if let Some(value) = rest.strip_prefix(name.as_bytes())
            && let [SEPARATOR, first, ..] = value
            && *first != END
        {
            return true;
        }
        match memchr::memchr(END, rest) {
            Some(end) => rest = &rest[end + 1..],
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ADDITIONS: Additions<'static> = Additions {
        region_id: "DefaultRegion",
        trace_on: true,
        cluster_name: "DefaultCluster",
    };

    fn stored(raw: &str, scheduled: Option<&Scheduled<'_>>) -> (String, String) {
        let mut out = Vec::new();
        let key = write_stored(raw, &ADDITIONS, scheduled, &mut out, |out| {
            out.extend_from_slice(b"NEWKEY")
        });
        let text = String::from_utf8(out).unwrap();
        let key = text[key].to_owned();
        (text, key)
    }

    #[test]
    fn the_broker_adds_its_four_properties_and_ends_with_a_separator() {
        let (text, key) = stored("TAGS\u{1}TagA", None);
        assert_eq!(
            text,
            "MSG_REGION\u{1}DefaultRegion\u{2}TAGS\u{1}TagA\u{2}UNIQ_KEY\u{1}NEWKEY\u{2}CLUSTER\u{1}DefaultCluster\u{2}TRACE_ON\u{1}true\u{2}"
        );
        assert_eq!(key, "NEWKEY");
    }

    #[test]
    fn empty_values_and_receipt_handles_are_dropped_and_wait_is_kept() {
        let (text, key) = stored(
            "WAIT\u{1}true\u{2}A\u{1}\u{2}POP_CK\u{1}x\u{2}UNIQ_KEY\u{1}ab\u{2}KEYS\u{1}k1 k2\u{2}",
            None,
        );
        assert!(text.contains("WAIT\u{1}true\u{2}"));
        assert!(text.contains("KEYS\u{1}k1 k2\u{2}"));
        assert!(!text.contains("POP_CK") && !text.contains("A\u{1}\u{2}"));
        assert_eq!(key, "ab");
    }

    #[test]
    fn the_last_of_a_repeated_name_counts() {
        let (text, _) = stored("A\u{1}1\u{2}B\u{1}2\u{2}A\u{1}3\u{2}", None);
        assert!(text.contains("A\u{1}3\u{2}") && !text.contains("A\u{1}1\u{2}"));
    }

    #[test]
    fn a_scheduled_message_names_its_real_queue_once() {
        let scheduled = Scheduled {
            level: 18,
            real_topic: "T",
            real_queue_id: 3,
        };
        let (text, _) = stored("DELAY\u{1}30\u{2}REAL_TOPIC\u{1}Old\u{2}", Some(&scheduled));
        assert!(text.contains("DELAY\u{1}18\u{2}REAL_TOPIC\u{1}T\u{2}REAL_QID\u{1}3\u{2}"));
        assert!(!text.contains("Old"));
    }

    #[test]
    fn wishes_are_found_without_writing() {
        let found =
            wishes("DELAY\u{1}3\u{2}WAIT\u{1}false\u{2}TRAN_MSG\u{1}true\u{2}UNIQ_KEY\u{1}k\u{2}")
                .unwrap();
        assert_eq!(
            found,
            Wishes {
                delay_level: Some(3),
                transaction: true,
                timer: false,
                no_wait: true,
                unique_key: Some("k")
            }
        );
        assert!(matches!(
            wishes("A\u{1}b\0c"),
            Err(PropertiesError::Nul { position: 3 })
        ));
        assert!(wishes("DELAY\u{1}soon").is_err());
    }
}
