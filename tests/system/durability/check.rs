//! A broker that was started again, asked for everything and compared with the ledger: what was acknowledged or seen is there and the same,
//! nothing was made up, queues have no holes and keep each sender's order, keys find their messages, committed offsets are within bounds.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mainstem_blocks::Random;
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_record::Message;

use super::ledger::{
    DELAYED, DELAYED_QUEUES, Ledger, MADE_BY_A_SEND, Queue, TOPICS, body, key, number_of,
};
use super::load::{Position, committed_offset, number, pull_command, queue_command};
use crate::support::{BareClient, PATIENCE};

/// Keys looked up in one check.
const KEYS: usize = 40;

/// A check under way.
pub(super) struct Check<'a> {
    client: BareClient,
    ledger: &'a mut Ledger,
    position: &'a Position,
    /// Whether old messages may be gone.
    removes: bool,
    /// Messages found, to see that none is there twice.
    found: HashSet<u64>,
}

impl<'a> Check<'a> {
    /// Asks this broker.
    pub(super) fn of(
        broker: SocketAddr,
        ledger: &'a mut Ledger,
        position: &'a Position,
        removes: bool,
    ) -> Check<'a> {
        Check {
            client: BareClient::connect(broker),
            ledger,
            position,
            removes,
            found: HashSet::new(),
        }
    }

    /// Everything; what was found counts as seen.
    pub(super) fn run(mut self, seed: u64) -> Result<(), String> {
        self.what_is_stored(seed)?;
        self.delayed()
    }

    /// Everything but that delayed messages come, for which a disk needs space.
    pub(super) fn what_is_stored(&mut self, seed: u64) -> Result<(), String> {
        let mut begins = HashMap::new();
        for (topic, queues) in TOPICS {
            for id in 0..queues {
                let queue = (topic.to_owned(), id);
                let begin = self
                    .queue(&queue)
                    .map_err(|error| format!("{topic}/{id}: {error}"))?;
                begins.insert(queue, begin);
            }
        }
        self.keys(&begins, seed)
    }

    fn call(&mut self, command: &Command) -> Result<Command, String> {
        self.client
            .call(command)
            .ok_or_else(|| "the broker closed the connection".to_owned())
    }

    fn bound(&mut self, code: i32, queue: &Queue) -> Result<u64, String> {
        let reply = self.call(&queue_command(code, queue))?;
        // A topic that nobody was told of may be missing; what must be there is compared later.
        Ok(if reply.code == response::SUCCESS {
            number(&reply, "offset").ok_or("no offset in the answer")?
        } else {
            0
        })
    }

    /// Where the queue begins now, if what was at this offset has been removed meanwhile.
    fn removed(&mut self, queue: &Queue, offset: u64) -> Result<Option<u64>, String> {
        if !self.removes {
            return Ok(None);
        }
        let begin = self.bound(request::GET_MIN_OFFSET, queue)?;
        Ok((begin > offset).then_some(begin))
    }

    /// Messages from an offset on; empty where there are none.
    fn pull(&mut self, queue: &Queue, offset: u64) -> Result<Vec<Message>, String> {
        let reply = self.call(&pull_command(queue, offset))?;
        if reply.code != response::SUCCESS {
            return Ok(Vec::new());
        }
        Message::decode_all(&reply.body).map_err(|error| format!("from {offset} on: {error}"))
    }

    /// The message's number, if it is one that was sent to this topic, byte for byte.
    fn recognize(&self, message: &Message, topic: &str) -> Result<u64, String> {
        let number = number_of(&message.body).ok_or("a body of less than 8 bytes")?;
        let at = message.queue_offset;
        let sent = self
            .ledger
            .sent
            .get(&number)
            .ok_or_else(|| format!("at {at}: message {number:x}, which nobody sent"))?;
        if sent.queue.0 != topic || sent.queue.1 != message.queue_id {
            return Err(format!(
                "at {at}: message {number:x}, which was sent to {:?}",
                sent.queue
            ));
        }
        if message.body != body(number, sent.bytes) {
            return Err(format!(
                "at {at}: message {number:x} with another body ({} bytes of {})",
                message.body.len(),
                sent.bytes
            ));
        }
        Ok(number)
    }

    /// Checks one queue; returns where it begins.
    fn queue(&mut self, queue: &Queue) -> Result<u64, String> {
        let mut min = self.bound(request::GET_MIN_OFFSET, queue)?;
        let max = self.bound(request::GET_MAX_OFFSET, queue)?;
        if min > 0 && !self.removes {
            return Err(format!("begins at {min}, though nothing is removed"));
        }
        let at = (self.position)();
        let mut numbers = Vec::new();
        let mut last_of_sender: HashMap<u64, u64> = HashMap::new();
        'pulls: while min + (numbers.len() as u64) < max {
            let from = min + numbers.len() as u64;
            let messages = self.pull(queue, from)?;
            if messages.is_empty() {
                if let Some(now) = self.removed(queue, from)? {
                    numbers.clear();
                    min = now;
                    continue;
                }
                return Err(format!("nothing at {from}, though it ends at {max}"));
            }
            for (message, offset) in messages.iter().zip(from..) {
                if message.queue_offset as u64 != offset {
                    if let Some(now) = self.removed(queue, offset)? {
                        numbers.clear();
                        min = now;
                        continue 'pulls;
                    }
                    return Err(format!(
                        "a hole at {offset}: {} comes next",
                        message.queue_offset
                    ));
                }
                let number = self.recognize(message, &queue.0)?;
                if !self.found.insert(number) {
                    return Err(format!(
                        "message {number:x} is there twice, again at {offset}"
                    ));
                }
                // While a topic is being made by its first message, later ones in flight may overtake that.
                let in_order = last_of_sender
                    .insert(number >> 32, number)
                    .is_none_or(|last| last < number);
                if !in_order && queue.0 != MADE_BY_A_SEND {
                    return Err(format!(
                        "message {number:x} at {offset} stands behind a later one of its sender"
                    ));
                }
                self.ledger.see(queue, offset, number, at)?;
                numbers.push(number);
            }
        }
        let must_be = |number: u64, offset: u64, why: &str| {
            if offset < min
                || offset
                    .checked_sub(min)
                    .and_then(|n| numbers.get(n as usize))
                    == Some(&number)
            {
                return Ok(());
            }
            Err(format!(
                "message {number:x} was {why} at {offset} and is not there ({min} to {max})"
            ))
        };
        for (number, sent) in &self.ledger.sent {
            if let Some(known) = sent.acknowledged.filter(|_| sent.queue == *queue) {
                must_be(*number, known.offset, "acknowledged")?;
            }
        }
        for (offset, (number, _)) in self.ledger.seen.get(queue).into_iter().flatten() {
            must_be(*number, *offset, "seen")?;
        }
        self.committed_offset(queue, max)?;
        Ok(min)
    }

    /// The group's offset is one that was committed, not ahead of the queue, and not behind one that was on disk.
    fn committed_offset(&mut self, queue: &Queue, max: u64) -> Result<(), String> {
        let offset =
            committed_offset(&mut self.client, queue).ok_or("the broker closed the connection")?;
        let durable = self.ledger.commits_durable.get(queue).copied().unwrap_or(0);
        let offset = offset.unwrap_or(0);
        if offset < durable {
            return Err(format!(
                "the committed offset is {offset}, though {durable} was on disk"
            ));
        }
        if offset > max {
            return Err(format!(
                "the committed offset {offset} is ahead of the queue's end {max}"
            ));
        }
        // A group that never committed is told 0 where the queue still has its first message.
        if offset > 0
            && !self
                .ledger
                .committed
                .get(queue)
                .is_some_and(|tried| tried.contains(&offset))
        {
            return Err(format!("nobody committed {offset}"));
        }
        self.ledger.is_durable(queue, offset);
        Ok(())
    }

    /// Keys of some acknowledged messages find them.
    fn keys(&mut self, begins: &HashMap<Queue, u64>, seed: u64) -> Result<(), String> {
        let known: Vec<(u64, Queue, u64, usize)> = self
            .ledger
            .sent
            .iter()
            .filter(|(_, sent)| {
                sent.acknowledged.is_some_and(|known| {
                    begins
                        .get(&sent.queue)
                        .is_some_and(|begin| known.offset >= *begin)
                })
            })
            .filter_map(|(number, sent)| {
                let offset = sent.acknowledged?.offset;
                Some((*number, sent.queue.clone(), offset, sent.bytes))
            })
            .collect();
        let mut random = Random::new(seed);
        // The last one, and others.
        let picks: BTreeSet<usize> = (0..KEYS.min(known.len()))
            .map(|_| random.below(known.len() as u64) as usize)
            .chain(known.len().checked_sub(1))
            .collect();
        for pick in picks {
            let (number, queue, offset, bytes) = &known[pick];
            let (topic, id) = queue;
            let command = Command::request(request::QUERY_MESSAGE)
                .with_ext("topic", topic.clone())
                .with_ext("key", key(*number))
                .with_ext("maxNum", "32")
                .with_ext("beginTimestamp", "0")
                .with_ext("endTimestamp", i64::MAX.to_string());
            let reply = self.call(&command)?;
            let messages = if reply.code == response::SUCCESS {
                Message::decode_all(&reply.body).map_err(|error| error.to_string())?
            } else {
                Vec::new()
            };
            if !messages
                .iter()
                .any(|message| message.body == body(*number, *bytes))
                && self.removed(queue, *offset)?.is_none()
            {
                return Err(format!(
                    "key {} of {topic}/{id} finds {} messages, not its own ({:?})",
                    key(*number),
                    messages.len(),
                    reply.remark
                ));
            }
        }
        Ok(())
    }

    /// Every delayed message that was acknowledged comes, at least once; until then it waits.
    fn delayed(&mut self) -> Result<(), String> {
        let mut missing: HashSet<u64> = self
            .ledger
            .sent
            .iter()
            .filter(|(_, sent)| sent.queue.0 == DELAYED && sent.acknowledged.is_some())
            .map(|(number, _)| *number)
            .collect();
        missing.extend(self.ledger.delivered.keys());
        let mut offsets = vec![0; DELAYED_QUEUES as usize];
        for (id, offset) in offsets.iter_mut().enumerate() {
            *offset = self.bound(request::GET_MIN_OFFSET, &(DELAYED.to_owned(), id as i32))?;
            if *offset > 0 {
                // What is removed had been delivered.
                return Ok(());
            }
        }
        let started = Instant::now();
        loop {
            for id in 0..DELAYED_QUEUES {
                if self.removed(&(DELAYED.to_owned(), id), 0)?.is_some() {
                    return Ok(());
                }
            }
            for (id, offset) in offsets.iter_mut().enumerate() {
                let queue = (DELAYED.to_owned(), id as i32);
                loop {
                    let messages = self.pull(&queue, *offset)?;
                    let at = (self.position)();
                    let Some(last) = messages.last() else { break };
                    *offset = last.queue_offset as u64 + 1;
                    for message in &messages {
                        let number = self
                            .recognize(message, DELAYED)
                            .map_err(|error| format!("{DELAYED}/{id}: {error}"))?;
                        missing.remove(&number);
                        self.ledger.delivered.entry(number).or_insert(at);
                    }
                }
            }
            if missing.is_empty() {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                return Err(format!(
                    "{} delayed messages do not come, as {:x?}",
                    missing.len(),
                    missing.iter().min()
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
