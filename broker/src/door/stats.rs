//! Statistics: codes 28, 202, 208, 303, 315, 317.

use mainstem_common::protocol::{BrokerStats, BrokerStatsWindow, ConsumeTimeSpanList, KvTable};
use mainstem_common::remoting::code::response;
use mainstem_common::remoting::headers::{BrokerStatsData, ConsumeStats, GroupAndTopic, Topic};
use mainstem_common::remoting::{ExtFields as _, HeaderError, Replies, Request};

use super::{Door, answer_body, refuse};
use crate::broker_core::BrokerCore;
use crate::stats::Window;

/// Runs what may read from disk on a blocking thread and answers with its body, or refuses.
fn answer_from_disk(
    door: &Door,
    replies: &mut Replies<'_>,
    work: impl FnOnce(&BrokerCore) -> Result<Vec<u8>, (i32, String)> + Send + 'static,
) {
    let (core, deferred) = (door.core.clone(), replies.defer());
    tokio::task::spawn_blocking(move || match work(&core) {
        Ok(body) => deferred.reply(response::SUCCESS).body(body).send(),
        Err((code, remark)) => deferred.reply(code).remark(&remark).send(),
    });
}

fn no_such_topic(topic: &str) -> (i32, String) {
    (
        response::TOPIC_NOT_EXIST,
        format!("topic[{topic}] not exist"),
    )
}

pub(super) fn topic_stats(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let topic = Topic::decode(&request.ext)?.topic.to_owned();
    answer_from_disk(door, replies, move |core| {
        core.topic_stats(&topic)
            .map(|stats| stats.to_json())
            .ok_or_else(|| no_such_topic(&topic))
    });
    Ok(())
}

pub(super) fn consume_stats(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = ConsumeStats::decode(&request.ext)?;
    let group = header.consumer_group.to_owned();
    let listed = header.topic_list.unwrap_or_default().split(';');
    let topics: Vec<String> = listed
        .chain(header.topic)
        .map(str::trim)
        .filter(|topic| !topic.is_empty())
        .map(str::to_owned)
        .collect();
    answer_from_disk(door, replies, move |core| {
        Ok(core.consume_stats(&group, &topics).to_json())
    });
    Ok(())
}

pub(super) fn broker_consume_stats(door: &Door, replies: &mut Replies<'_>) {
    answer_from_disk(door, replies, |core| {
        Ok(core.broker_consume_stats().to_json())
    });
}

pub(super) fn time_span(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = GroupAndTopic::decode(&request.ext)?;
    let (topic, group) = (header.topic.to_owned(), header.group.to_owned());
    answer_from_disk(door, replies, move |core| {
        let spans = core
            .consume_time_span(&topic, &group)
            .ok_or_else(|| no_such_topic(&topic))?;
        Ok(ConsumeTimeSpanList {
            consume_time_span_set: spans,
        }
        .to_json())
    });
    Ok(())
}

pub(super) fn counter(
    door: &Door,
    request: &Request<'_>,
    replies: &mut Replies<'_>,
) -> Result<(), HeaderError> {
    let header = BrokerStatsData::decode(&request.ext)?;
    let Some(counter) = door.core.counters.find(header.stats_name, header.stats_key) else {
        let remark = format!(
            "The stats <{}> <{}> not exist",
            header.stats_name, header.stats_key
        );
        refuse(replies, response::SYSTEM_ERROR, &remark);
        return Ok(());
    };
    let window = |window: Window| BrokerStatsWindow {
        avgpt: window.average,
        sum: window.sum as i64,
        tps: window.tps,
    };
    let body = BrokerStats {
        stats_day: window(counter.day()),
        stats_hour: window(counter.hour()),
        stats_minute: window(counter.minute()),
    };
    answer_body(door, replies, body.to_json());
    Ok(())
}

pub(super) fn runtime_info(door: &Door, replies: &mut Replies<'_>) {
    answer_from_disk(door, replies, |core| {
        Ok(KvTable {
            table: core.runtime_info(),
        }
        .to_json())
    });
}
