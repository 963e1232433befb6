//! Sends of one connection to topics that are being created. Promises that what a connection sends to such a topic is
//! stored in the order in which it came: the first send starts a task that creates the topic, later ones stand in its line
//! until that task has taken them. What is stored, and whether, is the broker's to decide.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use mainstem_common::remoting::Deferred;
use parking_lot::Mutex;

use crate::send::SendRequest;

/// Most bytes of bodies and properties that stand in the lines of one connection. Creating a topic takes a second at most.
const MAX_WAITING_BYTES: usize = 32 << 20;

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
}

impl OwnedSend {
    pub(super) fn new(
        request: &SendRequest<'_>,
        default_topic: &str,
        queues: i32,
        deferred: Deferred,
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

    fn bytes(&self) -> usize {
        self.properties.len() + self.body.len()
    }
}

/// The lines of a connection, one for each topic that is being created.
#[derive(Default)]
pub(super) struct FirstSends {
    /// Nothing on most connections, most of the time: a send looks here.
    lines: Option<Arc<Mutex<Lines>>>,
}

#[derive(Default)]
struct Lines {
    of_topics: HashMap<String, VecDeque<OwnedSend>>,
    bytes: usize,
}

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
    pub(super) fn join(&mut self, topic: &str, make: impl FnOnce() -> OwnedSend) -> Place {
        let Some(lines) = &self.lines else {
            return Place::Free;
        };
        let mut locked = lines.lock();
        if locked.of_topics.is_empty() {
            drop(locked);
            self.lines = None;
            return Place::Free;
        }
        let waiting_bytes = locked.bytes;
        let Some(line) = locked.of_topics.get_mut(topic) else {
            return Place::Free;
        };
        if waiting_bytes > MAX_WAITING_BYTES {
            return Place::Full(waiting_bytes);
        }
        let send = make();
        let bytes = send.bytes();
        line.push_back(send);
        locked.bytes += bytes;
        Place::Queued
    }

    /// Opens the line of a topic for its first send; whoever takes the line handles them all.
    pub(super) fn open(&mut self, topic: &str) -> Line {
        let lines = self.lines.get_or_insert_default();
        let mut locked = lines.lock();
        locked.of_topics.insert(topic.to_owned(), VecDeque::new());
        drop(locked);
        Line {
            lines: lines.clone(),
            topic: topic.to_owned(),
        }
    }
}

/// The line of one topic. Dropped, it closes; who still stands in it is answered that the request was dropped.
pub(super) struct Line {
    lines: Arc<Mutex<Lines>>,
    topic: String,
}

impl Line {
    /// The next send. `None` closes the line: from then on sends find the topic by themselves.
    pub(super) fn next(&mut self) -> Option<OwnedSend> {
        let mut lines = self.lines.lock();
        let next = lines.of_topics.get_mut(&self.topic)?.pop_front();
        match &next {
            Some(send) => lines.bytes = lines.bytes.saturating_sub(send.bytes()),
            None => {
                lines.of_topics.remove(&self.topic);
            }
        }
        next
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut lines = self.lines.lock();
        let left = lines.of_topics.remove(&self.topic).unwrap_or_default();
        let bytes: usize = left.iter().map(OwnedSend::bytes).sum();
        lines.bytes = lines.bytes.saturating_sub(bytes);
    }
}
