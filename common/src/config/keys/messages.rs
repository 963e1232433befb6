//! Limits of messages and queries.

use super::keys;
use crate::config::Kind;

keys! {
    GROUP = "Messages and queries";
    MAX_MESSAGE_SIZE: u32 = "maxMessageSize", Kind::Int { min: 1, max: 134_217_728 }, "4194304", "bytes", Start,
        "The longest body of a message; a longer one is refused.";
    MAX_MSGS_NUM_BATCH: u32 = "maxMsgsNumBatch", Kind::Int { min: 1, max: 10_000 }, "64", "messages", Live,
        "The most messages that a query by key returns.";
}
