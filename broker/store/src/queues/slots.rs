//! A place in which somebody who appends to the queues of one topic again and again keeps them, so that an append need
//! not look them up: with 10,000 topics the lookup costs more than the copying. Promises that a record never goes by
//! another queue than its own, whatever slots it is appended with.

use super::queue::Queue;
use crate::sync::{Arc, OnceLock};

/// Keeps the queues of a topic for appends; see [`Batch::append_with`](crate::Batch::append_with). Empty at first, each
/// filled by its first append, for good. May be shared by threads. 16 bytes a queue.
#[derive(Debug)]
pub struct QueueSlots {
    topic: Arc<str>,
    queues: Box<[OnceLock<Arc<Queue>>]>,
}

impl QueueSlots {
    /// Slots for the first `queues` queues of a topic; those of greater numbers are looked up.
    pub fn new(topic: Arc<str>, queues: usize) -> Self {
        Self {
            topic,
            queues: (0..queues).map(|_| OnceLock::new()).collect(),
        }
    }

    /// The topic. Records that name it by this very text are known to be its own without a look at the text.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    fn slot(&self, topic: &str, queue_id: i32) -> Option<&OnceLock<Arc<Queue>>> {
        let is_same = std::ptr::eq(topic, &*self.topic) || *topic == *self.topic;
        let slot = self.queues.get(usize::try_from(queue_id).ok()?)?;
        is_same.then_some(slot)
    }

    /// The queue, if it is kept here.
    pub(crate) fn get(&self, topic: &str, queue_id: i32) -> Option<&Arc<Queue>> {
        let queue = self.slot(topic, queue_id)?.get()?;
        debug_assert!(
            queue.queue_id() == queue_id && queue.topic() == topic,
            "a slot keeps its own queue"
        );
        Some(queue)
    }

    /// Keeps a queue, if there is a slot for it and that is empty.
    pub(crate) fn keep(&self, queue: &Arc<Queue>) {
        if let Some(slot) = self.slot(queue.topic(), queue.queue_id()) {
            // Somebody else may have been first.
            let _ = slot.set(Arc::clone(queue));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_keeps_the_first_queue_of_its_name_and_number_and_no_other() {
        let slots = QueueSlots::new("T".into(), 2);
        let queue = |topic: &str, id, serial| Arc::new(Queue::new(topic.into(), id, serial, 0));
        let first = queue("T", 1, 1);
        for other in [queue("U", 1, 2), queue("T", 2, 3), queue("T", -1, 4)] {
            slots.keep(&other);
            assert!(slots.get(other.topic(), other.queue_id()).is_none());
        }
        assert!(slots.get("T", 1).is_none());
        slots.keep(&first);
        slots.keep(&queue("T", 1, 5));
        assert!(
            slots
                .get("T", 1)
                .is_some_and(|kept| Arc::ptr_eq(kept, &first))
        );
        assert!(slots.get(slots.topic(), 1).is_some());
        assert!(slots.get("U", 1).is_none());
        assert!(slots.get("T", 0).is_none());
    }
}
