//! `mainstem store`: check, dump and repair of a data directory without a broker. The store's library does the work; here are sizes
//! from the configuration, and the printing.

mod check;
mod dump;
mod repair;

use mainstem_broker::DelayLevels;
use mainstem_common::config::keys::broker as key;
use mainstem_common::config::{Role, Settings, Source};
use mainstem_common::json;
use mainstem_store::inspect::FileSizes;

use crate::arguments::{Configuration, Store, StoreAction, StoreDirectory};
use crate::failure::Failure;
use crate::server::configuration::layers;

/// Bytes of a unit of a consume queue.
const QUEUE_UNIT_BYTES: u64 = 20;

/// Runs the command.
pub(crate) fn run(arguments: &Store) -> Result<(), Failure> {
    match &arguments.action {
        StoreAction::Check { directory, format } => check::run(directory, *format),
        StoreAction::Dump(arguments) => dump::run(arguments),
        StoreAction::Repair(arguments) => repair::run(arguments),
    }
}

/// Sizes as far as the configuration says them; the rest is told from the files.
fn sizes(directory: &StoreDirectory) -> Result<FileSizes, Failure> {
    let configuration = Configuration {
        config: directory.config.clone(),
        set: directory.set.clone(),
        ..Configuration::default()
    };
    let settings = Settings::load(Role::Broker, &layers(&configuration, Role::Broker))?.settings;
    let given = |source: &Source| *source != Source::Default;
    Ok(FileSizes {
        commit_log_file_bytes: given(settings.source(&key::MAPPED_FILE_SIZE_COMMIT_LOG))
            .then(|| settings.get(&key::MAPPED_FILE_SIZE_COMMIT_LOG)),
        queue_file_units: given(settings.source(&key::MAPPED_FILE_SIZE_CONSUME_QUEUE))
            .then(|| settings.get(&key::MAPPED_FILE_SIZE_CONSUME_QUEUE) / QUEUE_UNIT_BYTES),
        index_slots: Some(settings.get(&key::MAX_HASH_SLOT_NUM)),
        index_entries: Some(settings.get(&key::MAX_INDEX_NUM)),
        schedule_levels_ms: DelayLevels::parse(&settings.get(&key::MESSAGE_DELAY_LEVEL))
            .ok()
            .map(|levels| levels.delays_ms().to_vec()),
    })
}

/// Whether a text is JSON in RocketMQ's dialect.
fn is_json(text: &str) -> Result<(), String> {
    json::parse(text.as_bytes())
        .map(|_| ())
        .map_err(|error| error.to_string())
}
