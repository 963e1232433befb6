//! What a heartbeat, a goodbye and a broken connection do: the registry changes, retry topics come to be, the other
//! members of a group are told.

use std::sync::Arc;
use std::time::Instant;

use mainstem_common::protocol::HeartbeatData;
use mainstem_common::remoting::Language;
use mainstem_record::topic;

use super::{Member, SharedChannel};
use crate::broker_core::BrokerCore;
use crate::clock::now_ms;

/// What the client learns from its heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatOutcome {
    /// The broker does not know the client's subscriptions: they must come with the next heartbeat.
    pub wants_subscriptions: bool,
}

/// A client that leaves groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnregisterRequest<'a> {
    /// Producer group it leaves.
    pub producer_group: Option<&'a str>,
    /// Consumer group it leaves.
    pub consumer_group: Option<&'a str>,
}

impl BrokerCore {
    /// Notes a client's groups. A heartbeat without subscriptions keeps those that came by the same channel.
    pub fn heartbeat(
        &self,
        channel: &SharedChannel,
        language: Language,
        version: i32,
        data: &HeartbeatData,
    ) -> HeartbeatOutcome {
        let member = Member {
            client_id: Arc::from(data.client_id.as_str()),
            language,
            version,
            channel: channel.clone(),
            last_heartbeat: Instant::now(),
            last_heartbeat_ms: now_ms(),
        };
        for producer in &data.producer_data_set {
            self.producers
                .register(&producer.group_name, member.clone());
        }
        let mut wants_subscriptions = data.heartbeat_fingerprint == 0;
        for consumer in &data.consumer_data_set {
            if data.without_sub && !self.consumers.is_member(&consumer.group_name, channel.id()) {
                wants_subscriptions = true;
                continue;
            }
            let Some(group) = self.group_or_create(&consumer.group_name) else {
                continue;
            };
            self.ensure_retry_topic(&consumer.group_name, group.retry_queue_nums);
            let change = self
                .consumers
                .register(consumer, member.clone(), data.without_sub);
            if change.subscriptions {
                self.parked.wake_group(&consumer.group_name);
            }
            if (change.members || change.subscriptions) && group.notify_consumer_ids_changed_enable
            {
                self.notify_members_changed(&consumer.group_name);
            }
        }
        HeartbeatOutcome {
            wants_subscriptions,
        }
    }

    /// A client says goodbye to groups.
    pub fn unregister(&self, channel_id: u64, request: UnregisterRequest<'_>) {
        if let Some(group) = request.producer_group {
            self.producers.unregister(group, channel_id);
        }
        if let Some(group) = request.consumer_group
            && self.consumers.unregister(group, channel_id)
        {
            self.notify_if_enabled(group);
        }
    }

    /// A channel is gone: so are its memberships and the pulls that came by it.
    pub fn channel_closed(&self, channel_id: u64) {
        self.parked.drop_owner(channel_id);
        self.producers.disconnected(channel_id);
        for group in self.consumers.disconnected(channel_id) {
            self.notify_if_enabled(&group);
        }
    }

    /// Forgets clients that have fallen silent and cuts them off.
    pub(crate) fn expire_clients(&self, now: Instant) {
        let (mut silent, groups) = self.consumers.expire(now, self.config.client_expiry);
        silent.extend(self.producers.expire(now, self.config.client_expiry));
        for channel in silent {
            tracing::warn!(client = %channel.remote(), silent_for = ?self.config.client_expiry,
                "a client sent no heartbeat: it is forgotten and its connection closed");
            channel.close();
        }
        for group in groups {
            self.notify_if_enabled(&group);
        }
    }

    fn notify_if_enabled(&self, group: &str) {
        if self
            .groups
            .get(group)
            .is_none_or(|config| config.notify_consumer_ids_changed_enable)
        {
            self.notify_members_changed(group);
        }
    }

    fn notify_members_changed(&self, group: &str) {
        if !self.live.notify_members_changed() {
            return;
        }
        for channel in self.consumers.channels_to_notify(group) {
            channel.notify_members_changed(group);
        }
    }

    /// The configuration of a group; an unknown one is created when that is allowed and its name is.
    pub fn group_or_create(
        &self,
        name: &str,
    ) -> Option<Arc<mainstem_common::protocol::SubscriptionGroupConfig>> {
        if let Some(group) = self.groups.get(name) {
            return Some(group);
        }
        if !self.live.auto_create_group() && !topic::is_system_group(name) {
            return None;
        }
        topic::validate_group(name).ok()?;
        if self.groups.len() >= self.config.max_groups {
            return None;
        }
        let (group, created) = self.groups.put_default_if_absent(name);
        if created {
            self.persist_group(&group);
            tracing::info!(
                group = name,
                "a consumer group was created by its first request"
            );
        }
        Some(group)
    }
}
