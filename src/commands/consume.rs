//! `mainstem consume`: the messages of a topic on stdout. Without a group it reads all queues and leaves no trace; with one it shares,
//! resumes and commits. A message counts as consumed when it was written to stdout, so a crash repeats lines and loses none.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant, UNIX_EPOCH};

use mainstem_client::{ConsumeFrom, MessageQueue, PullConsumer, ReceivedMessage};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use crate::arguments::{Consume, Format};
use crate::commands::client;
use crate::failure::Failure;
use crate::input::From;
use crate::output::Output;

/// Messages in one poll.
const POLL_MESSAGES: usize = 1_024;
/// How long a poll waits when it follows, and when it looks for the end.
const FOLLOW_WAIT: Duration = Duration::from_millis(500);
const END_WAIT: Duration = Duration::from_millis(20);

/// Runs the command.
pub(crate) fn run(arguments: &Consume) -> Result<(), Failure> {
    client::run(consume(arguments))
}

async fn consume(arguments: &Consume) -> Result<(), Failure> {
    let builder = match &arguments.group {
        Some(group) => PullConsumer::builder(group),
        None => PullConsumer::without_group(),
    };
    // What a poll hands out counts as consumed, so a limit in a group takes messages one by one.
    let at_once = if arguments.limit.is_some() && arguments.group.is_some() {
        1
    } else {
        POLL_MESSAGES
    };
    let mut consumer = builder
        .name_servers(&arguments.connect.namesrv)
        .request_timeout(arguments.connect.timeout)
        .from(start(arguments.from))
        .max_poll(at_once)
        .build()
        .await
        .map_err(Failure::failed)?;
    let result = read(arguments, &mut consumer).await;
    consumer.shutdown().await;
    result
}

fn start(from: From) -> ConsumeFrom {
    match from {
        From::Earliest => ConsumeFrom::Earliest,
        From::Latest => ConsumeFrom::Latest,
        From::TimeMs(ms) => {
            ConsumeFrom::Time(UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
        }
    }
}

async fn read(arguments: &Consume, consumer: &mut PullConsumer) -> Result<(), Failure> {
    let end = if arguments.until_end {
        Some(End::of(arguments, consumer).await?)
    } else {
        None
    };
    consumer
        .subscribe(&arguments.topic, arguments.filter.as_str())
        .await
        .map_err(Failure::failed)?;
    let mut out = Output::stdout();
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut looked_for_topic = end.is_some();
    while left > 0 {
        let wait = if end.is_some() { END_WAIT } else { FOLLOW_WAIT };
        let messages = tokio::select! {
            messages = consumer.poll(wait) => messages.map_err(Failure::failed)?,
            () = client::interrupted() => break,
        };
        for message in &messages {
            if left == 0 {
                break;
            }
            if end.as_ref().is_none_or(|end| end.includes(message)) {
                print(arguments.format, message, &mut out)?;
                left -= 1;
            }
        }
        out.flush()?;
        if messages.is_empty() {
            if end.as_ref().is_some_and(|end| end.is_reached(consumer)) {
                break;
            }
            if !looked_for_topic && consumer.assignment().is_empty() {
                looked_for_topic = true;
                if let Err(error) = consumer.end_offsets(&arguments.topic).await {
                    eprintln!("mainstem: waiting for the topic: {error}");
                }
            }
            if nobody_reads() {
                return Err(Failure::PipeClosed);
            }
        }
    }
    Ok(())
}

/// The end that the queues had when the command began.
struct End {
    offsets: BTreeMap<MessageQueue, i64>,
    in_group: bool,
    /// Until when a member of a group without queues waits for some.
    assignment_by: Instant,
}

impl End {
    async fn of(arguments: &Consume, consumer: &PullConsumer) -> Result<End, Failure> {
        let offsets = consumer
            .end_offsets(&arguments.topic)
            .await
            .map_err(Failure::failed)?;
        let assignment_by = Instant::now() + arguments.connect.timeout;
        Ok(End {
            offsets,
            in_group: arguments.group.is_some(),
            assignment_by,
        })
    }

    /// Whether the message was there. What a group was handed out counts as consumed, so it is always shown.
    fn includes(&self, message: &ReceivedMessage) -> bool {
        let queue = MessageQueue {
            topic: message.queue_topic().to_owned(),
            broker_name: message.broker_name().to_owned(),
            queue_id: message.queue_id,
        };
        self.in_group
            || self
                .offsets
                .get(&queue)
                .is_some_and(|end| message.queue_offset < *end)
    }

    fn is_reached(&self, consumer: &PullConsumer) -> bool {
        let waits_for_queues = self.in_group
            && consumer.assignment().is_empty()
            && Instant::now() < self.assignment_by;
        !waits_for_queues && consumer.has_reached(&self.offsets)
    }
}

/// Whether stdout is a pipe whose reader is gone, which no write would show while nothing is written.
fn nobody_reads() -> bool {
    let stdout = io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now))
        .is_ok_and(|ready| ready > 0 && fds[0].revents().contains(PollFlags::ERR))
}

/// A message as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    topic: &'a str,
    broker: &'a str,
    queue_id: i32,
    queue_offset: i64,
    unique_key: String,
    offset_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<&'a str>,
    born_ms: i64,
    born_host: String,
    stored_ms: i64,
    reconsume_times: i32,
    properties: BTreeMap<&'a str, &'a str>,
    /// A body that is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    /// Any other body.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_hex: Option<String>,
}

fn print(format: Format, message: &ReceivedMessage, out: &mut Output) -> Result<(), Failure> {
    if format == Format::Text {
        return Ok(out.line(&message.body)?);
    }
    let body = std::str::from_utf8(&message.body).ok();
    let shown = Shown {
        topic: &message.topic,
        broker: message.broker_name(),
        queue_id: message.queue_id,
        queue_offset: message.queue_offset,
        unique_key: message.message_id(),
        offset_id: message.offset_message_id().to_string(),
        tag: message.tag(),
        keys: message.keys().collect(),
        born_ms: message.born_timestamp_ms,
        born_host: message.born_host.to_string(),
        stored_ms: message.store_timestamp_ms,
        reconsume_times: message.reconsume_times,
        properties: message.properties.iter().collect(),
        body,
        body_hex: body.is_none().then(|| {
            message
                .body
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        }),
    };
    let line = serde_json::to_vec(&shown).map_err(Failure::failed)?;
    Ok(out.line(&line)?)
}
