//! One message: its properties, its delay, its place in the log.

use std::sync::Arc;

use mainstem_record::{NewRecord, topic};

use super::properties::{self, Additions, Scheduled};
use super::{SendError, SendRequest, Sender, Sent};
use crate::broker_core::BrokerCore;
use crate::topics::Topic;

impl BrokerCore {
    pub(super) fn send_single(
        &self,
        sender: &mut Sender,
        topic: &Arc<Topic>,
        queue_id: i32,
        request: &SendRequest<'_>,
        may_delay: bool,
    ) -> Result<Sent, SendError> {
        let wishes = properties::wishes(request.properties)?;
        if wishes.transaction
            && !(request.reconsume_times > 0 && wishes.delay_level.is_some_and(|level| level > 0))
        {
            return Err(SendError::Transaction {
                broker: self.store_host,
            });
        }
        let delay = wishes.delay_level.filter(|level| *level > 0 && may_delay);
        if wishes.timer && delay.is_none() {
            return Err(SendError::Timer);
        }
        let scheduled = delay.map(|level| Scheduled {
            level: level.min(self.config.delay_levels.max_level()),
            real_topic: &topic.name,
            real_queue_id: queue_id,
        });
        let additions = Additions {
            region_id: &self.config.region_id,
            trace_on: self.live.trace_on(),
            cluster_name: &self.config.cluster_name,
        };
        let Sender {
            batch,
            properties: stored,
            new_key,
            unique_key,
            has_unique_key,
            ..
        } = sender;
        stored.clear();
        *unique_key = properties::write_stored(
            request.properties,
            &additions,
            scheduled.as_ref(),
            stored,
            |out| {
                new_key.clear();
                self.unique_keys.write_next(new_key);
                out.extend_from_slice(new_key.as_bytes());
            },
        );
        *has_unique_key = true;
        let (target, target_queue, slots) = match &scheduled {
            Some(scheduled) => (topic::SCHEDULE, scheduled.level - 1, None),
            None => (&*topic.name, queue_id, Some(&topic.slots)),
        };
        let record = NewRecord {
            topic: target,
            queue_id: target_queue,
            flag: request.flag,
            sys_flag: request.sys_flag,
            born_timestamp_ms: request.born_timestamp_ms,
            born_host: request.born_host,
            store_host: self.store_host,
            reconsume_times: request.reconsume_times,
            prepared_transaction_offset: 0,
            body: request.body,
            properties: stored,
        };
        let appended = match slots {
            Some(slots) => batch.append_with(slots, &record),
            None => batch.append(&record),
        }?;
        let size = u64::from(appended.size);
        sender.uncounted = (sender.uncounted.0 + 1, sender.uncounted.1 + size);
        Ok(Sent {
            queue_id,
            queue_offset: appended.queue_offset,
            physical_offset: appended.physical_offset,
            more_physical_offsets: Vec::new(),
            durable_at: appended.durable_at,
            waits_for_disk: !wishes.no_wait,
        })
    }
}
