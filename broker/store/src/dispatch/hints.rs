//! Hints from those who append to the dispatcher: which queue the record at a log position belongs to. An append has
//! just looked it up, so the dispatcher need not. Promises nothing but that a hint is true: it may be missing or come
//! too late, and of too many the newest are dropped.

use crate::queues::Queue;
use crate::sync::{Arc, Mutex};

/// Most hints that are kept, of one giver and of all together; the dispatcher looks queues up itself where it has none.
pub(crate) const MAX_HINTS: usize = 4096;

/// The queue of the record that was appended at a log position.
#[derive(Debug)]
pub(crate) struct Hint {
    pub(crate) position: u64,
    pub(crate) queue: Arc<Queue>,
}

/// Where hints are given and taken.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    given: Mutex<Vec<Hint>>,
}

impl Hints {
    /// Gives hints; `hints` is empty then and keeps its room.
    pub(crate) fn give(&self, hints: &mut Vec<Hint>) {
        let mut given = self.given.lock();
        hints.truncate(MAX_HINTS.saturating_sub(given.len()));
        given.append(hints);
    }

    /// Takes all that were given.
    pub(crate) fn take_into(&self, taken: &mut TakenHints) {
        let newest_first = &mut taken.newest_first;
        {
            let mut given = self.given.lock();
            if given.is_empty() {
                return;
            }
            if newest_first.is_empty() {
                std::mem::swap(&mut *given, newest_first);
            } else {
                newest_first.truncate(MAX_HINTS);
                newest_first.append(&mut given);
            }
        }
        // What one giver gave is in order already.
        newest_first.sort_unstable_by_key(|hint| std::cmp::Reverse(hint.position));
    }
}

/// The hints that the dispatcher has in hand.
#[derive(Debug, Default)]
pub(crate) struct TakenHints {
    newest_first: Vec<Hint>,
}

impl TakenHints {
    /// The queue of the record at `position`, if it was told. Positions only grow from call to call; hints of lower ones
    /// came too late and are dropped.
    pub(crate) fn queue_at(&mut self, position: u64) -> Option<Arc<Queue>> {
        while self.newest_first.last()?.position < position {
            self.newest_first.pop();
        }
        let hint = self.newest_first.pop_if(|hint| hint.position == position)?;
        Some(hint.queue)
    }

    /// Drops all.
    pub(crate) fn clear(&mut self) {
        self.newest_first.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(position: u64) -> Hint {
        Hint {
            position,
            queue: Arc::new(Queue::new("T".into(), position as i32, 0, 0)),
        }
    }

    fn queue_id_at(taken: &mut TakenHints, position: u64) -> Option<i32> {
        taken.queue_at(position).map(|queue| queue.queue_id())
    }

    #[test]
    fn hints_are_found_by_position_whoever_gave_them_and_late_ones_are_dropped() {
        let hints = Hints::default();
        let mut taken = TakenHints::default();
        hints.give(&mut vec![hint(10), hint(40)]);
        hints.give(&mut vec![hint(20), hint(50)]);
        hints.take_into(&mut taken);
        assert_eq!(queue_id_at(&mut taken, 10), Some(10));
        assert_eq!(queue_id_at(&mut taken, 30), None);
        assert_eq!(queue_id_at(&mut taken, 40), Some(40));
        hints.give(&mut vec![hint(45), hint(60)]);
        hints.take_into(&mut taken);
        for (position, expected) in [(50, Some(50)), (60, Some(60)), (70, None)] {
            assert_eq!(queue_id_at(&mut taken, position), expected);
        }
    }

    #[test]
    fn more_hints_than_are_kept_are_dropped() {
        let hints = Hints::default();
        for round in 0..3 {
            let mut more = (0..3000).map(|n| hint(round * 3000 + n)).collect();
            hints.give(&mut more);
            assert!(more.is_empty());
        }
        assert_eq!(hints.given.lock().len(), MAX_HINTS);
    }
}
