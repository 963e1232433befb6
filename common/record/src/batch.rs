//! The body of a batch send: items back to back, each a message without topic and hosts. Owns that layout; what becomes of
//! the items is the broker's matter.

use thiserror::Error;

use crate::properties::MAX_PROPERTIES_LEN;

/// Total size, magic, CRC, flag, body length and properties length: what an item takes besides its contents.
const ITEM_OVERHEAD: usize = 4 + 4 + 4 + 4 + 4 + 2;

/// One message of a batch, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchItem<'a> {
    /// The user's flag.
    pub flag: i32,
    /// The body.
    pub body: &'a [u8],
    /// The properties in their stored form.
    pub properties: &'a [u8],
}

/// Why a batch body is malformed, or an item cannot be put into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BatchError {
    /// The bytes end before the item does.
    #[error("the batch ends inside the item that begins at byte {position}")]
    Truncated {
        /// Where the item begins.
        position: usize,
    },
    /// The item's inner lengths do not add up to its size.
    #[error(
        "the batch item at byte {position} announces {size} bytes, but its fields do not end there"
    )]
    SizeMismatch {
        /// Where the item begins.
        position: usize,
        /// The size as announced.
        size: i32,
    },
    /// The properties do not fit their length field.
    #[error(
        "the properties of a batch item take {len} bytes, the limit is {MAX_PROPERTIES_LEN}; shorten or move them into the body"
    )]
    PropertiesTooLong {
        /// Length in bytes.
        len: usize,
    },
    /// The body does not fit its length field.
    #[error(
        "the batch item would take {len} bytes, the limit is {}; send a smaller body",
        i32::MAX
    )]
    ItemTooLarge {
        /// Length in bytes.
        len: usize,
    },
}

/// The items of a batch body. After an error the iterator ends.
pub fn iter(body: &[u8]) -> impl Iterator<Item = Result<BatchItem<'_>, BatchError>> + '_ {
    Items { body, position: 0 }
}

struct Items<'a> {
    body: &'a [u8],
    position: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<BatchItem<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self
            .body
            .get(self.position..)
            .filter(|rest| !rest.is_empty())?;
        let item = parse_item(rest, self.position);
        match &item {
            Ok((_, len)) => self.position += len,
            Err(_) => self.position = self.body.len(),
        }
        Some(item.map(|(item, _)| item))
    }
}

fn parse_item(rest: &[u8], position: usize) -> Result<(BatchItem<'_>, usize), BatchError> {
    let truncated = BatchError::Truncated { position };
    let size = i32::from_be_bytes(*rest.first_chunk().ok_or(truncated)?);
    let mismatch = BatchError::SizeMismatch { position, size };
    let len = usize::try_from(size).map_err(|_| mismatch)?;
    let item = rest.get(..len).ok_or(truncated)?;
    let (flag, after_flag) = item
        .get(12..)
        .and_then(<[u8]>::split_first_chunk::<4>)
        .ok_or(mismatch)?;
    let (body_len, after) = after_flag.split_first_chunk::<4>().ok_or(mismatch)?;
    let body_len = usize::try_from(i32::from_be_bytes(*body_len)).map_err(|_| mismatch)?;
    let (body, after) = after.split_at_checked(body_len).ok_or(mismatch)?;
    let (properties_len, properties) = after.split_first_chunk::<2>().ok_or(mismatch)?;
    if usize::try_from(i16::from_be_bytes(*properties_len)) != Ok(properties.len()) {
        return Err(mismatch);
    }
    Ok((
        BatchItem {
            flag: i32::from_be_bytes(*flag),
            body,
            properties,
        },
        len,
    ))
}

/// Appends one item to a batch body. Magic and CRC stay 0, as every client leaves them.
pub fn encode_item_into(item: &BatchItem<'_>, out: &mut Vec<u8>) -> Result<(), BatchError> {
    if item.properties.len() > MAX_PROPERTIES_LEN {
        return Err(BatchError::PropertiesTooLong {
            len: item.properties.len(),
        });
    }
    let len = ITEM_OVERHEAD + item.properties.len() + item.body.len();
    let size = i32::try_from(len).map_err(|_| BatchError::ItemTooLarge { len })?;
    out.reserve(len);
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&item.flag.to_be_bytes());
    out.extend_from_slice(&(item.body.len() as u32).to_be_bytes());
    out.extend_from_slice(item.body);
    out.extend_from_slice(&(item.properties.len() as u16).to_be_bytes());
    out.extend_from_slice(item.properties);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_item_is_laid_out_as_clients_lay_it_out() {
        let mut out = Vec::new();
        encode_item_into(
            &BatchItem {
                flag: 0,
                body: b"hello",
                properties: b"TAGS\x01TagA\x02",
            },
            &mut out,
        )
        .unwrap();
        let expected = b"\0\0\0\x25\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05hello\0\x0aTAGS\x01TagA\x02";
        assert_eq!(out, expected);
    }

    #[test]
    fn a_malformed_item_ends_the_batch_with_its_position() {
        let mut out = Vec::new();
        encode_item_into(
            &BatchItem {
                flag: 0,
                body: b"a",
                properties: b"",
            },
            &mut out,
        )
        .unwrap();
        let second = out.len();
        out.extend_from_slice(&[0, 0, 1, 0]);
        let items: Vec<_> = iter(&out).collect();
        assert_eq!(items.len(), 2);
        assert_eq!(items[1], Err(BatchError::Truncated { position: second }));
    }

    proptest! {
        #[test]
        fn items_are_read_back(items in proptest::collection::vec((any::<i32>(), proptest::collection::vec(any::<u8>(), 0..50), "[a-z]{0,20}"), 0..8)) {
            let mut out = Vec::new();
            for (flag, body, properties) in &items {
                encode_item_into(&BatchItem { flag: *flag, body, properties: properties.as_bytes() }, &mut out).unwrap();
            }
            let read: Vec<_> = iter(&out).map(Result::unwrap).collect();
            prop_assert_eq!(read.len(), items.len());
            for (read, (flag, body, properties)) in read.iter().zip(&items) {
                prop_assert_eq!((read.flag, read.body, read.properties), (*flag, &body[..], properties.as_bytes()));
            }
        }

        #[test]
        fn hostile_bytes_never_panic_and_always_end(bytes in proptest::collection::vec(prop_oneof![Just(0u8), 0u8..40, any::<u8>()], 0..300)) {
            prop_assert!(iter(&bytes).count() <= bytes.len());
        }
    }
}
