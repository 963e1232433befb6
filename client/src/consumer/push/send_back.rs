//! Sending messages back: to be delivered again after a delay, or to the dead-letter topic. The broker copies the message
//! itself; the request only names it.

use std::time::Duration;

use mainstem_common::remoting::Command;
use mainstem_common::remoting::code::request;
use mainstem_common::remoting::headers::SendBack;

use crate::consumer::member::Member;
use crate::error::{ConsumeError, RouteError};
use crate::message::{DELAY_LEVELS, ReceivedMessage};

/// When a sent-back message comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delay {
    /// By how often it was tried already.
    ByAttempts,
    /// By this level, from 1.
    Level(i32),
    /// Never: to the dead-letter topic.
    DeadLetter,
}

impl Delay {
    /// The shortest level that is not shorter than `time`; the longest there is for times beyond.
    pub(crate) fn at_least(time: Duration) -> Self {
        let index = DELAY_LEVELS
            .partition_point(|delay| *delay < time)
            .min(DELAY_LEVELS.len() - 1);
        Self::Level(i32::try_from(index + 1).unwrap_or(i32::MAX))
    }

    fn level(self) -> i32 {
        match self {
            Self::ByAttempts => 0,
            Self::Level(level) => level,
            Self::DeadLetter => -1,
        }
    }
}

/// Sends one message back to the broker that holds it.
pub(crate) async fn send_back(
    member: &Member,
    message: &ReceivedMessage,
    delay: Delay,
    max_attempts: i32,
) -> Result<(), ConsumeError> {
    let record = Record {
        topic: message.queue_topic(),
        broker_name: message.broker_name(),
        queue_id: message.queue_id,
        physical_offset: message.physical_offset,
        message_id: &message.message_id(),
        origin_topic: &message.topic,
    };
    send_back_record(member, &record, delay, max_attempts).await
}

/// A stored record to be sent back.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    /// Topic of the queue that it lies in.
    pub(crate) topic: &'a str,
    pub(crate) broker_name: &'a str,
    pub(crate) queue_id: i32,
    pub(crate) physical_offset: i64,
    pub(crate) message_id: &'a str,
    pub(crate) origin_topic: &'a str,
}

pub(crate) async fn send_back_record(
    member: &Member,
    record: &Record<'_>,
    delay: Delay,
    max_attempts: i32,
) -> Result<(), ConsumeError> {
    let instance = member.instance();
    let entry = instance.routes().find(record.topic).await?;
    let broker = entry
        .master_of(record.broker_name)
        .ok_or_else(|| RouteError::UnknownQueue {
            topic: record.topic.to_owned(),
            broker_name: record.broker_name.to_owned(),
            queue_id: record.queue_id,
        })?;
    let header = SendBack {
        offset: record.physical_offset,
        group: member.group(),
        delay_level: delay.level(),
        origin_msg_id: Some(record.message_id),
        origin_topic: Some(record.origin_topic),
        unit_mode: Some(false),
        max_reconsume_times: Some(max_attempts),
        broker_name: Some(record.broker_name),
    };
    instance
        .request(
            broker,
            Command::request(request::CONSUMER_SEND_MSG_BACK).with_header(&header),
        )
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_rounded_up_to_the_next_level() {
        let level = |ms| Delay::at_least(Duration::from_millis(ms)).level();
        assert_eq!(
            [0, 1_000, 1_001, 5_000, 7_200_000, 99_999_999].map(level),
            [1, 1, 2, 2, 18, 18]
        );
        assert_eq!(
            (Delay::ByAttempts.level(), Delay::DeadLetter.level()),
            (0, -1)
        );
    }
}
