//! Reads at start what an earlier run left: the journal, or RocketMQ's own files when the journal is new.

use mainstem_common::protocol::{
    ConsumerOffsetTable, DataVersion, DelayOffsetTable, SubscriptionGroupConfig,
    SubscriptionGroupTable, TopicConfig, TopicTable as TopicTableBody,
};
use mainstem_store::{ConfigFileError, Journal, Store, Table};

use super::{offsets_of_record, state_key};
use crate::groups::GroupTable;
use crate::offsets::{GroupTopicOffsets, OffsetTable, QueueOffsets};
use crate::topics::TopicTable;

/// Why the saved state could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file of RocketMQ's cannot be read.
    #[error(transparent)]
    ConfigFile(#[from] ConfigFileError),
    /// An entry of the journal is no such thing.
    #[error("the journal's entry {key} of {table} is damaged: {cause}")]
    Entry {
        /// Which table.
        table: &'static str,
        /// Which entry.
        key: String,
        /// What is wrong with it.
        cause: String,
    },
}

/// What the tables do not hold.
pub(crate) struct Loaded {
    /// Progress of delayed messages, by level.
    pub(crate) delay_offsets: Vec<(i32, u64)>,
}

/// Fills the tables.
pub(crate) fn load(
    store: &Store,
    topics: &TopicTable,
    groups: &GroupTable,
    offsets: &OffsetTable,
) -> Result<Loaded, LoadError> {
    if store.journal().is_new() {
        load_config_files(store, topics, groups, offsets)
    } else {
        look_at_exports(store);
        load_journal(store.journal(), topics, groups, offsets)
    }
}

/// Says which exports are damaged, though the journal counts: whoever takes the directory to a Java broker has nothing else.
fn look_at_exports(store: &Store) {
    let files = store.config_files();
    files.look_at_export("topics.json", |text| {
        TopicTableBody::from_json(text.as_bytes())
    });
    files.look_at_export("subscriptionGroup.json", |text| {
        SubscriptionGroupTable::from_json(text.as_bytes())
    });
    files.look_at_export("consumerOffset.json", |text| {
        ConsumerOffsetTable::from_json(text.as_bytes())
    });
    files.look_at_export("delayOffset.json", |text| {
        DelayOffsetTable::from_json(text.as_bytes())
    });
}

fn load_journal(
    journal: &Journal,
    topics: &TopicTable,
    groups: &GroupTable,
    offsets: &OffsetTable,
) -> Result<Loaded, LoadError> {
    let known = entries(journal, Table::Topics, "topics", |_, value| {
        TopicConfig::from_json(value)
    })?;
    topics.load(known, version(journal, state_key::TOPIC_VERSION)?);
    let known = entries(journal, Table::Groups, "groups", |_, value| {
        SubscriptionGroupConfig::from_json(value)
    })?;
    groups.load(known, version(journal, state_key::GROUP_VERSION)?);
    let known = entries(journal, Table::Offsets, "offsets", |key, value| {
        offsets_of_record(value)
            .and_then(|queues| group_topic(key, queues))
            .ok_or("it is no list of queue:offset")
    })?;
    offsets.load(known);
    let delay_offsets = entries(
        journal,
        Table::DelayOffsets,
        "delayed messages",
        |key, value| {
            let offset = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok());
            key.parse()
                .ok()
                .zip(offset)
                .ok_or("it is no level and offset")
        },
    )?;
    Ok(Loaded { delay_offsets })
}

fn load_config_files(
    store: &Store,
    topics: &TopicTable,
    groups: &GroupTable,
    offsets: &OffsetTable,
) -> Result<Loaded, LoadError> {
    let files = store.config_files();
    let known = |version: DataVersion| Some(version).filter(|version| version.timestamp > 0);
    if let Some(body) = files.read("topics.json", |text| {
        TopicTableBody::from_json(text.as_bytes())
    })? {
        tracing::info!(
            topics = body.topic_config_table.len(),
            "topics taken over from topics.json"
        );
        topics.load(
            body.topic_config_table.into_values(),
            known(body.data_version),
        );
    }
    let body = files.read("subscriptionGroup.json", |text| {
        SubscriptionGroupTable::from_json(text.as_bytes())
    })?;
    if let Some(body) = body {
        tracing::info!(
            groups = body.subscription_group_table.len(),
            "groups taken over from subscriptionGroup.json"
        );
        groups.load(
            body.subscription_group_table.into_values(),
            known(body.data_version),
        );
    }
    if let Some(body) = files.read("consumerOffset.json", |text| {
        ConsumerOffsetTable::from_json(text.as_bytes())
    })? {
        tracing::info!(
            entries = body.offset_table.len(),
            "offsets taken over from consumerOffset.json"
        );
        offsets.load(
            body.offset_table
                .into_iter()
                .filter_map(|(key, queues)| group_topic(&key, queues)),
        );
    }
    let body = files.read("delayOffset.json", |text| {
        DelayOffsetTable::from_json(text.as_bytes())
    })?;
    let delay_offsets = body.unwrap_or_default().offset_table;
    Ok(Loaded {
        delay_offsets: delay_offsets
            .into_iter()
            .map(|(level, offset)| (level, offset.max(0) as u64))
            .collect(),
    })
}

fn entries<T, E: std::fmt::Display>(
    journal: &Journal,
    table: Table,
    name: &'static str,
    parse: impl Fn(&str, &[u8]) -> Result<T, E>,
) -> Result<Vec<T>, LoadError> {
    let damaged = |key: String, error: E| LoadError::Entry {
        table: name,
        key,
        cause: error.to_string(),
    };
    let all = journal.get_all(table).into_iter();
    all.map(|(key, value)| parse(&key, &value).map_err(|error| damaged(key, error)))
        .collect()
}

fn version(journal: &Journal, key: &str) -> Result<Option<DataVersion>, LoadError> {
    let Some(value) = journal.get(Table::BrokerState, key) else {
        return Ok(None);
    };
    DataVersion::from_json(&value)
        .map(Some)
        .map_err(|error| LoadError::Entry {
            table: "broker state",
            key: key.to_owned(),
            cause: error.to_string(),
        })
}

fn group_topic(key: &str, offsets: QueueOffsets) -> Option<GroupTopicOffsets> {
    let (topic, group) = key.split_once('@')?;
    Some(GroupTopicOffsets {
        group: group.to_owned(),
        topic: topic.to_owned(),
        offsets,
    })
}
