//! The bits of a record's `sys_flag`. Owns the meaning of each bit and nothing else; the values are Apache RocketMQ's and
//! travel on the wire and to disk.

/// The body is compressed; [`compression_type`] says how.
pub const COMPRESSED: i32 = 0x001;
/// The tags of the message are several, separated by `||`.
pub const MULTI_TAGS: i32 = 0x002;
/// Both transaction bits; compare the masked value with the four constants below.
pub const TRANSACTION_MASK: i32 = 0x00C;
/// Not part of a transaction.
pub const TRANSACTION_NONE: i32 = 0x000;
/// A half message: stored, but not to be seen by consumers yet.
pub const TRANSACTION_PREPARED: i32 = 0x004;
/// The committed copy of a half message.
pub const TRANSACTION_COMMIT: i32 = 0x008;
/// The mark of a rolled-back half message.
pub const TRANSACTION_ROLLBACK: i32 = 0x00C;
/// The born host takes 20 bytes (IPv6) instead of 8.
pub const BORN_HOST_V6: i32 = 0x010;
/// The store host takes 20 bytes (IPv6) instead of 8.
pub const STORE_HOST_V6: i32 = 0x020;
/// The record holds an inner batch that consumers must unwrap.
pub const NEED_UNWRAP: i32 = 0x040;
/// The record is an inner batch (`BatchCQ` topics).
pub const INNER_BATCH: i32 = 0x080;
/// The three bits of the compression type.
pub const COMPRESSION_TYPE_MASK: i32 = 0x700;
/// LZ4 frame.
pub const COMPRESSION_LZ4: i32 = 0x100;
/// Zstandard.
pub const COMPRESSION_ZSTD: i32 = 0x200;
/// zlib, as new Java clients mark it; old clients and Go leave the type bits 0 and mean zlib too.
pub const COMPRESSION_ZLIB: i32 = 0x300;

/// The transaction bits of `sys_flag`, to compare with [`TRANSACTION_PREPARED`] and its siblings.
#[must_use]
pub const fn transaction_type(sys_flag: i32) -> i32 {
    sys_flag & TRANSACTION_MASK
}

/// `sys_flag` with its transaction bits replaced by `transaction_type`.
#[must_use]
pub const fn with_transaction_type(sys_flag: i32, transaction_type: i32) -> i32 {
    (sys_flag & !TRANSACTION_MASK) | (transaction_type & TRANSACTION_MASK)
}

/// The compression type bits, 0 when the client did not say (then it is zlib).
#[must_use]
pub const fn compression_type(sys_flag: i32) -> i32 {
    sys_flag & COMPRESSION_TYPE_MASK
}

/// Whether the body is compressed.
#[must_use]
pub const fn is_compressed(sys_flag: i32) -> bool {
    sys_flag & COMPRESSED != 0
}

/// Whether the record is an inner batch that holds several messages in its body.
#[must_use]
pub const fn is_inner_batch(sys_flag: i32) -> bool {
    sys_flag & (INNER_BATCH | NEED_UNWRAP) == INNER_BATCH | NEED_UNWRAP
}
