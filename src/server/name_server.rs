//! From settings to what a name server is started with.

use std::sync::Arc;

use mainstem_common::config::keys::namesrv as key;
use mainstem_common::config::{Change, Settings};
use mainstem_nameserver::NameServerConfig;

use crate::log::Log;

/// The configuration that the settings give; a log level that is changed at run time reaches the log.
pub(crate) fn config(settings: Settings, log: &Log) -> NameServerConfig {
    let log = log.clone();
    let on_change = move |change: &Change| {
        tracing::info!(
            key = change.key,
            from = change.from,
            to = change.to,
            "configuration changed at run time"
        );
        if change.key == key::LOG_LEVEL.info.name {
            log.set_level(&change.to);
        }
    };
    NameServerConfig {
        on_change: Some(Arc::new(on_change)),
        ..NameServerConfig::from_settings(settings)
    }
}
