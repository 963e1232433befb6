//! The queues of one topic, and of other topics whose names have the same hash. Promises only that
//! names decide, not hashes.

use super::Queue;
use crate::sync::Arc;

/// The queues of one topic.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    /// Sorted by id; dense ids are found at their own index.
    pub(super) queues: Vec<Arc<Queue>>,
    /// Another topic with the same hash.
    other: Option<Box<Topic>>,
}

impl Topic {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            queues: Vec::new(),
            other: None,
        }
    }

    pub(super) fn named(&self, name: &str) -> Option<&Self> {
        let mut topic = self;
        while *topic.name != *name {
            topic = topic.other.as_deref()?;
        }
        Some(topic)
    }

    pub(super) fn named_or_new(&mut self, name: &str) -> &mut Self {
        if *self.name == *name {
            return self;
        }
        self.other
            .get_or_insert_with(|| Box::new(Self::new(name)))
            .named_or_new(name)
    }

    pub(super) fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |topic| topic.other.as_deref())
    }

    pub(super) fn queue(&self, queue_id: i32) -> Option<&Arc<Queue>> {
        let at = usize::try_from(queue_id).ok()?;
        match self.queues.get(at) {
            Some(queue) if queue.queue_id() == queue_id => Some(queue),
            _ => {
                let at = self
                    .queues
                    .binary_search_by_key(&queue_id, |queue| queue.queue_id())
                    .ok()?;
                self.queues.get(at)
            }
        }
    }

    /// Takes the named topic out of the chain: its queues, and what is left.
    pub(super) fn without(mut self, name: &str) -> (Vec<Arc<Queue>>, Option<Self>) {
        let other = self.other.take();
        if *self.name == *name {
            return (self.queues, other.map(|next| *next));
        }
        let (removed, rest) = other.map_or((Vec::new(), None), |next| next.without(name));
        self.other = rest.map(Box::new);
        (removed, Some(self))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn topics_of_one_hash_are_kept_apart() {
        let mut first = Topic::new("a");
        first
            .named_or_new("b")
            .queues
            .push(Arc::new(Queue::new("b".into(), 0, 0, 0)));
        first
            .named_or_new("c")
            .queues
            .push(Arc::new(Queue::new("c".into(), 0, 0, 0)));
        assert_eq!(first.chain().count(), 3);
        assert_eq!(first.named("c").unwrap().queues.len(), 1);
        let (removed, rest) = first.without("b");
        assert_eq!(removed.len(), 1);
        let (removed, rest) = rest.unwrap().without("a");
        assert!(removed.is_empty());
        let rest = rest.unwrap();
        assert_eq!(
            rest.chain()
                .map(|topic| topic.name.to_string())
                .collect::<Vec<_>>(),
            ["c"]
        );
    }
}
