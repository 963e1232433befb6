//! The key-value table of GET_BROKER_RUNTIME_INFO. All values are text; tools parse the rates' first token and expect
//! the others to be there.

use std::collections::BTreeMap;

use mainstem_record::{RecordView, topic};

use crate::broker_core::BrokerCore;

/// What the broker calls itself; tools print it. It names the release whose protocol is spoken.
const VERSION_NAME: &str = "V5_5_0";

/// Keys of thread pools that this broker does not have: nothing waits in a queue here.
const EMPTY_QUEUES: [&str; 15] = [
    "sendThreadPoolQueueSize",
    "sendThreadPoolQueueHeadWaitTimeMills",
    "pullThreadPoolQueueSize",
    "pullThreadPoolQueueHeadWaitTimeMills",
    "queryThreadPoolQueueSize",
    "queryThreadPoolQueueHeadWaitTimeMills",
    "EndTransactionQueueSize",
    "EndTransactionThreadPoolQueueHeadWaitTimeMills",
    "ackThreadPoolQueueSize",
    "ackThreadPoolQueueHeadWaitTimeMills",
    "timerReadBehind",
    "timerOffsetBehind",
    "timerCongestNum",
    "remainTransientStoreBufferNumbs",
    "pageCacheLockTimeMills",
];

fn duration_text(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    format!(
        "[ {days} days, {} hours, {} minutes, {} seconds ]",
        rest / 3600,
        rest % 3600 / 60,
        rest % 60
    )
}

impl BrokerCore {
    /// The broker's state as text. It may read from disk.
    pub fn runtime_info(&self) -> BTreeMap<String, String> {
        let stats = &self.stats;
        let marks = self.store.watermarks();
        let usage = self.store.usage();
        let mut table = BTreeMap::new();
        let mut put = |key: &str, value: String| {
            table.insert(key.to_owned(), value);
        };
        for key in EMPTY_QUEUES {
            put(key, "0".to_owned());
        }
        for key in ["timerEnqueueTps", "timerDequeueTps"] {
            put(key, "0.0".to_owned());
        }
        put("brokerVersionDesc", VERSION_NAME.to_owned());
        put(
            "brokerVersion",
            mainstem_common::remoting::head::VERSION.to_string(),
        );
        put("brokerActive", "true".to_owned());
        put("bootTimestamp", stats.started_ms.to_string());
        put("startAcceptSendRequestTimeStamp", "0".to_owned());
        put("runtime", duration_text(stats.started.elapsed().as_secs()));
        put("putTps", stats.put_rate.text());
        put("getTransferredTps", stats.transferred_rate.text());
        put("getTransferedTps", stats.transferred_rate.text());
        put("getFoundTps", stats.found_rate.text());
        put("getMissTps", stats.miss_rate.text());
        put("getTotalTps", stats.total_rate.text());
        let (put_yesterday, put_today) = stats.put_rate.mornings();
        let (got_yesterday, got_today) = stats.transferred_rate.mornings();
        put("msgPutTotalYesterdayMorning", put_yesterday.to_string());
        put("msgPutTotalTodayMorning", put_today.to_string());
        put("msgPutTotalTodayNow", stats.put_messages().to_string());
        put("msgGetTotalYesterdayMorning", got_yesterday.to_string());
        put("msgGetTotalTodayMorning", got_today.to_string());
        put("msgGetTotalTodayNow", stats.got_messages().to_string());
        put("putMessageTimesTotal", stats.put_messages().to_string());
        put("putMessageFailedTimes", stats.put_failed().to_string());
        put("putMessageSizeTotal", stats.put_bytes().to_string());
        let average = stats.put_bytes() as f64 / stats.put_messages().max(1) as f64;
        put("putMessageAverageSize", format!("{average:?}"));
        put("putMessageEntireTimeMax", "0".to_owned());
        put("getMessageEntireTimeMax", "0".to_owned());
        put("putMessageDistributeTime", String::new());
        put("commitLogDiskRatio", format!("{:?}", usage.disk_ratio));
        put("consumeQueueDiskRatio", format!("{:?}", usage.disk_ratio));
        put("diskStage", usage.stage.to_string());
        put("commitLogMinOffset", usage.min_position.to_string());
        put("commitLogMaxOffset", usage.max_position.to_string());
        put(
            "commitLogDirCapacity",
            format!("Free : {} B.", usage.available_bytes),
        );
        put(
            "remainHowManyDataToFlush",
            format!("{} B", marks.appended().saturating_sub(marks.flushed())),
        );
        put("remainHowManyDataToCommit", "0 B".to_owned());
        put(
            "dispatchBehindBytes",
            marks
                .appended()
                .saturating_sub(marks.readable())
                .to_string(),
        );
        put("dispatchMaxBuffer", "0".to_owned());
        let oldest = self.store.record_at(usage.min_position).ok().flatten();
        let oldest_ms = oldest.and_then(|record| {
            RecordView::parse(&record)
                .ok()
                .map(|view| view.store_timestamp_ms())
        });
        put(
            "earliestMessageTimeStamp",
            oldest_ms.unwrap_or(-1).to_string(),
        );
        put("parkedPulls", self.parked.len().to_string());
        for (level, offset) in self.delay_progress.durable(marks.durable()) {
            let end = self.store.queue_bounds(topic::SCHEDULE, level - 1).max;
            put(
                &format!("scheduleMessageOffset_{level}"),
                format!("{offset},{end}"),
            );
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_as_tools_show_it() {
        assert_eq!(
            duration_text(90_061),
            "[ 1 days, 1 hours, 1 minutes, 1 seconds ]"
        );
    }
}
