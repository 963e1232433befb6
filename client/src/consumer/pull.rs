//! One pull: the request for messages of one queue and what came of it. Decoding and the comparison of tags happen here, so
//! that everybody behind sees only messages that are wanted.

use std::sync::Arc;
use std::time::Duration;

use mainstem_common::protocol::MessageQueue;
use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::{PullMessage, PullReply};
use mainstem_record::RecordView;

use super::subscription::Subscription;
use crate::error::{BuildError, RequestError};
use crate::instance::{Instance, accept, bad_reply, read_header};
use crate::message::ReceivedMessage;

/// Bits of a pull's `sysFlag`.
const COMMIT_FIRST: i32 = 1;
const MAY_WAIT: i32 = 2;
const CARRIES_SUBSCRIPTION: i32 = 4;

/// How pulls are made.
#[derive(Debug, Clone)]
pub(crate) struct PullSettings {
    /// Messages in one answer.
    pub(crate) batch: i32,
    /// How long a broker may hold a pull that finds nothing.
    pub(crate) wait: Duration,
    /// How long a pull may take altogether.
    pub(crate) timeout: Duration,
    /// Bytes in one answer; brokers that do not know the limit ignore it.
    pub(crate) max_bytes: i32,
}

/// What a pull may take beside the broker's wait.
const PULL_GRACE: Duration = Duration::from_secs(15);

impl Default for PullSettings {
    fn default() -> Self {
        let wait = Duration::from_secs(15);
        Self {
            batch: 32,
            wait,
            timeout: wait + PULL_GRACE,
            max_bytes: i32::MAX,
        }
    }
}

impl PullSettings {
    /// Sets the broker's wait, and the time-out with it.
    pub(crate) fn set_wait(&mut self, wait: Duration) {
        self.wait = wait;
        self.timeout = wait + PULL_GRACE;
    }

    /// Refuses what no broker would take.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        if self.batch < 1 {
            return Err(BuildError::Value {
                name: "pull_batch",
                value: self.batch.to_string(),
                allowed: "at least 1",
            });
        }
        Ok(())
    }
}

/// One pull of one queue.
#[derive(Debug)]
pub(crate) struct Pull<'a> {
    pub(crate) group: &'a str,
    pub(crate) queue: &'a MessageQueue,
    pub(crate) offset: i64,
    pub(crate) subscription: &'a Subscription,
    /// The group's progress, to be committed on the way.
    pub(crate) commit: Option<i64>,
}

/// What a pull found.
#[derive(Debug)]
pub(crate) struct Pulled {
    pub(crate) status: PullStatus,
    pub(crate) messages: Vec<ReceivedMessage>,
    /// Records that cannot be shown to a handler, and are not lost for that.
    pub(crate) unreadable: Vec<Unreadable>,
    pub(crate) next_offset: i64,
    /// Which replica the broker advises for the next pull.
    pub(crate) suggested_broker_id: i64,
}

/// How a pull ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PullStatus {
    /// There were records, though perhaps none that is wanted.
    Found,
    /// There was nothing new.
    Nothing,
    /// The offset lies outside the queue, or was reset by an admin.
    OffsetMoved,
}

/// A record that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) queue_offset: i64,
    pub(crate) physical_offset: i64,
    pub(crate) reason: String,
}

/// Names that every message of a queue shares.
#[derive(Debug)]
pub(crate) struct QueueNames {
    pub(crate) broker: Arc<str>,
    pub(crate) topic: Arc<str>,
}

/// Sends the pull to `broker` and reads the answer.
pub(crate) async fn pull(
    instance: &Instance,
    broker: &str,
    pull: &Pull<'_>,
    settings: &PullSettings,
    names: &QueueNames,
) -> Result<Pulled, RequestError> {
    let header = PullMessage {
        consumer_group: pull.group,
        topic: &pull.queue.topic,
        queue_id: pull.queue.queue_id,
        queue_offset: pull.offset,
        max_msg_nums: settings.batch,
        sys_flag: CARRIES_SUBSCRIPTION
            | MAY_WAIT
            | if pull.commit.is_some() {
                COMMIT_FIRST
            } else {
                0
            },
        commit_offset: pull.commit.unwrap_or(0),
        suspend_timeout_ms: i64::try_from(settings.wait.as_millis()).unwrap_or(i64::MAX),
        subscription: Some(pull.subscription.expression()),
        sub_version: pull.subscription.version(),
        expression_type: Some(pull.subscription.expression_type()),
        max_msg_bytes: Some(settings.max_bytes),
        request_source: None,
        broker_name: Some(&pull.queue.broker_name),
    };
    let command = Command::request(request::PULL_MESSAGE).with_header(&header);
    let reply = instance.call(broker, command, settings.timeout).await?;
    let status = match reply.code {
        response::SUCCESS | response::PULL_RETRY_IMMEDIATELY => PullStatus::Found,
        response::PULL_NOT_FOUND => PullStatus::Nothing,
        response::PULL_OFFSET_MOVED => PullStatus::OffsetMoved,
        _ => return Err(refused(broker, reply)),
    };
    let numbers: PullReply = read_header(broker, request::PULL_MESSAGE, &reply)?;
    let mut pulled = Pulled {
        status,
        messages: Vec::new(),
        unreadable: Vec::new(),
        next_offset: numbers.next_begin_offset,
        suggested_broker_id: numbers.suggest_which_broker_id,
    };
    if reply.code == response::SUCCESS {
        decode(&reply.body, pull, names, &mut pulled)
            .map_err(|cause| bad_reply(broker, request::PULL_MESSAGE, cause))?;
    }
    Ok(pulled)
}

fn refused(broker: &str, reply: Command) -> RequestError {
    match accept(broker, request::PULL_MESSAGE, reply) {
        Err(error) => error,
        Ok(_) => bad_reply(
            broker,
            request::PULL_MESSAGE,
            "an answer that is neither yes nor no",
        ),
    }
}

/// Splits the body into messages. One bad record does not spoil the others; a body that cannot be split is an error.
fn decode(
    mut body: &[u8],
    pull: &Pull<'_>,
    names: &QueueNames,
    pulled: &mut Pulled,
) -> Result<(), mainstem_record::DecodeError> {
    while !body.is_empty() {
        let record = RecordView::parse(body)?;
        match mainstem_record::Message::decode_all(&body[..record.total_size()]) {
            Ok(messages) => pulled.messages.extend(
                messages
                    .into_iter()
                    .filter(|message| {
                        message.queue_offset >= pull.offset
                            && pull.subscription.wants(message.tag())
                    })
                    .map(|message| ReceivedMessage::new(message, &names.broker, &names.topic)),
            ),
            Err(error) => pulled.unreadable.push(Unreadable {
                queue_offset: record.queue_offset(),
                physical_offset: record.physical_offset(),
                reason: error.to_string(),
            }),
        }
        body = &body[record.total_size()..];
    }
    Ok(())
}
