//! Where messages lie, and when they are safe there.

use super::keys;
use crate::config::Kind;

keys! {
    GROUP = "Storage";
    STORE_PATH_ROOT_DIR: String = "storePathRootDir", Kind::Path, "./mainstem-data", "", Start,
        "The data directory (`--data-dir`); one that Apache RocketMQ wrote is taken over as it is.";
    FLUSH_DISK_TYPE: String = "flushDiskType", Kind::Choice(&["SYNC_FLUSH", "ASYNC_FLUSH"]), "SYNC_FLUSH", "", Start,
        "SYNC_FLUSH answers a send when the message is on disk; ASYNC_FLUSH when it is in the page cache, where a power cut can lose it. Apache's default is ASYNC_FLUSH.";
    FLUSH_INTERVAL_COMMIT_LOG: u64 = "flushIntervalCommitLog", Kind::Int { min: 1, max: 60_000 }, "500", "ms", Start,
        "With ASYNC_FLUSH: the longest that a message stays in the page cache only.";
    FLUSH_CONSUME_QUEUE_THOROUGH_INTERVAL: u64 = "flushConsumeQueueThoroughInterval", Kind::Int { min: 1000, max: 600_000 }, "10000", "ms", Start,
        "How often a snapshot of the consume queues and the key index is written; a start after a crash reads the messages that came since. Apache's default is 60000.";
    USE_REENTRANT_LOCK_WHEN_PUT_MESSAGE: String = "useReentrantLockWhenPutMessage", Kind::Choice(&["auto", "true", "false"]), "auto", "", Start,
        "The append lock: true parks waiting threads, false lets them spin; auto parks with SYNC_FLUSH and spins with ASYNC_FLUSH.";
    MAPPED_FILE_SIZE_COMMIT_LOG: u64 = "mappedFileSizeCommitLog", Kind::Int { min: 65_536, max: 1_073_741_824 }, "1073741824", "bytes", Start,
        "Size of a commit-log file, a multiple of 4096. A directory keeps the size that it was created with.";
    MAPPED_FILE_SIZE_CONSUME_QUEUE: u64 = "mappedFileSizeConsumeQueue", Kind::Int { min: 400, max: 600_000_000 }, "6000000", "bytes", Start,
        "Size of a consume-queue file, a multiple of 20 (the size of a unit).";
    MAX_HASH_SLOT_NUM: u32 = "maxHashSlotNum", Kind::Int { min: 16, max: 100_000_000 }, "5000000", "slots", Start,
        "Hash slots of a key-index file.";
    MAX_INDEX_NUM: u32 = "maxIndexNum", Kind::Int { min: 16, max: 400_000_000 }, "20000000", "entries", Start,
        "Entries of a key-index file.";
    FILE_RESERVED_TIME: u64 = "fileReservedTime", Kind::Int { min: 1, max: 876_000 }, "72", "hours", Live,
        "How long messages are kept. A commit-log file goes when its newest message is older, at `deleteWhen` or on a filling disk; consume queues and key index follow.";
    DELETE_WHEN: String = "deleteWhen", Kind::Hours, "04", "", Live,
        "The hours of the day, in the machine's time zone, in which expired messages are removed.";
    MAX_COMMIT_LOG_BYTES: u64 = "maxCommitLogBytes", Kind::Int { min: 0, max: i64::MAX }, "0", "bytes", Live,
        "The most bytes of commit-log files; beyond it the oldest messages are removed whatever their age, at once. 0 sets no limit. The file in use and the one made ahead of its use count and stay.";
    DISK_MAX_USED_SPACE_RATIO: u32 = "diskMaxUsedSpaceRatio", Kind::Int { min: 1, max: 99 }, "75", "percent", Live,
        "The used part of the disk from which expired messages are removed at any hour.";
    DISK_SPACE_CLEAN_FORCIBLY_RATIO: u32 = "diskSpaceCleanForciblyRatio", Kind::Int { min: 1, max: 99 }, "85", "percent", Live,
        "The used part of the disk from which, with `cleanFileForciblyEnable`, messages are removed before their time.";
    CLEAN_FILE_FORCIBLY_ENABLE: bool = "cleanFileForciblyEnable", Kind::Bool, "false", "", Live,
        "Whether messages may be removed before their time to keep the broker writable on a full disk. Apache's default is true.";
    DISK_SPACE_WARNING_LEVEL_RATIO: u32 = "diskSpaceWarningLevelRatio", Kind::Int { min: 0, max: 99 }, "0", "percent", Live,
        "The used part of the disk from which messages are refused (reads go on). 0 refuses them when less than one commit-log file is left, or 5 % of the disk where that is less. Apache's default is 90.";
}
