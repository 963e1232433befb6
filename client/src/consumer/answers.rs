//! Answers to what brokers ask a consumer: that its group has changed (40), that offsets were reset (220), where it stands
//! (221) and how it is doing (307). They are what Java clients answer, for admin tools read them.

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstem_common::protocol::{
    ConsumerRunningInfo, ConsumerStatusTable, MessageQueue, ProcessQueueInfo, ResetOffsetTable,
};
use mainstem_common::remoting::code::{request, response};
use mainstem_common::remoting::headers::{ConsumerGroup, ConsumerStatus, ResetOffset};
use mainstem_common::remoting::{Command, PeerAnswer, headers};

use super::member::Member;
use super::reader::Reader;

const BYTES_PER_MIB: usize = 1024 * 1024;

/// The answer that any kind of consumer gives; `None` for a request that it does not know.
pub(crate) fn answer(member: &Arc<Member>, command: &Command) -> Option<PeerAnswer> {
    let reply = match command.code {
        request::NOTIFY_CONSUMER_IDS_CHANGED => {
            let mine = command
                .header::<ConsumerGroup<'_>>()
                .is_ok_and(|header| header.consumer_group == member.group());
            if mine {
                member.rebalance_soon();
            }
            Command::response(response::SUCCESS)
        }
        request::RESET_CONSUMER_CLIENT_OFFSET => reset_offsets(member, command),
        request::GET_CONSUMER_STATUS_FROM_CLIENT => status(member, command),
        request::GET_CONSUMER_RUNNING_INFO => match command
            .header::<headers::ConsumerRunningInfo<'_>>()
        {
            Ok(header) if header.consumer_group == member.group() => {
                Command::response(response::SUCCESS).with_body(running_info(member).to_json())
            }
            Ok(header) => wrong_group(header.consumer_group),
            Err(error) => Command::response(response::SYSTEM_ERROR).with_remark(error.to_string()),
        },
        _ => return None,
    };
    Some(Box::pin(std::future::ready(reply)))
}

/// The answer to a question about another group.
pub(crate) fn wrong_group(group: &str) -> Command {
    Command::response(response::SYSTEM_ERROR).with_remark(format!(
        "The Consumer Group <{group}> not exist in this consumer"
    ))
}

/// Starts the named queues at new offsets. What was pulled before is forgotten.
fn reset_offsets(member: &Arc<Member>, command: &Command) -> Command {
    let (header, table) = match (
        command.header::<ResetOffset<'_>>(),
        ResetOffsetTable::from_json(&command.body),
    ) {
        (Ok(header), Ok(table)) => (header, table),
        (Err(error), _) => {
            return Command::response(response::SYSTEM_ERROR).with_remark(error.to_string());
        }
        (_, Err(error)) => {
            return Command::response(response::SYSTEM_ERROR).with_remark(error.to_string());
        }
    };
    if header.group != member.group() {
        return wrong_group(header.group);
    }
    for (queue, offset) in table.offset_table {
        if queue.topic == header.topic && offset >= 0 && member.restart(&queue, offset) {
            tracing::info!(
                group = %header.group, topic = %queue.topic, broker = %queue.broker_name, queue = queue.queue_id, offset,
                "offset reset by an admin"
            );
        }
    }
    Command::response(response::SUCCESS)
}

fn status(member: &Member, command: &Command) -> Command {
    let topic = match command.header::<ConsumerStatus<'_>>() {
        Ok(header) => header.topic,
        Err(error) => {
            return Command::response(response::SYSTEM_ERROR).with_remark(error.to_string());
        }
    };
    let table = ConsumerStatusTable {
        message_queue_table: member
            .offsets()
            .all()
            .into_iter()
            .filter(|(queue, _)| queue.topic == topic)
            .collect(),
        ..ConsumerStatusTable::default()
    };
    Command::response(response::SUCCESS).with_body(table.to_json())
}

fn running_info(member: &Member) -> ConsumerRunningInfo {
    let settings = member.settings();
    let mut queues: Vec<(MessageQueue, ProcessQueueInfo)> = member
        .readers()
        .iter()
        .map(|reader| (reader.queue.clone(), queue_info(reader)))
        .collect();
    queues.sort_by(|a, b| a.0.cmp(&b.0));
    let properties = [
        ("PROP_CONSUME_TYPE", settings.consume_type.to_string()),
        (
            "PROP_NAMESERVER_ADDR",
            member.instance().name_servers().text(),
        ),
        ("PROP_CONSUMEORDERLY", "false".to_owned()),
        (
            "PROP_CLIENT_VERSION",
            format!("mainstem-{}", env!("CARGO_PKG_VERSION")),
        ),
    ];
    ConsumerRunningInfo {
        mq_table: queues,
        properties: properties
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        subscription_set: member
            .subscriptions()
            .iter()
            .map(|subscription| subscription.to_data())
            .collect(),
        status_table: BTreeMap::new(),
        ..ConsumerRunningInfo::default()
    }
}

fn queue_info(reader: &Reader) -> ProcessQueueInfo {
    let view = reader.process.view();
    ProcessQueueInfo {
        cached_msg_count: i32::try_from(view.messages).unwrap_or(i32::MAX),
        cached_msg_min_offset: view.first_offset,
        cached_msg_max_offset: view.last_offset,
        cached_msg_size_in_mib: i32::try_from(view.bytes / BYTES_PER_MIB).unwrap_or(i32::MAX),
        commit_offset: view.committable,
        droped: reader.is_stopped(),
        last_consume_timestamp: reader.last_handled_ms(),
        last_pull_timestamp: reader.last_pull_ms(),
        ..ProcessQueueInfo::default()
    }
}
