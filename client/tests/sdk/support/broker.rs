//! A broker in memory. Each request can be intercepted; what is not is answered as a healthy broker would.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mainstem_common::protocol::{ConsumerList, HeartbeatData};
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::{
    OffsetReply, PullMessage, PullReply, QueryConsumerOffset, QueueBound, SendBack, SendMessageV2,
    SendReply, UpdateConsumerOffset,
};
use mainstem_record::{NewRecord, Placement, batch, place};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Reaction, Server};

type Queue = (String, i32);
type Intercept = dyn Fn(&Command) -> Option<Reaction> + Send + Sync;

/// Parked pulls answer after this when nothing comes.
const HOLD: Duration = Duration::from_millis(300);

pub struct FakeBroker {
    pub server: Server,
    pub state: Arc<State>,
}

#[derive(Default)]
pub struct State {
    queues: Mutex<HashMap<Queue, Vec<Vec<u8>>>>,
    parked: Mutex<Vec<(Queue, oneshot::Sender<()>)>>,
    pub offsets: Mutex<HashMap<(String, Queue), i64>>,
    /// Ids per group, in place of those that heartbeats tell.
    pub members: Mutex<Option<Vec<String>>>,
    heard_of: Mutex<BTreeMap<String, Vec<String>>>,
    intercept: Mutex<Option<Arc<Intercept>>>,
    /// Offsets of the bodies that were stored, in order of arrival.
    pub stored: Mutex<Vec<(i32, String)>>,
    physical: Mutex<i64>,
}

impl FakeBroker {
    pub async fn start() -> Self {
        let state: Arc<State> = Arc::default();
        let serving = Arc::clone(&state);
        let server = Server::start(move |command| serving.react(command)).await;
        Self { server, state }
    }

    pub fn text(&self) -> String {
        self.server.text()
    }

    /// Decides about requests first; `None` leaves them to the healthy broker.
    pub fn intercept(
        &self,
        intercept: impl Fn(&Command) -> Option<Reaction> + Send + Sync + 'static,
    ) {
        *self.state.intercept.lock() = Some(Arc::new(intercept));
    }

    pub fn behave(&self) {
        *self.state.intercept.lock() = None;
    }

    /// Stores a message as if it had been sent.
    pub fn store(&self, topic: &str, queue_id: i32, body: &str) -> i64 {
        self.state.append(topic, queue_id, body.as_bytes(), b"", 0)
    }

    pub fn store_with(
        &self,
        topic: &str,
        queue_id: i32,
        body: &[u8],
        properties: &str,
        sys_flag: i32,
    ) -> i64 {
        self.state
            .append(topic, queue_id, body, properties.as_bytes(), sys_flag)
    }

    pub fn committed(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        self.state
            .offsets
            .lock()
            .get(&(group.to_owned(), (topic.to_owned(), queue_id)))
            .copied()
    }

    /// Bodies stored in a queue, in order.
    pub fn bodies(&self, topic: &str, queue_id: i32) -> Vec<String> {
        let queues = self.state.queues.lock();
        queues
            .get(&(topic.to_owned(), queue_id))
            .map_or_else(Vec::new, |records| {
                records
                    .iter()
                    .map(|record| {
                        let (message, _) = mainstem_record::Message::decode(record).unwrap();
                        String::from_utf8(message.body).unwrap()
                    })
                    .collect()
            })
    }
}

impl State {
    fn react(self: &Arc<Self>, command: &Command) -> Reaction {
        let intercept = self.intercept.lock().clone();
        if let Some(reaction) = intercept.and_then(|intercept| intercept(command)) {
            return reaction;
        }
        match command.code {
            request::SEND_MESSAGE_V2 | request::SEND_BATCH_MESSAGE => {
                Reaction::Reply(self.send(command))
            }
            request::PULL_MESSAGE => self.pull(command),
            request::HEART_BEAT => {
                let data = HeartbeatData::from_json(&command.body).unwrap();
                for consumer in data.consumer_data_set {
                    let mut heard_of = self.heard_of.lock();
                    let ids = heard_of.entry(consumer.group_name).or_default();
                    if !ids.contains(&data.client_id) {
                        ids.push(data.client_id.clone());
                    }
                }
                Reaction::Reply(Command::response(response::SUCCESS))
            }
            request::GET_CONSUMER_LIST_BY_GROUP => {
                let group = command.ext().get("consumerGroup").unwrap().to_owned();
                let ids = self
                    .members
                    .lock()
                    .clone()
                    .or_else(|| self.heard_of.lock().get(&group).cloned());
                let list = ConsumerList {
                    consumer_id_list: ids.unwrap_or_default(),
                };
                Reaction::Reply(Command::response(response::SUCCESS).with_body(list.to_json()))
            }
            request::QUERY_CONSUMER_OFFSET => {
                let header: QueryConsumerOffset<'_> = command.header().unwrap();
                let key = (
                    header.consumer_group.to_owned(),
                    (header.topic.to_owned(), header.queue_id),
                );
                Reaction::Reply(match self.offsets.lock().get(&key) {
                    Some(offset) => offset_reply(*offset),
                    None => Command::response(response::QUERY_NOT_FOUND),
                })
            }
            request::UPDATE_CONSUMER_OFFSET => {
                let header: UpdateConsumerOffset<'_> = command.header().unwrap();
                let key = (
                    header.consumer_group.to_owned(),
                    (header.topic.to_owned(), header.queue_id.unwrap()),
                );
                self.offsets
                    .lock()
                    .insert(key, header.commit_offset.unwrap());
                Reaction::Reply(Command::response(response::SUCCESS))
            }
            request::GET_MIN_OFFSET => Reaction::Reply(offset_reply(0)),
            request::GET_MAX_OFFSET => {
                let header: QueueBound<'_> = command.header().unwrap();
                Reaction::Reply(offset_reply(
                    self.len(&(header.topic.to_owned(), header.queue_id)),
                ))
            }
            request::CONSUMER_SEND_MSG_BACK => {
                let _: SendBack<'_> = command.header().unwrap();
                Reaction::Reply(Command::response(response::SUCCESS))
            }
            request::UNREGISTER_CLIENT => Reaction::Reply(Command::response(response::SUCCESS)),
            code => Reaction::Reply(
                Command::response(response::REQUEST_CODE_NOT_SUPPORTED)
                    .with_remark(format!("request type {code} not supported")),
            ),
        }
    }

    fn len(&self, queue: &Queue) -> i64 {
        self.queues
            .lock()
            .get(queue)
            .map_or(0, |records| records.len() as i64)
    }

    fn append(
        &self,
        topic: &str,
        queue_id: i32,
        body: &[u8],
        properties: &[u8],
        sys_flag: i32,
    ) -> i64 {
        let host: SocketAddr = ([127, 0, 0, 1], 1).into();
        let mut record = Vec::new();
        NewRecord {
            topic,
            queue_id,
            flag: 0,
            sys_flag,
            born_timestamp_ms: 1,
            born_host: host,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body,
            properties,
        }
        .encode_into(&mut record)
        .unwrap();
        let queue = (topic.to_owned(), queue_id);
        let offset = {
            let mut queues = self.queues.lock();
            let mut physical = self.physical.lock();
            let records = queues.entry(queue.clone()).or_default();
            let offset = records.len() as i64;
            place(
                &mut record,
                &Placement {
                    queue_offset: offset,
                    physical_offset: *physical,
                    store_timestamp_ms: 2,
                },
            );
            *physical += record.len() as i64;
            records.push(record);
            offset
        };
        self.stored
            .lock()
            .push((queue_id, String::from_utf8_lossy(body).into_owned()));
        self.parked.lock().retain(|(parked, _)| *parked != queue);
        offset
    }

    fn send(&self, command: &Command) -> Command {
        let header: SendMessageV2<'_> = command.header().unwrap();
        let properties = header.properties.unwrap_or_default().as_bytes();
        let first = if header.batch == Some(true) {
            let offsets: Vec<i64> = batch::iter(&command.body)
                .map(|item| {
                    let item = item.unwrap();
                    self.append(header.topic, header.queue_id, item.body, item.properties, 0)
                })
                .collect();
            offsets[0]
        } else {
            self.append(
                header.topic,
                header.queue_id,
                &command.body,
                properties,
                header.sys_flag,
            )
        };
        send_reply(header.queue_id, first)
    }

    fn pull(self: &Arc<Self>, command: &Command) -> Reaction {
        let header: PullMessage<'_> = command.header().unwrap();
        let queue = (header.topic.to_owned(), header.queue_id);
        if header.sys_flag & 1 != 0 {
            let key = (header.consumer_group.to_owned(), queue.clone());
            self.offsets.lock().insert(key, header.commit_offset);
        }
        let (offset, max) = (header.queue_offset, header.max_msg_nums);
        let reply = self.read(&queue, offset, max);
        if reply.code != response::PULL_NOT_FOUND {
            return Reaction::Reply(reply);
        }
        let (wake, woken) = oneshot::channel();
        self.parked.lock().push((queue.clone(), wake));
        let (answer, answered) = oneshot::channel();
        let state = Arc::clone(self);
        tokio::spawn(async move {
            let _ = tokio::time::timeout(HOLD, woken).await;
            let _ = answer.send(state.read(&queue, offset, max));
        });
        Reaction::ReplyLater(answered)
    }

    fn read(&self, queue: &Queue, offset: i64, max: i32) -> Command {
        let end = self.len(queue);
        if offset > end || offset < 0 {
            return pull_reply(
                response::PULL_OFFSET_MOVED,
                if offset < 0 { 0 } else { end },
                end,
            );
        }
        if offset == end {
            return pull_reply(response::PULL_NOT_FOUND, offset, end);
        }
        let queues = self.queues.lock();
        let records = &queues[queue][offset as usize..];
        let records = &records[..records.len().min(max as usize)];
        pull_reply(response::SUCCESS, offset + records.len() as i64, end)
            .with_body(records.concat())
    }
}

pub fn send_reply(queue_id: i32, queue_offset: i64) -> Command {
    let id = format!("7F00000100000001{queue_offset:016X}");
    let header = SendReply {
        msg_id: &id,
        queue_id,
        queue_offset,
        ..SendReply::default()
    };
    Command::response(response::SUCCESS).with_header(&header)
}

pub fn pull_reply(code: i32, next_begin_offset: i64, max_offset: i64) -> Command {
    let header = PullReply {
        next_begin_offset,
        max_offset,
        ..PullReply::default()
    };
    Command::response(code).with_header(&header)
}

fn offset_reply(offset: i64) -> Command {
    Command::response(response::SUCCESS).with_header(&OffsetReply { offset })
}
