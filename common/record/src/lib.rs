//! RocketMQ's message model and the codec of its stored records: what producers, brokers, stores and consumers must agree
//! on byte for byte. The crate owns the record layout, properties, identifiers, hashes and name rules; it promises that no
//! input makes it panic, and it may not touch sockets, files or a runtime.
//!
//! The layout is Apache RocketMQ's: records written here are read by its broker and clients, and the reverse.

pub mod batch;
pub mod compression;
pub mod hash;
pub mod id;
mod message;
mod properties;
pub mod property;
mod record;
pub mod sys_flag;
pub mod topic;

pub use message::{Message, MessageError};
pub use properties::{MAX_PROPERTIES_LEN, Properties, PropertiesTooLong, PropertiesView};
pub use record::{
    BLANK_MAGIC, BLANK_MIN, DecodeError, EncodeError, MAGIC_V1, MAGIC_V2, MAX_TOPIC_LEN_V1,
    MIN_RECORD_LEN, NewRecord, PHYSICAL_OFFSET_POSITION, Placement, QUEUE_OFFSET_POSITION,
    RecordView, place,
};
