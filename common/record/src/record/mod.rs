//! The stored record: how it lies in the commit log and in the body of every pull reply. `layout` holds positions and magic
//! numbers, `encode` writes a record, `view` reads one in place; nothing here knows files or queues.

mod encode;
mod host;
mod layout;
mod view;

pub use encode::{EncodeError, NewRecord, Placement, place};
pub use layout::{
    BLANK_MAGIC, BLANK_MIN, MAGIC_V1, MAGIC_V2, MAX_TOPIC_LEN_V1, MIN_RECORD_LEN,
    PHYSICAL_OFFSET_POSITION, QUEUE_OFFSET_POSITION,
};
pub use view::{DecodeError, RecordView};
