//! Keys that ask for protection, for replication or for a form of storage that is not built. Going on without would keep less than its
//! writer was promised, so they stop the start unless each is accepted by name.

use super::problem::Problem;

/// A key that stops the start when it asks for what is not built.
#[derive(Debug)]
pub struct Refused {
    /// The key.
    pub name: &'static str,
    /// Values that ask for nothing, so that the key may stand in the file; an empty value never asks for anything.
    pub off: &'static [&'static str],
    /// What is not built.
    pub reason: &'static str,
}

impl Refused {
    /// Whether the value asks for nothing.
    #[must_use]
    pub fn is_off(&self, value: &str) -> bool {
        let value = value.trim();
        value.is_empty() || self.off.iter().any(|off| off.eq_ignore_ascii_case(value))
    }
}

const FALSE: &[&str] = &["false"];
const ONE: &[&str] = &["1"];
const NEVER: &[&str] = &[];

const NO_ACL: &str = "access control is not built yet, so every client may do everything";
const NO_TLS: &str = "TLS is not built yet, so connections are not encrypted";
const NO_REPLICATION: &str = "replication is not built yet, so there is one copy of every message";
const NO_CONTROLLER: &str = "election of a master is not built yet";
const NO_ROCKSDB: &str = "storage in RocksDB is not built";
const ONE_LOG: &str = "the commit log lies in one directory, commitlog below storePathRootDir";

macro_rules! rows {
    ($($off:ident, $reason:ident: $($name:literal)*;)*) => {
        &[$($(Refused { name: $name, off: $off, reason: $reason },)*)*]
    };
}

static REFUSED: &[Refused] = rows! {
    FALSE, NO_ACL: "aclEnable" "authenticationEnabled" "authorizationEnabled" "migrateAuthFromV1Enabled";
    TLS_OFF, NO_TLS: "tls.server.mode" "tls.enable" "useTLS" "tls.server.need.client.auth" "tls.server.authClient" "tls.server.certPath" "tls.server.keyPath";
    ASYNC_MASTER, NO_REPLICATION: "brokerRole";
    ZERO, NO_REPLICATION: "brokerId";
    ONE, NO_REPLICATION: "inSyncReplicas" "minInSyncReplicas" "totalReplicas";
    FALSE, NO_REPLICATION: "allAckInSyncStateSet" "enableAutoInSyncReplicas" "enableSlaveActingMaster" "supportActingMaster" "slaveReadEnable" "duplicationEnable" "asyncLearner";
    NEVER, NO_REPLICATION: "haMasterAddress";
    FALSE, NO_CONTROLLER: "enableControllerMode" "enableControllerInNamesrv" "enableDLegerCommitLog";
    DEFAULT, NO_ROCKSDB: "storeType";
    V1, NO_ROCKSDB: "configManagerVersion";
    FALSE, NO_ROCKSDB: "rocksdbCQDoubleWriteEnable" "timerRocksDBEnable" "transRocksDBEnable" "indexRocksDBEnable" "useSingleRocksDBForAllConfigs" "combineCQUseRocksdbForLmq";
    NEVER, ONE_LOG: "readOnlyCommitLogStorePaths";
    NEVER, ONE_LOG: "storePathCommitLog";
    FALSE, NO_QUEUE_FORM: "enableConsumeQueueExt" "enableLmq" "enableMultiDispatch";
    FALSE, NO_RECORD_CRC: "enabledAppendPropCRC" "forceVerifyPropCRC";
    NEVER, NO_PLUGIN: "messageStorePlugIn";
};

const ASYNC_MASTER: &[&str] = &["ASYNC_MASTER"];
const ZERO: &[&str] = &["0"];
const DEFAULT: &[&str] = &["default"];
const V1: &[&str] = &["v1"];
const TLS_OFF: &[&str] = &["false", "disabled", "none"];
const NO_QUEUE_FORM: &str = "this form of consume queues is not built";
const NO_RECORD_CRC: &str =
    "the checksum over the whole record is not built yet; the one over the body is checked always";
const NO_PLUGIN: &str = "store plug-ins are Java classes and cannot be loaded";

/// The key whose one allowed value depends on another: `commitlog` below `storePathRootDir`.
pub(super) const COMMIT_LOG_PATH: &str = "storePathCommitLog";

/// The refused key of this name.
pub(super) fn find(name: &str) -> Option<&'static Refused> {
    REFUSED.iter().find(|refused| refused.name == name)
}

/// All their names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    REFUSED.iter().map(|refused| refused.name)
}

/// Every refused key, for the reference.
#[must_use]
pub fn refused() -> &'static [Refused] {
    REFUSED
}

/// Problems of `--accept-unsupported` arguments that name no such key.
pub(super) fn check_accepted(accepted: &[String]) -> Vec<Problem> {
    let strange = accepted.iter().filter(|key| find(key).is_none());
    strange
        .map(|key| Problem::NothingToAccept {
            key: key.clone(),
            known: names().collect::<Vec<_>>().join(" "),
        })
        .collect()
}
