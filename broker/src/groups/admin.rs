//! Groups created, changed and removed by request, and who consumes a topic.

use std::collections::BTreeSet;
use std::sync::Arc;

use mainstem_common::protocol::SubscriptionGroupConfig;
use mainstem_record::topic::{self, NameError};
use mainstem_store::JournalError;

use crate::broker_core::BrokerCore;

/// Most queues of a retry topic.
const MAX_RETRY_QUEUES: i32 = 256;

/// Why a group was not created or changed.
#[derive(Debug, thiserror::Error)]
pub enum PutGroupError {
    /// The name is not allowed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Too many retry queues.
    #[error(
        "group {group} asks for {queues} retry queues: between 0 and {MAX_RETRY_QUEUES} are allowed"
    )]
    RetryQueues {
        /// Group.
        group: String,
        /// Queues asked for.
        queues: i32,
    },
    /// The journal refused.
    #[error("group {group} could not be saved: {cause}")]
    NotSaved {
        /// Group.
        group: String,
        /// What went wrong.
        cause: String,
    },
}

impl BrokerCore {
    /// Creates or changes a group; saved before this returns.
    pub async fn put_group(
        self: &Arc<Self>,
        config: SubscriptionGroupConfig,
    ) -> Result<(), PutGroupError> {
        topic::validate_group(&config.group_name)?;
        if !(0..=MAX_RETRY_QUEUES).contains(&config.retry_queue_nums) {
            return Err(PutGroupError::RetryQueues {
                group: config.group_name,
                queues: config.retry_queue_nums,
            });
        }
        let config = self.groups.put(config);
        tracing::info!(group = %config.group_name, "a consumer group was set up by request");
        self.save_group(&config)
            .await
            .map_err(|error| PutGroupError::NotSaved {
                group: config.group_name.clone(),
                cause: error.to_string(),
            })
    }

    /// Removes a group, and its offsets when asked. It may block: not for a network thread.
    pub fn delete_group(&self, name: &str, with_offsets: bool) -> Result<(), JournalError> {
        if self.groups.remove(name) {
            tracing::info!(
                group = name,
                with_offsets,
                "a consumer group was removed by request"
            );
        }
        self.counters.forget_group(name);
        self.forget_group(name, with_offsets)
    }

    /// Groups that consume a topic: those connected and those with an offset in it.
    pub fn groups_of_topic(&self, topic: &str) -> Vec<String> {
        let mut groups: BTreeSet<String> =
            self.consumers.groups_of_topic(topic).into_iter().collect();
        groups.extend(self.offsets.groups_of_topic(topic));
        groups.into_iter().collect()
    }
}
