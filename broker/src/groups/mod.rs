//! Configurations of consumer groups. It owns the table and the rules by which a group comes to be; persisting is left
//! to the caller.

mod admin;

use std::collections::HashMap;
use std::sync::Arc;

use mainstem_common::protocol::{DataVersion, SubscriptionGroupConfig};
use parking_lot::{Mutex, RwLock};

pub use admin::PutGroupError;

use crate::clock::now_ms;

/// Groups that exist without anybody registering them.
pub(crate) const SYSTEM_GROUPS: [&str; 9] = [
    "TOOLS_CONSUMER",
    "FILTERSRV_CONSUMER",
    "SELF_TEST_C_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
    "CID_RMQ_SYS_TRANS",
    "CID_SYS_RMQ_TRANS",
];

/// All configured groups of a broker.
pub struct GroupTable {
    groups: RwLock<HashMap<String, Arc<SubscriptionGroupConfig>>>,
    version: Mutex<DataVersion>,
}

impl GroupTable {
    pub(crate) fn new() -> Self {
        GroupTable {
            groups: RwLock::default(),
            version: Mutex::new(DataVersion::new(now_ms())),
        }
    }

    /// The group of this name.
    pub fn get(&self, name: &str) -> Option<Arc<SubscriptionGroupConfig>> {
        self.groups.read().get(name).cloned()
    }

    /// Whether there is a group of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.groups.read().contains_key(name)
    }

    /// Creates or replaces a group.
    pub(crate) fn put(&self, config: SubscriptionGroupConfig) -> Arc<SubscriptionGroupConfig> {
        let config = Arc::new(config);
        let mut version = self.version.lock();
        self.groups
            .write()
            .insert(config.group_name.clone(), config.clone());
        version.bump(now_ms());
        config
    }

    /// Creates a group with the defaults unless it is there; true when it was created.
    pub(crate) fn put_default_if_absent(&self, name: &str) -> (Arc<SubscriptionGroupConfig>, bool) {
        let mut version = self.version.lock();
        if let Some(known) = self.get(name) {
            return (known, false);
        }
        let config = Arc::new(SubscriptionGroupConfig::new(name));
        self.groups.write().insert(name.to_owned(), config.clone());
        version.bump(now_ms());
        (config, true)
    }

    /// Removes a group; true when it was there.
    pub(crate) fn remove(&self, name: &str) -> bool {
        let mut version = self.version.lock();
        let removed = self.groups.write().remove(name).is_some();
        if removed {
            version.bump(now_ms());
        }
        removed
    }

    /// Takes over what a journal or an export holds.
    pub(crate) fn load(
        &self,
        configs: impl IntoIterator<Item = SubscriptionGroupConfig>,
        version: Option<DataVersion>,
    ) {
        let mut current = self.version.lock();
        let mut groups = self.groups.write();
        for config in configs {
            groups.insert(config.group_name.clone(), Arc::new(config));
        }
        if let Some(version) = version {
            *current = version;
        }
    }

    /// The data version now.
    pub fn version(&self) -> DataVersion {
        *self.version.lock()
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.groups.read().len()
    }

    /// Whether there is no group at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All groups and the data version that goes with them.
    pub fn snapshot(&self) -> (Vec<Arc<SubscriptionGroupConfig>>, DataVersion) {
        let version = self.version.lock();
        let groups = self.groups.read().values().cloned().collect();
        (groups, *version)
    }
}
