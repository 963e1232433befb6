//! Pulls that found nothing and wait for a message. It owns them and their deadlines, finds those that an arrival
//! wakes by offset and filter, and hands them to one receiver; it never reads the store and never answers.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::{PullAnswer, PullRequest};
use crate::clients::TagFilter;

/// Completes a parked pull; called once, from any thread.
pub(crate) type AnswerPull = Box<dyn FnOnce(PullAnswer) + Send>;

/// A pull that waits.
pub(crate) struct ParkedPull {
    pub(crate) request: PullRequest,
    pub(crate) filter: Arc<TagFilter>,
    /// Id of the channel it came by; when that closes the pull is dropped.
    pub(crate) owner: u64,
    pub(crate) deadline: Instant,
    pub(crate) answer: AnswerPull,
}

#[derive(Default)]
struct State {
    pulls: HashMap<u64, ParkedPull>,
    by_queue: HashMap<Arc<str>, HashMap<i32, Vec<u64>>>,
    deadlines: BTreeSet<(Instant, u64)>,
    by_owner: HashMap<u64, HashSet<u64>>,
    next_id: u64,
    /// The broker is going away: nothing may wait any more.
    closed: bool,
}

impl State {
    fn take(&mut self, id: u64) -> Option<ParkedPull> {
        let pull = self.pulls.remove(&id)?;
        self.deadlines.remove(&(pull.deadline, id));
        if let Some(ids) = self.by_owner.get_mut(&pull.owner) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_owner.remove(&pull.owner);
            }
        }
        if let Some(queues) = self.by_queue.get_mut(&pull.request.topic) {
            if let Some(ids) = queues.get_mut(&pull.request.queue_id) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    queues.remove(&pull.request.queue_id);
                }
            }
            if queues.is_empty() {
                self.by_queue.remove(&pull.request.topic);
            }
        }
        Some(pull)
    }
}

/// All parked pulls of a broker.
pub(crate) struct ParkedPulls {
    state: Mutex<State>,
    woken: mpsc::UnboundedSender<ParkedPull>,
    earlier_deadline: Notify,
    limit: usize,
}

impl ParkedPulls {
    /// An empty table, and the receiver of every pull that an arrival, a deadline or a changed subscription wakes.
    pub(crate) fn new(limit: usize) -> (Self, mpsc::UnboundedReceiver<ParkedPull>) {
        let (woken, receiver) = mpsc::unbounded_channel();
        (
            ParkedPulls {
                state: Mutex::default(),
                woken,
                earlier_deadline: Notify::new(),
                limit,
            },
            receiver,
        )
    }

    /// Parks a pull and returns its id, or gives it back when the table is full. `watch` makes the store tell of arrivals in
    /// its queue. The caller must look at the queue again afterwards: a message may have arrived between its read and this
    /// call.
    pub(crate) fn park(&self, pull: ParkedPull, watch: impl FnOnce()) -> Result<u64, ParkedPull> {
        let mut state = self.state.lock();
        if state.closed || state.pulls.len() >= self.limit {
            return Err(pull);
        }
        // Under the same lock as `arrived` finds that nobody waits.
        watch();
        let id = state.next_id;
        state.next_id += 1;
        let earliest = state
            .deadlines
            .first()
            .is_none_or(|(first, _)| pull.deadline < *first);
        state.deadlines.insert((pull.deadline, id));
        let queues = match state.by_queue.get_mut(&pull.request.topic) {
            Some(queues) => queues,
            None => state
                .by_queue
                .entry(pull.request.topic.clone())
                .or_default(),
        };
        queues.entry(pull.request.queue_id).or_default().push(id);
        state.by_owner.entry(pull.owner).or_default().insert(id);
        state.pulls.insert(id, pull);
        drop(state);
        if earliest {
            self.earlier_deadline.notify_one();
        }
        Ok(id)
    }

    /// Wakes one pull, if it still waits.
    pub(crate) fn wake(&self, id: u64) {
        let pull = self.state.lock().take(id);
        self.hand_over(pull);
    }

    /// Wakes the pulls of a queue that wait at or before `offset` and want this tags code. `unwatch` is called if no pull
    /// waits for the queue any more: the next one will [`park`](Self::park) and watch it anew.
    pub(crate) fn arrived(
        &self,
        topic: &str,
        queue_id: i32,
        offset: i64,
        tags_code: i64,
        unwatch: impl FnOnce(),
    ) {
        let mut state = self.state.lock();
        let Some(ids) = state
            .by_queue
            .get(topic)
            .and_then(|queues| queues.get(&queue_id))
        else {
            return unwatch();
        };
        let waiting = ids.len();
        let due: Vec<u64> = ids
            .iter()
            .filter(|id| {
                state.pulls.get(id).is_some_and(|pull| {
                    pull.request.offset <= offset && pull.filter.matches(tags_code)
                })
            })
            .copied()
            .collect();
        if due.len() == waiting {
            unwatch();
        }
        for id in due {
            let pull = state.take(id);
            self.hand_over(pull);
        }
    }

    /// Wakes every pull of a group, for its subscription has changed.
    pub(crate) fn wake_group(&self, group: &str) {
        self.wake_where(|pull| &*pull.request.group == group);
    }

    /// Wakes every pull of a topic, for it has been changed or removed.
    pub(crate) fn wake_topic(&self, topic: &str) {
        self.wake_where(|pull| &*pull.request.topic == topic);
    }

    fn wake_where(&self, wanted: impl Fn(&ParkedPull) -> bool) {
        let mut state = self.state.lock();
        let ids: Vec<u64> = state
            .pulls
            .iter()
            .filter(|(_, pull)| wanted(pull))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            let pull = state.take(id);
            self.hand_over(pull);
        }
    }

    /// Drops the pulls that came by a channel that is gone.
    pub(crate) fn drop_owner(&self, owner: u64) {
        let mut state = self.state.lock();
        let ids = state.by_owner.remove(&owner).unwrap_or_default();
        let dropped: Vec<_> = ids.into_iter().filter_map(|id| state.take(id)).collect();
        // Dropping a pull drops its answer, which may take locks of its own.
        drop(state);
        drop(dropped);
    }

    /// Wakes every pull and keeps later ones from waiting: the broker is going away.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.wake_where(|_| true);
    }

    fn hand_over(&self, pull: Option<ParkedPull>) {
        if let Some(pull) = pull {
            // The receiver lives as long as the broker; after that nobody is left to be answered.
            let _ = self.woken.send(pull);
        }
    }

    /// Number of pulls that wait.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().pulls.len()
    }

    /// Runs the deadlines until dropped: one sleep for the earliest of them all.
    pub(crate) async fn run_deadlines(&self) {
        loop {
            let earliest = self
                .state
                .lock()
                .deadlines
                .first()
                .map(|(deadline, _)| *deadline);
            match earliest {
                None => self.earlier_deadline.notified().await,
                Some(deadline) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(deadline.into()) => self.expire(Instant::now()),
                        () = self.earlier_deadline.notified() => {}
                    }
                }
            }
        }
    }

    fn expire(&self, now: Instant) {
        let mut state = self.state.lock();
        while let Some((deadline, id)) = state.deadlines.first().copied() {
            if deadline > now {
                break;
            }
            let pull = state.take(id);
            self.hand_over(pull);
        }
    }
}
