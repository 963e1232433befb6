//! Heartbeats: what keeps a client and its subscriptions known to brokers. They go to every broker of the client's topics,
//! soon after the first route is known, again whenever a route changes, and at intervals.

use std::collections::BTreeSet;
use std::sync::Arc;

use mainstem_common::protocol::HeartbeatData;
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::request;
use tokio::task::JoinSet;

use super::Instance;

/// Announces until the instance ends.
pub(super) async fn keep_announcing(
    instance: &Instance,
    data: &(impl Fn() -> HeartbeatData + Sync),
) {
    let mut ticks = tokio::time::interval(instance.options().heartbeat_interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut silent = BTreeSet::new();
    let mut changes = instance.routes().changes();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = changes.changed() => {}
        }
        let failed = announce(instance, &data()).await;
        for broker in failed.difference(&silent) {
            tracing::warn!(%broker, "broker does not take heartbeats; it will forget this client until it does");
        }
        silent = failed;
    }
}

/// Announces once; returns the brokers that did not take it.
pub(super) async fn announce(instance: &Instance, data: &HeartbeatData) -> BTreeSet<String> {
    let masters_only = data.consumer_data_set.is_empty();
    let brokers = instance.routes().broker_addrs(masters_only);
    let command = Command::request(request::HEART_BEAT).with_body(data.to_json());
    let mut calls = JoinSet::new();
    for broker in brokers {
        let (remoting, command) = (Arc::clone(instance.remoting()), command.clone());
        let timeout = instance.options().request_timeout;
        calls.spawn(async move {
            let outcome = remoting.call(&broker, command, timeout).await;
            (broker, outcome)
        });
    }
    let mut failed = BTreeSet::new();
    while let Some(joined) = calls.join_next().await {
        match joined {
            Ok((_, Ok(reply))) if reply.code == 0 => {}
            Ok((broker, Ok(reply))) => {
                tracing::debug!(%broker, code = reply.code, remark = ?reply.remark, "heartbeat refused");
                failed.insert(broker);
            }
            Ok((broker, Err(error))) => {
                tracing::debug!(%broker, %error, "heartbeat failed");
                failed.insert(broker);
            }
            Err(_) => {}
        }
    }
    failed
}
