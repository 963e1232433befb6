//! Tables of text: a broker's runtime figures, a name server's key-value namespaces and their file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Text by name; codes 28, 219 and the reply of 103.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct KvTable {
    /// The entries.
    pub table: BTreeMap<String, String>,
}

/// All namespaces of a name server, as `kvConfig.json` holds them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct KvConfig {
    /// Entries by namespace and key.
    pub config_table: BTreeMap<String, BTreeMap<String, String>>,
}

super::json_body!(KvTable, KvConfig);
