//! Which queue a message goes to: in turn over all of them, by the hash of a key, or by the caller's own rule. Promises that
//! a key's queue is the one that Java's `SelectMessageQueueByHash` picks from the same queues.

use mainstem_record::hash;

use crate::instance::{PublishQueue, PublishRoute};

/// The position of `key`'s queue among `queues` queues.
pub(crate) fn position_of_key(key: &str, queues: usize) -> usize {
    debug_assert!(queues > 0, "a route without queues is an error before this");
    let count = i64::try_from(queues).unwrap_or(i64::MAX);
    let position = (i64::from(hash::java_string_hash(key)) % count).unsigned_abs();
    usize::try_from(position).unwrap_or(0)
}

/// The next queue in turn, passing by the broker that just failed and those that have been slow; when all of them
/// have been, the one that will be well the soonest.
pub(crate) fn next_in_turn<'a>(
    route: &'a PublishRoute,
    failed_broker: Option<&str>,
) -> &'a PublishQueue {
    let queues = route.queues();
    let start = route.turn();
    let nth = |step: usize| &queues[(start + step) % queues.len()];
    if let Some(well) = (0..queues.len()).map(nth).find(|queue| {
        failed_broker.is_none_or(|failed| failed != queue.broker.name())
            && queue.broker.health().avoid_for_ms() == 0
    }) {
        return well;
    }
    (0..queues.len())
        .map(nth)
        .min_by_key(|queue| {
            let just_failed = failed_broker.is_some_and(|failed| failed == queue.broker.name());
            (just_failed, queue.broker.health().avoid_for_ms())
        })
        .unwrap_or_else(|| nth(0))
}
