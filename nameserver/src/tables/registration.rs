//! A registration as the tables take it: who registers, what it learns, why it is refused. Owns these types and how a
//! repetition is recognised; what a registration does is `register`'s.

use thiserror::Error;
use twox_hash::XxHash64;

/// Names and addresses are no longer than this, in bytes.
pub(super) const MAX_NAME_LEN: usize = 255;

/// Who registers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Registration {
    pub(crate) cluster: String,
    pub(crate) broker_name: String,
    pub(crate) broker_id: i64,
    pub(crate) broker_addr: String,
    pub(crate) ha_server_addr: String,
    pub(crate) timeout_ms: Option<u64>,
    /// `None` for brokers before 5.0.
    pub(crate) enable_acting_master: Option<bool>,
    pub(crate) zone_name: Option<String>,
}

/// What a broker learns from its registration: for a slave, its master.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Registered {
    pub(crate) ha_server_addr: Option<String>,
    pub(crate) master_addr: Option<String>,
}

/// Why a registration is refused; the tables are as before.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum RegisterError {
    /// Incremental registrations carry one topic; from a broker that is not known the rest would be missing.
    #[error(
        "register broker failed: {broker_name} at {addr} is not known here and sent exactly one topic; a full registration must come first"
    )]
    OneTopicFromUnknown { broker_name: String, addr: String },
    /// A name or address that no broker has.
    #[error("register broker failed: {what} {value:?} must have 1 to {MAX_NAME_LEN} bytes")]
    BadName { what: &'static str, value: String },
    /// A name belongs to one cluster.
    #[error(
        "register broker failed: broker name {broker_name} belongs to cluster {cluster}; choose another name"
    )]
    OtherCluster {
        broker_name: String,
        cluster: String,
    },
    /// The server's limit.
    #[error("register broker failed: this name server holds {limit} {what}, its limit")]
    Full { what: &'static str, limit: usize },
}

/// Hash of a registration's body, to recognise its repetition.
pub(crate) fn fingerprint(body: &[u8], compressed: bool) -> u64 {
    XxHash64::oneshot(u64::from(compressed), body)
}
