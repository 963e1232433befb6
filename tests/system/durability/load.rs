//! Clients at work until they are stopped or lose the broker: senders with windows of messages in flight, a reader that follows every queue
//! and commits what it has read. They write what they learn into the ledger.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use bytes::BytesMut;
use mainstem_blocks::Random;
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_record::Message;
use mainstem_record::batch::{BatchItem, encode_item_into};

use super::ledger::{
    Acknowledged, DELAYED, DELAYED_QUEUES, Ledger, Queue, Sent, TOPICS, body, key, number_of,
};
use crate::support::BareClient;

const SENDERS: u64 = 3;
/// Group whose offsets are committed.
pub(super) const GROUP: &str = "readers";

/// How far the disk's record is: what is learnt now was so at this place.
pub(super) type Position = Arc<dyn Fn() -> usize + Send + Sync>;

/// Clients at work.
pub(super) struct Load {
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<(), String>>>,
}

impl Load {
    /// Starts them. `life` tells loads of one ledger apart.
    pub(super) fn start(
        broker: SocketAddr,
        ledger: Ledger,
        position: &Position,
        life: u64,
        seed: u64,
    ) -> Load {
        let ledger = Arc::new(Mutex::new(ledger));
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number: u64| Client {
            socket: BareClient::connect(broker),
            ledger: Arc::clone(&ledger),
            stop: Arc::clone(&stop),
            position: Arc::clone(position),
            random: Random::new(seed ^ (life << 8) ^ number),
        };
        let mut threads = Vec::new();
        for sender in 0..SENDERS {
            let client = client(sender);
            threads.push(std::thread::spawn(move || {
                client.send(life << 48 | sender << 32)
            }));
        }
        let client = client(SENDERS);
        threads.push(std::thread::spawn(move || client.read()));
        Load {
            ledger,
            stop,
            threads,
        }
    }

    /// Messages acknowledged so far.
    pub(super) fn acknowledged(&self) -> usize {
        self.ledger.lock().unwrap().acknowledged()
    }

    /// Ends them and gives what they know. An error is something that no broker may do, whatever became of it.
    pub(super) fn stop(self) -> Result<Ledger, String> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread
                .join()
                .map_err(|_| "a client panicked".to_owned())??;
        }
        Ok(std::mem::take(&mut *self.ledger.lock().unwrap()))
    }
}

/// One client.
struct Client {
    socket: BareClient,
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    position: Position,
    random: Random,
}

impl Client {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sends until stopped; a connection that breaks ends it, for the broker is gone.
    fn send(mut self, first: u64) -> Result<(), String> {
        let window = [1, 8, 32][self.random.below(3) as usize];
        let mut in_flight: HashMap<i32, Vec<u64>> = HashMap::new();
        let mut next = first;
        let mut opaque = 0;
        while !self.is_stopped() {
            while in_flight.len() < window {
                let (command, numbers) = self.message(&mut next);
                opaque += 1;
                let mut frame = BytesMut::new();
                Command { opaque, ..command }.encode(&mut frame);
                in_flight.insert(opaque, numbers);
                if !self.socket.send(&frame) {
                    return Ok(());
                }
            }
            let Some(reply) = self.socket.read() else {
                return Ok(());
            };
            let at = (self.position)();
            let Some(numbers) = in_flight.remove(&reply.opaque) else {
                return Err(format!("an answer to no request: {reply:?}"));
            };
            if reply.code != response::SUCCESS {
                // Refused, as by a full disk: it may not be there, but it may be.
                std::thread::sleep(std::time::Duration::from_millis(5));
                continue;
            }
            let offset = number(&reply, "queueOffset").ok_or("an answer without queueOffset")?;
            let mut ledger = self.ledger.lock().unwrap();
            for (offset, number) in (offset..).zip(numbers) {
                if let Some(sent) = ledger.sent.get_mut(&number) {
                    sent.acknowledged = Some(Acknowledged { offset, at });
                }
            }
        }
        Ok(())
    }

    /// A request with one message or several, noted as sent.
    fn message(&mut self, next: &mut u64) -> (Command, Vec<u64>) {
        let random = &mut self.random;
        let delayed = random.percent(3);
        let (topic, queues) = if delayed {
            (DELAYED, DELAYED_QUEUES)
        } else {
            TOPICS[random.below(4) as usize]
        };
        let queue = (topic.to_owned(), random.below(queues as u64) as i32);
        let count = if !delayed && random.percent(15) {
            2 + random.below(8)
        } else {
            1
        };
        let bytes = match random.below(100) {
            0 => 100_000 + random.below(100_000),
            1..10 => 4_000 + random.below(20_000),
            // Many of one size, so that a lost page can hide behind a record that fits in its place.
            10..50 => 1_000,
            _ => 8 + random.below(2_000),
        } as usize;
        let bytes = if count > 1 { bytes.min(4_000) } else { bytes };
        let numbers: Vec<u64> = (0..count).map(|n| *next + n).collect();
        *next += count;
        let mut ledger = self.ledger.lock().unwrap();
        for number in &numbers {
            let sent = Sent {
                queue: queue.clone(),
                bytes,
                acknowledged: None,
            };
            ledger.sent.insert(*number, sent);
        }
        drop(ledger);
        let command = if count == 1 {
            let delay = if delayed { "DELAY\u{1}1\u{2}" } else { "" };
            let properties = format!("KEYS\u{1}{}\u{2}{delay}", key(numbers[0]));
            send_command(request::SEND_MESSAGE_V2, &queue, queues, &properties, false)
                .with_body(body(numbers[0], bytes))
        } else {
            let mut items = Vec::new();
            for number in &numbers {
                let (body, properties) = (
                    body(*number, bytes),
                    format!("KEYS\u{1}{}\u{2}", key(*number)),
                );
                encode_item_into(
                    &BatchItem {
                        flag: 0,
                        body: &body,
                        properties: properties.as_bytes(),
                    },
                    &mut items,
                )
                .unwrap();
            }
            send_command(request::SEND_BATCH_MESSAGE, &queue, queues, "", true).with_body(items)
        };
        (command, numbers)
    }

    /// Follows all queues in turns from the group's offsets on, and commits now and then how far it is.
    fn read(mut self) -> Result<(), String> {
        let queues: Vec<Queue> = TOPICS
            .iter()
            .flat_map(|(topic, queues)| (0..*queues).map(|id| ((*topic).to_owned(), id)))
            .collect();
        let mut offsets: HashMap<Queue, u64> = HashMap::new();
        for queue in &queues {
            let Some(committed) = committed_offset(&mut self.socket, queue) else {
                return Ok(());
            };
            offsets.insert(queue.clone(), committed.unwrap_or(0));
        }
        while !self.is_stopped() {
            let queue = queues[self.random.below(queues.len() as u64) as usize].clone();
            let from = offsets.get(&queue).copied().unwrap_or(0);
            let Some(reply) = self.socket.call(&pull_command(&queue, from)) else {
                return Ok(());
            };
            let at = (self.position)();
            if let Some(next) = number(&reply, "nextBeginOffset") {
                offsets.insert(queue.clone(), next);
            }
            if reply.code != response::SUCCESS {
                continue;
            }
            let mut ledger = self.ledger.lock().unwrap();
            for message in Message::decode_all(&reply.body).map_err(|error| error.to_string())? {
                let found = number_of(&message.body).ok_or("a body of less than 8 bytes")?;
                ledger.see(&queue, message.queue_offset as u64, found, at)?;
            }
            if self.random.percent(50) {
                let offset = offsets[&queue];
                ledger
                    .committed
                    .entry(queue.clone())
                    .or_default()
                    .push(offset);
                drop(ledger);
                let command = queue_command(request::UPDATE_CONSUMER_OFFSET, &queue)
                    .with_ext("consumerGroup", GROUP)
                    .with_ext("commitOffset", offset.to_string());
                let Some(reply) = self.socket.call(&command) else {
                    return Ok(());
                };
                if reply.code == response::SUCCESS {
                    let mut ledger = self.ledger.lock().unwrap();
                    let answered = ledger.commits_answered.entry(queue).or_default();
                    answered.push((offset, Instant::now()));
                }
            }
        }
        Ok(())
    }
}

/// Makes the topics that are made on purpose.
pub(super) fn create_topics(broker: SocketAddr) {
    let mut client = BareClient::connect(broker);
    for (topic, queues) in TOPICS.iter().take(3).chain([&(DELAYED, DELAYED_QUEUES)]) {
        let command = Command::request(request::UPDATE_AND_CREATE_TOPIC)
            .with_ext("topic", *topic)
            .with_ext("defaultTopic", "TBW102")
            .with_ext("readQueueNums", queues.to_string())
            .with_ext("writeQueueNums", queues.to_string())
            .with_ext("perm", "6")
            .with_ext("topicFilterType", "SINGLE_TAG");
        let reply = client.call(&command).unwrap();
        assert_eq!(reply.code, response::SUCCESS, "{:?}", reply.remark);
    }
}

/// An ext field of an answer that is a number.
pub(super) fn number(reply: &Command, name: &str) -> Option<u64> {
    let (_, value) = reply.ext.iter().find(|(known, _)| known == name)?;
    value.parse().ok()
}

/// A request about one queue.
pub(super) fn queue_command(code: i32, (topic, id): &Queue) -> Command {
    Command::request(code)
        .with_ext("topic", topic.clone())
        .with_ext("queueId", id.to_string())
}

/// The group's offset in this queue, if it has one; `None` where the broker is gone.
pub(super) fn committed_offset(client: &mut BareClient, queue: &Queue) -> Option<Option<u64>> {
    let command =
        queue_command(request::QUERY_CONSUMER_OFFSET, queue).with_ext("consumerGroup", GROUP);
    let reply = client.call(&command)?;
    Some(
        (reply.code == response::SUCCESS)
            .then(|| number(&reply, "offset"))
            .flatten(),
    )
}

/// A pull that does not wait.
pub(super) fn pull_command(queue: &Queue, offset: u64) -> Command {
    queue_command(request::PULL_MESSAGE, queue)
        .with_ext("consumerGroup", GROUP)
        .with_ext("queueOffset", offset.to_string())
        .with_ext("maxMsgNums", "32")
        .with_ext("sysFlag", "4")
        .with_ext("commitOffset", "0")
        .with_ext("suspendTimeoutMillis", "0")
        .with_ext("subscription", "*")
        .with_ext("subVersion", "0")
        .with_ext("expressionType", "TAG")
}

fn send_command(
    code: i32,
    (topic, id): &Queue,
    queues: i32,
    properties: &str,
    is_batch: bool,
) -> Command {
    let fields = [
        ("a", "senders".to_owned()),
        ("b", topic.clone()),
        ("c", "TBW102".to_owned()),
        ("d", queues.to_string()),
        ("e", id.to_string()),
        ("f", "0".to_owned()),
        ("g", "1700000000000".to_owned()),
        ("h", "0".to_owned()),
        ("i", properties.to_owned()),
        ("j", "0".to_owned()),
        ("k", "false".to_owned()),
        ("m", is_batch.to_string()),
    ];
    fields
        .into_iter()
        .fold(Command::request(code), |command, (name, value)| {
            command.with_ext(name, value)
        })
}
