//! What the clients of a broker know: which messages they sent, which were acknowledged and where, which a reader saw, which offsets
//! were committed; and for each when they learnt it, as a place in the disk's record. What was learnt before a cut must be there after it.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// Topics with their queues: three made on purpose, one by its first message.
pub(super) const TOPICS: [(&str, i32); 4] = [
    ("orders", 1),
    ("events", 3),
    ("logs", 8),
    (MADE_BY_A_SEND, 4),
];
/// The topic that its first message makes.
pub(super) const MADE_BY_A_SEND: &str = "auto";
/// Topic of delayed messages.
pub(super) const DELAYED: &str = "delayed";
pub(super) const DELAYED_QUEUES: i32 = 2;

/// A queue: topic and id.
pub(super) type Queue = (String, i32);

/// A message that was sent.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) queue: Queue,
    pub(super) bytes: usize,
    pub(super) acknowledged: Option<Acknowledged>,
}

#[derive(Clone, Copy)]
pub(super) struct Acknowledged {
    /// In the message's queue; of a delayed message in that of its level.
    pub(super) offset: u64,
    /// The record was so long when the answer was here.
    pub(super) at: usize,
}

/// What clients were told. Numbers of messages are `life << 48 | sender << 32 | n`: of one sender they rise in the order sent.
#[derive(Clone, Default)]
pub(super) struct Ledger {
    pub(super) sent: BTreeMap<u64, Sent>,
    /// Number of the message that a reader saw at this offset, and when.
    pub(super) seen: HashMap<Queue, BTreeMap<u64, (u64, usize)>>,
    /// Delayed messages that a reader saw delivered, and when.
    pub(super) delivered: HashMap<u64, usize>,
    /// Every offset that a group tried to commit.
    pub(super) committed: HashMap<Queue, Vec<u64>>,
    /// What the group's commits were answered with success for, and when. One reader commits, and never less than before.
    pub(super) commits_answered: HashMap<Queue, Vec<(u64, Instant)>>,
    /// The group's offset is on disk up to here: a start had it, or it had the time to get there.
    pub(super) commits_durable: HashMap<Queue, u64>,
}

/// By then a commit is in the journal, which is written every 20 ms here: enough for a machine that is busy with other tests.
const JOURNALLED_AFTER: Duration = Duration::from_secs(1);

impl Ledger {
    /// A reader has a message at this offset; a message of another number than before is an error.
    pub(super) fn see(
        &mut self,
        queue: &Queue,
        offset: u64,
        number: u64,
        at: usize,
    ) -> Result<(), String> {
        let seen = self.seen.entry(queue.clone()).or_default();
        let (before, _) = *seen.entry(offset).or_insert((number, at));
        if before == number {
            return Ok(());
        }
        Err(format!(
            "{queue:?}: message {number:x} at {offset}, where a reader had seen {before:x}"
        ))
    }

    /// The power went at this place of the record: what was learnt later counts for nothing, the rest from now on always.
    pub(super) fn settle(&mut self, cut: usize) {
        for sent in self.sent.values_mut() {
            sent.acknowledged = sent
                .acknowledged
                .filter(|known| known.at <= cut)
                .map(|known| Acknowledged { at: 0, ..known });
        }
        for seen in self.seen.values_mut() {
            seen.retain(|_, (_, at)| *at <= cut);
            seen.values_mut().for_each(|(_, at)| *at = 0);
        }
        // When the cut was in time is not known.
        self.commits_answered.clear();
        self.delivered.retain(|_, at| *at <= cut);
        self.delivered.values_mut().for_each(|at| *at = 0);
    }

    /// The group's offset is on disk up to here.
    pub(super) fn is_durable(&mut self, queue: &Queue, committed: u64) {
        let durable = self.commits_durable.entry(queue.clone()).or_default();
        *durable = committed.max(*durable);
    }

    /// The broker was killed at this moment: commits have come as far as its journal, and that has them but for the last ones.
    pub(super) fn killed(&mut self, at: Instant) {
        for (queue, commits) in std::mem::take(&mut self.commits_answered) {
            let mut durable = commits
                .into_iter()
                .filter(|(_, answered)| *answered + JOURNALLED_AFTER <= at);
            if let Some((committed, _)) = durable.next_back() {
                self.is_durable(&queue, committed);
            }
        }
    }

    /// Messages that were acknowledged.
    pub(super) fn acknowledged(&self) -> usize {
        self.sent
            .values()
            .filter(|sent| sent.acknowledged.is_some())
            .count()
    }
}

/// The body of a message: its number, and bytes that follow from it.
pub(super) fn body(number: u64, bytes: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(bytes + 8);
    body.extend_from_slice(&number.to_be_bytes());
    let mut word = number;
    while body.len() < bytes {
        word = word
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        body.extend_from_slice(&word.to_be_bytes());
    }
    body.truncate(bytes.max(8));
    body
}

/// The key of a message.
pub(super) fn key(number: u64) -> String {
    format!("k{number:x}")
}

/// The message that a body claims to be.
pub(super) fn number_of(body: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(body.get(..8)?.try_into().ok()?))
}
