//! How consumers read, and how long they are remembered.

use super::keys;
use crate::config::Kind;

keys! {
    GROUP = "Consumers";
    LONG_POLLING_ENABLE: bool = "longPollingEnable", Kind::Bool, "true", "", Live,
        "Whether a pull that finds nothing waits for a message as long as its client allows.";
    SHORT_POLLING_TIME_MILLS: u64 = "shortPollingTimeMills", Kind::Int { min: 1, max: 60_000 }, "1000", "ms", Live,
        "How long such a pull waits when long polling is off.";
    MAX_TRANSFER_COUNT_ON_MESSAGE_IN_MEMORY: u32 = "maxTransferCountOnMessageInMemory", Kind::Int { min: 1, max: 10_000 }, "32", "messages", Live,
        "The most messages that one pull returns from memory.";
    MAX_TRANSFER_BYTES_ON_MESSAGE_IN_MEMORY: u32 = "maxTransferBytesOnMessageInMemory", Kind::Int { min: 1_024, max: 16_777_216 }, "262144", "bytes", Live,
        "The most bytes that one pull returns from memory; a single longer message is returned alone.";
    MAX_TRANSFER_COUNT_ON_MESSAGE_IN_DISK: u32 = "maxTransferCountOnMessageInDisk", Kind::Int { min: 1, max: 10_000 }, "8", "messages", Start,
        "The most messages that one pull returns from disk.";
    MAX_TRANSFER_BYTES_ON_MESSAGE_IN_DISK: u32 = "maxTransferBytesOnMessageInDisk", Kind::Int { min: 1_024, max: 16_777_216 }, "65536", "bytes", Start,
        "The most bytes that one pull returns from disk; a single longer message is returned alone.";
    TRANSFER: String = "transfer", Kind::Choice(&["mmap", "sendfile", "heap"]), "mmap", "", Start,
        "How pulled messages that memory has come to the socket: large ones from the mapped log (mmap), by the kernel from the file (sendfile), or all copied (heap).";
    NOTIFY_CONSUMER_IDS_CHANGED_ENABLE: bool = "notifyConsumerIdsChangedEnable", Kind::Bool, "true", "", Live,
        "Whether the members of a group are told at once when one joins or leaves.";
    CHANNEL_EXPIRED_TIMEOUT: u64 = "channelExpiredTimeout", Kind::Int { min: 1_000, max: 3_600_000 }, "120000", "ms", Start,
        "How long a client that sends no heartbeat is held to be alive.";
    FLUSH_CONSUMER_OFFSET_INTERVAL: u64 = "flushConsumerOffsetInterval", Kind::Int { min: 10, max: 600_000 }, "5000", "ms", Start,
        "How often committed offsets are saved; after a crash messages consumed since are consumed again.";
}
