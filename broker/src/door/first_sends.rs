//! Sends of one connection to topics that are being created. Promises that what a connection sends to such a topic is
//! stored in the order in which it came: the first send starts a task that creates the topic, later ones stand in its line
//! until that task has taken them. What is stored, and whether, is the broker's to decide.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mainstem_common::remoting::Deferred;
use parking_lot::Mutex;

use crate::send::SendRequest;

/// With this many bytes of bodies and properties in all lines of a door, further sends to topics that are not there are
/// refused. Creating a topic takes a second at most.
pub(crate) const MAX_WAITING_BYTES: usize = 32 << 20;

/// What waits in all lines of a door.
#[derive(Default)]
pub(super) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    /// How much it is, where it is too much for any more.
    pub(super) fn too_much(&self) -> Option<usize> {
        Some(self.0.load(Ordering::Relaxed)).filter(|bytes| *bytes >= MAX_WAITING_BYTES)
    }

    fn share(&self, bytes: usize) -> Share {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Share {
            bytes,
            of: self.0.clone(),
        }
    }
}

/// A part of what waits, for as long as it lives.
struct Share {
    bytes: usize,
    of: Arc<AtomicUsize>,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A send that owns what it needs, and answers later.
pub(super) struct OwnedSend {
    pub(super) topic: String,
    pub(super) default_topic: String,
    /// Queues that the producer wants the topic to have.
    pub(super) queues: i32,
    properties: String,
    body: Vec<u8>,
    rest: SendRequest<'static>,
    pub(super) deferred: Deferred,
    _share: Share,
}

impl OwnedSend {
    pub(super) fn new(
        request: &SendRequest<'_>,
        default_topic: &str,
        queues: i32,
        deferred: Deferred,
        waiting: &Waiting,
    ) -> Self {
        OwnedSend {
            topic: request.topic.to_owned(),
            default_topic: default_topic.to_owned(),
            queues,
            properties: request.properties.to_owned(),
            body: request.body.to_vec(),
            rest: SendRequest {
                topic: "",
                properties: "",
                body: &[],
                ..*request
            },
            deferred,
            _share: waiting.share(request.properties.len() + request.body.len()),
        }
    }

    pub(super) fn request(&self) -> SendRequest<'_> {
        SendRequest {
            topic: &self.topic,
            properties: &self.properties,
            body: &self.body,
            ..self.rest
        }
    }
}

/// The lines of a connection, one for each topic that is being created.
#[derive(Default)]
pub(super) struct FirstSends {
    /// Nothing on most connections, most of the time: a send looks here.
    lines: Option<Arc<Mutex<Lines>>>,
}

/// By topic.
type Lines = HashMap<String, VecDeque<OwnedSend>>;

/// Whether a send has to stand in line.
pub(super) enum Place {
    /// Nobody creates its topic on this connection.
    Free,
    /// It does, and will be answered.
    Queued,
    /// It should, but so much waits already, in bytes.
    Full(usize),
}

impl FirstSends {
    /// Puts a send into the line of its topic, if there is one.
    pub(super) fn join(
        &mut self,
        topic: &str,
        waiting: &Waiting,
        make: impl FnOnce() -> OwnedSend,
    ) -> Place {
        let Some(lines) = &self.lines else {
            return Place::Free;
        };
        let mut locked = lines.lock();
        if locked.is_empty() {
            drop(locked);
            self.lines = None;
            return Place::Free;
        }
        let Some(line) = locked.get_mut(topic) else {
            return Place::Free;
        };
        if let Some(bytes) = waiting.too_much() {
            return Place::Full(bytes);
        }
        line.push_back(make());
        Place::Queued
    }

    /// Opens the line of a topic for its first send; whoever takes the line handles them all.
    pub(super) fn open(&mut self, topic: &str) -> Line {
        let lines = self.lines.get_or_insert_default();
        lines.lock().insert(topic.to_owned(), VecDeque::new());
        Line {
            lines: lines.clone(),
            topic: topic.to_owned(),
            is_open: true,
        }
    }
}

/// The line of one topic. Dropped, it closes; who still stands in it is answered that the request was dropped.
pub(super) struct Line {
    lines: Arc<Mutex<Lines>>,
    topic: String,
    /// Once it is closed another line of the topic may be open, which is not this one's.
    is_open: bool,
}

impl Line {
    /// The next send. `None` closes the line: from then on sends find the topic by themselves.
    pub(super) fn next(&mut self) -> Option<OwnedSend> {
        let mut lines = self.lines.lock();
        let next = lines.get_mut(&self.topic)?.pop_front();
        if next.is_none() {
            lines.remove(&self.topic);
            self.is_open = false;
        }
        next
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_open {
            let left = self.lines.lock().remove(&self.topic);
            // Their answers go out without the lock held.
            drop(left);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_that_has_closed_leaves_the_next_one_of_its_topic_alone() {
        let mut sends = FirstSends::default();
        let mut first = sends.open("T");
        assert!(first.next().is_none());
        let second = sends.open("T");
        drop(first);
        assert!(sends.lines.as_ref().unwrap().lock().contains_key("T"));
        drop(second);
        assert!(sends.lines.as_ref().unwrap().lock().is_empty());
    }

    #[test]
    fn what_waits_is_counted_for_as_long_as_it_does() {
        let waiting = Waiting::default();
        let shares = (waiting.share(MAX_WAITING_BYTES - 1), waiting.share(1));
        assert_eq!(waiting.too_much(), Some(MAX_WAITING_BYTES));
        drop(shares.1);
        assert_eq!(waiting.too_much(), None);
    }
}
