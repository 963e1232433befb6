//! Positions, sizes and magic numbers of the record layout. Owns the numbers only.
//!
//! ```text
//!  0 total size 4 | 4 magic 4 | 8 body CRC 4 | 12 queue id 4 | 16 flag 4 | 20 queue offset 8 | 28 physical offset 8
//! 36 sys flag 4 | 40 born time 8 | 48 born host 8 or 20 | store time 8 | store host 8 or 20 | reconsume times 4
//! prepared transaction offset 8 | body length 4, body | topic length 1 (V1) or 2 (V2), topic | properties length 2, properties
//! ```
//! All numbers are big-endian.

/// Magic of a record whose topic length takes one byte.
pub const MAGIC_V1: u32 = 0xDAA3_20A7;
/// Magic of a record whose topic length takes two bytes; used only when one byte does not do, for old clients misread it.
pub const MAGIC_V2: u32 = 0xDAA3_20AB;
/// Magic of the blank that ends a commit-log file: its size (4 bytes) comes first, as in a record.
pub const BLANK_MAGIC: u32 = 0xCBD4_3194;
/// The shortest blank, in bytes; a record fits a file only if this much stays free behind it.
pub const BLANK_MIN: usize = 8;
/// The longest topic of a V1 record, in bytes: readers take the length for a signed byte.
pub const MAX_TOPIC_LEN_V1: usize = i8::MAX as usize;
/// The longest topic of a V2 record, in bytes.
pub(super) const MAX_TOPIC_LEN_V2: usize = i16::MAX as usize;

pub(super) const MAGIC_POSITION: usize = 4;
pub(super) const BODY_CRC_POSITION: usize = 8;
pub(super) const QUEUE_ID_POSITION: usize = 12;
pub(super) const FLAG_POSITION: usize = 16;
/// Position of the queue offset in a record, in bytes.
pub const QUEUE_OFFSET_POSITION: usize = 20;
/// Position of the physical offset in a record, in bytes.
pub const PHYSICAL_OFFSET_POSITION: usize = 28;
pub(super) const SYS_FLAG_POSITION: usize = 36;
pub(super) const BORN_TIMESTAMP_POSITION: usize = 40;
pub(super) const BORN_HOST_POSITION: usize = 48;

/// Length of an IPv4 host and port.
pub(super) const HOST_LEN_V4: usize = 8;
/// Length of an IPv6 host and port.
pub(super) const HOST_LEN_V6: usize = 20;
/// Reconsume times, prepared transaction offset and body length, between store host and body.
pub(super) const BEFORE_BODY_LEN: usize = 4 + 8 + 4;
/// Everything before the body when both hosts are IPv6.
pub(super) const MAX_HEAD_LEN: usize =
    BORN_HOST_POSITION + HOST_LEN_V6 + 8 + HOST_LEN_V6 + BEFORE_BODY_LEN;
/// Everything before the body when both hosts are IPv4.
pub(super) const MIN_HEAD_LEN: usize =
    BORN_HOST_POSITION + HOST_LEN_V4 + 8 + HOST_LEN_V4 + BEFORE_BODY_LEN;
/// The shortest record, in bytes: IPv4 hosts, no body, a topic of one byte, no properties.
pub const MIN_RECORD_LEN: usize = MIN_HEAD_LEN + 2 + 2;

/// A body CRC is stored without its top bit, as Java's signed numbers want it.
pub(super) const CRC_MASK: u32 = 0x7FFF_FFFF;

/// Length of a host field, from the `sys_flag` bit that marks it.
pub(super) const fn host_len(sys_flag: i32, v6_bit: i32) -> usize {
    if sys_flag & v6_bit == 0 {
        HOST_LEN_V4
    } else {
        HOST_LEN_V6
    }
}
