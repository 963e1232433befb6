//! Connected consumers by group, with what each group subscribes to. Membership follows the channel: two channels with
//! one client id are two members until one of them closes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstem_common::protocol::{
    ConsumeFromWhere, ConsumeType, ConsumerData, ExpressionType, MessageModel, SubscriptionData,
};
use parking_lot::RwLock;

use super::{Member, SharedChannel, TagFilter};

/// What a group wants of one topic.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// As the clients sent it.
    pub data: SubscriptionData,
    /// Compiled; expressions that are no tags let everything pass here and are refused at the pull.
    pub filter: Arc<TagFilter>,
}

impl Subscription {
    fn compile(data: &SubscriptionData) -> Self {
        let everything = data.class_filter_mode
            || data.is_all()
            || !ExpressionType::is_tag(&data.expression_type);
        let filter = if everything {
            TagFilter::All
        } else {
            TagFilter::from_codes(data.code_set.iter().map(|code| i64::from(*code)).collect())
        };
        Subscription {
            data: data.clone(),
            filter: Arc::new(filter),
        }
    }
}

struct Group {
    consume_type: ConsumeType,
    message_model: MessageModel,
    consume_from_where: ConsumeFromWhere,
    members: HashMap<u64, Member>,
    subscriptions: HashMap<String, Arc<Subscription>>,
}

/// A group as seen at one moment.
#[derive(Clone)]
pub struct ConsumerGroupView {
    /// Push, pull or pop.
    pub consume_type: ConsumeType,
    /// Clustering or broadcasting.
    pub message_model: MessageModel,
    /// Where a new group starts.
    pub consume_from_where: ConsumeFromWhere,
    /// Who is connected.
    pub members: Vec<Member>,
    /// What they subscribe to.
    pub subscriptions: Vec<Arc<Subscription>>,
}

/// What the answer to "may this group pull this topic" needs.
#[derive(Clone)]
pub(crate) struct PullSubscription {
    pub(crate) broadcasting: bool,
    pub(crate) subscription: Option<Arc<Subscription>>,
}

/// What a heartbeat changed in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct GroupChange {
    pub(crate) members: bool,
    pub(crate) subscriptions: bool,
}

/// Connected consumers of every group.
#[derive(Default)]
pub struct Consumers {
    groups: RwLock<HashMap<String, Group>>,
}

impl Consumers {
    /// Notes a heartbeat. Without subscriptions in it (`keep_subscriptions`) those known stay.
    pub(crate) fn register(
        &self,
        data: &ConsumerData,
        member: Member,
        keep_subscriptions: bool,
    ) -> GroupChange {
        let mut groups = self.groups.write();
        let group = match groups.get_mut(&data.group_name) {
            Some(group) => group,
            None => groups
                .entry(data.group_name.clone())
                .or_insert_with(|| Group {
                    consume_type: data.consume_type,
                    message_model: data.message_model,
                    consume_from_where: data.consume_from_where,
                    members: HashMap::new(),
                    subscriptions: HashMap::new(),
                }),
        };
        group.consume_type = data.consume_type;
        group.message_model = data.message_model;
        group.consume_from_where = data.consume_from_where;
        let previous = group.members.insert(member.channel.id(), member);
        let subscriptions =
            !keep_subscriptions && group.replace_subscriptions(&data.subscription_data_set);
        GroupChange {
            members: previous.is_none(),
            subscriptions,
        }
    }

    /// Whether the channel is a member of the group.
    pub(crate) fn is_member(&self, group: &str, channel_id: u64) -> bool {
        self.groups
            .read()
            .get(group)
            .is_some_and(|group| group.members.contains_key(&channel_id))
    }

    /// Forgets one consumer; true when it was a member.
    pub(crate) fn unregister(&self, group: &str, channel_id: u64) -> bool {
        let mut groups = self.groups.write();
        let Some(known) = groups.get_mut(group) else {
            return false;
        };
        let removed = known.members.remove(&channel_id).is_some();
        if known.members.is_empty() {
            groups.remove(group);
        }
        removed
    }

    /// Forgets everything that came by a channel and returns the groups that lost a member.
    pub(crate) fn disconnected(&self, channel_id: u64) -> Vec<String> {
        let mut left = Vec::new();
        self.groups.write().retain(|name, group| {
            if group.members.remove(&channel_id).is_some() {
                left.push(name.clone());
            }
            !group.members.is_empty()
        });
        left
    }

    /// Forgets consumers that were silent for longer than `expiry`; returns their channels and the groups that lost a
    /// member.
    pub(crate) fn expire(
        &self,
        now: Instant,
        expiry: Duration,
    ) -> (Vec<SharedChannel>, Vec<String>) {
        let (mut silent, mut left) = (Vec::new(), Vec::new());
        self.groups.write().retain(|name, group| {
            let before = group.members.len();
            group.members.retain(|_, member| {
                let alive = now.duration_since(member.last_heartbeat) <= expiry;
                if !alive {
                    silent.push(member.channel.clone());
                }
                alive
            });
            if group.members.len() < before {
                left.push(name.clone());
            }
            !group.members.is_empty()
        });
        (silent, left)
    }

    /// What a pull needs to know; `None` when nobody of the group is connected.
    pub(crate) fn pull_subscription(&self, group: &str, topic: &str) -> Option<PullSubscription> {
        let groups = self.groups.read();
        let group = groups.get(group)?;
        Some(PullSubscription {
            broadcasting: group.message_model == MessageModel::Broadcasting,
            subscription: group.subscriptions.get(topic).cloned(),
        })
    }

    /// The channels to tell of a change in a group; none for a broadcasting group, whose members do not share queues.
    pub(crate) fn channels_to_notify(&self, group: &str) -> Vec<SharedChannel> {
        let groups = self.groups.read();
        match groups.get(group) {
            Some(group) if group.message_model == MessageModel::Clustering => group
                .members
                .values()
                .map(|member| member.channel.clone())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The client ids of a group, one for each channel; empty when none is connected.
    pub fn client_ids(&self, group: &str) -> Vec<Arc<str>> {
        let groups = self.groups.read();
        groups
            .get(group)
            .map(|group| {
                group
                    .members
                    .values()
                    .map(|member| member.client_id.clone())
                    .collect()
            })
            .unwrap_or_default()
    }

    /// A group with its members and subscriptions; `None` when nobody is connected.
    pub fn group(&self, group: &str) -> Option<ConsumerGroupView> {
        let groups = self.groups.read();
        let group = groups.get(group)?;
        Some(ConsumerGroupView {
            consume_type: group.consume_type,
            message_model: group.message_model,
            consume_from_where: group.consume_from_where,
            members: group.members.values().cloned().collect(),
            subscriptions: group.subscriptions.values().cloned().collect(),
        })
    }

    /// The channel of a client of a group.
    pub fn member(&self, group: &str, client_id: &str) -> Option<Member> {
        let groups = self.groups.read();
        groups
            .get(group)?
            .members
            .values()
            .find(|member| &*member.client_id == client_id)
            .cloned()
    }

    /// What a group subscribes to in a topic.
    pub fn subscription(&self, group: &str, topic: &str) -> Option<Arc<Subscription>> {
        self.groups
            .read()
            .get(group)?
            .subscriptions
            .get(topic)
            .cloned()
    }

    /// The connected groups that subscribe to a topic.
    pub fn groups_of_topic(&self, topic: &str) -> Vec<String> {
        let groups = self.groups.read();
        groups
            .iter()
            .filter(|(_, group)| group.subscriptions.contains_key(topic))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Number of connected groups.
    pub fn group_count(&self) -> usize {
        self.groups.read().len()
    }
}

impl Group {
    /// Takes over a full set of subscriptions; true when topics came, went or changed.
    fn replace_subscriptions(&mut self, incoming: &[SubscriptionData]) -> bool {
        let mut changed = false;
        for data in incoming {
            match self.subscriptions.get_mut(&data.topic) {
                None => {
                    self.subscriptions
                        .insert(data.topic.clone(), Arc::new(Subscription::compile(data)));
                    changed = true;
                }
                Some(known) if data.sub_version > known.data.sub_version => {
                    let same = known.data.sub_string == data.sub_string
                        && known.data.expression_type == data.expression_type
                        && known.data.code_set == data.code_set;
                    *known = Arc::new(Subscription::compile(data));
                    changed |= !same;
                }
                Some(_) => {}
            }
        }
        let before = self.subscriptions.len();
        self.subscriptions
            .retain(|topic, _| incoming.iter().any(|data| data.topic == *topic));
        changed || self.subscriptions.len() < before
    }
}
