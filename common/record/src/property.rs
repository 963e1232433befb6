//! The names of the properties that RocketMQ itself reads or writes, and what a user may not put into a property. Owns the
//! list of reserved names; the values of properties are somebody else's.

use thiserror::Error;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*
        /// All reserved names, in byte order, so that [`is_reserved`] can search by halves.
        const RESERVED: &[&str] = &sorted([$($text),*]);
    };
}

/// Sorts the names at compile time; the list is short and the source stays in an order that a person reads well.
const fn sorted<const N: usize>(mut names: [&'static str; N]) -> [&'static str; N] {
    let mut i = 1;
    while i < N {
        let mut j = i;
        while j > 0 && less(names[j], names[j - 1]) {
            let moved = names[j];
            names[j] = names[j - 1];
            names[j - 1] = moved;
            j -= 1;
        }
        i += 1;
    }
    names
}

const fn less(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() {
        if a[i] != b[i] {
            return a[i] < b[i];
        }
        i += 1;
    }
    a.len() < b.len()
}

names! {
    /// Business keys, separated by spaces; indexed. Set by the user.
    KEYS = "KEYS";
    /// The tag; its hash lies in the consume queue. Set by the user.
    TAGS = "TAGS";
    /// `false`: do not wait for flush or replica. Set by the client.
    WAIT = "WAIT";
    /// Delay level, 1 to 18.
    DELAY = "DELAY";
    /// The client's message id (the broker makes one when it is absent); indexed.
    UNIQ_KEY = "UNIQ_KEY";
    /// Extension of the unique key. Set by the client.
    EXTEND_UNIQ_INFO = "EXTEND_UNIQ_INFO";
    /// `true`: a half message of a transaction. Set by the producer.
    TRAN_MSG = "TRAN_MSG";
    /// The producer group that answers transaction checks.
    PGROUP = "PGROUP";
    /// Queue offset of the half message, in a checked copy.
    TRAN_PREPARED_QUEUE_OFFSET = "TRAN_PREPARED_QUEUE_OFFSET";
    /// The transaction's id.
    TRANSACTION_ID = "__transactionId__";
    /// How often the broker has asked for the transaction's outcome.
    TRANSACTION_CHECK_TIMES = "TRANSACTION_CHECK_TIMES";
    /// Seconds before the first check. Set by the user.
    CHECK_IMMUNITY_TIME_IN_SECONDS = "CHECK_IMMUNITY_TIME_IN_SECONDS";
    /// The topic to return to while a record waits in a schedule, half or timer topic.
    REAL_TOPIC = "REAL_TOPIC";
    /// The queue to return to while a record waits elsewhere.
    REAL_QID = "REAL_QID";
    /// The topic a re-consumed message came from; clients show it as the message's topic.
    RETRY_TOPIC = "RETRY_TOPIC";
    /// Times consumed so far, when the client itself sends a retry.
    RECONSUME_TIME = "RECONSUME_TIME";
    /// Limit of retries, when the client itself sends a retry.
    MAX_RECONSUME_TIMES = "MAX_RECONSUME_TIMES";
    /// Id of the first version of a retried message.
    ORIGIN_MESSAGE_ID = "ORIGIN_MESSAGE_ID";
    /// Queue minimum at the pull; filled in by clients, not stored.
    MIN_OFFSET = "MIN_OFFSET";
    /// Queue maximum at the pull; filled in by clients, not stored.
    MAX_OFFSET = "MAX_OFFSET";
    /// When consumption began; filled in by clients, not stored.
    CONSUME_START_TIME = "CONSUME_START_TIME";
    /// Delay in seconds. Set by the user.
    TIMER_DELAY_SEC = "TIMER_DELAY_SEC";
    /// Delay in milliseconds. Set by the user.
    TIMER_DELAY_MS = "TIMER_DELAY_MS";
    /// Delivery time in milliseconds since the epoch. Set by the user.
    TIMER_DELIVER_MS = "TIMER_DELIVER_MS";
    /// Computed delivery time in milliseconds.
    TIMER_OUT_MS = "TIMER_OUT_MS";
    /// When the timer took the message.
    TIMER_ENQUEUE_MS = "TIMER_ENQUEUE_MS";
    /// When the timer let the message go.
    TIMER_DEQUEUE_MS = "TIMER_DEQUEUE_MS";
    /// How often the timer moved the message on to a later slot.
    TIMER_ROLL_TIMES = "TIMER_ROLL_TIMES";
    /// Delay level of a timed message.
    TIMER_DELAY_LEVEL = "TIMER_DELAY_LEVEL";
    /// `topic_uniqueKey` of a timed message to be recalled.
    TIMER_DEL_UNIQKEY = "TIMER_DEL_UNIQKEY";
    /// The receipt handle of a popped message.
    POP_CK = "POP_CK";
    /// Offset of the pop checkpoint.
    POP_CK_OFFSET = "POP_CK_OFFSET";
    /// Time of the first pop, in milliseconds.
    FIRST_POP_TIME = "1ST_POP_TIME";
    /// The group of a pop retry record.
    ORIGIN_GROUP = "ORIGIN_GROUP";
    /// The ordering key. Set by the user.
    SHARDING_KEY = "__SHARDINGKEY";
    /// Messages in an inner batch.
    INNER_NUM = "INNER_NUM";
    /// First queue offset of an inner batch.
    INNER_BASE = "INNER_BASE";
    /// Rarely used.
    DUP_INFO = "DUP_INFO";
    /// Instance (namespace) of the sender.
    INSTANCE_ID = "INSTANCE_ID";
    /// Rarely used.
    BUYER_ID = "BUYER_ID";
    /// Rarely used.
    TRANSFER_FLAG = "TRANSFER_FLAG";
    /// Rarely used.
    CORRECTION_FLAG = "CORRECTION_FLAG";
    /// Rarely used.
    MQ2_FLAG = "MQ2_FLAG";
    /// Rarely used.
    REDIRECT = "REDIRECT";
    /// Rarely used.
    FORWARD_QUEUE_ID = "PROPERTY_FORWARD_QUEUE_ID";
    /// Light message queues the message goes to as well. Set by the user.
    INNER_MULTI_DISPATCH = "INNER_MULTI_DISPATCH";
    /// Offsets in those light queues.
    INNER_MULTI_QUEUE_OFFSET = "INNER_MULTI_QUEUE_OFFSET";
    /// The broker's region.
    MSG_REGION = "MSG_REGION";
    /// Whether the message is traced.
    TRACE_ON = "TRACE_ON";
    /// The broker's cluster.
    CLUSTER = "CLUSTER";
    /// Matches a reply with its request.
    CORRELATION_ID = "CORRELATION_ID";
    /// The client that waits for the reply.
    REPLY_TO_CLIENT = "REPLY_TO_CLIENT";
    /// How long the requester waits, in milliseconds.
    TTL = "TTL";
    /// `reply` on a reply message.
    MSG_TYPE = "MSG_TYPE";
    /// When the request arrived.
    ARRIVE_TIME = "ARRIVE_TIME";
    /// When the reply was pushed.
    PUSH_REPLY_TIME = "PUSH_REPLY_TIME";
    /// Topic of a dead-lettered message before.
    DLQ_ORIGIN_TOPIC = "DLQ_ORIGIN_TOPIC";
    /// Id of a dead-lettered message before.
    DLQ_ORIGIN_MESSAGE_ID = "DLQ_ORIGIN_MESSAGE_ID";
    /// Born host as text; internal.
    BORN_HOST = "__BORNHOST";
    /// Born time; internal.
    BORN_TIMESTAMP = "BORN_TIMESTAMP";
    /// The optional checksum over the whole record.
    CRC32 = "__CRC32#";
    /// Never stored.
    TRANSIENT_TOPIC_SYS_FLAG = "__RMQ.TRANSIENT.TOPIC_SYS_FLAG";
    /// Never stored.
    TRANSIENT_GROUP_SYS_FLAG = "__RMQ.TRANSIENT.GROUP_SYS_FLAG";
    /// Never stored.
    TRACE_CONTEXT = "TRACE_CONTEXT";
}

/// Ends a property's name.
pub const NAME_VALUE_SEPARATOR: u8 = 1;
/// Ends a property.
pub const PROPERTY_SEPARATOR: u8 = 2;
/// Between the words of [`KEYS`].
pub const KEY_SEPARATOR: char = ' ';

/// Why a user's property is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PropertyError {
    /// The name belongs to RocketMQ.
    #[error("property name {name:?} is reserved by the broker; choose another name")]
    Reserved {
        /// The name given.
        name: String,
    },
    /// Name or value is empty; readers drop such a property without a word.
    #[error(
        "property {name:?} has an empty name or value, which readers drop; leave it out or give it a value"
    )]
    Empty {
        /// The name given.
        name: String,
    },
    /// Name or value holds one of the bytes 0, 1 and 2, which separate properties in the stored form.
    #[error(
        "property {name:?} holds one of the control characters 0, 1 or 2, which the stored form cannot carry; remove them"
    )]
    ControlCharacter {
        /// The name given.
        name: String,
    },
}

/// Whether RocketMQ itself uses this name, so that a user may not.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    RESERVED.binary_search(&name).is_ok()
}

/// Checks a property that a user sets on a message.
pub fn check_user_property(name: &str, value: &str) -> Result<(), PropertyError> {
    let name_owned = || name.to_owned();
    if name.is_empty() || value.is_empty() {
        return Err(PropertyError::Empty { name: name_owned() });
    }
    if name
        .bytes()
        .chain(value.bytes())
        .any(|b| b <= PROPERTY_SEPARATOR)
    {
        return Err(PropertyError::ControlCharacter { name: name_owned() });
    }
    if is_reserved(name) {
        return Err(PropertyError::Reserved { name: name_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_are_found_and_others_are_not() {
        for name in [
            KEYS,
            TAGS,
            FIRST_POP_TIME,
            CRC32,
            TRACE_CONTEXT,
            SHARDING_KEY,
        ] {
            assert!(is_reserved(name), "{name}");
        }
        assert!(!is_reserved("colour"));
        assert!(!is_reserved("keys"));
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn a_user_property_must_survive_the_stored_form() {
        assert_eq!(check_user_property("colour", "blue"), Ok(()));
        assert!(matches!(
            check_user_property("TAGS", "x"),
            Err(PropertyError::Reserved { .. })
        ));
        assert!(matches!(
            check_user_property("a", ""),
            Err(PropertyError::Empty { .. })
        ));
        assert!(matches!(
            check_user_property("a", "b\u{1}c"),
            Err(PropertyError::ControlCharacter { .. })
        ));
        assert!(matches!(
            check_user_property("a\0", "b"),
            Err(PropertyError::ControlCharacter { .. })
        ));
    }
}
