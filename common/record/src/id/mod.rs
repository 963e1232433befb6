//! The two identifiers of a message: where the broker put it, and what the client called it. Owns their text forms; knows
//! neither addresses' reachability nor the log.

mod offset_id;
mod unique_key;

pub use offset_id::{OffsetIdError, OffsetMessageId};
pub use unique_key::UniqueKeyGenerator;

/// Appends `bytes` as upper-case hex.
fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}
