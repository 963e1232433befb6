//! Connected producers by group.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::RwLock;

use super::{Member, SharedChannel};

/// Connected producers of every group.
#[derive(Default)]
pub struct Producers {
    groups: RwLock<HashMap<String, HashMap<u64, Member>>>,
}

impl Producers {
    /// Notes a heartbeat.
    pub(crate) fn register(&self, group: &str, member: Member) {
        let mut groups = self.groups.write();
        match groups.get_mut(group) {
            Some(members) => members.insert(member.channel.id(), member),
            None => groups
                .entry(group.to_owned())
                .or_default()
                .insert(member.channel.id(), member),
        };
    }

    /// Forgets one producer of a group.
    pub(crate) fn unregister(&self, group: &str, channel_id: u64) {
        let mut groups = self.groups.write();
        if let Some(members) = groups.get_mut(group) {
            members.remove(&channel_id);
            if members.is_empty() {
                groups.remove(group);
            }
        }
    }

    /// Forgets everything that came by a channel.
    pub(crate) fn disconnected(&self, channel_id: u64) {
        self.groups.write().retain(|_, members| {
            members.remove(&channel_id);
            !members.is_empty()
        });
    }

    /// Forgets producers that were silent for longer than `expiry` and returns their channels.
    pub(crate) fn expire(&self, now: Instant, expiry: Duration) -> Vec<SharedChannel> {
        let mut silent = Vec::new();
        self.groups.write().retain(|_, members| {
            members.retain(|_, member| {
                let alive = now.duration_since(member.last_heartbeat) <= expiry;
                if !alive {
                    silent.push(member.channel.clone());
                }
                alive
            });
            !members.is_empty()
        });
        silent
    }

    /// Members of a group; empty when none is connected.
    pub fn members(&self, group: &str) -> Vec<Member> {
        self.groups
            .read()
            .get(group)
            .map(|members| members.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Every group with its members.
    pub fn all(&self) -> Vec<(String, Vec<Member>)> {
        self.groups
            .read()
            .iter()
            .map(|(group, members)| (group.clone(), members.values().cloned().collect()))
            .collect()
    }
}
