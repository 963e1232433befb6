//! Writes RocketMQ's JSON files: for people to read, for its own tools, and for the way back to it.

use mainstem_common::protocol::{
    ConsumerOffsetTable, DataVersion, DelayOffsetTable, SubscriptionGroupTable,
    TopicTable as TopicTableBody,
};

use super::offsets_key;
use crate::broker_core::BrokerCore;

impl BrokerCore {
    /// The body of all topics.
    pub(crate) fn topic_table_body(&self) -> TopicTableBody {
        let (topics, data_version) = self.topics.snapshot();
        TopicTableBody {
            data_version,
            topic_config_table: topics
                .iter()
                .map(|topic| (topic.config.topic_name.clone(), topic.config.clone()))
                .collect(),
            ..TopicTableBody::default()
        }
    }

    /// The body of all groups.
    pub(crate) fn group_table_body(&self) -> SubscriptionGroupTable {
        let (groups, data_version) = self.groups.snapshot();
        SubscriptionGroupTable {
            data_version,
            subscription_group_table: groups
                .iter()
                .map(|group| (group.group_name.clone(), (**group).clone()))
                .collect(),
            ..SubscriptionGroupTable::default()
        }
    }

    /// The body of all committed offsets.
    pub(crate) fn offset_table_body(&self) -> ConsumerOffsetTable {
        let mut body = ConsumerOffsetTable::default();
        for entry in self.offsets.snapshot() {
            body.offset_table
                .insert(offsets_key(&entry.topic, &entry.group), entry.offsets);
            body.group_topic_map
                .entry(entry.group)
                .or_default()
                .push(entry.topic);
        }
        body
    }

    /// The body of the progress of delayed messages.
    pub(crate) fn delay_table_body(&self) -> DelayOffsetTable {
        let progress = self
            .delay_progress
            .durable(self.store.watermarks().durable());
        DelayOffsetTable {
            data_version: DataVersion::default(),
            offset_table: progress
                .into_iter()
                .map(|(level, offset)| (level, offset as i64))
                .collect(),
        }
    }

    fn export(&self, name: &str, text: &[u8]) {
        let written = self
            .store
            .config_files()
            .write(name, &String::from_utf8_lossy(text));
        if let Err(error) = written {
            tracing::warn!(name, %error, "an export was not written; the journal has its content");
        }
    }

    /// Writes all files; those that would not change are left alone. It blocks.
    pub(crate) fn export_all(&self) {
        self.export("topics.json", &self.topic_table_body().to_json());
        self.export("subscriptionGroup.json", &self.group_table_body().to_json());
        self.export("consumerOffset.json", &self.offset_table_body().to_json());
        self.export("delayOffset.json", &self.delay_table_body().to_json());
    }
}
