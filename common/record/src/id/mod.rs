//! The two identifiers of a message: where the broker put it, and what the client called it. Owns their text forms; knows
//! neither addresses' reachability nor the log.

mod offset_id;
mod unique_key;

pub use offset_id::{OffsetIdError, OffsetMessageId};
pub use unique_key::UniqueKeyGenerator;

/// Appends `bytes` as upper-case hex.
fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    /// Identifiers have up to 28 bytes.
    const AT_ONCE: usize = 32;
    for bytes in bytes.chunks(AT_ONCE) {
        let mut text = [0; 2 * AT_ONCE];
        for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        let text = std::str::from_utf8(&text[..2 * bytes.len()]);
        debug_assert!(text.is_ok(), "hex digits are ASCII");
        out.push_str(text.unwrap_or_default());
    }
}
